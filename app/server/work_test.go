//go:build linux

package server_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/files"
	"github.com/gatewheel/gatewheel/app/middleware"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
)

// Calls that wait do not wait for each other. Beyond the bound they are refused at once, counted and logged.
func TestCallsAreBounded(t *testing.T) {
	const bound = 1000
	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo()
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Go(r, func(context.Context) (*app.Response, error) {
			<-release
			return app.Text(200, "came back"), nil
		})
	}, func(c *server.Config) {
		c.Pool = server.PoolConfig{Workers: 1, Queue: -1, Calls: bound}
		c.HTTP1.Pipelined = bound
	})
	waiting := s.dial()
	waiting.say(strings.Repeat(get("/"), bound))
	eventually(t, "all calls wait", func() bool { return s.Counts().Calls.Running == bound })
	refused := s.dial()
	refused.say(get("/one-more"))
	if refused.status("GET", 503).Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if got := s.Counts().Calls; got.Refused != 1 || got.Limit != bound {
		t.Errorf("counted %+v", got)
	}
	eventually(t, "a line", func() bool { return s.logs.FilterMessage("no room for more work of the application").Len() == 1 })
	fields := s.logs.FilterMessage("no room for more work of the application").All()[0].ContextMap()
	if text, _ := fields["error"].(string); !strings.Contains(text, "app.Go") || !strings.Contains(fields["request"].(string), "GET /one-more from ") {
		t.Errorf("logged %v", fields)
	}
	letGo()
	for range bound {
		waiting.hear("GET", 200, "came back")
	}
	eventually(t, "no call runs", func() bool { return s.Counts().Calls.Running == 0 })
}

// Jobs that keep all workers busy do not keep files from being served.
func TestFilesHavePlacesOfTheirOwn(t *testing.T) {
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "a.txt"), []byte("from the disk"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := files.Open(directory, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	release := make(chan struct{})
	var routes router.Router
	routes.Handle("GET /files/{path...}", d.Serve)
	routes.Handle("GET /compute", func(r *app.Request) app.Answer {
		return app.Offload(r, func(context.Context) (*app.Response, error) {
			<-release
			return app.Text(200, "computed"), nil
		})
	})
	s := serve(t, routes.Serve, func(c *server.Config) {
		c.Pool = server.PoolConfig{Workers: 1, Queue: -1, FileWorkers: 1}
	})
	busy, other := s.dial(), s.dial()
	busy.say(get("/compute"))
	eventually(t, "the worker is busy", func() bool { return s.Counts().Pool.Running == 1 })
	other.say(get("/files/a.txt"))
	other.hear("GET", 200, "from the disk")
	other.say(get("/compute"))
	other.status("GET", 503)
	if got := s.Counts(); got.Pool.Refused != 1 || got.FilePool.Refused != 0 || got.FilePool.Limit == 0 {
		t.Errorf("counted %+v and %+v", got.Pool, got.FilePool)
	}
	close(release)
	busy.hear("GET", 200, "computed")
}

// A line about a request names its method, target, peer, route and identifier.
func TestLinesNameTheirRequest(t *testing.T) {
	var id atomic.Value
	var routes router.Router
	routes.Handle("GET /late/{n}", func(r *app.Request) app.Answer {
		id.Store(middleware.RequestIDOf(r))
		_, never := app.Promised[*app.Response](r)
		return never
	})
	routes.Handle("GET /torn/{n}", func(r *app.Request) app.Answer {
		id.Store(middleware.RequestIDOf(r))
		return app.Fail(errors.New("torn"))
	})
	routes.Handle("GET /panic/{n}", func(r *app.Request) app.Answer {
		id.Store(middleware.RequestIDOf(r))
		panic("boom")
	})
	routes.Handle("GET /unclaimed/{n}", func(r *app.Request) app.Answer {
		id.Store(middleware.RequestIDOf(r))
		done := make(chan struct{})
		app.Go(r, func(context.Context) (int, error) { defer close(done); return 0, errors.New("lost") })
		<-done
		return app.Ready(app.Empty(204))
	})
	routes.Handle("GET /mistake/{n}", app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
		id.Store(middleware.RequestIDOf(r))
		if err := w.Flush(); err != nil {
			return err
		}
		w.SetStatus(500)
		return nil
	}))
	s := serve(t, middleware.RequestID(routes.Serve), func(c *server.Config) { c.RequestTimeout = time.Second })
	for path, c := range map[string]struct {
		status  int
		message string
	}{
		"/late/":      {503, "handler did not answer in time"},
		"/torn/":      {500, "request failed"},
		"/panic/":     {500, "panic in the application"},
		"/unclaimed/": {204, "work failed whose result nobody has taken"},
		"/mistake/":   {200, "mistake of the application"},
	} {
		l := s.dial()
		l.say(get(path + "7"))
		l.status("GET", c.status)
		eventually(t, "a line: "+c.message, func() bool { return s.logs.FilterMessage(c.message).Len() == 1 })
		fields := s.logs.FilterMessage(c.message).All()[0].ContextMap()
		if fields["request"] != "GET "+path+"7 from "+l.LocalAddr().String() || fields["route"] != "GET "+path+"{n}" ||
			fields["request_id"] != id.Load() {
			t.Errorf("%s: logged %v", c.message, fields)
		}
	}
}

