//go:build linux

package server_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// tool runs a foreign client and returns its output. packet is its package in Debian.
func (s *site) tool(packet, name string, arguments ...string) string {
	s.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		s.t.Fatalf("%s is missing: apt-get install %s", name, packet)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, arguments...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestHTTP2Curl(t *testing.T) {
	s := serve(t, builtIn(t, ""))
	curl := func(arguments ...string) string {
		t.Helper()
		return s.tool("curl", "curl", append([]string{"-sS", "--http2-prior-knowledge", "--max-time", "20"}, arguments...)...)
	}
	if got := curl("-w", " %{http_version} %{http_code}", s.url("/")); got != "Hello, World! 2 200" {
		t.Errorf("got %q", got)
	}
	if got := curl("--raw", "-i", s.url("/trailers")); !strings.Contains(strings.ToLower(got), "content-bytes: ") {
		t.Errorf("no trailers in %q", got)
	}
	content := pattern(300_000)
	file := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := curl("--data-binary", "@"+file, s.url("/echo")); got != content {
		t.Errorf("echo gave %d bytes, or others", len(got))
	}
	if got := curl("-T", file, "-H", "Expect: 100-continue", "-X", "POST", s.url("/upload")); !strings.Contains(got, `"bytes":300000`) {
		t.Errorf("upload: %q", got)
	}
	if got := curl("-I", s.url("/bytes/1000")); !strings.Contains(got, "content-length: 1000") {
		t.Errorf("HEAD: %q", got)
	}
	// An offered upgrade is not taken.
	if got := s.tool("curl", "curl", "-sS", "--http2", "-w", " %{http_version}", s.url("/")); got != "Hello, World! 1.1" {
		t.Errorf("got %q", got)
	}
}

func TestHTTP2Nghttp(t *testing.T) {
	s := serve(t, builtIn(t, ""))
	out := s.tool("nghttp2-client", "nghttp", "-v", "-n", "-m", "16", s.url("/bytes/100000"))
	if n := strings.Count(out, ":status: 200"); n != 16 {
		t.Errorf("%d of 16 answered:\n%s", n, out)
	}
	total := 0
	for _, m := range regexp.MustCompile(`recv DATA frame <length=(\d+)`).FindAllStringSubmatch(out, -1) {
		n, _ := strconv.Atoi(m[1])
		total += n
	}
	if total != 16*100_000 {
		t.Errorf("%d bytes, want %d", total, 16*100_000)
	}
	if strings.Contains(out, "RST_STREAM") {
		t.Errorf("a stream was reset:\n%s", out)
	}
	file := filepath.Join(t.TempDir(), "content")
	if err := os.WriteFile(file, []byte(pattern(200_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	out = s.tool("nghttp2-client", "nghttp", "-d", file, "--trailer", "sent: a trailer", s.url("/echo"))
	if out != pattern(200_000) {
		t.Errorf("echo gave %d bytes, or others", len(out))
	}
}

// Load without one failure.
func TestHTTP2H2load(t *testing.T) {
	s := serve(t, builtIn(t, ""))
	const requests = 60_000
	out := s.tool("nghttp2-client", "h2load", "-n", fmt.Sprint(requests), "-c", "50", "-m", "100", s.url("/"))
	for _, want := range []string{
		fmt.Sprintf("requests: %d total, %[1]d started, %[1]d done, %[1]d succeeded, 0 failed, 0 errored, 0 timeout", requests),
		fmt.Sprintf("status codes: %d 2xx, 0 3xx, 0 4xx, 0 5xx", requests),
		fmt.Sprintf("(%d) data", requests*len("Hello, World!")),
	} {
		if !strings.Contains(out, want) {
			t.Errorf("not %q in:\n%s", want, out)
		}
	}
	if n := s.Counts().Responses["HTTP/2.0"][200]; n != requests {
		t.Errorf("%d responses counted", n)
	}
	out = s.tool("nghttp2-client", "h2load", "-n", "200", "-c", "4", "-m", "10", s.url("/bytes/200000"))
	if !strings.Contains(out, "200 succeeded, 0 failed, 0 errored") || !strings.Contains(out, "(40000000) data") {
		t.Errorf("large ones:\n%s", out)
	}
}

// Clients with tiny windows are served: nghttp with 1 byte, h2load with 255.
func TestHTTP2TinyWindows(t *testing.T) {
	s := serve(t, builtIn(t, ""))
	if got := s.tool("nghttp2-client", "nghttp", "-w", "1", s.url("/bytes/10000")); got != string(countingUp(10_000)) {
		t.Errorf("got %d bytes, or others", len(got))
	}
	out := s.tool("nghttp2-client", "h2load", "-w", "8", "-n", "100", "-c", "2", "-m", "10", s.url("/bytes/50000"))
	if !strings.Contains(out, "100 succeeded, 0 failed, 0 errored") || !strings.Contains(out, "(5000000) data") {
		t.Errorf("h2load:\n%s", out)
	}
}

// Node's client sends and receives on many streams of one connection.
func TestHTTP2Node(t *testing.T) {
	s := serve(t, builtIn(t, ""))
	out := s.tool("nodejs", "node", "-e", nodeScript, "http://"+s.addr)
	if want := "200 ok"; strings.TrimSpace(out) != want {
		t.Errorf("said %q, want %q", out, want)
	}
}

const nodeScript = `
const http2 = require('node:http2');
const session = http2.connect(process.argv[1]);
const size = 20000; // Node gives up by itself when 10 MB are under way
let good = 0, left = 200;
session.on('error', e => { console.log('session', e.message); process.exit(1); });
for (let i = 0; i < 200; i++) {
  const stream = session.request({ ':method': 'POST', ':path': '/echo' });
  let status = 0, got = 0, exact = true;
  stream.on('response', h => { status = h[':status']; });
  stream.on('data', d => { got += d.length; exact = exact && d.every(b => b === i % 256); });
  stream.on('error', e => console.log('stream', i, e.message));
  stream.on('close', () => {
    if (status === 200 && got === size && exact) good++;
    if (--left === 0) { console.log(good, 'ok'); session.close(); }
  });
  stream.end(Buffer.alloc(size, i % 256));
}
`
