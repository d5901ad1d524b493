//go:build linux

package nethttp_test

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// lineWriter passes on the lines of a log.
type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// ErrorLog gets a TLS handshake that has failed, in the words of net/http.
func TestErrorLogOfAHandshake(t *testing.T) {
	lines := make(lineWriter, 10)
	s := nethttptest.Start(t, nethttptest.H1TLS, &http.Server{ErrorLog: log.New(lines, "", 0)})
	conn, err := tls.Dial("tcp", s.Addr, &tls.Config{ServerName: "other.test"})
	if err == nil {
		_, _ = io.ReadAll(conn)
		t.Fatal("the client trusts the certificate")
	}
	select {
	case line := <-lines:
		if want := "http: TLS handshake error from 127.0.0.1:"; !strings.HasPrefix(line, want) {
			t.Errorf("the line is %q, want it to begin with %q", line, want)
		}
	case <-time.After(10 * time.Second):
		t.Error("no line")
	}
}
