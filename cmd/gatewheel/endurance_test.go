//go:build linux

package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A process that was stopped within a handler for longer than the timeout closes no connection when it continues.
func TestStoppedProcessKillsNothing(t *testing.T) {
	const timeout = time.Second
	c := serve(t, "--allow-stall", "--stall-warn", "20ms", "--stall-timeout", timeout.String(), "--loops", "1")
	busy := c.dial()
	send(t, busy, "GET /stall/400ms HTTP/1.1\r\nHost: x\r\n\r\n")
	c.logs("loop is stalled")
	c.signal(syscall.SIGSTOP)
	time.Sleep(timeout * 3 / 2) // what is tested, not what is waited for
	c.signal(syscall.SIGCONT)
	wantStatus(t, busy, http.StatusOK)
}

// With 256 descriptors and 400 clients the server serves those that it accepted, also while a loop is replaced, and
// accepts others when some leave.
func TestMoreClientsThanDescriptors(t *testing.T) {
	const clients, stay = 400, 100
	direct := program(nil, "serve", "--listen", "127.0.0.1:0", "--loops", "2", "--allow-stall", "--stall-timeout", "300ms")
	cmd := exec.Command("sh", append([]string{"-c", `ulimit -n 256; exec "$0" "$@"`, os.Args[0]}, direct.Args[1:]...)...)
	cmd.Env, cmd.SysProcAttr = direct.Env, direct.SysProcAttr
	c := begin(t, cmd)

	type answered struct {
		conn net.Conn
		err  error
	}
	answers := make(chan answered, clients)
	for range clients {
		conn := c.dial()
		go func() { answers <- answered{conn, getOn(conn, "/healthz")} }()
	}
	var staying []net.Conn
	for n := range clients {
		a := <-answers
		switch {
		case a.err != nil:
			t.Fatalf("client %d: %v", n, a.err)
		case len(staying) < stay:
			staying = append(staying, a.conn)
		case n == clients/2:
			// No other connection fails with the blamed one.
			send(t, a.conn, "GET /stall/10m HTTP/1.1\r\nHost: x\r\n\r\n")
			if got := rest(t, a.conn); got != "" {
				t.Errorf("the blamed connection got %q", got)
			}
		default:
			_ = a.conn.Close()
		}
	}
	for _, conn := range staying {
		if err := getOn(conn, "/healthz"); err != nil {
			t.Fatal(err)
		}
	}
}

func getOn(conn net.Conn, path string) error {
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return err
}
