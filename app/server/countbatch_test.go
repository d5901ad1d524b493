//go:build linux

package server_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// Requests that arrive together are counted each, as far as a handler and a client can tell.
func TestCountsOfPipelinedRequests(t *testing.T) {
	var site atomic.Pointer[site]
	active := make(chan uint64, 5)
	s := serve(t, func(r *app.Request) app.Answer {
		active <- site.Load().Counts().ActiveRequests[app.HTTP11]
		switch r.RawPath {
		case "/missing":
			return app.Fail(app.Statusf(404, "not here"))
		case "/panic":
			panic("for the test")
		}
		return app.Ready(app.Text(200, "hello"))
	}, func(c *server.Config) { c.Loops = 1 })
	site.Store(s)
	l := s.dial()
	l.say(strings.Join([]string{get("/"), get("/"), get("/missing"), get("/panic"), get("/")}, ""))
	for _, status := range []int{200, 200, 404, 500, 200} {
		l.status("GET", status)
	}
	if got := s.Counts().Responses[app.HTTP11]; got[200] != 3 || got[404] != 1 || got[500] != 1 {
		t.Errorf("responses are counted as %v; want 3 of 200, 1 of 404, 1 of 500", got)
	}
	if got := s.Counts(); got.ActiveRequests[app.HTTP11] != 0 || got.Connections[app.HTTP11] != (server.ConnectionCounts{Idle: 1}) {
		t.Errorf("afterwards %v requests are active, of %v connections; want none of one", got.ActiveRequests, got.Connections)
	}
	for range cap(active) {
		if got := <-active; got != 1 {
			t.Errorf("a handler sees %d active requests, want its own", got)
		}
	}
}

// A request that waits behind answered ones of the same segment counts as active until it is answered.
func TestCountsOfPipelinedRequestThatWaits(t *testing.T) {
	promises := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath != "/wait" {
			return app.Ready(app.Text(200, "hello"))
		}
		p, f := app.Promised[*app.Response](r)
		promises <- p
		return f
	}, func(c *server.Config) { c.Loops = 1 })
	l := s.dial()
	l.say(get("/") + get("/wait") + get("/"))
	l.hear("GET", 200, "hello")
	counts := s.Counts()
	if got := counts.ActiveRequests[app.HTTP11]; got != 1 {
		t.Errorf("%d requests are active, want 1", got)
	}
	if got := counts.Connections[app.HTTP11]; got != (server.ConnectionCounts{Active: 1}) {
		t.Errorf("the connection counts as %v, want an active one", got)
	}
	(<-promises).Resolve(app.Text(200, "at last"))
	l.hear("GET", 200, "at last")
	l.hear("GET", 200, "hello")
	eventually(t, "none is active", func() bool { return s.Counts().ActiveRequests[app.HTTP11] == 0 })
	if got := s.Counts().Responses[app.HTTP11][200]; got != 3 {
		t.Errorf("%d responses are counted, want 3", got)
	}
}

// A takeover publishes what the requests before the stalled one have changed. No later HTTP/1 connection does.
func TestCountsOfRequestsBeforeAStall(t *testing.T) {
	s := newStage(t, nil)
	l := s.dial()
	l.say(get("/") + get("/") + get("/stall"))
	<-s.stalling
	other := s.dial2()
	other.request(1, "GET", "/other", true)
	other.answer(1, "200", "/other")
	eventually(t, "no request is active", func() bool { return s.Counts().ActiveRequests[app.HTTP11] == 0 })
	if got := s.Counts().Responses[app.HTTP11][200]; got != 2 {
		t.Errorf("%d responses are counted, want 2", got)
	}
}
