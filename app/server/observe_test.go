//go:build linux

package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	upstream "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/events"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/testport"
)

// told is what an observer was told.
type told struct {
	Method, Authority, Path string
	Fields                  int
	server.Record
}

// watcher is an observer that passes on what it is told.
type watcher struct{ opened, finished chan told }

func newWatcher() *watcher {
	return &watcher{opened: make(chan told, 1000), finished: make(chan told, 1000)}
}

func (w *watcher) Loop(int) server.LoopObserver { return w }

func (w *watcher) Opened(r *app.Request, rec *server.Record)   { w.opened <- tell(r, rec) }
func (w *watcher) Finished(r *app.Request, rec *server.Record) { w.finished <- tell(r, rec) }

func tell(r *app.Request, rec *server.Record) told {
	copied, conn := *rec, *rec.Conn
	copied.Conn = &conn
	if rec.Upstream != nil {
		u := *rec.Upstream
		copied.Upstream = &u
	}
	return told{r.Method, r.Authority, r.RawPath, len(r.Fields), copied}
}

// observed serves a handler that w observes.
func (w *watcher) observed(c *server.Config) { c.Observers = append(c.Observers, w) }

// peer is a client that speaks one version of HTTP and has one request.
type peer struct {
	t    *testing.T
	line *line
	two  *line2 // nil over HTTP/1.1
}

// request sends a request for the path, with content of that length announced; 0: none.
func (p *peer) request(path string, length int, fields ...string) {
	p.t.Helper()
	switch {
	case p.two != nil && length == 0:
		p.two.request(1, "GET", path, true, fields...)
	case p.two != nil:
		p.two.request(1, "POST", path, false, append(fields, "content-length", "10")...)
	case length == 0:
		p.line.say(get(path))
	default:
		p.line.say(post(path, length))
	}
}

// head waits for the head of the response.
func (p *peer) head(status int) {
	p.t.Helper()
	if p.two == nil {
		p.line.head("GET", status)
		return
	}
	p.two.answered(1, string([]byte{byte('0' + status/100), byte('0' + status/10%10), byte('0' + status%10)}))
}

// reset ends the connection with a TCP reset.
func (p *peer) reset() {
	p.t.Helper()
	raw := p.line.Conn
	if c, ok := raw.(*tls.Conn); ok {
		raw = c.NetConn()
	}
	if err := raw.(*net.TCPConn).SetLinger(0); err != nil {
		p.t.Fatal(err)
	}
	raw.Close()
}

// peers are the clients by transport. Their server has the option.
var peers = map[string]struct {
	options []func(*testing.T) func(*server.Config)
	dial    func(s *site) *peer
}{
	"HTTP/1.1": {nil, func(s *site) *peer { return &peer{s.t, s.dial(), nil} }},
	"HTTP/1.1 over TLS": {
		[]func(*testing.T) func(*server.Config){func(t *testing.T) func(*server.Config) { return withIdentity(issue(t, "a", nil)) }},
		func(s *site) *peer { return &peer{s.t, s.dialTLS(anyone()), nil} },
	},
	"HTTP/2": {nil, func(s *site) *peer {
		l := s.dial2()
		return &peer{s.t, l.line, l}
	}},
}

// ending is a scenario that ends a request in some way.
type ending struct {
	name    string
	options func(*server.Config)
	act     func(p *peer, s *site, begun <-chan struct{})
	end     string // spi.Termination
	status  int
	reason  string
	only    string // a transport; empty: all
}

