//go:build linux

package server_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	kinds "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
)

// stalling is a querier whose handlers ask by a connection and stall its loop.
type stalling struct {
	*dialled
	again chan struct{} // closed: what stalls returns
	conn  atomic.Pointer[dialled]
	asked chan *asked // calls of handlers
}

// stalls connects a querier, whose handler is made by handle, to a server.
func stalls(t *testing.T, address, protocol string, handle func(s *stalling) app.Handler) *stalling {
	t.Helper()
	s := &stalling{again: make(chan struct{}), asked: make(chan *asked, 4)}
	a := queries(t, brisk, func(c *server.Config) {
		c.Handler = handle(s)
		c.Stall.Abort = func(reason string, stacks []byte) { t.Errorf("aborted: %s\n%s", reason, stacks) }
	})
	t.Cleanup(s.letGo) // before the server is stopped
	s.dialled = a.connect(&spi.Dial{Address: address, Protocol: protocol})
	s.conn.Store(s.dialled)
	return s
}

func (s *stalling) letGo() {
	select {
	case <-s.again:
	default:
		close(s.again)
	}
}

// askFor starts a call for r, on its loop.
func (s *stalling) askFor(r *app.Request, out *spi.Outgoing, head func()) {
	q := &asked{dialled: s.conn.Load(), headHook: head, headCame: make(chan struct{}), endCame: make(chan struct{}), read: make(chan struct{})}
	complete(out)
	out.Loop = r.Loop()
	d := r.Loop().(spi.Dialer)
	if !d.Enter() {
		return
	}
	defer d.Leave()
	q.call, q.startErr = q.up.Start(out, q)
	s.asked <- q
}

// wantClosed wants the connection of a client to be closed for a stall.
func wantClosed(t *testing.T, l *line) {
	t.Helper()
	if rest, err := io.ReadAll(l.r); err == nil && len(rest) > 0 {
		t.Errorf("heard %q of a request that has stalled", rest)
	}
}

// Calls go on when their loop is taken from a handler that has nothing to do with them.
func TestUpstreamSurvivesStall(t *testing.T) {
	arrived, proceed := make(chan struct{}, 2), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "before ")
		_ = http.NewResponseController(w).Flush()
		arrived <- struct{}{}
		<-proceed
		_, _ = io.WriteString(w, "after")
	})
	for _, protocol := range []string{app.HTTP11, app.HTTP2} {
		t.Run(protocol, func(t *testing.T) {
			s := stalls(t, goServer(t, handler, nil), protocol, func(s *stalling) app.Handler {
				return func(*app.Request) app.Answer {
					<-s.again
					return app.Ready(app.Text(200, "late"))
				}
			})
			q := s.ask(&spi.Outgoing{})
			<-arrived
			client := s.site.dial()
			client.say(get("/stall"))
			wantClosed(t, client)
			proceed <- struct{}{}
			q.answer(200, "before after")
			s.ask(&spi.Outgoing{Target: "/again"})
			<-arrived
			proceed <- struct{}{}
			s.letGo()
		})
	}
}

// Code that stalls when it hears of its response costs its own request only: not the connection to the server, nor the
// other calls on it whose responses came with the same read.
func TestUpstreamStallBehindEvent(t *testing.T) {
	b := scripted(t)
	s := stalls(t, b.address(), app.HTTP2, func(s *stalling) app.Handler {
		return func(r *app.Request) app.Answer {
			_, f := app.Promised[*app.Response](r)
			s.askFor(r, &spi.Outgoing{Target: "/stalls"}, func() {
				r.Loop().(spi.Dialer).Run(func() { <-s.again })
			})
			return f
		}
	})
	p := b.accept2()
	client := s.site.dial()
	client.say(get("/"))
	q := <-s.asked
	other := s.ask(&spi.Outgoing{Target: "/other"})
	p.preface()
	first, second := p.hearsRequest(), p.hearsRequest()
	p.holds()
	p.says(first, false, ":status", "200")
	p.must(p.framer.WriteData(first, false, []byte("for nobody")))
	p.says(second, false, ":status", "200")
	p.must(p.framer.WriteData(second, true, []byte("unharmed")))
	p.releases()
	other.answer(200, "unharmed")
	wantClosed(t, client)
	s.on(q.call.Release)
	p.hearsReset(first, http2.ErrCodeCancel)
	last := s.ask(&spi.Outgoing{})
	p.says(p.hearsRequest(), true, ":status", "204")
	last.answer(204, "")
	s.letGo()
	s.close()
}

// A request whose content is code that stalls is broken off.
func TestUpstreamStallInContent(t *testing.T) {
	address := goServer(t, http.HandlerFunc(describeRequest), nil)
	for _, protocol := range []string{app.HTTP11, app.HTTP2} {
		t.Run(protocol, func(t *testing.T) {
			s := stalls(t, address, protocol, func(s *stalling) app.Handler {
				return func(r *app.Request) app.Answer {
					_, f := app.Promised[*app.Response](r)
					s.askFor(r, &spi.Outgoing{Method: "POST", Content: &app.Pull{Size: -1, Read: func(p []byte) (int, error) {
						<-s.again
						return copy(p, "late"), io.EOF
					}}}, nil)
					return f
				}
			})
			client := s.site.dial()
			client.say(get("/"))
			wantFailure(t, (<-s.asked).failed(), kinds.ClientGone, false, true) // before anything was written
			wantClosed(t, client)
			if protocol == app.HTTP2 {
				s.ask(&spi.Outgoing{}).answer(200, "GET a.test / ")
			} else {
				_ = s.end()
			}
			s.letGo()
		})
	}
}
