// Package redistest starts Redis servers for tests.
package redistest

import (
	"bufio"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// Start starts a redis-server without persistence at an address, and waits until it accepts
// connections. stop kills it; the end of the test does so too.
func Start(t testing.TB, address string) (stop func()) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatalf("%v: .ci/tools installs it", err)
	}
	host, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(path, "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--daemonize", "no")
	cmd.Dir = t.TempDir()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(stop)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "eady to accept connections") {
			go io.Copy(io.Discard, out)
			return stop
		}
	}
	t.Fatalf("redis-server ended: %v", lines.Err())
	return nil
}
