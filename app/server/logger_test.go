//go:build linux

package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// panics panics for /panic, and says hello otherwise.
func panics(r *app.Request) app.Answer {
	if r.RawPath == "/panic" {
		panic("out of order")
	}
	return hello(r)
}

// servePanics is a child without a Logger. It says its address and what was counted.
func servePanics(in io.Reader, out io.Writer) error {
	s, err := server.New(server.Config{Handler: panics, Listen: []string{"127.0.0.1:0"}, Loops: 2})
	if err != nil {
		return err
	}
	if err := s.Start(context.Background()); err != nil {
		return err
	}
	fmt.Fprintln(out, s.Addrs()[0])
	_, _ = io.Copy(io.Discard, in)
	fmt.Fprintln(out, s.Counts().Panics)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(over); err != nil && err != context.Canceled {
		return err
	}
	return nil
}

// panicTimes has the child's handler panic n times and then answer, and returns the number of panics that it counts.
func panicTimes(t *testing.T, n int, stderr *os.File) string {
	t.Helper()
	c := startChildInto(t, "panics", stderr)
	s := c.site()
	client := s.client()
	for range n {
		response, err := client.Get(s.url("/panic"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != 500 {
			t.Fatal(response.Status)
		}
	}
	response, err := client.Get(s.url("/"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	_ = c.in.Close()
	return c.told()
}

// A program without a Logger sees what fails.
func TestWithoutALoggerLinesGoToStandardError(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text := make(chan string, 1)
	go func() {
		all, _ := io.ReadAll(r)
		text <- string(all)
	}()
	panicTimes(t, 1, w)
	w.Close()
	got := <-text
	if !strings.Contains(got, "panic in the application") || !strings.Contains(got, "out of order") || !strings.Contains(got, "panics(") {
		t.Errorf("standard error has %q", got)
	}
}

// Standard errors that take nothing, or fail, neither stop nor end the program.
func TestADeadStandardErrorStopsNothing(t *testing.T) {
	for name, open := range map[string]func(*testing.T) *os.File{
		"full pipe":   fullPipe,
		"closed pipe": closedPipe,
		"full disk": func(t *testing.T) *os.File {
			f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			return f
		},
	} {
		t.Run(name, func(t *testing.T) {
			stderr := open(t)
			defer stderr.Close()
			if n := panicTimes(t, 100, stderr); n != "100" {
				t.Errorf("%s panics are counted", n)
			}
		})
	}
}

func closedPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	return w
}

func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	fd := int(w.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = unix.Write(fd, make([]byte, 4<<10))
	}
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	return w
}

// startChildInto is startChild with another standard error.
func startChildInto(t *testing.T, name string, stderr *os.File) *child {
	t.Helper()
	return startCommand(t, name, func(cmd *exec.Cmd) { cmd.Stderr = stderr })
}

// zap adds stacks to errors in its usual configuration. They would be those of the loop, behind that of the panic.
func TestAPanicLineHasOneStack(t *testing.T) {
	var lines bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&lines), zap.InfoLevel)
	s := serve(t, panics, func(c *server.Config) { c.Logger = zap.New(core, zap.AddStacktrace(zap.ErrorLevel)) })
	failOnce(t, s)
	line := map[string]any{}
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, lines.String())
	}
	if stack, _ := line["stack"].(string); !strings.Contains(stack, "panics(") {
		t.Errorf("the stack is %q", stack)
	}
	if line["stacktrace"] != nil {
		t.Errorf("there is a second stack: %v", line["stacktrace"])
	}
}

// failOnce has the handler panic once, and stops the server, which writes its log.
func failOnce(t *testing.T, s *site) {
	t.Helper()
	response, err := s.client().Get(s.url("/panic"))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusInternalServerError {
		t.Error(response.Status)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSlogInPlaceOfZap(t *testing.T) {
	var lines bytes.Buffer
	s := serve(t, panics, func(c *server.Config) {
		c.Logger, c.Slog = nil, slog.New(slog.NewJSONHandler(&lines, nil))
	})
	failOnce(t, s)
	var line struct{ Level, Msg, Value, Stack string }
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, lines.String())
	}
	if line.Level != "ERROR" || line.Msg != "panic in the application" || line.Value != "out of order" || !strings.Contains(line.Stack, "panics(") {
		t.Errorf("the line is %+v", line)
	}
	if _, err := server.New(server.Config{
		Handler: hello, Listen: []string{"127.0.0.1:0"}, Logger: zap.NewNop(), Slog: slog.New(slog.DiscardHandler),
	}); err == nil || !strings.Contains(err.Error(), "both set") {
		t.Errorf("two logs: %v", err)
	}
}
