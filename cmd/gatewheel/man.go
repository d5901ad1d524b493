//go:build linux

package main

import (
	"github.com/alecthomas/kong"

	"github.com/gatewheel/gatewheel/internal/manpage"
)

// manCommand is `gatewheel man`.
type manCommand struct{}

// Help returns the text below the first line of `gatewheel man --help`.
func (*manCommand) Help() string {
	return "Read it with: gatewheel man | man -l -. The Debian package has it in place."
}

// manualVariables are the environment variables that stand for no flag.
var manualVariables = [][2]string{
	{"LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES", "Listening sockets from a service manager, for systemd: and fd: in --listen; see sd_listen_fds(3)."},
	{"GOMAXPROCS", "Number of processors to use, and with it of event loops. By default that of the machine or of the control group."},
	{"GOGC", "How far memory grows between two garbage collections, in percent. By default the program sets it by what it holds."},
	{"GOMEMLIMIT", "Limit of memory, in place of that of the control group; see --memory-limit."},
	{"NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID", "Where a service manager is told the state of the process, and how often it wants a sign of life; see sd_notify(3)."},
	{"SSL_CERT_FILE, SSL_CERT_DIR", "Authorities that verify the certificates of servers, in place of those of the system; see --to-ca."},
}

var manualFiles = [][2]string{
	{"/etc/gatewheel/gateway.yaml", "The file of gatewheel-gateway.service of the Debian package: routes and backends. gatewheel check checks it."},
	{"/etc/gatewheel/gateway.env, /etc/gatewheel/gatewheel.env", "Environment variables of gatewheel-gateway.service and of gatewheel.service."},
}

var manualSignals = [][2]string{
	{"SIGINT, SIGTERM", "Drain, after --drain-delay, which another signal ends: no new connection is accepted, requests that have come are answered, for at most --shutdown-timeout. A further signal closes all connections."},
	{"SIGHUP", "Load certificates again, and the file of a gateway."},
	{"SIGUSR1", "Open the file of the access log again."},
	{"SIGUSR2", "Start the binary that is on disk, hand the listening sockets over to it, and drain. If it fails to become ready, this process serves on."},
	{"SIGPIPE", "Ignored."},
}

var manualExitCodes = [][2]string{
	{"0", "Stopped as asked, every answer delivered."},
	{"1", "It could not run, or connections were cut at the end, or gatewheel check has found a mistake."},
	{"64", "A flag or an environment variable is wrong."},
	{"70", "The watchdog found the process beyond repair. Start it again."},
}

// manualExamples are a sentence and commands each.
var manualExamples = [][2]string{
	{"The built-in application on port 8080, and over TLS with a certificate made at the start:",
		"gatewheel serve --listen :8080 --listen-tls :8443 --tls-self-signed\n"},
	{"A gateway in front of two servers that speak HTTP/2 without TLS:",
		"gatewheel gateway --listen :80 --to h2c://10.0.0.1:9000 --to h2c://10.0.0.2:9000\n"},
	{"Check the file of a gateway, ask what it does with a request, and run it with metrics for the operator:",
		"gatewheel check gateway.yaml\n" +
			"gatewheel explain gateway.yaml 'GET https://api.example.com/users/1'\n" +
			"gatewheel gateway --config gateway.yaml --admin 127.0.0.1:9090\n"},
	{"The same flags as environment variables:",
		"GATEWHEEL_CONFIG=gateway.yaml GATEWHEEL_ADMIN=127.0.0.1:9090 gatewheel gateway\n"},
}

// Run prints the manual page.
func (*manCommand) Run(s *streams, parsed *kong.Context) error {
	app := parsed.Model
	page := manpage.New(app, "HTTP server and gateway on event loops", programVersion(), commitDate)
	page.Section("DESCRIPTION")
	page.Paragraph(app.Help + " It forwards requests to other servers, or serves its built-in application, a target " +
		"for load tests. A handler that blocks its loop costs its own connection and no other.")
	page.Section("COMMANDS")
	serve, gateway := commandNamed(app, "serve"), commandNamed(app, "gateway")
	shared := manpage.InCommon(serve, gateway)
	for _, command := range app.Children {
		page.Command(command, shared)
	}
	page.Section("FLAGS OF EVERY COMMAND")
	page.Flags(app.Flags)
	page.Section("FLAGS OF SERVE AND GATEWAY")
	page.Paragraph(shared.Detail)
	page.Flags(shared.Flags)
	page.Section("ENVIRONMENT")
	page.Paragraph("The variable of each flag follows its text, in parentheses. The flag wins.")
	page.Items(manualVariables)
	page.Section("FILES")
	page.Items(manualFiles)
	page.Section("SIGNALS")
	page.Items(manualSignals)
	page.Section("EXIT STATUS")
	page.Items(manualExitCodes)
	page.Section("EXAMPLES")
	for _, example := range manualExamples {
		page.Paragraph(example[0])
		page.Verbatim(example[1])
	}
	page.Section("SEE ALSO")
	page.Paragraph("systemd.service(5), systemd.socket(5). The pages about the file of a gateway, metrics and deployment are in /usr/share/doc/gatewheel.")
	_, err := page.WriteTo(s.stdout)
	return err
}

func commandNamed(app *kong.Application, name string) *kong.Node {
	for _, command := range app.Children {
		if command.Name == name {
			return command
		}
	}
	panic("no command " + name)
}
