//go:build linux

package reactor

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
)

// A handshake in progress ends with its Reactor, and leaves nothing behind.
func TestStopDuringADialledHandshake(t *testing.T) {
	leakChecked(t)
	ca := newAuthority(t)
	before := openDescriptors()
	over := make(chan struct{})
	silent := peer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c); over <- struct{}{} })
	s := serve(t, Config{Loops: 1}, nil)
	d := newDials(t, s.loops[0])
	d.dialAs(context.Background(), DialConfig{Address: silent, TLS: ca.clientConfig()})
	eventually(t, "it waits for its peer", func() bool { return s.tls.dialled.pool.waitingHandshakes() == 1 })
	s.stop()
	if err := await(t, d.failed).(*DialError); !errors.Is(err, ErrStopped) || err.Stage != DialHandshake {
		t.Errorf("failed with %v at %v", err, err.Stage)
	}
	await(t, over)
	eventually(t, "descriptors given back", func() bool { return openDescriptors() <= before+1 }) // the peer's listener
	if stats := s.Stats().Dials; stats.Cancelled != 1 || stats.UnderWay != 0 {
		t.Errorf("%+v", stats)
	}
}

// Drain visits dialled connections that are open, and lets dials go on: requests under way may need them.
func TestDrainLeavesDials(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, Config{Loops: 1}, nil)
	l := s.loops[0]
	open, accepted := accepting(t)
	w := newWaiter()
	w.reach(t, l, DialConfig{Address: open})
	await(t, accepted)

	greeted, answer := make(chan struct{}, 1), make(chan struct{})
	d := newDials(t, l)
	d.dialAs(t.Context(), DialConfig{Address: delayedTLSPeer(t, ca, greeted, answer), TLS: ca.clientConfig()})
	await(t, greeted)
	unanswered, wake := delayedListener(t)
	d.dial(t.Context(), "tcp", unanswered)

	visited := make(chan *Conn, 10)
	s.StopAccepting(t.Context())
	s.Drain(func(c *Conn) { visited <- c; c.CloseFlushed() })
	if c := await(t, visited); c != w.conn {
		t.Error("another connection was visited")
	}
	await(t, w.closed)
	for _, next := range []func(){func() { close(answer) }, wake} {
		next()
		if text := await(t, d.answers); text != "echo over there\n" {
			t.Errorf("answered %q", text)
		}
	}
	if len(visited) > 0 || len(d.failed) > 0 {
		t.Errorf("%d visited more, %d failed", len(visited), len(d.failed))
	}
}

// A dialled connection moves to another Loop, TLS included, once its session is open.
func TestDialledConnectionMoves(t *testing.T) {
	ca := newAuthority(t)
	s := serve(t, Config{Loops: 2}, nil)
	d := newDials(t, s.loops[0])
	greeted, answer := make(chan struct{}, 1), make(chan struct{})
	d.dialAs(t.Context(), DialConfig{Address: delayedTLSPeer(t, ca, greeted, answer), TLS: ca.clientConfig()})
	await(t, greeted)
	on(t, s.loops[0], func() {
		s.loops[0].conns[0].MoveTo(s.loops[1], func(err error) {
			if !errors.Is(err, errNotMovable) {
				t.Errorf("it moves before its session is open: %v", err)
			}
		})
	})
	close(answer)
	a := await(t, d.opened)
	await(t, d.answers)
	moved := make(chan error, 1)
	s.loops[0].Post(func() { a.conn.MoveTo(s.loops[1], func(err error) { moved <- err }) })
	if err := await(t, moved); err != nil {
		t.Fatal(err)
	}
	on(t, s.loops[1], func() {
		a.asked = false
		a.conn.Touch()
	})
	if text := await(t, d.answers); text != "echo over there\n" {
		t.Errorf("answered %q", text)
	}
}
