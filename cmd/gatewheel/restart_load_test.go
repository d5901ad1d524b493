//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// restartLoad is a set of clients that ask a server until they are told to stop.
type restartLoad struct {
	t           *testing.T
	plain, over string // addresses, without and with TLS
	stop        chan struct{}
	running     sync.WaitGroup
	kinds       []*clientKind
}

// clientKind counts what clients of one kind have seen.
type clientKind struct {
	name    string
	clients int
	done    atomic.Int64 // requests, streams or sessions that ended well
	// raced counts requests on kept connections of HTTP/1 that the server closed before it read them, as it may; the
	// client has sent them again (RFC 9112 section 9.3.1).
	raced  atomic.Int64
	closed atomic.Int64 // WebSockets, with 1001
	failed atomic.Int64
}

// String returns the counts.
func (k *clientKind) String() string {
	return fmt.Sprintf("%s: %d done, %d failed, %d sent again, %d closed with 1001", k.name, k.done.Load(), k.failed.Load(), k.raced.Load(), k.closed.Load())
}

// add starts so many clients of a kind. one does one thing after the other with what it keeps between calls.
func (l *restartLoad) add(name string, clients int, newOne func(*clientKind) (one func() error)) {
	kind := &clientKind{name: name, clients: clients}
	l.kinds = append(l.kinds, kind)
	for range clients {
		l.running.Go(func() {
			one := newOne(kind)
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				if err := one(); err == nil {
					kind.done.Add(1)
				} else if kind.failed.Add(1) <= 5 {
					l.t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
}

// progress waits until every kind has done something more.
func (l *restartLoad) progress() {
	l.t.Helper()
	for _, kind := range l.kinds {
		before := kind.done.Load()
		for deadline := time.Now().Add(patience); kind.done.Load() == before && kind.failed.Load() == 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				l.t.Fatalf("%s: nothing goes on", kind.name)
			}
		}
	}
}

func (l *restartLoad) dial(address string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(patience))
}

// fresh asks on a new connection each time.
func (l *restartLoad) fresh(*clientKind) func() error {
	return func() error {
		c, err := l.dial(l.plain)
		if err != nil {
			return err
		}
		defer c.Close()
		return getOn(c, "/")
	}
}

// kept asks on one connection until the server closes it. It waits up to think before each request.
func (l *restartLoad) kept(think time.Duration) func(*clientKind) func() error {
	return func(kind *clientKind) func() error {
		var c net.Conn
		var in *bufio.Reader
		return func() (err error) {
			if think > 0 {
				select {
				case <-time.After(rand.N(think)):
				case <-l.stop:
					return nil
				}
			}
			for {
				if c != nil && think > 0 && closed(c) {
					_ = c.Close()
					c = nil
				}
				reused := c != nil
				if !reused {
					if c, err = l.dial(l.plain); err != nil {
						c = nil
						return err
					}
					in = bufio.NewReader(c)
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				_, err := io.WriteString(c, "GET /bytes/2000 HTTP/1.1\r\nHost: x\r\n\r\n")
				if err == nil {
					_, err = in.Peek(1)
				}
				if err != nil {
					_ = c.Close()
					c = nil
					if reused && !os.IsTimeout(err) {
						kind.raced.Add(1)
						continue
					}
					return fmt.Errorf("before the response: %w", err)
				}
				response, err := http.ReadResponse(in, nil)
				if err == nil {
					_, err = io.Copy(io.Discard, response.Body)
				}
				if err != nil || response.StatusCode != http.StatusOK || response.Close {
					_ = c.Close()
					c = nil
				}
				if err == nil && response.StatusCode != http.StatusOK {
					err = errors.New(response.Status)
				}
				return err
			}
		}
	}
}

// closed reports whether the server has closed an idle connection, as clients notice before they send.
func closed(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return !os.IsTimeout(err)
}

// over2 asks over HTTP/2 with TLS. The client of net/http honours GOAWAY.
func (l *restartLoad) over2(client *http.Client) func(*clientKind) func() error {
	return func(*clientKind) func() error {
		return func() error { return getOK(client, "https://"+l.over+"/delay/5ms") }
	}
}

func (l *restartLoad) http2Client() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	l.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// upload sends content slowly, over HTTP/1.1 on a new connection or over HTTP/2.
func (l *restartLoad) upload(client *http.Client, url string) func(*clientKind) func() error {
	content := bytes.Repeat([]byte("x"), 64<<10)
	return func(*clientKind) func() error {
		return func() error {
			request, err := http.NewRequest(http.MethodPost, url+"/upload", &slowly{rest: content})
			if err != nil {
				return err
			}
			request.ContentLength = int64(len(content))
			request.GetBody = func() (io.ReadCloser, error) { return &slowly{rest: content}, nil }
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			if err == nil && !strings.Contains(string(text), `"bytes":65536`) {
				err = fmt.Errorf("%s: %s", response.Status, text)
			}
			return err
		}
	}
}

// slowly is content that comes in pieces.
type slowly struct{ rest []byte }

func (s *slowly) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	time.Sleep(5 * time.Millisecond)
	n := copy(p, s.rest[:min(len(s.rest), 4<<10)])
	s.rest = s.rest[n:]
	return n, nil
}

func (*slowly) Close() error { return nil }

// events reads an endless event stream. Its end must be a proper one.
func (l *restartLoad) events(client *http.Client, url string) func(*clientKind) func() error {
	return func(kind *clientKind) func() error {
		return func() error {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events?every=10ms", nil)
			if err != nil {
				return err
			}
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			for lines := bufio.NewScanner(response.Body); ; {
				if !lines.Scan() {
					return lines.Err() // nil at a proper end
				}
				kind.done.Add(1)
				select {
				case <-l.stop:
					return nil
				default:
				}
			}
		}
	}
}

// webSocket opens a WebSocket and waits for its end, which must be a Close frame with 1001.
func (l *restartLoad) webSocket(kind *clientKind) func() error {
	return func() error {
		c, err := l.dial(l.plain)
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"); err != nil {
			return err
		}
		in := bufio.NewReader(c)
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusSwitchingProtocols {
			return errors.New(response.Status)
		}
		for open := true; open; {
			_ = c.SetDeadline(time.Now().Add(patience))
			if _, err := io.WriteString(c, "\x81\x82\x00\x00\x00\x00hi"); err != nil {
				return err
			}
			var frame [4]byte
			if _, err := io.ReadFull(in, frame[:]); err != nil {
				return fmt.Errorf("in place of a frame: %w", err)
			}
			switch {
			case frame == [4]byte{0x81, 2, 'h', 'i'}:
				kind.done.Add(1)
			case frame[0] == 0x88 && binary.BigEndian.Uint16(frame[2:]) == 1001:
				_, _ = io.WriteString(c, "\x88\x82\x00\x00\x00\x00\x03\xe9")
				kind.closed.Add(1)
				return nil
			default:
				return fmt.Errorf("the frame % x", frame)
			}
			select {
			case <-l.stop:
				open = false
			case <-time.After(20 * time.Millisecond):
			}
		}
		return nil
	}
}

