//go:build linux

package main

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/systemd"
)

// serviceManager receives what a process tells the service manager.
type serviceManager struct {
	t      *testing.T
	socket *net.UnixConn
	name   string
}

func newServiceManager(t *testing.T) *serviceManager {
	t.Helper()
	// The name of a unix socket has 107 bytes at most, which the name of a test may exceed.
	directory, err := os.MkdirTemp("", "notify")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	name := filepath.Join(directory, "socket")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_PASSCRED, 1)
	})
	if err = errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	return &serviceManager{t, socket, name}
}

// start starts the program as a service, on a free port.
func (m *serviceManager) start(env []string, args ...string) *child {
	m.t.Helper()
	return begin(m.t, program(append(env, "NOTIFY_SOCKET="+m.name), args...))
}

// next returns the next message that is neither a report to the watchdog nor a mere status.
func (m *serviceManager) next() string {
	m.t.Helper()
	for {
		message := m.receive(time.Now().Add(patience))
		if message == "" {
			m.t.Fatal("no message comes")
		}
		if message != "WATCHDOG=1\n" && !strings.HasPrefix(message, "STATUS=") {
			return message
		}
	}
}

// receive returns the next message, or "" if none has come at the deadline.
func (m *serviceManager) receive(deadline time.Time) string {
	m.t.Helper()
	message, _ := m.receiveFrom(deadline)
	return message
}

// receiveFrom returns the next message and the process that has sent it, or "" if none has come at the deadline.
func (m *serviceManager) receiveFrom(deadline time.Time) (message string, sender int) {
	m.t.Helper()
	if err := m.socket.SetReadDeadline(deadline); err != nil {
		m.t.Fatal(err)
	}
	buffer, control := make([]byte, 4096), make([]byte, 1024)
	n, controls, _, _, err := m.socket.ReadMsgUnix(buffer, control)
	if os.IsTimeout(err) {
		return "", 0
	}
	if err != nil {
		m.t.Fatal(err)
	}
	parts, err := syscall.ParseSocketControlMessage(control[:controls])
	if err != nil || len(parts) != 1 {
		m.t.Fatalf("%d control messages: %v", len(parts), err)
	}
	credentials, err := syscall.ParseUnixCredentials(&parts[0])
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buffer[:n]), int(credentials.Pid)
}

// fed returns how many reports to the watchdog have come and were not received.
func (m *serviceManager) fed() (reports int) {
	m.t.Helper()
	for {
		// A deadline that has passed would not even look.
		switch m.receive(time.Now().Add(20 * time.Millisecond)) {
		case "":
			return reports
		case "WATCHDOG=1\n":
			reports++
		}
	}
}

// awaitFed waits for a report to the watchdog.
func (m *serviceManager) awaitFed() {
	m.t.Helper()
	for deadline := time.Now().Add(patience); m.receive(deadline) != "WATCHDOG=1\n"; {
		if time.Now().After(deadline) {
			m.t.Fatal("the watchdog gets no report")
		}
	}
}

func (m *serviceManager) wantNext(prefix string, parts ...string) {
	m.t.Helper()
	got := m.next()
	if !strings.HasPrefix(got, prefix) {
		m.t.Fatalf("the manager is told %q, want %q", got, prefix)
	}
	for _, part := range parts {
		if !strings.Contains(got, part) {
			m.t.Errorf("the manager is told %q, which lacks %q", got, part)
		}
	}
}

