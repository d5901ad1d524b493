package client_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
)

// endless answers with content that does not end.
func endless(*app.Request) app.Answer {
	return app.Ready(app.Pulled(200, "", -1, func(p []byte) (int, error) { return len(p), nil }))
}

// quiet answers with a head, and with no content.
func quiet(*app.Request) app.Answer {
	return app.Ready(app.Streamed(200, "", func(w *app.Writer) app.Future[app.Done] {
		_, f := app.Promised[app.Done](w.Request())
		return f
	}))
}

func TestCancelledByTheEndOfTheAskingRequest(t *testing.T) {
	for name, stage := range map[string]func(f *front) *apptest.Call{
		"connecting": func(f *front) *apptest.Call {
			f.backend.Hang = true
			return f.Do(get("/"))
		},
		"waiting": func(f *front) *apptest.Call {
			f.backend.Streams = 1
			f.Do(get("/"))
			return f.Do(get("/"))
		},
		"before the head":    func(f *front) *apptest.Call { return f.Do(get("/")) },
		"uploading":          func(f *front) *apptest.Call { return f.Do(&apptest.Request{Method: "PUT", Target: "/", Open: true}) },
		"reading content":    func(f *front) *apptest.Call { return f.Do(&apptest.Request{Target: "/endless", Slow: true, Room: 10}) },
		"waiting to content": func(f *front) *apptest.Call { return f.Do(get("/quiet")) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, scheme string) {
				f := newFront(t, scheme, origins(client.OriginOptions{Connections: 1, HTTP1Connections: 1}),
					func(r *app.Request) app.Answer {
						switch r.Target {
						case "/endless":
							return endless(r)
						case "/quiet":
							return quiet(r)
						}
						return never(r)
					})
				call := stage(f)
				origin, err := f.client.Origin(f.url)
				if err != nil {
					t.Fatal(err)
				}
				before := origin.Active()
				call.Leave()
				if n := origin.Active(); n != before-1 {
					t.Errorf("%d requests are active, after %d", n, before)
				}
				underWay := 0
				for _, c := range f.backend.Conns() {
					underWay += c.UnderWay()
				}
				if underWay != int(before)-1 && name != "connecting" {
					t.Errorf("%d requests are under way at the server", underWay)
				}
				// The connection, or a new one, serves others.
				if name != "waiting" {
					f.backend.Hang = false
					f.Advance(3 * time.Second)
					other := f.Do(get("/quiet"))
					if other.Status != 200 {
						t.Errorf("the next request gets %d: %v", other.Status, other.Err)
					}
				}
			})
		})
	}
}

func TestCancelledByTheCaller(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, never)
		var pending *client.Pending
		var failure error
		f.Loop(0).Post(func() {
			pending = f.client.SendOn(f.Loop(0), &client.Request{URL: f.url})
			pending.Response().Done(func(_ *client.Response, err error) { failure = err })
		})
		f.Settle()
		f.Loop(0).Post(pending.Cancel)
		f.Loop(0).Post(pending.Cancel)
		f.Settle()
		var e *client.Error
		if !errors.As(failure, &e) || e.Kind != client.ClientGone || !e.Sent {
			t.Errorf("got %v", failure)
		}
		for _, c := range f.backend.Conns() {
			if c.UnderWay() != 0 {
				t.Error("the request is still under way")
			}
		}
	})
}

func TestCancelledWhileContentIsRead(t *testing.T) {
	f := newFront(t, "h2c", client.Options{}, quiet)
	var pending *client.Pending
	var failure error
	f.Loop(0).Post(func() {
		pending = f.client.SendOn(f.Loop(0), &client.Request{URL: f.url})
		read := app.Then(pending.Response(), func(resp *client.Response) app.Future[int] { return resp.Body.Read(make([]byte, 10)) })
		read.Done(func(_ int, err error) { failure = err })
	})
	f.Settle()
	if failure != nil {
		t.Fatal(failure)
	}
	f.Loop(0).Post(pending.Cancel)
	f.Settle()
	var e *client.Error
	if !errors.As(failure, &e) || e.Kind != client.ClientGone {
		t.Errorf("got %v", failure)
	}
}

// A result that comes after the time of app.Timeout is dropped, and its response closed.
func TestLateResponsesAreClosed(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, apptest.Delay(2*time.Second, endless))
		host := apptest.New(func(r *app.Request) app.Answer {
			asked := f.client.Do(r, &client.Request{URL: f.url})
			late := app.Map(app.Timeout(r, time.Second, asked), func(*client.Response) (*app.Response, error) { return nil, nil })
			return app.After(late, func(*app.Response, error) app.Answer {
				return app.Map(app.Sleep(r, 5*time.Second), func(app.Done) (*app.Response, error) { return app.Empty(204), nil })
			})
		})
		backend := host.Answer("backend:80", apptest.Delay(2*time.Second, endless))
		call := host.Do(get("/"))
		host.Advance(3 * time.Second)
		call.WantNoAnswer(t)
		for _, c := range backend.Conns() {
			if c.UnderWay() != 0 {
				t.Error("the response is still under way")
			}
		}
		host.Advance(3 * time.Second)
		call.Want(t, 204, "")
	})
}