// resumption makes handshakes, of which all but the first of each client must resume a session.
func (l *restartLoad) resumption(version uint16) func(*clientKind) func() error {
	return func(*clientKind) func() error {
		config := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		first := true
		return func() error {
			raw, err := l.dial(l.over)
			if err != nil {
				return err
			}
			c := tls.Client(raw, config)
			defer c.Close()
			if err := getOn(c, "/"); err != nil {
				return err
			}
			if !first && !c.ConnectionState().DidResume {
				return errors.New("a full handshake")
			}
			first = false
			return nil
		}
	}
}

// TestRestartsUnderLoad replaces the process while clients of all kinds ask without a pause: no connection is refused, no
// request fails, WebSockets end with 1001, and TLS sessions are resumed. Now and then the new binary is a broken one.
// RESTARTS is the number of restarts; with more than a few there are also more clients.
func TestRestartsUnderLoad(t *testing.T) {
	restarts, sockets := 2, 20
	if n, err := strconv.Atoi(os.Getenv("RESTARTS")); err == nil {
		restarts, sockets = n, 100
	}
	r := serveReplaceable(t, "--loops", "2", "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-self-signed")
	l := &restartLoad{t: t, plain: r.address(), over: strings.TrimPrefix(r.urls[1], "https://"), stop: make(chan struct{})}
	direct := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	l.add("new connections", 4, l.fresh)
	l.add("kept connections", 4, l.kept(0))
	l.add("connections with pauses", 8, l.kept(4*time.Second))
	l.add("HTTP/2", 8, l.over2(l.http2Client()))
	l.add("uploads", 2, l.upload(direct, "http://"+l.plain))
	l.add("uploads over HTTP/2", 2, l.upload(l.http2Client(), "https://"+l.over))
	streaming := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	l.add("event streams", 4, l.events(streaming, "http://"+l.plain))
	streaming2 := l.http2Client()
	streaming2.Timeout = 0
	l.add("event streams over HTTP/2", 4, l.events(streaming2, "https://"+l.over))
	l.add("resumption in TLS 1.2", 1, l.resumption(tls.VersionTLS12))
	l.add("resumption in TLS 1.3", 1, l.resumption(tls.VersionTLS13))
	l.add("WebSockets", sockets, l.webSocket)
	end := sync.OnceFunc(func() {
		close(l.stop)
		l.running.Wait()
	})
	t.Cleanup(end)
	l.progress()

	for n := range restarts {
		if n%4 == 1 {
			r.putScript("exit 9")
			r.signal(syscall.SIGUSR2)
			r.eventually("the broken binary has failed", func() bool {
				return strings.Count(r.stderr.String(), "restart failed") == n/4+1
			})
			r.put(os.Args[0])
		}
		r.restart()
		l.progress()
	}
	end()
	for _, kind := range l.kinds {
		t.Log(kind)
		switch closed := kind.closed.Load(); {
		case kind.name == "kept connections" && kind.raced.Load() > int64(restarts*kind.clients):
			// A client that the machine has kept from its next request for a second loses a race.
			t.Error("requests of busy connections were not read")
		case kind.name == "WebSockets" && closed < int64(sockets):
			t.Errorf("%d WebSockets were closed", closed)
		}
	}
	r.stops()
}
