//go:build linux && !race && !poison

package server_test

import (
	"io"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// counted is the owner of a call that reads its response and starts the next one, without allocating.
type counted struct {
	d     *dialled
	out   *spi.Outgoing
	call  spi.Call
	left  int
	done  chan struct{}
	err   error
	more  func()
	bytes int
	p     [1024]byte
}

func (c *counted) start() { c.call, c.err = c.d.up.Start(c.out, c) }

func (c *counted) Interim(int, app.Fields) {}

func (c *counted) Head(*spi.Incoming) { c.read() }

func (c *counted) read() {
	for {
		n, err := c.call.ReadBody(c.p[:], c.more)
		c.bytes += n
		if n == 0 || err != nil {
			return
		}
	}
}

func (c *counted) Ended(err error) {
	c.call.Release()
	if c.left--; err != nil || c.left == 0 {
		c.err = err
		c.done <- struct{}{}
		return
	}
	if c.start(); c.err != nil {
		c.done <- struct{}{}
	}
}

// A call allocates nothing of its own; the request that it is for the server is one block of memory. Over HTTP/2 each
// field value of a response that is not in a table is a string of its own: Content-Type, Content-Length and Date.
func TestAllocationsACall(t *testing.T) {
	hello := func(*app.Request) app.Answer { return app.Ready(static) }
	s := serve(t, hello)
	for protocol, most := range map[string]float64{app.HTTP11: 1.1, app.HTTP2: 4.1} {
		d := queries(t).connect(&spi.Dial{Address: s.addr, Protocol: protocol})
		c := &counted{d: d, out: &spi.Outgoing{Fields: app.Fields{{Name: "Accept", Value: "*/*"}}}, done: make(chan struct{}, 1)}
		complete(c.out)
		c.more = c.read
		const batch = 100
		a := allocations(50, func() {
			c.left = batch
			d.post(c.start)
			<-c.done
		}) / batch
		if c.err != nil {
			t.Fatal(c.err)
		}
		t.Logf("%s: %.2f allocations a call and the request that it is for the server", protocol, a)
		if a > most {
			t.Errorf("%s: %.2f allocations, want at most %.1f", protocol, a, most)
		}
	}
}

var static = app.Text(200, "Hello, World!")

// A call that waits for its response takes less than a KiB, with its stream.
func TestMemoryOfWaitingCalls(t *testing.T) {
	const calls, most = 10_000, 1024
	d, p := scripted2(t, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: calls})
	go func() { _, _ = io.Copy(io.Discard, p.r) }()
	d.eventuallyOn("SETTINGS", func() bool { return d.up.Capacity() == calls })
	out := &spi.Outgoing{Fields: app.Fields{{Name: "Accept", Value: "*/*"}, {Name: "User-Agent", Value: "test"}}}
	complete(out)
	owners := make([]counted, calls)
	before := int64(heap())
	d.on(func() {
		for i := range owners {
			owners[i].d, owners[i].out = d, out
			if owners[i].start(); owners[i].err != nil {
				t.Fatal(owners[i].err)
			}
		}
	})
	eventually(t, "requests are sent", func() bool { return d.Counts().BytesOut > calls*12 })
	a := (int64(heap()) - before) / calls
	t.Logf("%d bytes a call", a)
	if a > most {
		t.Errorf("%d bytes a call, want at most %d", a, most)
	}
	d.on(func() {
		for i := range owners {
			owners[i].call.Release()
		}
	})
}