// A handler that gives up before the request's deadline has a 503, and is neither counted nor logged as late.
func TestTimeoutOfAFutureIsNotTheDeadline(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		_, never := app.Promised[*app.Response](r)
		if r.RawPath == "/collected" {
			return app.Map(app.Collect(r, time.Millisecond, never), func(all []app.Outcome[*app.Response]) (*app.Response, error) {
				return nil, all[0].Err
			})
		}
		return app.Timeout(r, time.Millisecond, never)
	})
	l := s.dial()
	for _, path := range []string{"/timeout", "/collected"} {
		l.say(get(path))
		l.hear("GET", 503, "no answer in time\n")
	}
	if n := s.Counts().Refused[server.RequestTimeout]; n != 0 {
		t.Errorf("%d requests are counted as late", n)
	}
	if n := s.logs.FilterMessage("handler did not answer in time").Len(); n != 0 {
		t.Errorf("%d are logged as late", n)
	}
}

// A panic of a handler whose peer has left is logged, though nobody gets the 500.
func TestPanicAfterThePeerLeft(t *testing.T) {
	var promise atomic.Pointer[app.Promise[int]]
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[int](r)
		promise.Store(p)
		return app.Map(f, func(int) (*app.Response, error) { panic("late") })
	})
	l := s.dial()
	l.say(get("/"))
	eventually(t, "the request has come", func() bool { return promise.Load() != nil })
	l.reset()
	eventually(t, "the peer has gone", func() bool { return s.Stats().Connections == 0 })
	promise.Load().Resolve(1)
	eventually(t, "the panic is logged", func() bool { return s.logs.FilterMessage("panic in the application").Len() == 1 })
}

// A second Start is an error, and the server goes on.
func TestStartTwice(t *testing.T) {
	s := serve(t, hello)
	if err := s.Start(context.Background()); err == nil || !strings.Contains(err.Error(), "Start") {
		t.Errorf("the second Start: %v", err)
	}
	l := s.dial()
	l.say(get("/"))
	l.hear("GET", 200, "Hello, World!")
}

// A call that waits for the loop it is made on fails at once.
func TestAwaitOnTheLoop(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/blocking" {
			return app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
				_, err := app.Await(r, app.Sleep(r, 0))
				return err
			})(r)
		}
		_, never := app.Promised[int](r)
		_, err := app.Await(r, never)
		return app.Fail(err)
	})
	l := s.dial()
	l.say(get("/"))
	l.status("GET", 500)
	eventually(t, "it is logged", func() bool { return s.logs.FilterMessage("request failed").Len() == 1 })
	if got := s.logs.FilterMessage("request failed").All()[0].ContextMap()["error"]; got != app.ErrOnLoop.Error() {
		t.Errorf("logged %v", got)
	}
	l = s.dial()
	l.say(get("/blocking"))
	l.status("GET", 200)
}

// Failures that middleware has rendered are logged and counted as others.
func TestRenderedFailuresAreLogged(t *testing.T) {
	render := func(_ *app.Request, err error) *app.Response {
		return app.Text(app.ErrorResponse(err).Status, "rendered")
	}
	s := serve(t, middleware.RenderFailures(render)(func(r *app.Request) app.Answer {
		if r.RawPath == "/panics" {
			panic("boom")
		}
		return app.Fail(errors.New("torn"))
	}))
	for path, line := range map[string]string{"/panics": "panic in the application", "/fails": "request failed"} {
		l := s.dial()
		l.say(get(path))
		l.hear("GET", 500, "rendered")
		eventually(t, "a line: "+line, func() bool { return s.logs.FilterMessage(line).Len() == 1 })
	}
	if n := s.Counts().Failed; n != 2 {
		t.Errorf("%d failures are counted", n)
	}
}
