//go:build linux

package nethttp_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// What was written before the deadline of writes has passed reaches the peer, and the response is not complete. Later
// writes fail too, whatever the deadline is then.
func TestWriteDeadlineInThePast(t *testing.T) {
	for _, mode := range []nethttptest.Mode{nethttptest.H1, nethttptest.H2TLS} {
		s := nethttptest.Start(t, mode, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			io.WriteString(w, "one")
			if err := c.Flush(); err != nil {
				t.Error("before the deadline: ", err)
			}
			for _, d := range []time.Duration{-time.Hour, time.Hour} {
				c.SetWriteDeadline(time.Now().Add(d))
				io.WriteString(w, "two")
				if err := c.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("with the deadline %v from now: %v", d, err)
				}
			}
		})})
		resp, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(content) != "one" || err == nil {
			t.Errorf("mode %v: the peer got %q, %v", mode, content, err)
		}
	}
}

// A response that is not begun by the deadline of writes is not sent.
func TestWriteDeadlineBeforeTheHead(t *testing.T) {
	for _, mode := range []nethttptest.Mode{nethttptest.H1, nethttptest.H2TLS} {
		s := nethttptest.Start(t, mode, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).SetWriteDeadline(time.Now().Add(-time.Hour))
		})})
		if resp, err := s.Client().Get(s.URL); err == nil {
			resp.Body.Close()
			t.Errorf("mode %v: the peer got %s", mode, resp.Status)
		}
	}
}
