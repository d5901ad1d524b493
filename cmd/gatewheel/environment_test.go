//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnknownVariablesAreWarnedAbout: a typo is, a variable of Kubernetes, of a flag, or of another command's flag is not.
func TestUnknownVariablesAreWarnedAbout(t *testing.T) {
	c := begin(t, program([]string{
		"GATEWHEEL_LISTEN=127.0.0.1:0", "GATEWHEEL_IDEL_TIMEOUT=5s", "GATEWHEEL_SERVICE_HOST=10.0.0.1",
		"GATEWHEEL_TO_CA=ca.pem",
		"GATEWHEEL_PORT=tcp://10.0.0.1:80", "GATEWHEEL_PORT_80_TCP_ADDR=10.0.0.1",
	}, "serve"))
	c.logs("listening")
	if got := c.stderr.String(); strings.Count(got, "unknown environment variable") != 1 || !strings.Contains(got, `"GATEWHEEL_IDEL_TIMEOUT"`) {
		t.Errorf("logged %s", got)
	}
}

// TestPassedSocketsThatNobodyServesAreWarnedAbout: a peer that connects to one would wait forever.
func TestPassedSocketsThatNobodyServesAreWarnedAbout(t *testing.T) {
	files := inherited(t, listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "tcp", "127.0.0.1:0"))
	for _, listen := range []string{"systemd:web", "fd:3", "127.0.0.1:0"} {
		cmd := program([]string{"LISTEN_FDS=3", "LISTEN_FDNAMES=web:admin:metrics"}, "serve", "--listen", listen)
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
		cmd.Path = toolPath(t, "sh")
		cmd.ExtraFiles = files
		c := begin(t, cmd)
		c.logs("listening")
		for i, name := range []string{"web", "admin", "metrics"} {
			warned := strings.Contains(c.stderr.String(), `"name": "`+name+`"`)
			if want := i > 0 || listen == "127.0.0.1:0"; warned != want {
				t.Errorf("--listen %s: warned about %s: %v, want %v", listen, name, warned, want)
			}
		}
	}
}

// TestEveryLineIsInTheChosenFormat: also the line of a usage error or a failure.
func TestEveryLineIsInTheChosenFormat(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	for _, c := range []struct {
		env  []string
		args []string
		code int
		says string
	}{
		{nil, []string{"serve", "--log-format", "json", "--loops", "many"}, exitUsage, "many"},
		{nil, []string{"serve", "--lissten", ":1", "--log-format=json"}, exitUsage, "--lissten"},
		{[]string{"GATEWHEEL_LOG_FORMAT=json"}, []string{"serve", "--listen", ""}, exitUsage, "--listen"},
		{[]string{"GATEWHEEL_LOG_FORMAT=json"}, []string{"serve", "--listen", "127.0.0.1:0", "--root", absent}, exitFailure, absent},
		{[]string{"GATEWHEEL_LOG_FORMAT=text"}, []string{"serve", "--log-format=json", "--listen-tls", ":0"}, exitUsage, "--tls-cert"},
	} {
		code, _, stderr := toEnd(t, c.env, c.args...)
		if code != c.code {
			t.Errorf("%q: exit %d, want %d", c.args, code, c.code)
		}
		var last struct{ Level, Msg, Time string }
		for line := range strings.Lines(stderr) {
			if err := json.Unmarshal([]byte(line), &last); err != nil || last.Time == "" {
				t.Errorf("%q: %q: %v", c.args, line, err)
			}
		}
		if last.Level != "error" || !strings.Contains(last.Msg, c.says) {
			t.Errorf("%q: the last line is %+v, want %q", c.args, last, c.says)
		}
	}
}

// TestStacksAreInTheChosenFormat: the watchdog's last report is one line of JSON.
func TestStacksAreInTheChosenFormat(t *testing.T) {
	c := serve(t, "--log-format", "json", "--allow-stall", "--stall-timeout", "100ms", "--stall-restarts", "1", "--loops", "1")
	for range 2 {
		blamed := c.dial()
		send(t, blamed, "GET /stall/10m HTTP/1.1\r\nHost: x\r\n\r\n")
		rest(t, blamed)
	}
	if code := c.exit(); code != exitStalled {
		t.Errorf("exit %d", code)
	}
	var last struct{ Level, Msg, Reason, Stacks string }
	for line := range strings.Lines(c.stderr.String()) {
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}
	if last.Msg != "aborted" || last.Reason == "" || !strings.Contains(last.Stacks, "goroutine ") {
		t.Errorf("the last line is %+v", last)
	}
}

// TestLowDescriptorLimitIsSaidAtTheStart: unless it suffices for --max-connections.
func TestLowDescriptorLimitIsSaidAtTheStart(t *testing.T) {
	for _, c := range []struct {
		limit string
		args  []string
		warns bool
	}{
		{"256", nil, true},
		{"256", []string{"--max-connections", "300"}, true},
		{"256", []string{"--max-connections", "20"}, false},
		{"8192", nil, false},
		{"8192", []string{"--max-connections", "10000"}, true},
	} {
		cmd := program(nil, append([]string{"serve", "--listen", "127.0.0.1:0", "--loops", "1"}, c.args...)...)
		cmd.Args = append([]string{"sh", "-c", "ulimit -n " + c.limit + `; exec "$@"`, "sh"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
		cmd.Path = toolPath(t, "sh")
		server := begin(t, cmd)
		server.logs("listening")
		if warned := strings.Contains(server.stderr.String(), "descriptor limit"); warned != c.warns {
			t.Errorf("limit %s, %q: warned is %v: %s", c.limit, c.args, warned, server.stderr.String())
		}
	}
}

func TestNoLimitIsSaidInWords(t *testing.T) {
	c := serve(t, "--shutdown-timeout", "0")
	c.signal(syscall.SIGTERM)
	c.exit()
	if got := c.stderr.String(); !strings.Contains(got, `"at_most": "no limit"`) || strings.Contains(got, `"0s"`) {
		t.Errorf("logged %s", got)
	}
}

// TestSignalsWhileAFileBlocks: a certificate that cannot be read to its end keeps no SIGTERM waiting.
func TestSignalsWhileAFileBlocks(t *testing.T) {
	pair := makePair(t, t.TempDir(), "a.test", nil)
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-cert", pair.certFile, "--tls-key", pair.keyFile)
	if err := os.Remove(pair.certFile); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(pair.certFile, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.signal(syscall.SIGHUP)
	}
	c.signal(syscall.SIGTERM)
	if code := c.exit(); code != exitClean {
		t.Errorf("exit %d", code)
	}
}
