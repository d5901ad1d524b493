//go:build linux

package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// deadLogs are standard errors that take nothing, or fail.
var deadLogs = map[string]func(*testing.T) *os.File{
	"full pipe": func(t *testing.T) *os.File {
		r, w := pipe(t)
		fill(t, w)
		_ = r // stays open, and is never read
		return w
	},
	"closed pipe": func(t *testing.T) *os.File {
		r, w := pipe(t)
		_ = r.Close()
		return w
	},
	"full disk": func(t *testing.T) *os.File { return openFile(t, "/dev/full", os.O_WRONLY) },
	"stopped terminal": func(t *testing.T) *os.File {
		keyboard, terminal := pseudoTerminal(t)
		if _, err := keyboard.WriteString("\x13"); err != nil { // Ctrl-S
			t.Fatal(err)
		}
		return terminal
	},
	"deleted file": func(t *testing.T) *os.File {
		f := openFile(t, filepath.Join(t.TempDir(), "log"), os.O_WRONLY|os.O_CREATE)
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
		return f
	},
	"closed": func(*testing.T) *os.File { return nil },
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// fill writes to a pipe until it takes no more.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	fd := int(w.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := unix.Write(fd, make([]byte, 4096)); err == unix.EAGAIN {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}

func openFile(t *testing.T, name string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// pseudoTerminal returns both ends of a terminal: keyboard types what is written to it.
func pseudoTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard = openFile(t, "/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY)
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return keyboard, openFile(t, fmt.Sprint("/dev/pts/", number), os.O_RDWR|syscall.O_NOCTTY)
}

// serveInto starts a server whose log goes to a dead standard error.
func serveInto(t *testing.T, stderr *os.File, args ...string) *child {
	t.Helper()
	cmd := program(nil, append([]string{"serve", "--log-level", "debug"}, args...)...)
	if stderr == nil {
		cmd.Args = append([]string{"sh", "-c", `exec "$@" 2>&-`, "sh"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
		cmd.Path = toolPath(t, "sh")
	} else {
		cmd.Stderr = stderr
	}
	return begin(t, cmd)
}

// TestALogThatIsNotReadStopsNothing: a stalled loop is replaced, failures that are logged delay no other connection,
// and SIGTERM drains.
func TestALogThatIsNotReadStopsNothing(t *testing.T) {
	for name, open := range deadLogs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serveInto(t, open(t), "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-self-signed",
				"--loops", "1", "--allow-stall", "--stall-warn", "50ms", "--stall-timeout", "200ms", "--stall-restarts", "100")
			other := c.dial()
			ask := func() {
				t.Helper()
				send(t, other, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				wantStatus(t, other, http.StatusOK)
			}
			ask()
			blamed := c.dial()
			send(t, blamed, "GET /stall/10m HTTP/1.1\r\nHost: x\r\n\r\n")
			if got := rest(t, blamed); got != "" {
				t.Errorf("the connection that stalls the loop got %q", got)
			}
			ask()

			secure := strings.TrimPrefix(c.urls[1], "https://")
			for range 30 {
				stranger, err := net.DialTimeout("tcp", secure, patience)
				if err != nil {
					t.Fatal(err)
				}
				send(t, stranger, "not TLS at all\r\n")
				_ = stranger.SetDeadline(time.Now().Add(patience))
				rest(t, stranger)
				_ = stranger.Close()
				malformed := c.dial()
				send(t, malformed, "GET / HTTP/1.1\r\n\r\n")
				rest(t, malformed)
			}
			conn, err := tls.Dial("tcp", secure, &tls.Config{InsecureSkipVerify: true})
			if err != nil {
				t.Fatal(err)
			}
			send(t, conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			wantStatus(t, conn, http.StatusOK)
			_ = conn.Close()

			c.signal(syscall.SIGHUP)
			send(t, other, "GET /delay/200ms HTTP/1.1\r\nHost: x\r\n\r\n")
			arrived(t, c)
			c.signal(syscall.SIGTERM)
			wantStatus(t, other, http.StatusOK)
			_ = other.Close()
			if code := c.exit(); code != exitClean {
				t.Errorf("exit %d", code)
			}
		})
	}
}

// TestALogThatIsNotReadKeepsTheExitCode: that of the watchdog and that of a failed drain.
func TestALogThatIsNotReadKeepsTheExitCode(t *testing.T) {
	for name, open := range deadLogs {
		for _, format := range []string{"text", "json"} {
			t.Run(name+" "+format, func(t *testing.T) {
				t.Parallel()
				c := serveInto(t, open(t), "--listen", "127.0.0.1:0", "--log-format", format, "--loops", "1",
					"--allow-stall", "--stall-timeout", "100ms", "--stall-restarts", "1")
				for range 2 {
					blamed := c.dial()
					send(t, blamed, "GET /stall/10m HTTP/1.1\r\nHost: x\r\n\r\n")
					rest(t, blamed)
				}
				if code := c.exit(); code != exitStalled {
					t.Errorf("exit %d", code)
				}
				c = serveInto(t, open(t), "--listen", "127.0.0.1:0", "--log-format", format, "--shutdown-timeout", "100ms")
				send(t, c.dial(), "GET /delay/10s HTTP/1.1\r\nHost: x\r\n\r\n")
				arrived(t, c)
				c.signal(syscall.SIGTERM)
				if code := c.exit(); code != exitFailure {
					t.Errorf("exit %d", code)
				}
			})
		}
	}
}

// TestNobodyReadsStandardOutput: the start-up line is lost, and the server runs.
func TestNobodyReadsStandardOutput(t *testing.T) {
	for name, open := range deadLogs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.sock")
			cmd := program(nil, "serve", "--listen", "unix:"+path)
			if stdout := open(t); stdout != nil {
				cmd.Stdout = stdout
			} else {
				cmd.Args = append([]string{"sh", "-c", `exec "$@" >&-`, "sh"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
				cmd.Path = toolPath(t, "sh")
			}
			c := &child{t: t, cmd: cmd, ended: make(chan struct{})}
			cmd.Stderr = &c.stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			go func() {
				_ = cmd.Wait()
				close(c.ended)
			}()
			t.Cleanup(func() {
				_ = cmd.Process.Kill()
				<-c.ended
			})
			c.logs("listening")
			status, text := overUnix(t, path, "/")
			wantHello(t, status, text)
			c.signal(syscall.SIGTERM)
			if code := c.exit(); code != exitClean {
				t.Errorf("exit %d", code)
			}
		})
	}
}

// TestDroppedLinesAreCounted: in /count, and in the log once it is read again.
func TestDroppedLinesAreCounted(t *testing.T) {
	r, w := pipe(t)
	fill(t, w)
	c := serveInto(t, w, "--listen", "127.0.0.1:0")
	_ = w.Close()
	for deadline := time.Now().Add(patience); ; {
		for range 100 {
			c.signal(syscall.SIGHUP) // each is a line
		}
		_, text := c.get("/count")
		if strings.Contains(text, `"log-dropped":`) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing was dropped: %s", text)
		}
	}
	lines := make(chan string, 1)
	go func() {
		scanner := bufio.NewScanner(r)
		scanner.Buffer(nil, 4<<20)
		for scanner.Scan() {
			if strings.Contains(scanner.Text(), "log lines were dropped") {
				lines <- scanner.Text()
			}
		}
		close(lines)
	}()
	c.signal(syscall.SIGHUP)
	select {
	case line := <-lines:
		if !strings.Contains(line, `"lines": `) {
			t.Errorf("the line is %q", line)
		}
	case <-time.After(patience):
		t.Error("the log does not say how many lines were dropped")
	}
}
