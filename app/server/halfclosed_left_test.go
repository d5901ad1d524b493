//go:build linux

package server_test

import (
	"context"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// unanswered is a handler that never answers, and tells of each request that has come.
func unanswered() (app.Handler, <-chan openRequest) {
	begun := make(chan openRequest, 1024)
	return func(r *app.Request) app.Answer {
		if r.RawPath == "/" {
			return hello(r)
		}
		p, f := app.Promised[*app.Response](r)
		begun <- openRequest{p, r.Context()}
		return f
	}, begun
}

type openRequest struct {
	*app.Promise[*app.Response]
	context context.Context
}

// leave asks for something and closes in order, without waiting for the answer.
func (s *site) leave() {
	l := s.dial()
	l.say(get("/later"))
	l.close()
}

// A peer that has left behind a request of HTTP/1 holds it for a short time only.
func TestPeersThatLeftAreNotKept(t *testing.T) {
	handler, begun := unanswered()
	s := serve(t, handler, func(c *server.Config) { c.HalfClosedTimeout = soon; c.RequestTimeout = time.Hour })
	for range 100 {
		s.leave()
		<-begun
	}
	eventually(t, "all are gone", func() bool { return s.Stats().Connections == 0 })
	if n := s.Counts().Refused[server.HalfClosedTimeout]; n != 100 {
		t.Errorf("%d counted", n)
	}
}

// A peer that has only half-closed gets its answer within that time, and has the time again while it is written
// to.
func TestHalfClosedTimeoutSparesReaders(t *testing.T) {
	const limit = 500 * time.Millisecond
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/answer" {
			// The end of the request's context is that of a peer that may have left.
			p, f := app.Promised[*app.Response](r)
			time.AfterFunc(limit/5, func() { p.Resolve(app.Text(200, "late")) })
			return f
		}
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return drip(w, 20, limit/5)
		}))
	}, func(c *server.Config) { c.HalfClosedTimeout = limit })
	l := s.dial()
	l.say(get("/answer"))
	l.finish()
	l.hear("GET", 200, "late")
	l.end()

	l = s.dial()
	l.say(get("/drip"))
	l.finish()
	l.hear("GET", 200, "xxxxxxxxxxxxxxxxxxxx")
	l.end()
}

// drip writes n bytes, one at a time.
func drip(w *app.Writer, n int, pause time.Duration) app.Future[app.Done] {
	if n == 0 {
		return app.Ready(app.Done{})
	}
	return app.Then(w.WriteString("x"), func(app.Done) app.Future[app.Done] {
		p, f := app.Promised[app.Done](w.Request())
		time.AfterFunc(pause, func() { p.Resolve(app.Done{}) })
		return app.Then(f, func(app.Done) app.Future[app.Done] { return drip(w, n-1, pause) })
	})
}

// An HTTP/2 peer that has left answers the PING that follows its FIN with a reset.
func TestHTTP2PeersThatLeftAreNotKept(t *testing.T) {
	handler, begun := unanswered()
	s := serve(t, handler, func(c *server.Config) { c.RequestTimeout = time.Hour })
	for range 20 {
		l := s.dial2()
		for i := range 10 {
			l.request(uint32(2*i+1), "GET", "/later", true)
		}
		for range 10 {
			<-begun
		}
		l.close()
	}
	eventually(t, "all are gone", func() bool { return s.Stats().Connections == 0 })
}

// A server that is full closes half-closed connections, the oldest first, before it refuses anybody. One loop: the end
// of a request's context is told before its connection is listed, and two loops may list theirs in either order.
func TestHalfClosedMakeRoom(t *testing.T) {
	handler, begun := unanswered()
	const most = 8
	s := serve(t, handler, func(c *server.Config) {
		c.Loops, c.MaxConnections, c.HalfClosedTimeout, c.RequestTimeout = 1, most, time.Hour, time.Hour
	})
	var halves []*line
	var requests []openRequest
	for range most {
		l := s.dial()
		l.say(get("/later"))
		l.finish()
		request := <-begun
		<-request.context.Done() // the FIN has come
		halves, requests = append(halves, l), append(requests, request)
	}
	for i := range most / 2 {
		l := s.dial()
		l.say(get("/"))
		l.hear("GET", 200, "Hello, World!")
		halves[i].end()
	}
	for i := most / 2; i < most; i++ {
		requests[i].Resolve(app.Text(200, "still there"))
		halves[i].hear("GET", 200, "still there")
	}
	if counts := s.Counts(); counts.Refused[server.ConnectionLimit] != 0 || counts.Refused[server.HalfClosedTimeout] != most/2 {
		t.Errorf("%d refused, %d half-closed ones made room", counts.Refused[server.ConnectionLimit], counts.Refused[server.HalfClosedTimeout])
	}
}
