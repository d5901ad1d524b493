//go:build linux

package server_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	kinds "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
)

func TestUpstreamRefused(t *testing.T) {
	b := scripted(t)
	b.Close()
	d := queries(t).begin(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
	wantFailure(t, d.end(), kinds.ConnectFail, false, true)
}

// wantFailure checks a failure of a call or connection.
func wantFailure(t *testing.T, err error, kind kinds.Kind, sent, safe bool) {
	t.Helper()
	failure, ok := err.(*kinds.Error)
	if !ok || failure.Kind != kind || failure.Sent != sent || failure.Safe != safe {
		t.Errorf("failed with %#v, want %v, sent %t, safe %t", err, kind, sent, safe)
	}
}

// sayAs says text whole or byte by byte. The other end may close before its end.
func (l *line) sayAs(bytewise bool, text string) {
	step := len(text)
	if bytewise {
		step = 1
	}
	for i := 0; i < len(text); i += step {
		if _, err := io.WriteString(l.Conn, text[i:i+step]); err != nil {
			return
		}
	}
}

// request hears a request of an upstream, with its content.
func (l *line) request() *http.Request {
	l.t.Helper()
	r, err := http.ReadRequest(l.r)
	if err != nil {
		l.t.Fatal(err)
	}
	content, err := io.ReadAll(r.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	r.Body = io.NopCloser(strings.NewReader(string(content)))
	return r
}

// bothWays runs a test with whole and with bytewise delivery.
func bothWays(t *testing.T, test func(t *testing.T, bytewise bool)) {
	t.Helper()
	t.Run("whole", func(t *testing.T) { test(t, false) })
	t.Run("bytewise", func(t *testing.T) { test(t, true) })
}

// TestUpstreamHTTP1Responses has responses that are complete, and whether the connection can be used again.
func TestUpstreamHTTP1Responses(t *testing.T) {
	for _, scene := range []struct {
		name, method, say string
		fin               bool // the server closes
		status            int
		content           string
		interims          int
		again             bool
	}{
		{name: "length", say: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, content: "hello", again: true},
		{name: "chunks", say: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n", status: 200, content: "hello", again: true},
		{name: "no content", say: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, again: true},
		{name: "not modified", say: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304, again: true},
		{name: "HEAD", method: "HEAD", say: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", status: 200, again: true},
		{name: "interim", say: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, interims: 2, again: true},
		{name: "until close", say: "HTTP/1.1 200 OK\r\n\r\nhello", fin: true, status: 200, content: "hello"},
		{name: "close", say: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", status: 200, content: "hello"},
		{name: "HTTP/1.0", say: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, content: "hello"},
		{name: "bytes behind", say: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n", status: 200, content: "hello"},
	} {
		t.Run(scene.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, bytewise bool) {
				b := scripted(t)
				d := queries(t).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
				peer := b.accept()
				q := d.ask(&spi.Outgoing{Method: scene.method})
				peer.request()
				peer.sayAs(bytewise, scene.say)
				if scene.fin {
					peer.Close()
				}
				q.answer(scene.status, scene.content)
				if len(q.interims) != scene.interims {
					t.Errorf("interim responses: %v", q.interims)
				}
				if !scene.again {
					_ = d.end()
					return
				}
				q = d.ask(&spi.Outgoing{})
				peer.request()
				peer.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				q.answer(200, "")
				d.close()
				peer.end()
			})
		})
	}
}

// TestUpstreamHTTP1Failures has what is no complete response.
func TestUpstreamHTTP1Failures(t *testing.T) {
	for _, scene := range []struct {
		name, say string
		reset     bool
		kind      kinds.Kind
		content   string // that came before
	}{
		{name: "nothing", kind: kinds.UpstreamEOF},
		{name: "a part of the head", say: "HTTP/1.1 200 O", kind: kinds.UpstreamEOF},
		{name: "a part of the content", say: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", kind: kinds.UpstreamEOF, content: "hel"},
		{name: "no last chunk", say: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", kind: kinds.UpstreamEOF, content: "hel"},
		{name: "reset", say: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", reset: true, kind: kinds.UpstreamReset, content: "hel"},
		{name: "garbage", say: "SSH-2.0-OpenSSH_9.6\r\n", kind: kinds.UpstreamMalformed},
		{name: "two lengths", say: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", kind: kinds.UpstreamMalformed},
		{name: "bad chunk", say: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nx\r\n", kind: kinds.UpstreamMalformed, content: "hel"},
		{name: "switches unasked", say: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", kind: kinds.UpstreamMalformed},
		{name: "large head", say: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 2000) + "\r\n\r\n", kind: kinds.UpstreamMalformed},
	} {
		t.Run(scene.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, bytewise bool) {
				b := scripted(t)
				d := queries(t).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP11, MaxHead: 1000})
				peer := b.accept()
				q := d.ask(&spi.Outgoing{})
				peer.request()
				peer.sayAs(bytewise, scene.say)
				if scene.reset {
					d.await("head", q.headCame)
					_ = peer.Conn.(*net.TCPConn).SetLinger(0)
				}
				if scene.kind != kinds.UpstreamMalformed {
					peer.Close()
				}
				wantFailure(t, q.failed(), scene.kind, true, false)
				if got := q.content.String(); got != scene.content && !scene.reset {
					t.Errorf("content %q, want %q", got, scene.content)
				}
				if err := d.end(); err == nil {
					t.Error("the connection has ended without a failure")
				}
			})
		})
	}
}

// A kept connection is stale once the server has closed it or has sent what nobody has asked for.
func TestUpstreamHTTP1Stale(t *testing.T) {
	b := scripted(t)
	d := queries(t).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
	peer := b.accept()
	d.on(func() {
		if d.up.Stale() || d.up.Capacity() != 1 {
			t.Error("a new connection is stale")
		}
	})
	peer.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
	wantFailure(t, d.end(), kinds.UpstreamMalformed, false, true)
	d.on(func() {
		if !d.up.Stale() || d.up.Capacity() != 0 || !d.up.Draining() {
			t.Error("a closed connection is not stale")
		}
	})
}

// A head that begins and does not end is waited for no longer than Config.HeadTimeout.
func TestUpstreamHTTP1SlowHead(t *testing.T) {
	b := scripted(t)
	d := queries(t, func(c *server.Config) { c.HeadTimeout = 50 * time.Millisecond }).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
	peer := b.accept()
	q := d.ask(&spi.Outgoing{})
	peer.request()
	peer.say("HTTP/1.1 200 OK\r\nA: ")
	wantFailure(t, q.failed(), kinds.HeadTimeout, true, false)
}

// Between an interim response and the final one, a server takes as long as it likes.
func TestUpstreamHTTP1LateResponse(t *testing.T) {
	const limit = 50 * time.Millisecond
	b := scripted(t)
	d := queries(t, func(c *server.Config) { c.HeadTimeout = limit }).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
	peer := b.accept()
	q := d.ask(&spi.Outgoing{})
	peer.request()
	time.Sleep(2 * limit)
	peer.say("HTTP/1.1 103 Early Hints\r\n\r\n")
	time.Sleep(2 * limit)
	peer.say("HTTP/1.1 204 No Content\r\n\r\n")
	q.answer(204, "")
}

// A server that does not read its request is given up after Config.WriteTimeout.
func TestUpstreamHTTP1WriteTimeout(t *testing.T) {
	b := scripted(t)
	d := queries(t, func(c *server.Config) { c.WriteTimeout = 100 * time.Millisecond }).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
	b.accept()
	q := d.ask(&spi.Outgoing{Method: "POST", Content: app.Bytes(make([]byte, 32<<20))})
	wantFailure(t, q.failed(), kinds.IdleTimeout, true, false)
}

// A final response that comes before the end of the request is delivered, and ends the request and the connection.
func TestUpstreamHTTP1EarlyResponse(t *testing.T) {
	b := scripted(t)
	d := queries(t).connect(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
	peer := b.accept()
	closed := make(chan struct{})
	pull := &app.Pull{Size: -1, Read: func(p []byte) (int, error) { return len(p), nil }, OnClose: func() { close(closed) }}
	q := d.ask(&spi.Outgoing{Method: "POST", Content: pull})
	if _, err := http.ReadRequest(peer.r); err != nil {
		t.Fatal(err)
	}
	peer.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
	q.answer(413, "no")
	d.await("close of the content", closed)
	if err := d.end(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := io.Copy(io.Discard, peer.r); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Error(err)
	}
}
