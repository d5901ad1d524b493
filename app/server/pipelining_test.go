//go:build linux

package server_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// Thousands of requests in one write, some of them slow: all are answered, in order, and never more of them
// wait at once than the bound.
func TestThousandsOfPipelinedRequests(t *testing.T) {
	const bound, requests = 16, 5000
	var waiting, most atomic.Int64
	s := serve(t, func(r *app.Request) app.Answer {
		n := waiting.Add(1)
		most.Store(max(most.Load(), n)) // one loop runs them all
		answer := func() app.Answer {
			waiting.Add(-1)
			return app.Ready(app.Text(200, r.RawPath))
		}
		if len(r.RawPath)%2 == 0 {
			return answer()
		}
		p, f := app.Promised[app.Done](r)
		go p.Resolve(app.Done{})
		return app.Then(f, func(app.Done) app.Answer { return answer() })
	}, func(c *server.Config) { c.HTTP1.Pipelined = bound })
	l := s.dial()
	var all strings.Builder
	path := func(i int) string { return fmt.Sprint("/", i*i) }
	for i := range requests {
		all.WriteString(get(path(i)))
	}
	l.sayMeanwhile(all.String())
	for i := range requests {
		l.hear("GET", 200, path(i))
	}
	if n := most.Load(); n > bound {
		t.Errorf("%d requests were under way at once, bound %d", n, bound)
	}
}

// At the bound the socket is not read: the peer's own window stops it.
func TestPipeliningBoundStopsThePeer(t *testing.T) {
	const bound = 4
	came := make(chan *app.Promise[*app.Response], 100)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		came <- p
		return f
	}, func(c *server.Config) { c.HTTP1.Pipelined = bound })
	l := s.dial()
	l.say(strings.Repeat(get("/"), 100))
	var held []*app.Promise[*app.Response]
	for range bound {
		held = append(held, <-came)
	}
	if len(came) > 0 {
		t.Errorf("%d requests beyond the bound", len(came))
	}
	// Later answers do not leave ahead of the first, and make no room.
	for _, p := range held[1:] {
		p.Resolve(app.Text(200, "ok"))
	}
	held[0].Resolve(app.Text(200, "ok"))
	for range bound {
		l.hear("GET", 200, "ok")
	}
	for range 100 - bound {
		(<-came).Resolve(app.Text(200, "ok"))
		l.hear("GET", 200, "ok")
	}
}

// Uploads may be pipelined too; each has its own content.
func TestPipelinedUploads(t *testing.T) {
	s := serve(t, digest)
	l := s.dial()
	contents := []string{pattern(10), pattern(100_000), "", pattern(300_000), "x"}
	all := ""
	for _, c := range contents {
		all += post("/", len(c)) + c
	}
	l.sayMeanwhile(all)
	for _, c := range contents {
		l.hear("POST", 200, digestOf(c))
	}
}

// Whole answers are not made without end for a peer that does not read: its further requests wait until some
// have left. All are answered when it reads.
func TestUnreadWholeAnswersAreBounded(t *testing.T) {
	const size, requests = 340 << 10, 60
	var made atomic.Int64
	content := make([]byte, size)
	s := serve(t, func(*app.Request) app.Answer {
		made.Add(1)
		return app.Ready(app.Blob(200, "text/plain", content))
	}, func(c *server.Config) { c.MaxUnsent = 2 << 20 })
	l := s.dial()
	l.say(strings.Repeat(get("/"), requests))
	const bound = 2<<20/size + 1
	eventually(t, "the first requests are answered", func() bool { return made.Load() >= bound })
	if n := made.Load(); n >= requests {
		t.Errorf("%d answers of %d bytes were made for a peer that reads none", n, size)
	}
	for range requests {
		l.hear("GET", 200, string(content))
	}
}
