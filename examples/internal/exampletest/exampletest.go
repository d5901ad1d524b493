//go:build linux

// Package exampletest builds and runs examples for tests.
package exampletest

import (
	"context"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// Patience bounds a failure, not a success.
const Patience = 30 * time.Second

// Run builds the program in directory name, runs it until the test ends and returns its address.
func Run(t *testing.T, name string) (address string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), filepath.Base(name))
	if out, err := exec.Command("go", "build", "-o", program, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address = testport.Address(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*Patience)
	c := exec.CommandContext(ctx, program, address)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGKILL) }
	var log strings.Builder
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return address
}

// Open sends a GET as soon as the server accepts connections.
func Open(t *testing.T, url string, fields ...string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	for {
		response, err := http.DefaultClient.Do(r)
		if err == nil {
			t.Cleanup(func() { response.Body.Close() })
			return response
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Expect sends a GET, whose content must contain want.
func Expect(t *testing.T, url, want string) {
	t.Helper()
	response := Open(t, url)
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || !strings.Contains(string(content), want) {
		t.Errorf("%s: %s %q, %v; want %q", url, response.Status, content, err, want)
	}
}
