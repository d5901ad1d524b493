package client_test

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

// instant is a server in memory that answers each call when step is called. It allocates nothing.
type instant struct {
	*apptest.Loop
	owner    spi.ConnOwner
	protocol string
	events   spi.CallEvents
	info     app.ConnInfo
	in       spi.Incoming
}

func (s *instant) Home() app.Loop { return s }
func (s *instant) Dial(d *spi.Dial, o spi.ConnOwner) {
	s.owner, s.protocol = o, d.Protocol
	s.Post(func() { o.Opened(s) })
}
func (s *instant) Protocol() string                                   { return s.protocol }
func (s *instant) Info() *app.ConnInfo                                { return &s.info }
func (s *instant) Draining() bool                                     { return false }
func (s *instant) Tunnels() (bool, bool)                              { return true, true }
func (s *instant) Busy() bool                                         { return false }
func (s *instant) Stale() bool                                        { return false }
func (s *instant) Ping(func(error))                                   {}
func (s *instant) Close()                                             {}
func (s *instant) ReadBody(p []byte, ready func()) (n int, err error) { return 0, nil }
func (s *instant) Trailers() app.Fields                               { return nil }
func (s *instant) Proceed()                                           {}
func (s *instant) Release()                                           {}
func (s *instant) Tunnel() bool                                       { return false }
func (s *instant) ReceivedAny() bool                                  { return false }

func (s *instant) Capacity() int {
	if s.events != nil {
		return 0
	}
	return 1
}

func (s *instant) Start(_ *spi.Outgoing, e spi.CallEvents) (spi.Call, error) {
	s.events = e
	return s, nil
}

func (s *instant) step() {
	e := s.events
	e.Head(&s.in)
	s.events = nil
	e.Ended(nil)
}

// asker asks by a Call.
type asker struct {
	call   client.Call
	out    spi.Outgoing
	origin *client.Origin
	ended  int
}

func (a *asker) Origin(int, *client.Error) *client.Origin { return a.origin }
func (a *asker) Interim(int, app.Fields)                  {}
func (a *asker) Head(*spi.Incoming)                       {}
func (a *asker) Ended(*client.Error)                      { a.ended++; a.call.Release() }

func newInstant(t testing.TB, url string) (*apptest.Host, *client.Client, *instant, *asker) {
	host := apptest.New(nil)
	c := client.New(client.Options{})
	o, err := c.Origin(url)
	if err != nil {
		t.Fatal(err)
	}
	s := &instant{Loop: host.Loop(0), in: spi.Incoming{Status: 200, Fields: app.Fields{{Name: "Server", Value: "x"}}}}
	a := &asker{origin: o, out: spi.Outgoing{Method: "GET", Target: "/"}}
	host.Loop(0).Post(func() { c.Start(&a.call, s, &a.out, nil, a) })
	host.Settle()
	s.step()
	if a.ended != 1 {
		t.Fatal("the first request is not answered")
	}
	return host, c, s, a
}

// A call without futures costs no memory once its connection is open.
func TestAllocationsOfACall(t *testing.T) {
	for _, url := range []string{"http://x", "h2c://x"} {
		_, c, s, a := newInstant(t, url)
		if got := testing.AllocsPerRun(1000, func() {
			c.Start(&a.call, s, &a.out, nil, a)
			s.step()
		}); got != 0 {
			t.Errorf("%s: %v allocations", url, got)
		}
		if a.ended < 1000 {
			t.Error("the requests are not answered")
		}
	}
}

// The sizes bound what a request costs while it waits: the memory of docs/client.md.
func TestSizes(t *testing.T) {
	if size := unsafe.Sizeof(client.Call{}); size > 256 {
		t.Errorf("a Call has %d bytes", size)
	}
	if size := unsafe.Sizeof(client.Pending{}); size > 1024 {
		t.Errorf("a Pending has %d bytes", size)
	}
}

func TestAllocationsOfAFuture(t *testing.T) {
	_, c, s, a := newInstant(t, "h2c://x")
	req := &client.Request{Origin: a.origin, Target: "/", Timeout: time.Second}
	answered := 0
	done := func(*client.Response, error) { answered++ }
	// The Pending, its task, the fields of the response, the subscription, and the timer that the first deadline sets.
	if got := testing.AllocsPerRun(1000, func() {
		c.DoOn(s, req).Done(done)
		s.step()
	}); got > 5 {
		t.Errorf("%v allocations", got)
	}
	if answered < 1000 {
		t.Errorf("%d requests are answered", answered)
	}
}

func BenchmarkCall(b *testing.B) {
	_, c, s, a := newInstant(b, "h2c://x")
	b.ReportAllocs()
	for b.Loop() {
		c.Start(&a.call, s, &a.out, nil, a)
		s.step()
	}
}

func BenchmarkFuture(b *testing.B) {
	_, c, s, a := newInstant(b, "h2c://x")
	req := &client.Request{Origin: a.origin, Target: "/"}
	done := func(*client.Response, error) {}
	b.ReportAllocs()
	for b.Loop() {
		c.DoOn(s, req).Done(done)
		s.step()
	}
}

// What a request costs in memory while it waits for a slow backend, with all that belongs to it.
func TestMemoryOfWaitingRequests(t *testing.T) {
	const n = 10_000
	host := apptest.New(nil)
	backend := host.Answer("backend:80", never)
	backend.Streams = 1
	c := client.New(client.Options{Origins: client.OriginOptions{Connections: 1}})
	req := &client.Request{URL: "h2c://backend/"}
	ask := func(n int) {
		host.Loop(0).Post(func() {
			for range n {
				c.DoOn(host.Loop(0), req)
			}
		})
		host.Settle()
	}
	ask(1)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ask(n)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n; each > 1536 {
		t.Errorf("a waiting request costs %d bytes", each)
	} else {
		t.Logf("a waiting request costs %d bytes", each)
	}
	runtime.KeepAlive(c)
}