// troubles is a handler whose requests end as their path says.
func troubles(begun chan<- struct{}, release <-chan struct{}, gone, silent, broken app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/pending":
			begun <- struct{}{}
			_, f := app.Promised[*app.Response](r)
			return f
		case "/whole":
			begun <- struct{}{}
			return whole(r)
		case "/endless":
			return endless(r)
		case "/events":
			return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
				s.Send(events.Event{Data: "begun"})
				return s.Closed()
			}))
		case "/fails":
			return app.Fail(errors.New("of the application"))
		case "/broken":
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				return app.Then(w.WriteString("begun"), func(app.Done) app.Future[app.Done] {
					return app.Failed[app.Done](errors.New("of the application"))
				})
			}))
		case "/panics":
			panic("of the application")
		case "/panics-later":
			first := true
			return app.Ready(app.Pulled(200, "text/plain", -1, func(p []byte) (int, error) {
				if !first {
					panic("of the application")
				}
				first = false
				return copy(p, "begun"), nil
			}))
		case "/stalls":
			<-release
		case "/full":
			return app.Fail(app.ErrPoolFull)
		case "/backend-gone":
			return gone(r)
		case "/backend-silent":
			return silent(r)
		case "/backend-broken":
			return broken(r)
		}
		return hello(r)
	}
}

