//go:build linux

package server_test

import (
	"io"
	"runtime"
	"testing"
	"weak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
)

// collected fails the test unless the garbage collector frees what each of those points to.
func collected[T any](t *testing.T, what string, pointers ...weak.Pointer[T]) {
	t.Helper()
	eventually(t, what+" is freed", func() bool {
		runtime.GC()
		for _, p := range pointers {
			if p.Value() != nil {
				return false
			}
		}
		return true
	})
}

// A request that may last keeps none of those that arrived with it.
func TestMemoryOfRequestsThatMayLast(t *testing.T) {
	for name, lasting := range map[string]string{
		"upgrade": get("/lasts", "Connection: upgrade", "Upgrade: any"),
		"content": post("/lasts", 7) + "content",
		"CONNECT": "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			requests := make(chan *app.Request, 4)
			s := serve(t, func(r *app.Request) app.Answer {
				requests <- r
				return app.Ready(app.Text(403, "no"))
			}, func(c *server.Config) { c.Loops = 1 })
			l := s.dial()
			l.say(get("/") + get("/") + lasting + get("/"))
			for range 4 {
				l.hear("GET", 403, "no")
			}
			others := []weak.Pointer[app.Request]{weak.Make(<-requests), weak.Make(<-requests)}
			lasts := <-requests
			others = append(others, weak.Make(<-requests))
			collected(t, "a request that arrived with "+lasts.Method, others...)
			runtime.KeepAlive(lasts)
		})
	}
}

// A request that is kept keeps no response to those that arrived with it.
func TestMemoryOfResponsesToRequestsThatArriveTogether(t *testing.T) {
	promises, requests := make(chan *app.Promise[*app.Response], 1), make(chan *app.Request, 2)
	s := serve(t, func(r *app.Request) app.Answer {
		requests <- r
		if r.RawPath == "/kept" {
			return app.Ready(app.Text(200, "kept"))
		}
		p, f := app.Promised[*app.Response](r)
		promises <- p
		return f
	}, func(c *server.Config) { c.Loops = 1 })
	l := s.dial()
	l.say(get("/") + get("/kept"))
	<-requests
	kept := <-requests
	response := resolveWeakly(<-promises)
	l.hear("GET", 200, "once")
	l.hear("GET", 200, "kept")
	collected(t, "the response", response)
	runtime.KeepAlive(kept)
}

// resolveWeakly resolves the promise with a response to which only the server refers then.
func resolveWeakly(p *app.Promise[*app.Response]) weak.Pointer[app.Response] {
	response := app.Text(200, "once")
	p.Resolve(response)
	return weak.Make(response)
}

// brokenContent is content whose Close panics.
type brokenContent struct{ spi.Source }

func (brokenContent) Length() int64 { return 1 }
func (brokenContent) Close() error  { panic("for the test") }

// A panic that ends a read ends the sharing of memory and of counters by its requests.
func TestPanicAmongRequestsThatArriveTogether(t *testing.T) {
	requests := make(chan *app.Request, 4)
	s := serve(t, func(r *app.Request) app.Answer {
		requests <- r
		if r.Method == "HEAD" {
			return app.Ready(&app.Response{Status: 200, Content: brokenContent{}})
		}
		return app.Ready(app.Text(200, "hello"))
	}, func(c *server.Config) { c.Loops = 1 })
	l := s.dial()
	l.say(get("/") + get("/") + "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get("/") + get("/"))
	_, _ = io.Copy(io.Discard, l.r) // until the connection closes
	eventually(t, "no request is active", func() bool { return s.Counts().ActiveRequests[app.HTTP11] == 0 })
	if got := s.Counts().Responses[app.HTTP11][200]; got != 3 {
		t.Errorf("%d responses are counted, want 3", got)
	}
	var before []weak.Pointer[app.Request]
	for range 3 {
		before = append(before, weak.Make(<-requests))
	}
	next := s.dial()
	next.say(get("/"))
	next.hear("GET", 200, "hello")
	kept := <-requests
	collected(t, "a request of the closed connection", before...)
	runtime.KeepAlive(kept)
}
