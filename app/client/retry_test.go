package client_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
)

// faultOnce makes a fault happen to the nth request only.
func faultOnce(nth int, fault apptest.Fault) func(int) apptest.Fault {
	return func(n int) apptest.Fault {
		if n == nth {
			return fault
		}
		return apptest.NoFault
	}
}

var faultNames = map[apptest.Fault]string{
	apptest.RefuseStream: "refused", apptest.NeverSent: "never sent", apptest.EOFBeforeHead: "EOF",
	apptest.ResetBeforeHead: "reset", apptest.CutShort: "cut short", apptest.ResetAfterHead: "reset after the head",
}

// answer200 reads all content, and answers with its length.
func answer200(r *app.Request) app.Answer {
	return app.Map(r.Body.Discard(), func(n int64) (*app.Response, error) { return app.Text(200, fmt.Sprint(n)), nil })
}

// Rule: what surely was not processed is sent again, whatever its method; what is idempotent also if a reused
// connection ends before any byte of a response; nothing after that.
func TestWhatIsSentAgain(t *testing.T) {
	const (
		fresh, reused = false, true
		again         = client.Kind(0)
	)
	for _, c := range []struct {
		fault  apptest.Fault
		scheme string
		method string
		reused bool
		want   client.Kind // again: the request succeeds
	}{
		{apptest.RefuseStream, "h2c", "GET", fresh, again},
		{apptest.RefuseStream, "h2c", "POST", fresh, again},
		{apptest.RefuseStream, "h2c", "PATCH", reused, again},
		{apptest.NeverSent, "http", "GET", fresh, again},
		{apptest.NeverSent, "http", "POST", reused, again},
		{apptest.NeverSent, "h2c", "POST", reused, again},
		{apptest.EOFBeforeHead, "http", "GET", fresh, client.UpstreamEOF},
		{apptest.EOFBeforeHead, "http", "GET", reused, again},
		{apptest.EOFBeforeHead, "http", "HEAD", reused, again},
		{apptest.EOFBeforeHead, "http", "PUT", reused, again},
		{apptest.EOFBeforeHead, "http", "DELETE", reused, again},
		{apptest.EOFBeforeHead, "http", "OPTIONS", reused, again},
		{apptest.EOFBeforeHead, "http", "POST", reused, client.UpstreamEOF},
		{apptest.EOFBeforeHead, "http", "PATCH", reused, client.UpstreamEOF},
		{apptest.EOFBeforeHead, "http", "get", reused, client.UpstreamEOF},
		{apptest.EOFBeforeHead, "h2c", "GET", fresh, client.UpstreamEOF},
		{apptest.EOFBeforeHead, "h2c", "GET", reused, again},
		{apptest.EOFBeforeHead, "h2c", "POST", reused, client.UpstreamEOF},
		{apptest.ResetBeforeHead, "http", "GET", reused, again},
		{apptest.ResetBeforeHead, "http", "POST", reused, client.UpstreamReset},
		{apptest.ResetBeforeHead, "h2c", "POST", reused, client.UpstreamReset},
		{apptest.ResetBeforeHead, "h2c", "GET", reused, client.UpstreamReset}, // the connection goes on
		{apptest.CutShort, "http", "GET", reused, client.UpstreamEOF},
		{apptest.CutShort, "h2c", "GET", reused, client.UpstreamEOF},
	} {
		name := fmt.Sprintf("%s/%s/%s/reused=%v", faultNames[c.fault], c.scheme, c.method, c.reused)
		t.Run(name, func(t *testing.T) {
			f := newFront(t, c.scheme, client.Options{}, answer200)
			nth := 1
			if c.reused {
				f.Do(get("/")).Want(t, 200, "0")
				nth = 2
			}
			f.backend.Fault = faultOnce(nth, c.fault)
			call := f.Do(&apptest.Request{Method: c.method, Target: "/"})
			if c.want == again {
				if call.Status != 200 || f.backend.Requests != nth+1 {
					t.Errorf("status %d after %d requests: %v", call.Status, f.backend.Requests, call.Err)
				}
				return
			}
			if f.wantFailure(call, c.want); f.backend.Requests != nth {
				t.Errorf("%d requests", f.backend.Requests)
			}
		})
	}
}

