package client_test

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
)

func TestRefusedConnections(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, hello)
		f.backend.Refuse = true
		var calls []*apptest.Call
		for range 10 {
			calls = append(calls, f.Start(get("/")))
		}
		f.Settle()
		for _, c := range calls {
			e := f.wantFailure(c, client.ConnectFail)
			if e.Sent || !e.Safe || c.Status != 502 {
				t.Errorf("status %d for %+v", c.Status, e)
			}
		}
		dials := f.backend.Dials
		// A dead server costs little: requests fail at once in the pauses between dials.
		for range 1000 {
			f.wantFailure(f.Do(get("/")), client.ConnectFail)
			f.Advance(10 * time.Millisecond)
		}
		if n := f.backend.Dials - dials; n < 3 || n > 20 {
			t.Errorf("%d dials in 10 s", n)
		}
		f.backend.Refuse = false
		f.Advance(5 * time.Second)
		f.Do(get("/")).Want(t, 200, "GET /")
	})
}

// Requests that may be sent again, and fail together, do not wait for the end of the pause.
func TestRetriesOfRequestsThatFailTogether(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, hello)
		plain := f.request
		f.request = func(r *app.Request, url string) *client.Request {
			req := plain(r, url)
			req.Retries = 1
			return req
		}
		f.backend.Hang = true
		for range 10 { // pauses grow
			f.Do(get("/"))
			f.Advance(10 * time.Second)
		}
		var calls []*apptest.Call
		for range 100 {
			calls = append(calls, f.Start(get("/")))
		}
		f.Advance(2 * time.Second)
		for _, c := range calls {
			f.wantFailure(c, client.ConnectTimeout)
		}
	})
}

func TestConnectTimeout(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, hello)
		f.backend.Hang = true
		call := f.Do(get("/"))
		f.Advance(1999 * time.Millisecond)
		call.WantNoAnswer(t)
		f.Advance(time.Millisecond)
		f.wantFailure(call, client.ConnectTimeout)
		if call.Status != 504 {
			t.Errorf("status %d", call.Status)
		}
	})
}

// A server that restarts refuses connections for a while. Requests wait for it.
func TestRequestsWaitForARestart(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, hello)
		f.Do(get("/")).Want(t, 200, "GET /")
		f.wantConns(1)[0].Hangup()
		f.backend.Refuse = true
		call := f.Do(post("/", "x"))
		f.Advance(500 * time.Millisecond)
		call.WantNoAnswer(t)
		f.backend.Refuse = false
		f.Advance(time.Second)
		call.Want(t, 200, "POST /")
		f.wantConns(1)[0].Hangup()
		f.backend.Refuse = true
		call = f.Do(get("/"))
		f.Advance(4 * time.Second)
		f.wantFailure(call, client.ConnectFail)
		f.wantFailure(f.Do(get("/")), client.ConnectFail)
	})
}

func TestNoPatience(t *testing.T) {
	f := newFront(t, "h2c", origins(client.OriginOptions{Patience: -1}), hello)
	f.Do(get("/")).Want(t, 200, "GET /")
	f.wantConns(1)[0].Hangup()
	f.backend.Refuse = true
	f.wantFailure(f.Do(get("/")), client.ConnectFail)
}

func TestEnhanceYourCalmMakesDialsPause(t *testing.T) {
	f := newFront(t, "h2c", client.Options{}, hello)
	dials := 0
	begin := f.Loop(0).Now()
	for range 5 {
		call := f.Do(get("/"))
		for call.Status == 0 {
			f.Advance(10 * time.Millisecond)
		}
		call.Want(t, 200, "GET /")
		dials = f.backend.Dials
		f.wantConns(1)[0].Calm()
	}
	if took := f.Loop(0).Now().Sub(begin); dials != 5 || took < time.Second {
		t.Errorf("%d dials in %v", dials, took)
	}
}

// A dial that fails does not end requests that other connections will serve.
func TestFailedDialLeavesRequestsToOtherConnections(t *testing.T) {
	f := newFront(t, "http", client.Options{}, apptest.Delay(time.Second, hello))
	first := f.Do(get("/"))
	f.backend.Refuse = true
	second := f.Do(get("/"))
	second.WantNoAnswer(t)
	f.Advance(2 * time.Second)
	first.Want(t, 200, "GET /")
	second.Want(t, 200, "GET /")
}

// Connections that fail together count as one failure: the pauses stay short, and one dial at a time looks whether
// the server is back.
func TestConnectionsThatFailTogetherCountOnce(t *testing.T) {
	f := newFront(t, "http", client.Options{}, apptest.Delay(time.Millisecond, hello))
	start := func() (calls []*apptest.Call) {
		for range 32 {
			calls = append(calls, f.Start(get("/")))
		}
		return calls
	}
	start()
	f.Advance(time.Second)
	for _, c := range f.wantConns(32) {
		c.Hangup()
	}
	f.backend.Refuse = true
	calls := start()
	f.Advance(500 * time.Millisecond)
	if n := f.backend.Dials - 64; n > 20 {
		t.Errorf("%d dials of a server that refuses them", n)
	}
	f.backend.Refuse = false
	f.Advance(200 * time.Millisecond)
	for _, c := range calls {
		c.Want(t, 200, "GET /")
	}
}
