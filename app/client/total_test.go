package client_test

import (
	"errors"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
)

// stalling sends the head and the first part of its content, and the rest never.
func stalling(*app.Request) app.Answer {
	return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
		return app.Then(w.WriteString("first "), func(app.Done) app.Future[app.Done] {
			return app.Sleep(w.Request(), time.Hour)
		})
	}))
}

// readAll answers with the whole content of the response, or with the failure of reading it.
func readAll(resp *client.Response) app.Answer {
	return app.Map(resp.Body.ReadAll(1000), func(b []byte) (*app.Response, error) { return app.Text(200, string(b)), nil })
}

// wantIdle fails the test if the backend has a request under way.
func (f *front) wantIdle() {
	f.t.Helper()
	for _, c := range f.backend.Conns() {
		if c.UnderWay() != 0 {
			f.t.Error("the request is still under way")
		}
	}
}

func TestTotalLimitsTheContent(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{Timeout: time.Second, Total: 3 * time.Second}, stalling)
		f.answer = readAll
		call := f.Do(get("/"))
		f.Advance(2999 * time.Millisecond)
		call.WantNoAnswer(t)
		f.Advance(time.Millisecond)
		e := f.wantFailure(call, client.CallTimeout)
		want := "client: call-timeout: " + f.url + ": GET is not complete after 3s"
		if !e.Timeout() || !e.Sent || e.Safe || call.Status != 504 || e.Error() != want {
			t.Errorf("status %d for %+v, text %q", call.Status, e, e)
		}
		f.wantIdle()
	})
}

func TestTotalLimitsTheHead(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{Total: time.Hour}, never)
		request := f.request
		f.request = func(r *app.Request, url string) *client.Request {
			req := request(r, url)
			req.Total = 2 * time.Second
			return req
		}
		call := f.Do(get("/"))
		f.Advance(1999 * time.Millisecond)
		call.WantNoAnswer(t)
		f.Advance(time.Millisecond)
		if e := f.wantFailure(call, client.CallTimeout); e.Safe || call.Status != 504 {
			t.Errorf("status %d for %+v", call.Status, e)
		}
		f.wantIdle()
	})
}

func TestTotalEndsWithTheContent(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{Total: 3 * time.Second}, hello)
		request := f.request
		var asking *app.Request
		f.request = func(r *app.Request, url string) *client.Request {
			asking = r
			return request(r, url)
		}
		f.answer = func(resp *client.Response) app.Answer {
			return app.Then(resp.Body.ReadAll(1000), func(b []byte) app.Answer {
				return app.Then(app.Sleep(asking, time.Minute), func(app.Done) app.Answer {
					return app.Ready(app.Text(200, string(b)))
				})
			})
		}
		call := f.Do(get("/"))
		f.Advance(time.Minute)
		call.Want(t, 200, "GET /")
	})
}

// A response that is passed on is cut off, since its head has left.
func TestTotalCutsOffAResponsePassedOn(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{Total: 3 * time.Second}, stalling)
		call := f.Do(get("/"))
		f.Advance(3 * time.Second)
		var e *client.Error
		if call.Status != 200 || string(call.Content) != "first " || !errors.As(call.Err, &e) || e.Kind != client.CallTimeout {
			t.Errorf("status %d, content %q, failure %v", call.Status, call.Content, call.Err)
		}
	})
}

// A response without an end is passed on for as long as it likes if there is no limit of the whole call.
func TestTotalMayBeTurnedOff(t *testing.T) {
	f := newFront(t, "h2c", client.Options{Timeout: time.Second, Total: time.Second}, stalling)
	request := f.request
	f.request = func(r *app.Request, url string) *client.Request {
		req := request(r, url)
		req.Total = -1
		return req
	}
	call := f.Do(get("/"))
	f.Advance(10 * time.Minute)
	if call.Err != nil || call.Status != 200 {
		t.Errorf("status %d, failure %v", call.Status, call.Err)
	}
}
