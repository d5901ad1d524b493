//go:build linux

package server_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// TestMain wants every goroutine to be gone in the end, but those of the pool that gnet keeps for the process.
func TestMain(m *testing.M) {
	becomeChild()
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}

// patience is how long a test waits for something that must happen. It bounds a failure, not a success.
const patience = 20 * time.Second

// site is a server under test.
type site struct {
	*server.Server
	t    *testing.T
	addr string
	logs *observer.ObservedLogs

	network string // of addr; "" is tcp
	failed  bool   // the test has seen Shutdown fail, and expects it
}

// serve starts a server with two loops on a free port and stops it when the test ends.
func serve(t *testing.T, handler app.Handler, options ...func(*server.Config)) *site {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	config := server.Config{
		Handler:   handler,
		Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}},
		Loops:     2,
		Logger:    zap.New(core),
	}
	for _, option := range options {
		option(&config)
	}
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	site := &site{Server: s, t: t, addr: s.Addrs()[0].String(), logs: logs}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil && !site.failed {
			t.Errorf("shutdown: %v", err)
		}
	})
	return site
}

// halfClosedSoon has a peer that closes be gone soon, where a test waits for that.
func halfClosedSoon(c *server.Config) { c.HalfClosedTimeout = soon }

// client is an HTTP/1.1 client of Go's whose connections end with the test.
func (s *site) client() *http.Client {
	transport := &http.Transport{}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// client2 is Go's client over cleartext HTTP/2.
func (s *site) client2() *http.Client {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// clients are Go's, one for each version.
var clients = map[string]func(*site) *http.Client{
	"HTTP/1.1": (*site).client,
	"HTTP/2":   (*site).client2,
}

// overBoth runs a test as a subtest for each client.
func (s *site) overBoth(test func(t *testing.T, c *http.Client)) {
	s.t.Helper()
	for version, client := range clients {
		s.t.Run(version, func(t *testing.T) { test(t, client(s.in(t))) })
	}
}

// in is the same server for a subtest.
func (s *site) in(t *testing.T) *site {
	copied := *s
	copied.t = t
	return &copied
}

func (s *site) url(path string) string { return "http://" + s.addr + path }

// line is a raw connection: what is said and what is heard stand in the test as they cross the wire.
type line struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (s *site) connect() (net.Conn, error) {
	if s.network == "" {
		return net.Dial("tcp", s.addr)
	}
	return net.Dial(s.network, s.addr)
}

func (s *site) dial() *line {
	s.t.Helper()
	c, err := s.connect()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.over(c)
}

// over makes a line of a connection, which ends with the test.
func (s *site) over(c net.Conn) *line {
	s.t.Helper()
	s.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	return &line{Conn: c, t: s.t, r: bufio.NewReader(c)}
}

func (l *line) say(text string) {
	l.t.Helper()
	if _, err := io.WriteString(l.Conn, text); err != nil {
		l.t.Fatal(err)
	}
}

// hear reads one response to a request of that method and checks its status and content.
func (l *line) hear(method string, status int, content string) *http.Response {
	l.t.Helper()
	response, err := http.ReadResponse(l.r, &http.Request{Method: method})
	if err != nil {
		l.t.Fatalf("no response: %v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		l.t.Fatalf("content broken off: %v", err)
	}
	if response.StatusCode != status || string(body) != content {
		l.t.Fatalf("heard %d %q, want %d %q", response.StatusCode, body, status, content)
	}
	return response
}

// end wants the server to close, with nothing more said.
func (l *line) end() {
	l.t.Helper()
	rest, err := io.ReadAll(l.r)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		l.t.Fatalf("not closed: %v", err)
	}
	if len(rest) > 0 {
		l.t.Fatalf("heard %q, want the end", rest)
	}
}
