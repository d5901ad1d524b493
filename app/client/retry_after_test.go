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

// retrying returns a front whose requests have that Retry.
func retrying(t *testing.T, scheme string, retry client.Retry, h app.Handler) *front {
	f := newFront(t, scheme, client.Options{}, h)
	request := f.request
	f.request = func(r *app.Request, url string) *client.Request {
		req := request(r, url)
		req.Retry = &retry
		return req
	}
	return f
}

// A response is dropped for another try if its status is listed, the method may be processed twice, the content is
// kept, and tries are left.
func TestRetriesAfterAResponse(t *testing.T) {
	for _, c := range []struct {
		name, method string
		size         int
		retry        client.Retry
		statuses     []int // of the responses, one a try; then 200
		tries        int
		want         int
	}{
		{"GET", "GET", 0, client.Retry{Tries: 1, Statuses: []int{502, 503}}, []int{503}, 2, 200},
		{"twice", "GET", 0, client.Retry{Tries: 2, Statuses: []int{502, 503}}, []int{503, 502}, 3, 200},
		{"too often", "GET", 0, client.Retry{Tries: 1, Statuses: []int{503}}, []int{503, 503}, 2, 503},
		{"another status", "GET", 0, client.Retry{Tries: 1, Statuses: []int{503}}, []int{500}, 1, 500},
		{"no tries", "GET", 0, client.Retry{Statuses: []int{503}}, []int{503}, 1, 503},
		{"POST", "POST", 10, client.Retry{Tries: 1, Statuses: []int{503}}, []int{503}, 1, 503},
		{"POST that is listed", "POST", 10, client.Retry{Tries: 1, Statuses: []int{503}, Methods: []string{"POST"}}, []int{503}, 2, 200},
		{"GET that is not", "GET", 0, client.Retry{Tries: 1, Statuses: []int{503}, Methods: []string{"POST"}}, []int{503}, 1, 503},
		{"content", "PUT", 64 << 10, client.Retry{Tries: 1, Statuses: []int{503}}, []int{503}, 2, 200},
		{"large content", "PUT", 64<<10 + 1, client.Retry{Tries: 1, Statuses: []int{503}}, []int{503}, 1, 503},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, scheme string) {
				try := 0
				f := retrying(t, scheme, c.retry, func(r *app.Request) app.Answer {
					status := 200
					if try < len(c.statuses) {
						status = c.statuses[try]
					}
					try++
					return app.Map(r.Body.Discard(), func(n int64) (*app.Response, error) { return app.Text(status, fmt.Sprint(n)), nil })
				})
				f.Do(&apptest.Request{Method: c.method, Target: "/", Body: strings.Repeat("x", c.size)}).Want(t, c.want, fmt.Sprint(c.size))
				if f.backend.Requests != c.tries {
					t.Errorf("%d tries, want %d", f.backend.Requests, c.tries)
				}
			})
		})
	}
}

// A response that comes before the content is dropped with it, and the rest of the content goes into the next try.
func TestRetryAfterAnEarlyResponse(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		try := 0
		f := retrying(t, scheme, client.Retry{Tries: 1, Statuses: []int{503}}, func(r *app.Request) app.Answer {
			if try++; try == 1 {
				return app.Ready(app.Text(503, "busy"))
			}
			return answer200(r)
		})
		f.Do(&apptest.Request{Method: "PUT", Target: "/", Body: strings.Repeat("x", 1000)}).Want(t, 200, "1000")
	})
}

// All retries after responses count against the budget of a fifth.
func TestRetriesAfterResponsesAreAFifth(t *testing.T) {
	f := retrying(t, "h2c", client.Retry{Tries: 5, Statuses: []int{503}}, func(*app.Request) app.Answer {
		return app.Ready(app.Text(503, ""))
	})
	for range 100 {
		if c := f.Do(get("/")); c.Status != 503 {
			t.Fatalf("status %d", c.Status)
		}
	}
	if n := f.backend.Requests; n != 120 {
		t.Errorf("%d tries of 100 requests", n)
	}
}

func TestTryTimeout(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		for _, c := range []struct {
			method string
			again  bool
		}{{"GET", true}, {"POST", false}} {
			f := retrying(t, scheme, client.Retry{Tries: 1, Timeout: time.Second}, nil)
			try := 0
			f.backend = f.Answer("backend:80", func(r *app.Request) app.Answer {
				if try++; try == 1 {
					return never(r)
				}
				return hello(r)
			})
			call := f.Start(&apptest.Request{Method: c.method, Target: "/"})
			f.Settle()
			f.Advance(900 * time.Millisecond)
			if call.Status != 0 || try != 1 {
				t.Fatalf("status %d after %d tries", call.Status, try)
			}
			f.Advance(200 * time.Millisecond)
			if c.again {
				call.Want(t, 200, "GET /")
			} else if f.wantFailure(call, client.HeadTimeout); call.Status != 504 || try != 1 {
				t.Errorf("status %d after %d tries", call.Status, try)
			}
			f.Advance(time.Minute)
		}
	})
}

// The time of a try includes that of waiting for a connection, and such a try is safe.
func TestTryTimeoutOfAConnection(t *testing.T) {
	f := retrying(t, "http", client.Retry{Tries: 1, Timeout: 100 * time.Millisecond}, hello)
	f.backend.Hang = true
	call := f.Start(post("/", "x"))
	f.Settle()
	f.Advance(150 * time.Millisecond)
	f.backend.Hang = false
	f.Advance(100 * time.Millisecond)
	if e := f.wantFailure(call, client.HeadTimeout); !e.Safe || call.Status != 504 {
		t.Errorf("status %d, %v", call.Status, e)
	}
}
