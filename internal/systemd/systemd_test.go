//go:build linux

package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds a failure, not a success.
const patience = 30 * time.Second

// manager listens as a service manager does, and sets NOTIFY_SOCKET to name.
func manager(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "")
	t.Setenv("WATCHDOG_PID", "")
	return c
}

func received(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	n, err := c.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n])
}

func TestMessages(t *testing.T) {
	for kind, name := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@gatewheel-test-%d", os.Getpid()),
	} {
		t.Run(kind, func(t *testing.T) {
			c := manager(t, name)
			n := FromEnv()
			for _, step := range []struct {
				send func() error
				want string
			}{
				{func() error { return n.Ready("serves") }, "READY=1\nSTATUS=serves\n"},
				{func() error { return n.Ready("") }, "READY=1\n"},
				{func() error { return n.Status("two\nlines\r\n") }, "STATUS=two; lines\n"},
				{func() error { return n.MainPID(17) }, "MAINPID=17\n"},
				{n.Watchdog, "WATCHDOG=1\n"},
				{func() error { return n.Stopping(0) }, "STOPPING=1\n"},
				{func() error { return n.Stopping(1500 * time.Millisecond) }, "STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000\n"},
			} {
				if err := step.send(); err != nil {
					t.Fatalf("%q: %v", step.want, err)
				}
				if got := received(t, c); got != step.want {
					t.Errorf("got %q, want %q", got, step.want)
				}
			}
		})
	}
}

// TestReloadingHasTheTime: the manager takes a RELOADING for the answer to its signal only if it is not older.
func TestReloadingHasTheTime(t *testing.T) {
	c := manager(t, filepath.Join(t.TempDir(), "notify"))
	before := monotonic(t)
	if err := FromEnv().Reloading(); err != nil {
		t.Fatal(err)
	}
	got := received(t, c)
	m := regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=([0-9]+)\n$`).FindStringSubmatch(got)
	if m == nil {
		t.Fatalf("got %q", got)
	}
	if at, err := strconv.ParseInt(m[1], 10, 64); err != nil || at < before || at > monotonic(t) {
		t.Errorf("the time is %s, not from %d on", m[1], before)
	}
}

func monotonic(t *testing.T) (microseconds int64) {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

// TestAFullSocketDelaysLittle: a manager that reads nothing costs an error, and what waits for room is sent when there
// is some.
func TestAFullSocketDelaysLittle(t *testing.T) {
	c := manager(t, filepath.Join(t.TempDir(), "notify"))
	n := FromEnv()
	var err error
	messages := 0
	for ; err == nil && messages < 1_000_000; messages++ {
		err = n.Status("fills the socket")
	}
	if !errors.Is(err, errFull) {
		t.Fatalf("after %d messages: %v", messages, err)
	}
	if err := n.Watchdog(); !errors.Is(err, errFull) {
		t.Errorf("Watchdog: %v", err)
	}
	if err := n.Stopping(0); !errors.Is(err, errFull) {
		t.Errorf("Stopping: %v", err)
	}
	late := make(chan error, 1)
	go func() { late <- n.Ready("") }()
	received(t, c)
	if err := <-late; err != nil {
		t.Errorf("Ready, with room after a while: %v", err)
	}
}

func TestWithoutAManager(t *testing.T) {
	for _, socket := range []string{"", "relative/path", "vsock:2:1234"} {
		t.Setenv("NOTIFY_SOCKET", socket)
		t.Setenv("WATCHDOG_USEC", "1000000")
		n := FromEnv()
		if n != nil {
			t.Errorf("%q gives a Notifier", socket)
		}
		for _, err := range []error{n.Ready("x"), n.Reloading(), n.Stopping(0), n.Status("x"), n.MainPID(1), n.Watchdog()} {
			if err != nil {
				t.Errorf("%q: %v", socket, err)
			}
		}
		if every := n.WatchdogEvery(); every != 0 {
			t.Errorf("%q: a watchdog every %v", socket, every)
		}
	}
	for _, socket := range []string{filepath.Join(t.TempDir(), "nobody"), "/" + strings.Repeat("x", 200)} {
		t.Setenv("NOTIFY_SOCKET", socket)
		if err := FromEnv().Ready(""); err == nil {
			t.Errorf("%q: no error", socket)
		}
	}
}

func TestWatchdogInterval(t *testing.T) {
	manager(t, filepath.Join(t.TempDir(), "notify"))
	own, other := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	for _, step := range []struct {
		usec, pid string
		want      time.Duration
		left      string // WATCHDOG_PID for children
	}{
		{"30000000", own, 15 * time.Second, ""},
		{"30000000", "", 15 * time.Second, ""},
		{"30000000", other, 0, other},
		{"", own, 0, ""},
		{"0", own, 0, ""},
		{"soon", own, 0, ""},
	} {
		t.Setenv("WATCHDOG_USEC", step.usec)
		t.Setenv("WATCHDOG_PID", step.pid)
		if got := FromEnv().WatchdogEvery(); got != step.want {
			t.Errorf("%q for process %q: every %v, want %v", step.usec, step.pid, got, step.want)
		}
		if left := os.Getenv("WATCHDOG_PID"); left != step.left {
			t.Errorf("%q for process %q: children get WATCHDOG_PID=%q, want %q", step.usec, step.pid, left, step.left)
		}
	}
}
