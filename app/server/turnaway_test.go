//go:build linux

package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// Clients that wait to be accepted when the server has no time left are told to try again, in the terms of their protocol.
func TestShutdownTellsThoseWhoWait(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	secure := &tls.Config{Certificates: []tls.Certificate{issue(t, "a.test", nil).pair()}}
	socket := filepath.Join(t.TempDir(), "s")
	s := serve(t, func(r *app.Request) app.Answer {
		close(entered)
		<-leave
		return hello(r)
	}, func(c *server.Config) {
		c.Loops, c.Stall.Timeout = 1, -1
		c.Listeners = append(c.Listeners, reactor.ListenerConfig{Address: "127.0.0.1:0", TLS: secure},
			reactor.ListenerConfig{Network: "unix", Address: socket})
	})
	s.failed = true
	s.dial().say(get("/"))
	<-entered
	connect := func(network, address string) *line {
		c, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		return s.over(c)
	}
	var cleartext []*line
	for range 3 {
		cleartext = append(cleartext, connect("tcp", s.addr), connect("unix", socket))
	}
	for _, l := range cleartext {
		l.say(get("/"))
	}
	silent := connect("tcp", s.addr)
	h2 := s.dial2()
	h2.request(1, "GET", "/", true)
	handshake := make(chan error, 1)
	overTLS := connect("tcp", s.Addrs()[1].String())
	greeting := &written{Conn: overTLS.Conn, first: make(chan struct{})}
	go func() { handshake <- tls.Client(greeting, anyone()).Handshake() }()
	<-greeting.first

	over, cancel := context.WithCancel(t.Context())
	cancel()
	stopped := s.stop(over)
	for _, l := range append(cleartext, silent) {
		r := l.hear("GET", 503, "the server is stopping, try again please")
		if !r.Close || r.Header.Get("Retry-After") != "1" {
			t.Errorf("heard %v", r.Header)
		}
		if rest, err := io.ReadAll(l.r); len(rest) > 0 || err != nil {
			t.Errorf("then %q, %v, want the end", rest, err)
		}
		l.close()
	}
	if last := h2.leaves(http2.ErrCodeNo); last != 0 {
		t.Errorf("GOAWAY with the last stream %d", last)
	}
	h2.over()
	if err := next(t, handshake); !errors.Is(err, io.EOF) {
		t.Errorf("the handshake fails with %v, want the end of the connection", err)
	}
	close(leave)
	if err := next(t, stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown returns %v", err)
	}
}

// A client that has sent nothing for longer than the grace does not delay the end, whatever it is expected to send.
func TestDrainEndsOldSilenceAtOnce(t *testing.T) {
	secure := withIdentity(issue(t, "a.test", nil))
	proxied := func(c *server.Config) { c.Listeners[0].ProxyProtocol = reactor.ProxyRequire }
	both := func(c *server.Config) { secure(c); proxied(c) }
	var sites []*site
	for name, c := range map[string]struct {
		configure func(*server.Config)
		sent      string
	}{
		"TLS":                      {secure, ""},
		"half a ClientHello":       {secure, "\x16\x03\x01\x02"},
		"half a handshake":         {secure, halfHandshake(t)},
		"PROXY":                    {proxied, ""},
		"half a PROXY header":      {proxied, "PROXY TCP4 "},
		"HTTP behind PROXY":        {proxied, "PROXY UNKNOWN\r\n"},
		"TLS behind PROXY":         {both, "PROXY UNKNOWN\r\n"},
		"handshake behind PROXY":   {both, "PROXY UNKNOWN\r\n" + halfHandshake(t)},
		"PROXY before TLS":         {both, ""},
		"half a header before TLS": {both, "PROXY TCP4 "},
	} {
		s := serve(t, hello, c.configure)
		s.dial().say(c.sent)
		eventually(t, name, func() bool { return s.Stats().Connections == 1 })
		sites = append(sites, s)
	}
	time.Sleep(2100 * time.Millisecond) // time is what makes them old
	for _, s := range sites {
		begun := time.Now()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took >= reactor.DrainGrace {
			t.Errorf("the drain took %v", took)
		}
	}
}

// written is a connection that closes first once something was written to it.
type written struct {
	net.Conn
	first chan struct{}
	once  sync.Once
}

func (w *written) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.once.Do(func() { close(w.first) })
	return n, err
}