// TestServiceManagerIsTold of the start, of reloads with what is wrong, and of the end.
func TestServiceManagerIsTold(t *testing.T) {
	m := newServiceManager(t)
	good := makePair(t, t.TempDir(), "a.test", nil)
	key, err := os.ReadFile(good.keyFile)
	if err != nil {
		t.Fatal(err)
	}
	c := m.start(nil, "serve", "--listen-tls", "127.0.0.1:0", "--tls-cert", good.certFile, "--tls-key", good.keyFile, "--shutdown-timeout", "7s", "--drain-delay", "10ms")
	m.wantNext("READY=1\nSTATUS=Serving\n")

	writeFile(t, good.keyFile, "no key")
	c.signal(syscall.SIGHUP)
	m.wantNext("RELOADING=1\nMONOTONIC_USEC=")
	m.wantNext("READY=1\nSTATUS=Serving: ", "; the reload at ", " failed: ", good.keyFile)
	wantCertificate(t, c, "a.test", good)

	writeFile(t, good.keyFile, string(key))
	c.signal(syscall.SIGHUP)
	m.wantNext("RELOADING=1\nMONOTONIC_USEC=")
	if got := m.next(); !strings.HasPrefix(got, "READY=1\nSTATUS=Serving: ") || strings.Contains(got, "failed") {
		t.Errorf("after a good reload the manager is told %q", got)
	}

	c.signal(syscall.SIGTERM)
	m.wantNext("STOPPING=1\nEXTEND_TIMEOUT_USEC=", "=12010000\n")
	if code := c.exit(); code != exitClean {
		t.Errorf("exit %d", code)
	}
}

func TestServiceManagerIsToldOfAWrongGatewayFile(t *testing.T) {
	m := newServiceManager(t)
	name := gatewayFile(t, "routes: {/: {respond: {status: 201}}}\n")
	c := m.start(nil, "gateway", "--listen", "127.0.0.1:0", "--config", name, "--shutdown-timeout", "0")
	m.wantNext("READY=1\nSTATUS=Serving\n")
	writeFile(t, name, "routes: {/: {respond: {status: 99}}}\n")
	c.signal(syscall.SIGHUP)
	m.wantNext("RELOADING=1\n")
	m.wantNext("READY=1\n", "99 is not a status from 200 to 599")
	if status, _ := c.get("/"); status != 201 {
		t.Errorf("status %d", status)
	}
	c.signal(syscall.SIGTERM)
	if got := m.next(); got != "STOPPING=1\n" {
		t.Errorf("without a limit of its own it tells the manager %q", got)
	}
}

// TestServiceManagerIsToldWithNothingToReload: systemctl reload would wait for READY.
func TestServiceManagerIsToldWithNothingToReload(t *testing.T) {
	m := newServiceManager(t)
	c := m.start(nil, "serve", "--listen", "127.0.0.1:0")
	m.wantNext("READY=1\n")
	c.signal(syscall.SIGHUP)
	m.wantNext("RELOADING=1\n")
	if got := m.next(); !strings.HasPrefix(got, "READY=1\n") || strings.Contains(got, "failed") {
		t.Errorf("the manager is told %q", got)
	}
}

// TestWatchdogOfTheManager: it gets reports while every loop turns, and none while one stands still.
func TestWatchdogOfTheManager(t *testing.T) {
	m := newServiceManager(t)
	c := m.start([]string{"WATCHDOG_USEC=200000"}, "serve", "--listen", "127.0.0.1:0", "--loops", "2",
		"--allow-stall", "--stall-timeout", "0", "--stall-warn", "20ms")
	m.awaitFed()
	stalling := c.dial()
	send(t, stalling, "GET /stall/3s HTTP/1.1\r\nHost: x\r\n\r\n")
	c.logs("/stall/3s")
	m.fed()
	wantStatus(t, stalling, http.StatusOK)
	// One may have been due when the stall began, and some may have come since its end.
	if reports := m.fed(); reports > 20 {
		t.Errorf("the watchdog got %d reports during a stall of 30 intervals", reports)
	}
	m.awaitFed()
}

