package client_test

import (
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

// separate is a call for one client, whose content is dropped.
type separate struct {
	call   client.Call
	out    spi.Outgoing
	origin *client.Origin
	own    *client.Private
	status int
	err    *client.Error
}

func (s *separate) Origin(int, *client.Error) *client.Origin {
	if s.err != nil {
		return nil
	}
	return s.origin
}
func (s *separate) Private(*client.Origin) *client.Private { return s.own }
func (s *separate) Interim(int, app.Fields)                {}
func (s *separate) Head(in *spi.Incoming)                  { s.status = in.Status }
func (s *separate) Ended(err *client.Error)                { s.err = err }

// privates is a host that asks for several clients on one loop.
type privates struct {
	*apptest.Host
	t       *testing.T
	client  *client.Client
	origin  *client.Origin
	backend *apptest.Backend
	loop    *apptest.Loop
}

func newPrivates(t *testing.T, scheme string, options client.OriginOptions) *privates {
	p := &privates{t: t, client: client.New(client.Options{}), Host: apptest.New(hello)}
	p.backend, p.loop = p.Answer("backend:80", hello), p.Loop(0)
	origin, err := p.client.NewOrigin(scheme+"://backend:80", options)
	if err != nil {
		t.Fatal(err)
	}
	p.origin = origin
	return p
}

// ask makes a request over connections of own.
func (p *privates) ask(own *client.Private) *separate {
	p.t.Helper()
	s := &separate{origin: p.origin, own: own, out: spi.Outgoing{Method: "GET", Target: "/"}}
	p.loop.Post(func() { p.client.Start(&s.call, p.loop, &s.out, nil, s) })
	p.Settle()
	return s
}

func (p *privates) wantAnswer(own *client.Private) {
	p.t.Helper()
	s := p.ask(own)
	if s.status != 200 {
		p.t.Fatalf("status %d, %v", s.status, s.err)
	}
	p.loop.Post(func() { s.call.Release() })
	p.Settle()
}

// open returns the connections that are open.
func (p *privates) open() (open []*apptest.BackendConn) {
	for _, c := range p.backend.Conns() {
		if !c.Draining() {
			open = append(open, c)
		}
	}
	return open
}

// Each client has connections of its own, which begin with its prologue, are used again for it alone, and are closed
// when it leaves or the origin is closed.
func TestPrivateConnections(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		p := newPrivates(t, scheme, client.OriginOptions{Prologue: []byte("of all")})
		one, two := p.origin.Private(p.loop, []byte("of one")), p.origin.Private(p.loop, nil)
		for range 3 {
			p.wantAnswer(one)
			p.wantAnswer(two)
			p.wantAnswer(nil)
		}
		open := p.open()
		if len(open) != 3 {
			t.Fatalf("%d connections are open, want 3", len(open))
		}
		for i, want := range []string{"of one", "of all", "of all"} {
			if c := open[i]; c.Prologue != want || c.Served != 3 {
				t.Errorf("connection %d began with %q and served %d requests, want %q and 3", i, c.Prologue, c.Served, want)
			}
		}
		if s := p.origin.Stats(); s.Requests != 9 || s.Dials != 3 || s.Connections != 3 || s.Active+s.Waiting != 0 {
			t.Errorf("counted %+v", s)
		}
		p.loop.Post(one.Close)
		p.Settle()
		if n := len(p.open()); n != 2 {
			t.Errorf("%d connections are open after a client has left, want 2", n)
		}
		if s := p.ask(one); s.err == nil || s.err.Kind != client.NoPeer {
			t.Errorf("a request after Close: %v", s.err)
		}
		p.origin.Close()
		p.Settle()
		if n := len(p.open()); n != 0 {
			t.Errorf("%d connections are open after the end of the origin", n)
		}
	})
}

// When no further connection is allowed, the idle one of another client makes room.
func TestPrivateConnectionsAreLimitedTogether(t *testing.T) {
	p := newPrivates(t, "http", client.OriginOptions{HTTP1Connections: 2})
	for range 5 {
		p.wantAnswer(p.origin.Private(p.loop, nil))
		if n := len(p.open()); n > 2 {
			t.Fatalf("%d connections are open, want 2", n)
		}
	}
}
