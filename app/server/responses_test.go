//go:build linux

package server_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
)

// broken are responses that begin well and cannot be completed.
var broken = map[string]func(*app.Request) *app.Response{
	"stream fails": func(*app.Request) *app.Response {
		return app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(w.WriteString("begin"), func(app.Done) app.Future[app.Done] {
				return app.Failed[app.Done](errors.New("no more"))
			})
		})
	},
	"stream panics": func(*app.Request) *app.Response {
		return app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			w.WriteString("begin")
			panic("of the producer")
		})
	},
	"stream panics later": func(r *app.Request) *app.Response {
		return app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			p, f := app.Promised[app.Done](r)
			go p.Resolve(app.Done{})
			w.WriteString("begin")
			return app.Then(f, func(app.Done) app.Future[app.Done] { panic("of the continuation") })
		})
	},
	"stream too short": func(*app.Request) *app.Response {
		r := app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] { return w.WriteString("begin") })
		r.Content.(*app.Stream).Size = 10
		return r
	},
	"stream too long": func(*app.Request) *app.Response {
		r := app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(w.WriteString("begin"), func(app.Done) app.Future[app.Done] { return w.WriteString("too much") })
		})
		r.Content.(*app.Stream).Size = 10
		return r
	},
	"pull fails": func(*app.Request) *app.Response {
		return app.Pulled(200, "text/plain", -1, begins(func([]byte) (int, error) { return 0, errors.New("no more") }))
	},
	"pull panics": func(*app.Request) *app.Response {
		return app.Pulled(200, "text/plain", -1, begins(func([]byte) (int, error) { panic("of the source") }))
	},
	"pull does not go on": func(*app.Request) *app.Response {
		return app.Pulled(200, "text/plain", -1, begins(func([]byte) (int, error) { return 0, nil }))
	},
	"pull too short": func(*app.Request) *app.Response {
		return app.Pulled(200, "text/plain", 10, begins(func([]byte) (int, error) { return 0, io.EOF }))
	},
	"pull too long": func(*app.Request) *app.Response {
		return app.Pulled(200, "text/plain", 10, begins(func(p []byte) (int, error) { return copy(p, "too much"), nil }))
	},
}

// begins is a source that gives "begin" before it goes on as rest says.
func begins(rest func([]byte) (int, error)) func([]byte) (int, error) {
	begun := false
	return func(p []byte) (int, error) {
		if begun {
			return rest(p)
		}
		begun = true
		return copy(p, "begin"), nil
	}
}

// A response that breaks off is broken for the peer too, logged once, and nobody else's matter.
func TestBrokenResponses(t *testing.T) {
	for name, response := range broken {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(r *app.Request) app.Answer {
				if r.RawPath == "/" {
					return hello(r)
				}
				return app.Ready(response(r))
			})
			l := s.dial()
			l.say(get("/broken") + get("/"))
			got, err := io.ReadAll(l.head("GET", 200).Body)
			// What is too long is cut where the peer expects the end: it has no way to tell.
			if (err == nil) != (name == "pull too long") || !strings.HasPrefix("begintoo much", string(got)) {
				t.Errorf("heard %q, %v", got, err)
			}
			l.end()

			l.close()
			l = s.dial()
			l.say("GET /broken HTTP/1.0\r\nHost: a\r\n\r\n")
			// Only a reset tells, and it may take along what was sent.
			if got, err := io.ReadAll(l.Conn); err == nil && !strings.Contains(string(got), "Content-Length: 10") {
				t.Errorf("over HTTP/1.0 %q seems to be whole", got)
			}

			l2 := s.dial2()
			l2.request(1, "GET", "/broken", true)
			l2.headers(1)
			heard := l2.frame()
			for {
				if _, ok := heard.(*http2.DataFrame); !ok {
					break
				}
				if heard.(*http2.DataFrame).StreamEnded() {
					t.Fatal("over HTTP/2 it seems to be whole")
				}
				heard = l2.frame()
			}
			if f, ok := heard.(*http2.RSTStreamFrame); !ok || f.ErrCode != http2.ErrCodeInternal {
				t.Errorf("over HTTP/2 heard %v", heard)
			}
			l2.request(3, "GET", "/", true)
			l2.answer(3, "200", "Hello, World!")

			eventually(t, "three broken responses are logged", func() bool { return s.logs.Len() >= 3 })
			if n := s.logs.Len(); n != 3 {
				t.Errorf("logged %d lines: %v", n, s.logs.All())
			}
		})
	}
}

