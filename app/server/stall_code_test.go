//go:build linux

package server_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// A producer that is started from within a continuation stalls, and returns when another has the loop:
// what unwinds behind it must not touch the loop any more.
func TestStallWithinACallIntoTheServer(t *testing.T) {
	s := newStage(t, func(s *stage) map[string]app.Handler {
		return map[string]app.Handler{"produce": func(r *app.Request) app.Answer {
			return app.Map(app.Sleep(r, 1), func(app.Done) (*app.Response, error) {
				return app.Streamed(200, "text/plain", func(*app.Writer) app.Future[app.Done] {
					s.stall(r, "wait")
					return app.Ready(app.Done{})
				}), nil
			})
		}}
	})
	for range 3 {
		s.rearm()
		other, guilty := s.dial(), s.dial()
		other.say("GET /before HTTP/1.1\r\nHost: a\r\n\r\n")
		other.hear("GET", 200, "/before")
		guilty.say("GET /produce HTTP/1.1\r\nHost: a\r\n\r\n")
		s.awaitStall()
		other.say("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n")
		// The next engine is in lent code when the first one's goroutine comes back.
		s.awaitStall()
		s.letGo()
		other.hear("GET", 200, "came back")
		other.say("GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
		other.hear("GET", 200, "/after")
	}
}

// Two requests wait for the same result. What the first one does with it is not the second one's to suffer.
func TestStallOfOneOfTwoWhoWait(t *testing.T) {
	var shared app.Future[string]
	var result *app.Promise[string]
	s := newStage(t, func(s *stage) map[string]app.Handler {
		return map[string]app.Handler{
			"first": func(r *app.Request) app.Answer {
				result, shared = app.Promised[string](r)
				s.arrived <- struct{}{}
				return app.Map(shared, func(string) (*app.Response, error) {
					s.stall(r, "wait")
					return app.Text(200, "came back"), nil
				})
			},
			"second": func(r *app.Request) app.Answer {
				s.arrived <- struct{}{}
				return app.Map(app.Here(r, shared), func(v string) (*app.Response, error) { return app.Text(200, v), nil })
			},
		}
	})
	first, second := s.dial(), s.dial()
	first.say("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")
	s.await(1)
	second.say("GET /second HTTP/1.1\r\nHost: a\r\n\r\n")
	s.await(1)
	result.Resolve("for both")
	s.awaitStall()
	second.hear("GET", 200, "for both")
	first.gone()
}

// places are all the kinds of an application's code that run on a loop. Each handler says that it arrived,
// and stalls there: at once, when its request's content has come, or when the answer has.
func places(s *stage) map[string]app.Handler {
	came := app.Ready(app.Text(200, "came back"))
	stalls := func(r *app.Request) app.Answer {
		s.stall(r, "wait")
		return came
	}
	return map[string]app.Handler{
		"handler": stalls,
		"continuation": func(r *app.Request) app.Answer {
			p, f := app.Promised[int](r)
			go p.Resolve(1)
			return app.Then(f, func(int) app.Answer { return stalls(r) })
		},
		"timer": func(r *app.Request) app.Answer {
			p, f := app.Promised[*app.Response](r)
			r.Loop().After(time.Millisecond, func() { s.stall(r, "wait"); p.Resolve(app.Text(200, "came back")) })
			return f
		},
		"task": func(r *app.Request) app.Answer {
			p, f := app.Promised[*app.Response](r)
			r.Loop().Post(func() { s.stall(r, "wait"); p.Resolve(app.Text(200, "came back")) })
			return f
		},
		"content": func(r *app.Request) app.Answer {
			return app.Then(r.Body.ReadAll(100), func([]byte) app.Answer { return stalls(r) })
		},
		"pull": func(r *app.Request) app.Answer {
			source := &patterned{left: 1 << 20}
			return app.Ready(app.Pulled(200, "text/plain", 1<<20, func(p []byte) (int, error) {
				if source.off > 1<<18 {
					s.stall(r, "wait")
				}
				return source.Read(p)
			}))
		},
		"producer": func(r *app.Request) app.Answer {
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				return app.Then(w.WriteAll(bytesOf(1<<18)), func(app.Done) app.Future[app.Done] {
					s.stall(r, "wait")
					return w.WriteAll(bytesOf(1 << 18))
				})
			}))
		},
		"release": func(r *app.Request) app.Answer {
			return app.Ready(&app.Response{Status: 200, Content: &app.Stream{Size: -1,
				Produce: func(w *app.Writer) app.Future[app.Done] { return w.WriteString("all") },
				OnClose: func() { s.stall(r, "wait") },
			}})
		},
	}
}

