package client_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
)

func origins(o client.OriginOptions) client.Options { return client.Options{Origins: o} }

func TestOneHTTP2ConnectionCarriesWhatItCan(t *testing.T) {
	for _, scheme := range []string{"h2c", "https", "h2"} {
		t.Run(scheme, func(t *testing.T) {
			f := newFront(t, scheme, client.Options{}, apptest.Delay(time.Second, hello))
			var calls []*apptest.Call
			start := func(n int) {
				for range n {
					calls = append(calls, f.Start(get("/")))
				}
			}
			start(100)
			if c := f.wantConns(1); c[0].UnderWay() != 100 {
				t.Fatalf("%d requests are under way", c[0].UnderWay())
			}
			start(150)
			if c := f.wantConns(2); c[0].UnderWay() != 100 || c[1].UnderWay() != 100 {
				t.Fatalf("%d and %d requests are under way", c[0].UnderWay(), c[1].UnderWay())
			}
			f.Advance(time.Second)
			f.wantConns(2)
			f.Advance(time.Second)
			for _, c := range calls {
				c.Want(t, 200, "GET /")
			}
			if f.backend.Dials != 2 {
				t.Errorf("%d dials", f.backend.Dials)
			}
		})
	}
}

func TestWaitingRequestsAreServedInOrder(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		var order []string
		f := newFront(t, scheme, origins(client.OriginOptions{Connections: 1, HTTP1Connections: 1}),
			apptest.Delay(time.Second, func(r *app.Request) app.Answer {
				order = append(order, r.Target)
				return hello(r)
			}))
		f.backend.Streams = 1
		for i := range 4 {
			f.Start(get(fmt.Sprint("/", i)))
		}
		f.Advance(4 * time.Second)
		if fmt.Sprint(order) != "[/0 /1 /2 /3]" {
			t.Errorf("served in the order %v", order)
		}
		f.wantConns(1)
	})
}

func TestQueueIsBounded(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, origins(client.OriginOptions{Connections: 1, HTTP1Connections: 1, Queue: 2}), never)
		f.backend.Streams = 1
		f.Do(get("/")).WantNoAnswer(t)
		waiting := f.Do(get("/"))
		f.Do(get("/")).WantNoAnswer(t)
		e := f.wantFailure(f.Do(get("/")), client.Overflow)
		if !e.Safe || e.Sent {
			t.Errorf("got %+v", e)
		}
		waiting.Leave() // makes room
		f.Do(get("/")).WantNoAnswer(t)
	})
}

func TestWaitingIsLimited(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, origins(client.OriginOptions{Connections: 1, HTTP1Connections: 1, Wait: 2 * time.Second}), never)
		f.backend.Streams = 1
		f.Do(get("/")).WantNoAnswer(t)
		call := f.Do(get("/"))
		f.Advance(1999 * time.Millisecond)
		call.WantNoAnswer(t)
		f.Advance(time.Millisecond)
		f.wantFailure(call, client.Overflow)
	})
}

// https may turn out to be HTTP/1.1. Until that is known, one connection is opened.
func TestALPNDecides(t *testing.T) {
	f := newFront(t, "https", client.Options{}, apptest.Delay(time.Second, hello))
	f.backend.Protocol = app.HTTP11
	f.backend.Hang = true
	for range 5 {
		f.Start(get("/"))
	}
	if f.backend.Dials != 1 {
		t.Fatalf("%d dials before the protocol is known", f.backend.Dials)
	}
	f.backend.Hang = false
	f.Advance(2*time.Second + 10*time.Millisecond) // the first dial fails, and its pause passes
	calls := []*apptest.Call{}
	for range 5 {
		calls = append(calls, f.Start(get("/")))
	}
	f.Settle()
	f.wantConns(5)
	f.Advance(time.Second)
	for _, c := range calls {
		c.Want(t, 200, "GET /")
	}
	f.Do(get("/")).WantNoAnswer(t)
	f.wantConns(5)
}

func TestH2IsHTTP2OrNothing(t *testing.T) {
	f := newFront(t, "h2", client.Options{}, hello)
	f.backend.Protocol = app.HTTP11
	f.wantFailure(f.Do(get("/")), client.TLSFail)
	f.wantConns(0)
}

func TestHTTP1ConnectionsAreReusedLatestFirst(t *testing.T) {
	f := newFront(t, "http", client.Options{}, apptest.Delay(time.Second, hello))
	for range 3 {
		f.Start(get("/"))
	}
	f.Advance(time.Second)
	conns := f.wantConns(3)
	for range 5 {
		call := f.Start(get("/"))
		f.Advance(time.Second)
		call.Want(t, 200, "GET /")
	}
	if served := fmt.Sprint(conns[0].Served, conns[1].Served, conns[2].Served); served != "1 1 6" {
		t.Errorf("the connections have served %s requests", served)
	}
}

