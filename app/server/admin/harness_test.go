//go:build linux

package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
)

// patience is the time limit of every wait.
const patience = 30 * time.Second

// running is an admin server that serves.
type running struct {
	t *testing.T
	*Server
	address string // HOST:PORT, or the path of a socket
	network string
}

func start(t *testing.T, address, tokenFile string, options Options) *running {
	t.Helper()
	l, err := Listen(address, tokenFile)
	if err != nil {
		t.Fatal(err)
	}
	s := New(l, options)
	s.Serve()
	t.Cleanup(s.Close)
	return &running{t, s, l.Addr().String(), l.Addr().Network()}
}

// ask sends a request with these fields, Host among them, which is the address if it is not given, and returns the
// response with its content.
func (r *running) ask(method, target string, fields ...string) (*http.Response, string) {
	r.t.Helper()
	c, err := net.DialTimeout(r.network, r.address, patience)
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	var head bytes.Buffer
	head.WriteString(method + " " + target + " HTTP/1.1\r\nConnection: close\r\n")
	if !strings.Contains("\n"+strings.Join(fields, "\n"), "\nHost: ") {
		host := r.address
		if r.network == "unix" {
			host = "localhost"
		}
		fields = append(fields, "Host: "+host)
	}
	for _, f := range fields {
		head.WriteString(f + "\r\n")
	}
	if _, err := c.Write(append(head.Bytes(), "\r\n"...)); err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		r.t.Fatal(err)
	}
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, string(content)
}

func (r *running) want(status int, method, target string, fields ...string) string {
	r.t.Helper()
	resp, content := r.ask(method, target, fields...)
	if resp.StatusCode != status {
		r.t.Errorf("%s %s %q: %d %q, want %d", method, target, fields, resp.StatusCode, content, status)
	}
	return content
}

// get reads JSON.
func (r *running) get(target string, v any) {
	r.t.Helper()
	content := r.want(http.StatusOK, "GET", target)
	if err := json.Unmarshal([]byte(content), v); err != nil {
		r.t.Fatalf("%s: %v: %s", target, err, content)
	}
}

const rightToken = "0123456789abcdef0123456789abcdef"

func tokenFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// commanded has what the commands have done.
type commanded struct {
	level   zap.AtomicLevel
	drains  atomic.Int64
	reloads atomic.Int64
	wrong   atomic.Pointer[error] // of the next reload
}