// Wherever the application stalls, the others on the loop go on: requests that wait, streams, newcomers.
func TestStallInEachKindOfCode(t *testing.T) {
	s := newStage(t, places)
	kills := 0
	for name := range s.own {
		for _, protocol := range []string{app.HTTP11, app.HTTP2} {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				s.rearm()
				defer s.letGo()
				waiting, busy, guilty := s.dial(), s.dialHTTP2(), askers[protocol](s, "/"+name)
				waiting.say("GET /promise HTTP/1.1\r\nHost: a\r\n\r\n")
				stream := busy.open(":method", "GET", ":scheme", "http", ":path", "/promise", ":authority", "a")
				stream.finish()
				s.await(2)
				guilty.ask()
				s.awaitStall()
				newcomer := s.dial()
				newcomer.say("GET /new HTTP/1.1\r\nHost: a\r\n\r\n")
				s.resolve()
				waiting.hear("GET", 200, "resolved")
				newcomer.hear("GET", 200, "/new")
				if err := stream.want("resolved"); err != nil {
					t.Error(err)
				}
				guilty.gone()
				if kills++; s.kills() != kills {
					t.Errorf("%d kills, want %d", s.kills(), kills)
				}
			})
		}
	}
}

// asker is the guilty one.
type asker struct{ ask, gone func() }

var askers = map[string]func(s *stage, path string) asker{
	app.HTTP11: func(s *stage, path string) asker {
		l := s.dial()
		return asker{
			ask: func() {
				l.say("POST " + path + " HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n1234")
				l.say("5678")
			},
			gone: l.gone,
		}
	},
	// One stream of a hundred. The others are lost with the connection.
	app.HTTP2: func(s *stage, path string) asker {
		p := s.dialHTTP2()
		return asker{
			ask: func() {
				for range 99 {
					p.open(":method", "GET", ":scheme", "http", ":path", "/promise", ":authority", "a").finish()
				}
				s.await(99)
				st := p.open(":method", "POST", ":scheme", "http", ":path", path, ":authority", "a")
				if _, err := st.Write([]byte("12345678")); err != nil {
					s.t.Fatal(err)
				}
				st.finish()
			},
			gone: func() {
				select {
				case <-p.ended:
				case <-time.After(patience):
					s.t.Error("the guilty connection is open")
				}
			},
		}
	},
}

// What waits for a request whose handler has lost the loop hears of its end when the handler has returned:
// until then two goroutines would be in one request.
func TestNothingRunsBesideAFencedHandler(t *testing.T) {
	continued := make(chan error, 1)
	s := newStage(t, func(s *stage) map[string]app.Handler {
		return map[string]app.Handler{"read": func(r *app.Request) app.Answer {
			r.Body.Read(make([]byte, 100)).Done(func(_ int, err error) { continued <- err })
			s.stall(r, "wait")
			return app.Ready(app.Text(200, "came back"))
		}}
	})
	guilty, other := s.dial(), s.dial()
	guilty.say("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
	s.awaitStall()
	other.say("GET /other HTTP/1.1\r\nHost: a\r\n\r\n")
	other.hear("GET", 200, "/other")
	guilty.gone()
	select {
	case err := <-continued:
		t.Errorf("went on with %v beside the handler", err)
	default:
	}
	s.letGo()
	select {
	case err := <-continued:
		if !errors.Is(err, app.ErrPeerGone) {
			t.Errorf("went on with %v", err)
		}
	case <-time.After(patience):
		t.Error("never went on")
	}
}