func TestHeadTimeout(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{Timeout: 3 * time.Second}, never)
		call := f.Do(get("/"))
		f.Advance(2999 * time.Millisecond)
		call.WantNoAnswer(t)
		f.Advance(time.Millisecond)
		e := f.wantFailure(call, client.HeadTimeout)
		if !e.Sent || e.Safe || call.Status != 504 {
			t.Errorf("status %d for %+v", call.Status, e)
		}
		for _, c := range f.backend.Conns() {
			if c.UnderWay() != 0 {
				t.Error("the request is still under way")
			}
		}
	})
}

func TestRequestTimeoutCountsWaiting(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, origins(client.OriginOptions{Connections: 1, HTTP1Connections: 1}), never)
		f.backend.Streams = 1
		f.Do(get("/"))
		f.request = func(_ *app.Request, url string) *client.Request {
			return &client.Request{URL: url, Timeout: time.Second}
		}
		call := f.Do(get("/"))
		f.Advance(time.Second)
		if e := f.wantFailure(call, client.HeadTimeout); e.Sent || !e.Safe {
			t.Errorf("got %+v", e)
		}
	})
}

func TestContentHasNoDeadlineButSilenceHas(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{Timeout: time.Second}, func(r *app.Request) app.Answer {
			n := 0
			return app.Ready(app.Streamed(200, "", func(w *app.Writer) app.Future[app.Done] {
				return app.While(func() app.Future[bool] {
					if n++; n > 5 {
						_, f := app.Promised[bool](r)
						return f
					}
					return app.Then(app.Sleep(r, 2*time.Second), func(app.Done) app.Future[bool] {
						return app.Map(w.WriteString("x"), func(app.Done) (bool, error) { return true, nil })
					})
				})
			}))
		})
		f.request = func(_ *app.Request, url string) *client.Request {
			return &client.Request{URL: url, Idle: 3 * time.Second}
		}
		call := f.Do(get("/"))
		f.Advance(12 * time.Second)
		if string(call.Content) != "xxxxx" || call.Aborted {
			t.Fatalf("got %q: %v", call.Content, call.Err)
		}
		f.Advance(2 * time.Second)
		f.wantFailure(call, client.IdleTimeout)
	})
}

func TestExpectWaitsForASecond(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		reads := false
		f := newFront(t, scheme, client.Options{}, func(r *app.Request) app.Answer {
			if reads {
				return answer200(r)
			}
			return app.Then(app.Sleep(r, 5*time.Second), func(app.Done) app.Answer { return answer200(r) })
		})
		request := f.request
		var interims []int
		f.request = func(r *app.Request, url string) *client.Request {
			req := request(r, url)
			req.Expect = true
			req.OnInterim = func(status int, _ app.Fields) { interims = append(interims, status) }
			return req
		}
		call := f.Do(&apptest.Request{Method: "PUT", Target: "/", Body: strings.Repeat("x", 100)})
		if call.Unread() != 100 {
			t.Fatal("content was sent at once")
		}
		f.Advance(999 * time.Millisecond)
		if call.Unread() != 100 {
			t.Fatal("content was sent too soon")
		}
		f.Advance(time.Millisecond)
		if call.Unread() != 0 {
			t.Fatal("content was not sent")
		}
		f.Advance(5 * time.Second)
		call.Want(t, 200, "100")
		reads = true
		call = f.Do(&apptest.Request{Method: "PUT", Target: "/", Body: "xyz"})
		call.Want(t, 200, "3")
		if len(interims) != 1 || interims[0] != 100 {
			t.Errorf("interim responses: %v", interims)
		}
	})
}

// Content that fails is the fault of the asking side, and has its response.
func TestFailedContent(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, answer200)
		request := f.request
		f.request = func(r *app.Request, url string) *client.Request {
			r.Body.Limit(5)
			return request(r, url)
		}
		call := f.Do(&apptest.Request{Method: "PUT", Target: "/", Open: true})
		call.Send("abc")
		call.Send("def")
		if f.wantFailure(call, client.BodyLimit); call.Status != 413 {
			t.Errorf("status %d", call.Status)
		}
		call = f.Do(&apptest.Request{Method: "PUT", Target: "/", Open: true})
		call.Send("abc")
		call.Leave()
		if f.errs == nil || f.client == nil {
			t.Error("the end of the asking request is no failure")
		}
	})
}
