package client_test

import (
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
)

// TestMain wants every goroutine to be gone in the end, but those of the pool that gnet keeps for the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}

// front is a host whose handler passes requests to a backend, and what it has seen.
type front struct {
	*apptest.Host
	t       *testing.T
	client  *client.Client
	backend *apptest.Backend
	url     string
	// request returns the request for r, given its target.
	request func(r *app.Request, url string) *client.Request
	// answer makes the response.
	answer func(*client.Response) app.Answer
	errs   []error
}

// newFront returns a front whose backend has that scheme, and answers with h.
func newFront(t *testing.T, scheme string, options client.Options, h app.Handler) *front {
	f := &front{t: t, client: client.New(options), url: scheme + "://backend:80"}
	f.request = func(r *app.Request, url string) *client.Request {
		req := &client.Request{Method: r.Method, URL: url, Fields: r.Fields}
		if r.ContentLength != 0 {
			req.Content = r.Body.Pull()
		}
		return req
	}
	f.answer = func(resp *client.Response) app.Answer { return app.Ready(resp.Response()) }
	f.Host = apptest.NewLoops(f.serve, 2)
	f.backend = f.Answer("backend:80", h)
	t.Cleanup(func() {
		if p := f.Panics(); len(p) > 0 {
			t.Errorf("panics: %v", p)
		}
	})
	return f
}

func (f *front) serve(r *app.Request) app.Answer {
	answered := f.client.Do(r, f.request(r, f.url+r.Target))
	return app.After(answered, func(resp *client.Response, err error) app.Answer {
		if err != nil {
			f.errs = append(f.errs, err)
			return app.Fail(err)
		}
		return f.answer(resp)
	})
}

// wantFailure fails the test unless the call was answered with a failure of that kind.
func (f *front) wantFailure(c *apptest.Call, kind client.Kind) *client.Error {
	f.t.Helper()
	var e *client.Error
	if !errors.As(c.Err, &e) || e.Kind != kind {
		f.t.Fatalf("got status %d, failure %v; want %v", c.Status, c.Err, kind)
	}
	return e
}

func (f *front) wantConns(n int) []*apptest.BackendConn {
	f.t.Helper()
	conns := f.backend.Conns()
	if len(conns) != n {
		f.t.Fatalf("%d connections are open, want %d", len(conns), n)
	}
	return conns
}

// hello answers with what it was asked for.
func hello(r *app.Request) app.Answer {
	return app.Ready(app.Text(200, r.Method+" "+r.Target))
}

// never does not answer.
func never(r *app.Request) app.Answer {
	_, f := app.Promised[*app.Response](r)
	return f
}

// schemes are those of which every dialogue is to hold.
var schemes = []string{"http", "h2c", "https", "h2"}

func each(t *testing.T, test func(t *testing.T, scheme string)) {
	for _, scheme := range schemes {
		t.Run(scheme, func(t *testing.T) { test(t, scheme) })
	}
}

func get(target string) *apptest.Request { return apptest.Get(target) }

func post(target, body string) *apptest.Request { return apptest.Post(target, "text/plain", body) }