func TestContentIsSentAgain(t *testing.T) {
	for _, c := range []struct {
		fault  apptest.Fault
		scheme string
		method string
		size   int
		bytes  bool // content in memory
		again  bool
	}{
		{apptest.RefuseStream, "h2c", "POST", 10, false, true},
		{apptest.RefuseStream, "h2c", "POST", 1 << 20, true, true},
		{apptest.RefuseStream, "h2c", "POST", 1 << 20, false, true}, // nothing of it was read
		{apptest.ResetBeforeHead, "h2c", "PUT", 64 << 10, false, true},
		{apptest.ResetBeforeHead, "h2c", "PUT", 64<<10 + 1, false, false},
		{apptest.ResetBeforeHead, "h2c", "PUT", 64<<10 + 1, true, true},
		{apptest.EOFBeforeHead, "http", "PUT", 64 << 10, false, true},
		{apptest.EOFBeforeHead, "http", "PUT", 64<<10 + 1, false, false},
		{apptest.EOFBeforeHead, "http", "POST", 10, false, false},
		{apptest.EOFBeforeHead, "http", "POST", 10, true, false},
		{apptest.NeverSent, "http", "POST", 10, false, true},
	} {
		t.Run(fmt.Sprintf("%s/%s/%s/%d/bytes=%v", faultNames[c.fault], c.scheme, c.method, c.size, c.bytes), func(t *testing.T) {
			// The first answer comes when all content has arrived, so that it was sent.
			nth := 2
			f := newFront(t, c.scheme, origins(client.OriginOptions{Connections: 1}), nil)
			f.backend = f.Answer("backend:80", func(r *app.Request) app.Answer {
				return app.Then(answer200(r), func(resp *app.Response) app.Answer {
					if fault := f.backend.Calls; c.fault >= apptest.EOFBeforeHead && len(fault) == nth {
						for _, conn := range f.backend.Conns() {
							f.Loop(0).Post(conn.End(c.fault == apptest.ResetBeforeHead))
						}
						return never(r)
					}
					return app.Ready(resp)
				})
			})
			f.Do(get("/")).Want(t, 200, "0")
			if c.fault < apptest.EOFBeforeHead {
				f.backend.Fault = faultOnce(nth, c.fault)
			}
			request := f.request
			f.request = func(r *app.Request, url string) *client.Request {
				req := request(r, url)
				if c.bytes {
					req.Content = app.Bytes(strings.Repeat("x", c.size))
				}
				return req
			}
			body := strings.Repeat("x", c.size)
			call := f.Do(&apptest.Request{Method: c.method, Target: "/", Body: body})
			if c.again {
				call.Want(t, 200, fmt.Sprint(c.size))
				return
			}
			if call.Status != 502 || f.backend.Requests != nth {
				t.Errorf("status %d after %d requests", call.Status, f.backend.Requests)
			}
		})
	}
}

func TestGoawayMovesRequests(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		f := newFront(t, "h2c", client.Options{}, apptest.Delay(time.Second, hello))
		var calls []*apptest.Call
		for range 50 {
			calls = append(calls, f.Do(&apptest.Request{Method: method, Target: "/"}))
		}
		old := f.wantConns(1)[0]
		old.Goaway(20)
		if c := f.wantConns(2); c[0].UnderWay() != 20 || c[1].UnderWay() != 30 {
			t.Fatalf("%d and %d requests are under way", c[0].UnderWay(), c[1].UnderWay())
		}
		f.Advance(time.Second)
		for _, c := range calls {
			c.Want(t, 200, method+" /")
		}
		f.wantConns(1)
	}
}

func TestNothingIsRetriedAfterTheHead(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, func(*app.Request) app.Answer {
			return app.Ready(app.Pulled(200, "", 1<<20, func(p []byte) (int, error) { return len(p), nil }))
		})
		f.backend.Fault = faultOnce(1, apptest.ResetAfterHead)
		call := f.Do(get("/"))
		if call.Status != 200 || !call.Aborted || f.backend.Requests != 1 {
			t.Errorf("status %d, aborted: %v, after %d requests", call.Status, call.Aborted, f.backend.Requests)
		}
		f.wantFailure(call, client.UpstreamReset)
	})
}

func TestRetriesAreAFifthOfTheRequests(t *testing.T) {
	f := newFront(t, "h2c", client.Options{}, hello)
	f.backend.Fault = func(int) apptest.Fault { return apptest.RefuseStream }
	for range 10 {
		e := f.wantFailure(f.Do(get("/")), client.UpstreamReset)
		if !e.Safe {
			t.Error("the failure is told as unsafe")
		}
	}
	if got := f.backend.Requests - 10; got != 3 {
		t.Errorf("%d retries of 10 requests", got)
	}
	for range 90 {
		f.Do(get("/"))
	}
	if got := f.backend.Requests - 100; got != 20 {
		t.Errorf("%d retries of 100 requests", got)
	}
	f.Advance(time.Minute)
	before := f.backend.Requests
	f.Do(get("/"))
	if got := f.backend.Requests - before; got != 4 {
		t.Errorf("%d tries after a quiet minute", got)
	}
}

// Every tenth request is refused: none fails, since the tenth part is less than a fifth.
func TestOccasionalRefusalsAreHidden(t *testing.T) {
	f := newFront(t, "h2c", client.Options{}, hello)
	f.backend.Fault = func(n int) apptest.Fault {
		if n%10 == 0 {
			return apptest.RefuseStream
		}
		return apptest.NoFault
	}
	for range 500 {
		f.Do(post("/", "x")).Want(t, 200, "POST /")
	}
}

func TestRetriesThatTheCallerPermits(t *testing.T) {
	f := newFront(t, "http", client.Options{}, hello)
	request := f.request
	f.request = func(r *app.Request, url string) *client.Request {
		req := request(r, url)
		req.Retries = 1
		return req
	}
	f.backend.Fault = faultOnce(1, apptest.EOFBeforeHead)
	f.Do(get("/")).Want(t, 200, "GET /")
	f.Advance(time.Hour)
	f.backend.Fault = faultOnce(3, apptest.EOFBeforeHead)
	f.wantFailure(f.Do(post("/", "x")), client.UpstreamEOF)
	f.Advance(time.Hour)
	f.backend.Fault = func(int) apptest.Fault { return apptest.EOFBeforeHead }
	f.wantFailure(f.Do(get("/")), client.UpstreamEOF)
	if f.backend.Requests != 5 {
		t.Errorf("%d requests", f.backend.Requests)
	}
}
