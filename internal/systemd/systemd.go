//go:build linux

// Package systemd reports the state of the process to the service manager that started it, by the protocol of
// sd_notify(3).
package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// sendTimeout is the time that a change of state waits for room in the manager's socket. Reports that the next one
// replaces do not wait.
const sendTimeout = time.Second

// Notifier sends messages to the service manager. A nil Notifier sends none. Its methods may be called from any
// goroutine but a loop's; their errors say why the message was not sent.
type Notifier struct {
	socket   net.UnixAddr
	watchdog time.Duration // 0: the manager does not watch the process
}

// FromEnv returns the Notifier for the socket in NOTIFY_SOCKET, or nil if that is not set or not a unix socket. It
// removes WATCHDOG_PID from the environment if that names this process, so that the manager's watchdog also applies to
// a process that is started with this environment and takes over.
func FromEnv() *Notifier {
	name := os.Getenv("NOTIFY_SOCKET")
	if !strings.HasPrefix(name, "/") && !strings.HasPrefix(name, "@") {
		return nil
	}
	n := &Notifier{socket: net.UnixAddr{Name: name, Net: "unixgram"}}
	n.watchdog, _ = daemon.SdWatchdogEnabled(false) // an interval that is no number is none
	if os.Getenv("WATCHDOG_PID") == strconv.Itoa(os.Getpid()) {
		_ = os.Unsetenv("WATCHDOG_PID")
	}
	return n
}

// Ready reports that the process serves: after its start, or after Reloading. status is a line for the operator;
// "" leaves the last one.
func (n *Notifier) Ready(status string) error {
	return n.send(sendTimeout, daemon.SdNotifyReady, withStatus(status))
}

// Reloading reports that the process reads its configuration again, which ends with Ready.
func (n *Notifier) Reloading() error {
	return n.send(sendTimeout, daemon.SdNotifyReloading, strings.TrimSuffix(daemon.SdNotifyMonotonicUsec(), "\n"))
}

// Stopping reports that the process ends, which takes at most limit; 0 leaves the limit to the manager, and a shorter
// one than its own does not shorten that. A process that has named another one with MainPID does not call it: the
// manager would stop the service.
func (n *Notifier) Stopping(limit time.Duration) error {
	extend := ""
	if limit > 0 {
		extend = "EXTEND_TIMEOUT_USEC=" + strconv.FormatInt(limit.Microseconds(), 10)
	}
	return n.send(sendTimeout, daemon.SdNotifyStopping, extend)
}

// MainPID reports that the process pid is the service's main process from now on. With NotifyAccess=main the manager
// takes it from the present main process only, and later messages from pid only.
func (n *Notifier) MainPID(pid int) error {
	return n.send(sendTimeout, "MAINPID="+strconv.Itoa(pid))
}

// Status reports a line for the operator, which systemctl status shows. It does not wait: the line is lost if the
// manager is behind.
func (n *Notifier) Status(text string) error {
	return n.send(0, withStatus(text))
}

// WatchdogEvery returns the time between two calls of Watchdog, half of what the manager allows; 0 if it does not
// watch the process.
func (n *Notifier) WatchdogEvery() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog / 2
}

// Watchdog reports that the process works. A manager that watches it ends a process that has not done so for twice
// WatchdogEvery. It does not wait, since a manager that is behind has earlier reports to read.
func (n *Notifier) Watchdog() error {
	return n.send(0, daemon.SdNotifyWatchdog)
}

// withStatus returns the assignment of text as one line, or "" for an empty text.
func withStatus(text string) string {
	if text == "" {
		return ""
	}
	return "STATUS=" + strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// send sends the assignments that are not empty as one message, and waits at most for timeout until the manager has
// room for it.
func (n *Notifier) send(timeout time.Duration, assignments ...string) error {
	if n == nil {
		return nil
	}
	var message strings.Builder
	for _, a := range assignments {
		if a != "" {
			message.WriteString(a + "\n")
		}
	}
	if message.Len() == 0 {
		return nil
	}
	// One socket a message: the manager's may be a new one after it has started again.
	c, err := net.DialUnix(n.socket.Net, nil, &n.socket)
	if err != nil {
		return fmt.Errorf("the service manager cannot be told: %w", err)
	}
	defer func() { _ = c.Close() }()
	if err = write(c, []byte(message.String()), timeout); err != nil {
		return fmt.Errorf("the service manager cannot be told: %w", err)
	}
	return nil
}

// errFull is the error of a message for which the manager's socket has no room.
var errFull = errors.New("it is behind with its messages")

// write sends one message, and waits at most for timeout until there is room for it.
func write(c *net.UnixConn, message []byte, timeout time.Duration) error {
	if timeout > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) (done bool) {
		for {
			if _, sent = syscall.Write(int(fd), message); sent != syscall.EINTR {
				return sent != syscall.EAGAIN || timeout == 0
			}
		}
	})
	if sent == syscall.EAGAIN {
		return errFull
	}
	return errors.Join(err, sent)
}