func TestHTTP1ConnectionsAreLimitedOverAllLoops(t *testing.T) {
	f := newFront(t, "http", origins(client.OriginOptions{HTTP1Connections: 2}), apptest.Delay(time.Second, hello))
	f.Start(get("/"))
	f.Start(get("/"))
	f.Advance(time.Second)
	f.wantConns(2)
	// The other loop gets a slot of an idle connection of this one.
	call := f.Do(&apptest.Request{Target: "/other", Loop: 1})
	f.wantConns(2)
	f.Advance(time.Second)
	call.Want(t, 200, "GET /other")
	// And if all are busy, the first that becomes free.
	f.Start(get("/"))
	f.Start(&apptest.Request{Target: "/", Loop: 1})
	call = f.Do(&apptest.Request{Target: "/third", Loop: 1})
	f.wantConns(2)
	f.Advance(2 * time.Second)
	call.Want(t, 200, "GET /third")
	f.wantConns(2)
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	for scheme, limit := range map[string]time.Duration{"http": 30 * time.Second, "h2c": 5 * time.Minute} {
		f := newFront(t, scheme, client.Options{}, hello)
		f.Do(get("/")).Want(t, 200, "GET /")
		f.Advance(limit / 2)
		f.Do(get("/")).Want(t, 200, "GET /")
		f.Advance(limit - time.Millisecond)
		f.wantConns(1)
		f.Advance(time.Millisecond)
		f.wantConns(0)
		if f.Timers() > 1 {
			t.Errorf("%s: %d timers are left", scheme, f.Timers())
		}
	}
}

func TestKeepAliveLimitsIdleTime(t *testing.T) {
	keep := "timeout=5, max=100"
	f := newFront(t, "http", client.Options{}, func(*app.Request) app.Answer {
		return app.Ready(app.Text(200, "").With("Keep-Alive", keep))
	})
	f.Do(get("/"))
	f.Advance(3 * time.Second)
	f.Do(get("/"))
	f.Advance(4 * time.Second)
	f.wantConns(0)
	keep = "timeout=1"
	f.Do(get("/"))
	f.Advance(499 * time.Millisecond)
	f.wantConns(1)
	f.Advance(time.Millisecond)
	f.wantConns(0)
	keep = "timeout=999999, x"
	f.Do(get("/"))
	f.Advance(29 * time.Second)
	f.wantConns(1)
	f.Advance(time.Second)
	f.wantConns(0)
}

func TestOldConnectionsAreReplaced(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, origins(client.OriginOptions{Age: time.Minute}), hello)
		for range 70 {
			f.Do(get("/")).Want(t, 200, "GET /")
			f.Advance(time.Second)
		}
		if f.wantConns(1); f.backend.Dials != 2 {
			t.Errorf("%d dials", f.backend.Dials)
		}
	})
}

// An HTTP/1 connection that the server has closed is not used, even if nobody has noticed.
func TestSocketIsLookedAtBeforeReuse(t *testing.T) {
	f := newFront(t, "http", client.Options{}, hello)
	f.Do(get("/")).Want(t, 200, "GET /")
	f.wantConns(1)[0].HalfClosed = true
	f.Advance(50 * time.Millisecond)
	f.Do(post("/", "x")).Want(t, 200, "POST /")
	if f.backend.Dials != 2 || f.client == nil {
		t.Errorf("%d dials", f.backend.Dials)
	}
}

func TestQuietHTTP2ConnectionIsPinged(t *testing.T) {
	f := newFront(t, "h2c", client.Options{}, hello)
	f.Do(get("/")).Want(t, 200, "GET /")
	c := f.wantConns(1)[0]
	f.Advance(9 * time.Second)
	f.Do(get("/")).Want(t, 200, "GET /")
	if c.Pings != 0 {
		t.Fatal("a connection that was just in use was asked by PING")
	}
	f.Advance(time.Minute)
	if c.Pings != 0 {
		t.Fatal("an idle connection was asked by PING")
	}
	f.Do(get("/")).Want(t, 200, "GET /")
	f.Do(get("/")).Want(t, 200, "GET /")
	if f.wantConns(1); c.Pings != 1 {
		t.Fatalf("%d PINGs before use", c.Pings)
	}
	f.backend.Mute = true
	f.Advance(time.Minute)
	call, other := f.Do(post("/", "x")), f.Do(get("/"))
	f.Advance(999 * time.Millisecond)
	call.WantNoAnswer(t)
	f.Advance(time.Millisecond)
	call.Want(t, 200, "POST /")
	other.Want(t, 200, "GET /")
	if f.wantConns(1); f.backend.Dials != 2 || c.Pings != 2 || c.Served != 4 {
		t.Errorf("%d dials, %d PINGs", f.backend.Dials, c.Pings)
	}
}