var endings = []ending{
	{name: "nobody", act: func(p *peer, _ *site, _ <-chan struct{}) { p.request("/", 0); p.head(200) }, end: "--", status: 200},
	{name: "client leaves while it waits", act: func(p *peer, _ *site, begun <-chan struct{}) {
		p.request("/pending", 0)
		<-begun
		p.reset()
	}, end: "CH"},
	{name: "client leaves within its content", act: func(p *peer, _ *site, begun <-chan struct{}) {
		p.request("/whole", 10)
		<-begun
		p.reset()
	}, end: "CB"},
	{name: "client leaves within the response", act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.request("/endless", 0)
		p.head(200)
		p.reset()
	}, end: "CD", status: 200},
	{name: "client closes within its content", act: func(p *peer, _ *site, begun <-chan struct{}) {
		p.request("/whole", 10)
		<-begun
		p.line.finish()
		if p.two == nil {
			p.head(400)
		}
	}, end: "CB", status: 400},
	{name: "client leaves within the head", act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.line.say("GET /partly HTTP/1.1\r\nHos")
		p.line.finish()
		p.head(400)
	}, end: "CQ", status: 400, only: "HTTP/1.1"},
	{name: "client sends no content", options: func(c *server.Config) { c.BodyTimeout = soon }, act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.request("/whole", 10)
		p.head(408)
	}, end: "cB", status: 408, reason: "body-timeout"},
	{name: "client does not read", options: func(c *server.Config) { c.WriteTimeout = soon }, act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.request("/endless", 0)
	}, end: "cD", status: 200, reason: "write-timeout"},
	{name: "client sends no head", options: func(c *server.Config) { c.HeadTimeout = soon }, act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.line.say("GET /slowly HTTP/1.1\r\nHost: a\r\n")
		p.head(408)
	}, end: "cQ", status: 408, reason: "head-timeout", only: "HTTP/1.1"},
	{name: "stream is reset while it waits", act: func(p *peer, _ *site, begun <-chan struct{}) {
		p.request("/pending", 0)
		<-begun
		p.two.must(p.two.framer.WriteRSTStream(1, http2.ErrCodeCancel))
	}, end: "RH", only: "HTTP/2"},
	{name: "stream is reset within its content", act: func(p *peer, _ *site, begun <-chan struct{}) {
		p.request("/whole", 10)
		<-begun
		p.two.must(p.two.framer.WriteRSTStream(1, http2.ErrCodeCancel))
	}, end: "RB", only: "HTTP/2"},
	{name: "stream is reset within the response", act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.request("/endless", 0)
		p.head(200)
		p.two.must(p.two.framer.WriteRSTStream(1, http2.ErrCodeCancel))
	}, end: "RD", status: 200, only: "HTTP/2"},
	{name: "server stops", act: func(p *peer, s *site, begun <-chan struct{}) {
		p.request("/pending", 0)
		<-begun
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_ = s.Shutdown(ctx)
	}, end: "SH"},
	{name: "server drains an event stream", act: func(p *peer, s *site, _ <-chan struct{}) {
		p.request("/events", 0)
		p.head(200)
		_ = s.Shutdown(context.Background())
	}, end: "SD", status: 200},
	{name: "handler takes too long", options: func(c *server.Config) { c.RequestTimeout = soon }, act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.request("/pending", 0)
		p.head(503)
	}, end: "TH", status: 503, reason: "request-timeout"},
	{name: "handler fails", act: func(p *peer, _ *site, _ <-chan struct{}) { p.request("/fails", 0); p.head(500) }, end: "HH", status: 500},
	{name: "content fails", act: func(p *peer, _ *site, _ <-chan struct{}) { p.request("/broken", 0) }, end: "HD", status: 200},
	{name: "handler panics", act: func(p *peer, _ *site, _ <-chan struct{}) { p.request("/panics", 0); p.head(500) }, end: "PH", status: 500},
	{name: "content panics", act: func(p *peer, _ *site, _ <-chan struct{}) { p.request("/panics-later", 0) }, end: "PD", status: 200},
	{name: "watchdog takes the loop", options: brisk, act: func(p *peer, _ *site, _ <-chan struct{}) { p.request("/stalls", 0) }, end: "WH", reason: "stall-kill"},
	{name: "content is too large", options: func(c *server.Config) { c.MaxBody = 5 }, act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.request("/whole", 10)
		p.head(413)
	}, end: "LB", status: 413, reason: "body-limit"},
	{name: "pool is full", act: func(p *peer, _ *site, _ <-chan struct{}) { p.request("/full", 0); p.head(503) }, end: "LH", status: 503, reason: "pool-full"},
	{name: "target is too long", act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.line.say("GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\n")
		p.head(414)
	}, end: "LQ", status: 414, reason: "h1-malformed", only: "HTTP/1.1"},
	{name: "fields are too large over HTTP/2", options: func(c *server.Config) { c.HTTP2.MaxHeaderListSize = 1024 }, act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.request("/", 0, "large", strings.Repeat("x", 2000))
		p.head(431)
	}, end: "LQ", status: 431, reason: "h2-too-large", only: "HTTP/2"},
	{name: "too many connections", options: func(c *server.Config) { c.MaxConnections = 1 }, act: func(p *peer, s *site, _ <-chan struct{}) {
		second := s.dial()
		second.head("GET", 503)
	}, end: "LQ", status: 503, reason: "connection-limit", only: "HTTP/1.1"},
	{name: "head is malformed", act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.line.say("GET /malformed HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n")
		p.head(400)
	}, end: "MQ", status: 400, reason: "h1-malformed", only: "HTTP/1.1"},
	{name: "protocol is unknown", act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.line.say("* OK IMAP4 ready\r\n")
		p.line.end()
	}, end: "MQ", reason: "h1-malformed", only: "HTTP/1.1"},
	{name: "content is malformed", act: func(p *peer, _ *site, begun <-chan struct{}) {
		p.line.say(post("/whole", -1) + "no size\r\n")
		p.head(400)
	}, end: "MB", status: 400, reason: "h1-malformed", only: "HTTP/1.1"},
	{name: "head is malformed over HTTP/2", act: func(p *peer, _ *site, _ <-chan struct{}) {
		p.request("/", 0, "Upper", "case")
		p.head(400)
	}, end: "MQ", status: 400, reason: "h2-malformed", only: "HTTP/2"},
	{name: "backend is gone", act: func(p *peer, _ *site, _ <-chan struct{}) { p.request("/backend-gone", 0); p.head(502) }, end: "UH", status: 502, reason: "connect-fail"},
	{name: "backend is silent", act: func(p *peer, _ *site, _ <-chan struct{}) { p.request("/backend-silent", 0); p.head(504) }, end: "uH", status: 504, reason: "head-timeout"},
	{name: "backend breaks off", act: func(p *peer, _ *site, _ <-chan struct{}) { p.request("/backend-broken", 0) }, end: "UD", status: 200, reason: "upstream-eof"},
}

// behind returns a handler that forwards to a backend, which sends the same text to each connection and closes it; without a text it is silent.
func behind(t *testing.T, text string, o gateway.Options) app.Handler {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 4096))
				if text == "" {
					_, _ = io.Copy(io.Discard, c)
				}
				_, _ = io.WriteString(c, text)
			}()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return forwarding(t, "http://"+l.Addr().String(), o)
}

