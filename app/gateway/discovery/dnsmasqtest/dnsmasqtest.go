//go:build linux

// Package dnsmasqtest runs dnsmasq, a name server of Debian, for tests.
package dnsmasqtest

import (
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// patience bounds a failure, not a success.
const patience = 30 * time.Second

// Server is a running dnsmasq for the names below test. Its answers live for one second.
type Server struct {
	// Address is the address of the server, for UDP and TCP.
	Address string

	t       *testing.T
	program string
	hosts   string // the path of a file in the form of hosts(5)
	command *exec.Cmd
}

// Start starts a server of these hosts, in the form of hosts(5), with further options, such
// as --srv-host. It ends with the test.
func Start(t *testing.T, hosts string, options ...string) *Server {
	t.Helper()
	program, err := exec.LookPath("dnsmasq")
	if err != nil {
		program = "/usr/sbin/dnsmasq" // not in the path of every user
	}
	s := &Server{t: t, program: program, Address: testport.Address(t), hosts: filepath.Join(t.TempDir(), "hosts")}
	s.write(hosts)
	s.start(options)
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) start(options []string) {
	s.t.Helper()
	me, err := user.Current()
	if err != nil {
		s.t.Fatal(err)
	}
	port := s.Address[len("127.0.0.1:"):]
	s.command = exec.Command(s.program, append([]string{"--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
		"--no-daemon", "--listen-address=127.0.0.1", "--bind-interfaces", "--port=" + port, "--addn-hosts=" + s.hosts, "--local-ttl=1",
		"--user=" + me.Username, "--local=/test/"}, options...)...)
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.command.Start(); err != nil {
		s.t.Fatalf("%v: .ci/tools installs dnsmasq", err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if conn, err := net.Dial("tcp", s.Address); err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			s.t.Fatal("dnsmasq does not start")
		}
	}
}

func (s *Server) write(hosts string) {
	s.t.Helper()
	if err := os.WriteFile(s.hosts, []byte(hosts), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// SetHosts replaces the hosts.
func (s *Server) SetHosts(hosts string) {
	s.t.Helper()
	s.write(hosts)
	_ = s.command.Process.Signal(syscall.SIGHUP)
}

// Restart restarts the server with other options.
func (s *Server) Restart(options ...string) {
	s.t.Helper()
	s.Stop()
	s.start(options)
}

// Pause lets questions go unanswered until Resume.
func (s *Server) Pause() { _ = s.command.Process.Signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (s *Server) Resume() { _ = s.command.Process.Signal(syscall.SIGCONT) }

// Stop ends the server: questions are refused.
func (s *Server) Stop() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}
