//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is the time limit of every wait. It bounds a failure, not a success.
const patience = 30 * time.Second

// beGatewheel is the variable that makes the test binary run as the program.
const beGatewheel = "BE_GATEWHEEL"

// countGoroutines is the variable that makes it write the number of its goroutines to standard error at each SIGWINCH.
const countGoroutines = "COUNT_GOROUTINES"

func writeGoroutines() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGWINCH)
	for range asked {
		fmt.Fprintf(os.Stderr, "goroutines: %d\n", runtime.NumGoroutine())
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(beGatewheel) != "" {
		if os.Getenv(countGoroutines) != "" {
			go writeGoroutines()
		}
		main()
		return
	}
	os.Exit(m.Run())
}

// program returns a command that runs the program, with env added to its environment.
func program(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GATEWHEEL_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(append(cmd.Env, beGatewheel+"=1", "GORACE=atexit_sleep_ms=0"), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// toEnd runs the program until it ends by itself.
func toEnd(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := program(env, args...)
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	if e := cmd.Start(); e != nil {
		t.Fatal(e)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

// child is a running server.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	urls   []string // of the start-up line
	stdout *bufio.Reader
	pipe   *os.File // that stdout reads
	ended  chan struct{}
	stderr synced
}

// synced is a buffer that is read while a process writes to it.
type synced struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *synced) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *synced) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// serve starts a server, on a free loopback port unless args have an address.
func serve(t *testing.T, args ...string) *child {
	t.Helper()
	if !strings.Contains(strings.Join(args, " "), "--listen") {
		args = append([]string{"--listen", "127.0.0.1:0"}, args...)
	}
	return begin(t, program(nil, append([]string{"serve"}, args...)...))
}

// begin starts cmd and waits for its start-up line.
func begin(t *testing.T, cmd *exec.Cmd) *child {
	t.Helper()
	c := &child{t: t, cmd: cmd, ended: make(chan struct{})}
	if cmd.Stderr == nil {
		cmd.Stderr = &c.stderr
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	go func() {
		_ = cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-c.ended
		_ = r.Close()
		if t.Failed() {
			t.Logf("the server's log:\n%s", c.stderr.String())
		}
	})
	c.stdout, c.pipe = bufio.NewReader(r), r
	line := c.line()
	_, where, ok := strings.Cut(strings.TrimSpace(line), " listens on ")
	if !ok {
		t.Fatalf("the start-up line is %q", line)
	}
	c.urls = strings.Split(where, " and ")
	return c
}

// line returns the next line of standard output.
func (c *child) line() string {
	c.t.Helper()
	line, err := c.stdout.ReadString('\n')
	if err != nil {
		c.t.Fatalf("no line is printed: %v\n%s", err, c.stderr.String())
	}
	return line
}

func (c *child) address() string {
	return regexp.MustCompile(`^\w+://`).ReplaceAllString(c.urls[0], "")
}

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// exit waits until the server has ended and returns its code.
func (c *child) exit() int {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatal("the server does not end")
	}
	return c.cmd.ProcessState.ExitCode()
}

// logs waits until the log contains text.
func (c *child) logs(text string) {
	c.t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(c.stderr.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("the log never says %q", text)
		}
	}
}

// dial opens a connection, which is closed when the test ends.
func (c *child) dial() net.Conn {
	c.t.Helper()
	conn, err := net.DialTimeout("tcp", c.address(), patience)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// ask sends a request on a new connection and returns status and content.
func (c *child) ask(method, path, content string, fields ...string) (status int, text string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.address()+path, strings.NewReader(content))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	return answer(c.t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, request)
}

func (c *child) get(path string) (status int, text string) {
	c.t.Helper()
	return c.ask(http.MethodGet, path, "")
}

func answer(t *testing.T, client *http.Client, request *http.Request) (status int, text string) {
	t.Helper()
	client.Timeout = patience
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// send writes raw bytes.
func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// rest reads until the peer closes. A reset counts as a close.
func rest(t *testing.T, c net.Conn) string {
	t.Helper()
	got, err := io.ReadAll(c)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("waiting for the close: %v, after %d bytes that begin with %.200q", err, len(got), got)
	}
	return string(got)
}