func forwarding(t *testing.T, url string, o gateway.Options) app.Handler {
	t.Helper()
	b, err := gateway.NewBackend(upstream.OriginOptions{}, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return gateway.To(b, o)
}

// The record of a request has who has ended it, and in which phase.
func TestEndings(t *testing.T) {
	letters := map[spi.Ender]bool{}
	phases := map[spi.Phase]bool{}
	for transport, with := range peers {
		for _, e := range endings {
			if e.only != "" && e.only != transport {
				continue
			}
			letters[spi.Ender(e.end[0])], phases[spi.Phase(e.end[1])] = true, true
			t.Run(transport+"/"+e.name, func(t *testing.T) {
				w, begun, release := newWatcher(), make(chan struct{}, 1), make(chan struct{})
				options := []func(*server.Config){w.observed}
				if e.options != nil {
					options = append(options, e.options)
				}
				for _, option := range with.options {
					options = append(options, option(t))
				}
				gone := forwarding(t, "http://"+testport.Address(t), gateway.Options{})
				silent := behind(t, "", gateway.Options{Timeout: soon})
				broken := behind(t, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", gateway.Options{})
				s := serve(t, troubles(begun, release, gone, silent, broken), options...)
				s.failed = true
				t.Cleanup(func() { close(release) })
				e.act(with.dial(s), s, begun)
				select {
				case got := <-w.finished:
					if got.End.String() != e.end || got.Status != e.status || got.Reason != e.reason {
						t.Errorf("ended %s with status %d for %q, want %s, %d, %q", got.End, got.Status, got.Reason, e.end, e.status, e.reason)
					}
					if got.Conn.Number == 0 || got.Conn.Requests != 1 && e.reason != "connection-limit" {
						t.Errorf("connection %+v", got.Conn)
					}
				case <-time.After(patience):
					t.Fatal("nothing is told")
				}
				select {
				case again := <-w.finished:
					t.Errorf("told again: %+v", again)
				default:
				}
			})
		}
	}
	for _, by := range spi.Enders() {
		if !letters[by] {
			t.Errorf("no scenario ends %c", by)
		}
	}
}

// A handler may answer while it is told of the end of the content that it waits for. Observers are told of the request once,
// and the connection goes on.
func TestAnswersWithinTheEndOfContent(t *testing.T) {
	asked := make(chan struct{}, 10)
	handler := func(r *app.Request) app.Answer {
		f := whole(r)
		asked <- struct{}{}
		return f
	}
	for transport, say := range map[string]struct {
		head, end func(p *peer, stream uint32)
	}{
		"HTTP/1.1": {
			func(p *peer, _ uint32) { p.line.say(post("/", -1) + "3\r\nabc\r\n") },
			func(p *peer, _ uint32) { p.line.say("0\r\n\r\n"); p.line.hear("POST", 200, "abc") },
		},
		"HTTP/2": {
			func(p *peer, stream uint32) {
				p.two.request(stream, "POST", "/", false)
				p.two.must(p.two.framer.WriteData(stream, false, []byte("abc")))
			},
			func(p *peer, stream uint32) {
				p.two.must(p.two.framer.WriteData(stream, true, nil))
				p.two.answer(stream, "200", "abc")
			},
		},
	} {
		t.Run(transport, func(t *testing.T) {
			w, hooked := newWatcher(), make(chan server.Record, 10)
			s := serve(t, handler, w.observed, func(c *server.Config) {
				c.Finished = func(_ *app.Request, rec server.Record) { hooked <- rec }
			})
			p := peers[transport].dial(s)
			for stream := uint32(1); stream <= 5; stream += 2 {
				say.head(p, stream)
				<-asked
				say.end(p, stream)
				if got := w.next(t, w.finished); got.Status != 200 || got.In != 3 || got.Out != 3 || got.Conn.Requests != uint64(stream+1)/2 {
					t.Errorf("told of %+v", got)
				}
				<-hooked
			}
			if len(w.finished) > 0 || len(hooked) > 0 {
				t.Errorf("told again: %d times, the hook %d times", len(w.finished), len(hooked))
			}
			for _, l := range s.Stats().Loops {
				if l.Panics > 0 {
					t.Errorf("%d panics", l.Panics)
				}
			}
		})
	}
}