// TestWatchdogOfTheManagerWaitsForOurOwn: a stall that the server is about to end does not restart the process.
func TestWatchdogOfTheManagerWaitsForOurOwn(t *testing.T) {
	m := newServiceManager(t)
	c := m.start([]string{"WATCHDOG_USEC=200000"}, "serve", "--listen", "127.0.0.1:0", "--loops", "1",
		"--allow-stall", "--stall-timeout", "2s", "--stall-warn", "20ms")
	m.awaitFed()
	blamed := c.dial()
	send(t, blamed, "GET /stall/10m HTTP/1.1\r\nHost: x\r\n\r\n")
	c.logs("/stall/10m")
	m.fed()
	if got := rest(t, blamed); got != "" {
		t.Errorf("the blamed connection got %q", got)
	}
	if reports := m.fed(); reports < 5 {
		t.Errorf("the watchdog got %d reports in a stall of 20 intervals that the server has ended itself", reports)
	}
	m.awaitFed()
}

// TestServiceManagerFollowsARestart: each message comes from the process that is the main one then, as a manager with
// NotifyAccess=main requires, and the new one feeds the watchdog.
func TestServiceManagerFollowsARestart(t *testing.T) {
	m := newServiceManager(t)
	r := beginReplaceable(t, program([]string{"NOTIFY_SOCKET=" + m.name, "WATCHDOG_USEC=2000000"}, "serve", "--listen", "127.0.0.1:0"))
	main := r.pid()
	var told []string
	until := func(message string) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; {
			got, sender := m.receiveFrom(deadline)
			if got == "" {
				t.Fatalf("the manager is not told %q, but %q", message, told)
			}
			told = append(told, got)
			if sender != main {
				t.Errorf("process %d tells %q, and the main one is %d", sender, got, main)
			}
			if pid, ok := strings.CutPrefix(got, "MAINPID="); ok {
				main, _ = strconv.Atoi(strings.TrimSpace(pid))
			}
			if strings.HasPrefix(got, message) {
				return
			}
		}
	}
	until("READY=1\n")
	until("WATCHDOG=1\n")
	old := main
	r.restart()
	until("MAINPID=")
	if main == old || main != r.pid() {
		t.Errorf("the main process is %d, the new one is %d and the old one %d", main, r.pid(), old)
	}
	until("READY=1\n")
	until("WATCHDOG=1\n")
	r.stops()
	until("STOPPING=1\n")
}

// TestNothingIsToldAfterAHandOver: the new main process tells everything from then on.
func TestNothingIsToldAfterAHandOver(t *testing.T) {
	m := newServiceManager(t)
	t.Setenv("NOTIFY_SOCKET", m.name)
	n := newNotify(zap.NewNop())
	n.phase = phaseServing
	if err := n.handOver(4711); err != nil {
		t.Fatal(err)
	}
	n.reloading()
	n.reloaded(nil)
	n.stopping(time.Second)
	if err := systemd.FromEnv().Status("the last message"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"MAINPID=4711\n", "STATUS=the last message\n"} {
		if got := m.receive(time.Now().Add(patience)); got != want {
			t.Errorf("the manager is told %q, want %q", got, want)
		}
	}
	if n.feed() {
		t.Error("the watchdog still gets reports")
	}
}

// TestAProcessThatStopsIsNotReady: SIGTERM may come before the process that it replaces has left everything to it.
func TestAProcessThatStopsIsNotReady(t *testing.T) {
	m := newServiceManager(t)
	t.Setenv("NOTIFY_SOCKET", m.name)
	n := newNotify(zap.NewNop())
	n.stopping(0)
	n.ready(nil, 0)
	if err := systemd.FromEnv().Status("the last message"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"STOPPING=1\n", "STATUS=the last message\n"} {
		if got := m.receive(time.Now().Add(patience)); got != want {
			t.Errorf("the manager is told %q, want %q", got, want)
		}
	}
}

// TestAFailedHandOverChangesNothing: the process stays the main one.
func TestAFailedHandOverChangesNothing(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "nobody"))
	n := newNotify(zap.NewNop())
	if err := n.handOver(4711); err == nil || n.phase == phaseHandedOver {
		t.Errorf("error %v, phase %d", err, n.phase)
	}
}
