//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// resident returns the resident memory of the server's process, in bytes.
func (c *child) resident() int {
	c.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kilobytes int
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		c.t.Fatal(err)
	}
	return kilobytes << 10
}

// comesToRest waits until the byte counters grow by no more than the requests for them.
func (c *child) comesToRest() {
	c.t.Helper()
	const question = 8 << 10
	last := uint64(0)
	for deadline := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		_, text := c.get("/count")
		var n struct {
			In  uint64 `json:"bytes_in"`
			Out uint64 `json:"bytes_out"`
		}
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			c.t.Fatal(err)
		}
		if n.In+n.Out-last < question {
			return
		}
		last = n.In + n.Out
		if time.Now().After(deadline) {
			c.t.Fatal("it goes on for ever")
		}
	}
}

// endless is content without an end. It reports its first read, which follows the request's head.
type endless struct {
	began chan<- error
	read  bool
}

func (e *endless) Read(p []byte) (int, error) {
	if !e.read {
		e.read = true
		e.began <- nil
	}
	return len(p), nil
}

// TestSlowPeersHoldNoMemory: a peer that does not read a large response, and an upload that the application reads
// slowly, hold little memory, with and without TLS.
func TestSlowPeersHoldNoMemory(t *testing.T) {
	// The race detector multiplies the memory of a connection.
	const peers, each = 32, 4 << 20
	for _, version := range []int{1, 2} {
		for i, scheme := range []string{"http", "https"} {
			for _, direction := range []string{"download", "upload"} {
				t.Run(fmt.Sprintf("%s, %s, HTTP/%d", direction, scheme, version), func(t *testing.T) {
					t.Parallel()
					c := serve(t, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-self-signed")
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					began := make(chan error, peers)
					before := c.resident()
					for range peers {
						tr := transport(version, scheme == "https")
						defer tr.CloseIdleConnections()
						go func() {
							method, path, content := "GET", "/bytes/1GiB", io.Reader(nil)
							if direction == "upload" {
								method, path, content = "POST", "/upload?rate=1", &endless{began: began}
							}
							request, err := http.NewRequestWithContext(ctx, method, c.urls[i]+path, content)
							if err != nil {
								began <- err
								return
							}
							response, err := tr.RoundTrip(request)
							if direction == "upload" {
								return // the test is over
							}
							if err == nil {
								_, err = io.ReadFull(response.Body, make([]byte, 1000))
							}
							began <- err
						}()
					}
					for range peers {
						if err := <-began; err != nil {
							t.Fatal(err)
						}
					}
					c.comesToRest()
					if grown := c.resident() - before; grown > peers*each {
						t.Errorf("%d bytes more for %d slow peers, want at most %d each", grown, peers, each)
					} else {
						t.Logf("%d KB for each of %d slow peers", grown/peers>>10, peers)
					}
				})
			}
		}
	}
}

// TestFloodsHoldBoundedMemory: memory for /ws/flood is bounded for any number of sockets and sizes of messages.
func TestFloodsHoldBoundedMemory(t *testing.T) {
	t.Parallel()
	// The race detector multiplies the memory that is used.
	const sockets, most = 40, 256 << 20
	c := serve(t)
	before := c.resident()
	for i := range sockets {
		c.webSocket(fmt.Sprintf("/ws/flood?size=%d", 16<<20-i))
	}
	c.comesToRest()
	if grown := c.resident() - before; grown > most {
		t.Errorf("%d bytes more for %d sockets, want at most %d", grown, sockets, most)
	} else {
		t.Logf("%d KB for %d sockets", grown>>10, sockets)
	}
}
