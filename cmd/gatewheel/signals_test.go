//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/http2"
)

// TestDrain: requests in progress are answered, idle connections closed, and the exit code is 0.
func TestDrain(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := serve(t, "--loops", "1")
			idle := c.dial()
			send(t, idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			wantStatus(t, idle, http.StatusOK)
			busy := c.dial()
			send(t, busy, "GET /delay/300ms HTTP/1.1\r\nHost: x\r\n\r\n")
			arrived(t, c)
			c.signal(s)
			if got := rest(t, busy); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
				t.Errorf("the request under way was answered %q", got)
			}
			_ = busy.Close()
			rest(t, idle)
			_ = idle.Close()
			if code := c.exit(); code != exitClean {
				t.Errorf("exit %d", code)
			}
		})
	}
}

// TestDrainEndsEventStreams: an endless event stream gets a proper end at once, without which curl would fail, and
// the exit code is 0.
func TestDrainEndsEventStreams(t *testing.T) {
	for _, version := range []string{"--http1.1", "--http2-prior-knowledge"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			c := serve(t, "--shutdown-timeout", "0")
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			curl := exec.CommandContext(ctx, toolPath(t, "curl"), "-sSN", version, c.urls[0]+"/events?every=1h")
			var complaint bytes.Buffer
			curl.Stderr = &complaint
			out, err := curl.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := curl.Start(); err != nil {
				t.Fatal(err)
			}
			const event = "id: 1\ndata: 1\n\n"
			first := make([]byte, len(event))
			if _, err := io.ReadFull(out, first); string(first) != event {
				t.Fatalf("the first event is %q, %v", first, err)
			}
			c.signal(syscall.SIGTERM)
			more, _ := io.ReadAll(out)
			if err := curl.Wait(); len(more) > 0 || err != nil {
				t.Errorf("the stream goes on with %q and ends with %v: %s", more, err, complaint.String())
			}
			if code := c.exit(); code != exitClean {
				t.Errorf("exit %d", code)
			}
		})
	}
}

// arrived waits until earlier requests have reached their handlers: with a single loop a later connection is answered
// later.
func arrived(t *testing.T, c *child) {
	t.Helper()
	if status, _ := c.get("/healthz"); status != http.StatusOK {
		t.Fatalf("/healthz answered %d", status)
	}
}

// testDrainDelay: after the first signal /readyz says no, requests are answered, and their connections end. The second
// signal begins the drain, and the third cuts it.
func testDrainDelay(t *testing.T) {
	c := serve(t, "--drain-delay", "1h", "--shutdown-timeout", "1h", "--admin", "127.0.0.1:0", "--loops", "1", "--request-timeout", "0")
	busy := c.dial()
	send(t, busy, "GET /delay/1h HTTP/1.1\r\nHost: x\r\n\r\n")
	arrived(t, c)
	c.signal(syscall.SIGTERM)
	c.logs("not ready, but serving until the drain")
	for status := 0; status != http.StatusServiceUnavailable; status, _ = c.get("/readyz") {
	}
	wantAsked(t, http.StatusServiceUnavailable, "draining", "GET", adminURL(c)+"/readyz")
	wantAsked(t, http.StatusAccepted, "draining since before", "POST", adminURL(c)+"/drain")
	conn := c.dial()
	send(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := rest(t, conn); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.Contains(got, "Connection: close\r\n") {
		t.Errorf("a newcomer was answered %q", got)
	}
	if log := c.stderr.String(); strings.Contains(log, "draining") {
		t.Error("it drains at the first signal")
	}
	c.signal(syscall.SIGTERM)
	c.logs("draining")
	c.signal(syscall.SIGINT)
	if code := c.exit(); code != exitFailure {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(c.stderr.String(), "gatewheel: another signal came") {
		t.Errorf("stderr is %q", c.stderr.String())
	}
}

func testShutdownTimeout(t *testing.T) {
	c := serve(t, "--shutdown-timeout", "100ms", "--loops", "1", "--request-timeout", "0")
	busy := c.dial()
	send(t, busy, "GET /delay/1h HTTP/1.1\r\nHost: x\r\n\r\n")
	arrived(t, c)
	c.signal(syscall.SIGTERM)
	if code := c.exit(); code != exitFailure {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(c.stderr.String(), "gatewheel: connections were still busy after 100ms") {
		t.Errorf("stderr is %q", c.stderr.String())
	}
	if got := rest(t, busy); strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("answered %q", got)
	}
}

func TestAShutdownTimeoutOf0IsNoLimit(t *testing.T) {
	c := serve(t, "--shutdown-timeout", "0", "--loops", "1")
	busy := c.dial()
	send(t, busy, "GET /delay/300ms HTTP/1.1\r\nHost: x\r\n\r\n")
	arrived(t, c)
	c.signal(syscall.SIGTERM)
	if code := c.exit(); code != exitClean {
		t.Errorf("exit %d: %s", code, c.stderr.String())
	}
	if got := rest(t, busy); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("answered %q", got)
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	c := serve(t, "--shutdown-timeout", "1h", "--loops", "1", "--request-timeout", "0")
	busy := c.dial()
	send(t, busy, "GET /delay/1h HTTP/1.1\r\nHost: x\r\n\r\n")
	arrived(t, c)
	c.signal(syscall.SIGTERM)
	c.logs("stopping")
	c.signal(syscall.SIGHUP)
	c.signal(syscall.SIGINT)
	if code := c.exit(); code != exitFailure {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(c.stderr.String(), "gatewheel: another signal came") {
		t.Errorf("stderr is %q", c.stderr.String())
	}
}

// TestReadyzWhileDraining uses an HTTP/2 connection, which accepts streams until its client has seen GOAWAY.
func TestReadyzWhileDraining(t *testing.T) {
	c := serve(t, "--loops", "1")
	h := c.http2()
	h.get(1, "/readyz")
	wantH2Status(t, h, 1, http.StatusOK)
	h.get(3, "/delay/500ms")
	arrived(t, c)
	c.signal(syscall.SIGTERM)
	h.until("GOAWAY", func(f http2.Frame) bool {
		_, ok := f.(*http2.GoAwayFrame)
		return ok
	})
	h.get(5, "/readyz")
	wantH2Status(t, h, 5, http.StatusServiceUnavailable)
	wantH2Status(t, h, 3, http.StatusOK)
	if err := h.conn.Close(); err != nil {
		t.Fatal(err)
	}
	if code := c.exit(); code != exitClean {
		t.Errorf("exit %d", code)
	}
}

func wantH2Status(t *testing.T, h *h2Conn, stream uint32, want int) {
	t.Helper()
	h.until("response", func(f http2.Frame) bool {
		m, ok := f.(*http2.MetaHeadersFrame)
		if ok && m.StreamID == stream && m.PseudoValue("status") != fmt.Sprint(want) {
			t.Errorf("stream %d answered %s, want %d", stream, m.PseudoValue("status"), want)
		}
		return ok && m.StreamID == stream
	})
}