// Content that is long or of unknown length does not delay short messages.
func TestBulkPrefersTheSecondConnection(t *testing.T) {
	f := newFront(t, "h2c", client.Options{}, never)
	f.Do(get("/"))
	f.Do(&apptest.Request{Method: "POST", Target: "/", Open: true})
	f.wantConns(2)
	f.Do(&apptest.Request{Method: "POST", Target: "/", Open: true})
	f.Do(&apptest.Request{Method: "POST", Target: "/", Open: true, Length: 1 << 20})
	f.Do(&apptest.Request{Method: "POST", Target: "/", Open: true, Length: 10})
	f.Do(get("/"))
	conns := f.wantConns(2)
	// The first of unknown length did not wait for the second connection.
	if conns[0].UnderWay() != 4 || conns[1].UnderWay() != 2 {
		t.Errorf("%d and %d requests are under way", conns[0].UnderWay(), conns[1].UnderWay())
	}
}

func TestLoweredLimitOfStreamsCounts(t *testing.T) {
	f := newFront(t, "h2c", client.Options{}, apptest.Delay(time.Second, hello))
	f.Do(get("/"))
	f.backend.Streams = 1
	var calls []*apptest.Call
	for range 6 {
		calls = append(calls, f.Do(get("/")))
	}
	for _, c := range f.wantConns(2) {
		if c.UnderWay() != 1 {
			t.Fatalf("%d requests are under way", c.UnderWay())
		}
	}
	f.Advance(4 * time.Second)
	for _, c := range calls {
		c.Want(t, 200, "GET /")
	}
}

func TestStreamsOption(t *testing.T) {
	f := newFront(t, "h2c", origins(client.OriginOptions{Streams: 3, Connections: 1}), never)
	for range 5 {
		f.Do(get("/"))
	}
	if c := f.wantConns(1); c[0].UnderWay() != 3 {
		t.Errorf("%d requests are under way", c[0].UnderWay())
	}
}

func TestCloseIdle(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, apptest.Delay(time.Second, hello))
		o, err := f.client.NewOrigin(f.url, client.OriginOptions{})
		if err != nil {
			t.Fatal(err)
		}
		f.request = func(r *app.Request, url string) *client.Request {
			return &client.Request{Origin: o, Target: r.Target}
		}
		first := f.Do(get("/first"))
		f.Advance(time.Second)
		first.Want(t, 200, "GET /first")
		f.wantConns(1)
		second := f.Do(get("/second"))
		o.CloseIdle()
		f.Settle()
		f.wantConns(1)
		f.Advance(time.Second)
		second.Want(t, 200, "GET /second")
		f.wantConns(0)
		third := f.Do(get("/third"))
		f.Advance(time.Second)
		third.Want(t, 200, "GET /third")
		f.wantConns(0)
		idle, err := f.client.NewOrigin(f.url, client.OriginOptions{})
		if err != nil {
			t.Fatal(err)
		}
		o = idle
		fourth := f.Do(get("/fourth"))
		f.Advance(time.Second)
		fourth.Want(t, 200, "GET /fourth")
		f.wantConns(1)
		o.CloseIdle()
		f.Settle()
		f.wantConns(0)
	})
}

func TestClosedOriginDrains(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, apptest.Delay(time.Second, hello))
		f.backend.Streams = 1
		o, err := f.client.NewOrigin(f.url, client.OriginOptions{Connections: 1, HTTP1Connections: 1})
		if err != nil {
			t.Fatal(err)
		}
		f.request = func(r *app.Request, url string) *client.Request {
			return &client.Request{Origin: o, Target: r.Target}
		}
		underWay, waiting := f.Do(get("/")), f.Do(get("/"))
		if o.Active() != 2 {
			t.Errorf("%d requests are active", o.Active())
		}
		o.Close()
		f.Settle()
		f.wantFailure(waiting, client.Drained)
		f.wantFailure(f.Do(get("/")), client.NoPeer)
		f.Advance(time.Second)
		underWay.Want(t, 200, "GET /")
		f.wantConns(0)
		s := o.Stats()
		if s.Active != 0 || s.Waiting != 0 || s.Connections != 0 || s.Requests != 3 ||
			s.Failures[client.Drained] != 1 || s.Failures[client.NoPeer] != 1 {
			t.Errorf("got %+v", s)
		}
	})
}