// A head that cannot be written is the application's mistake: 500, a line in the log, and nothing of it on the
// wire. The connection goes on.
func TestInvalidFields(t *testing.T) {
	fields := map[string]app.Field{
		"CR LF in a value": {Name: "A", Value: "b\r\nSet-Cookie: c"},
		"NUL in a value":   {Name: "A", Value: "b\x00"},
		"LF in a name":     {Name: "A\nB", Value: "c"},
		"space in a name":  {Name: "A B", Value: "c"},
		"empty name":       {Name: "", Value: "c"},
	}
	closed := make(chan struct{}, 1)
	s := serve(t, func(r *app.Request) app.Answer {
		f, ok := fields[r.Path()[1:]]
		if !ok {
			return hello(r)
		}
		return app.Ready(&app.Response{Status: 200, Fields: app.Fields{f}, Content: &app.Stream{
			Size: -1, Produce: func(*app.Writer) app.Future[app.Done] { panic("produced") }, OnClose: func() { closed <- struct{}{} },
		}})
	})
	for name := range fields {
		t.Run(name, func(t *testing.T) {
			before := s.logs.Len()
			path := "/" + strings.ReplaceAll(name, " ", "%20")
			l := s.in(t).dial()
			l.say(get(path) + get("/"))
			response := l.hear("GET", 500, "Internal Server Error\n")
			if len(response.Header) != 3 {
				t.Errorf("fields %v", response.Header)
			}
			l.hear("GET", 200, "Hello, World!")
			<-closed
			l2 := s.in(t).dial2()
			l2.request(1, "GET", path, true)
			l2.answer(1, "500", "Internal Server Error\n")
			<-closed
			eventually(t, "both are logged", func() bool { return s.logs.Len() >= before+2 })
			if n := s.logs.Len() - before; n != 2 {
				t.Errorf("%d lines in the log", n)
			}
		})
	}
}

// The same holds for trailers, but the response has begun: it is broken off.
func TestInvalidTrailers(t *testing.T) {
	s := serve(t, func(*app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			w.Trailer("A", "b\r\nc")
			return w.WriteString("begin")
		}))
	})
	l := s.dial()
	l.say(get("/"))
	if got, err := io.ReadAll(l.head("GET", 200).Body); err == nil {
		t.Errorf("heard %q, and it seems to be whole", got)
	}
	if _, err := s.client2().Get(s.url("/")); err != nil {
		var reset http2.StreamError
		if !errors.As(err, &reset) {
			t.Logf("over HTTP/2: %v", err)
		}
	}
}

// A status that is none is a mistake too.
func TestInvalidStatus(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/nil":
			return app.Ready[*app.Response](nil)
		case "/101":
			return app.Ready(app.Empty(101))
		case "/1000":
			return app.Ready(app.Empty(1000))
		}
		return app.Ready(app.Empty(99))
	})
	l, l2 := s.dial(), s.dial2()
	for i, path := range []string{"/nil", "/101", "/1000", "/99"} {
		l.say(get(path))
		l.hear("GET", 500, "Internal Server Error\n")
		l2.request(uint32(2*i+1), "GET", path, true)
		l2.answer(uint32(2*i+1), "500", "Internal Server Error\n")
	}
	eventually(t, "all are logged", func() bool { return s.logs.Len() >= 8 })
	if n := s.logs.Len(); n != 8 {
		t.Errorf("%d lines in the log", n)
	}
}
