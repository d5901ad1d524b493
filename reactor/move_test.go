//go:build linux

package reactor

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// A connection that has moved finds out about its peer just as before.
func TestKeepAliveAfterAMove(t *testing.T) {
	opened := make(chan Handle, 1)
	s := serve(t, Config{Loops: 2}, func(c *Conn) Session {
		opened <- c.Handle()
		return &lines{conn: c}
	})
	s.dial()
	h := await(t, opened)
	idle := make(chan int, 1)
	h.Post(func(c *Conn) {
		c.MoveTo(s.loops[1-c.Loop().index], func(err error) {
			n, err2 := unix.GetsockoptInt(int(c.fd), unix.IPPROTO_TCP, unix.TCP_KEEPIDLE)
			if err := errors.Join(err, err2); err != nil {
				t.Error(err)
			}
			idle <- n
		})
	})
	if n := await(t, idle); n != keepAliveIdle {
		t.Errorf("asked after %d seconds, want %d", n, keepAliveIdle)
	}
}

// leavingConn is a socket that can be taken from its engine.
type leavingConn struct{ fakeConn }

type leftEventLoop struct{ gnet.EventLoop }

func (leftEventLoop) Close(gnet.Conn) error    { return nil }
func (*leavingConn) EventLoop() gnet.EventLoop { return leftEventLoop{} }

// What is posted by a Handle keeps its order across a move, wherever the move finds it waiting.
func TestPostKeepsOrderAcrossAMove(t *testing.T) {
	for _, taken := range []int{1, 2} {
		r, err := New(Config{Loops: 2, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.release)
		from, to := r.loops[0], r.loops[1]
		t.Cleanup(func() { stopWithoutEngine(to) })
		ours, _ := socketPair(t)
		t.Cleanup(func() { _ = unix.Close(ours) })
		c := from.newConn(&leavingConn{fakeConn{fd: ours}}, nil)
		c.session = &lines{conn: c}
		var ran []int
		for i := range 3 {
			if i == taken {
				from.inbox.refill()
			}
			c.Handle().Post(func(*Conn) { ran = append(ran, i) })
		}
		from.begin()
		c.MoveTo(to, func(err error) {
			if err != nil || len(ran) > 0 {
				t.Errorf("moved: %v, %v ran before", err, ran)
			}
		})
		from.end()
		to.begin()
		to.drain()
		c.arrived()
		if want := []int{0, 1, 2}; !slices.Equal(ran, want) {
			t.Errorf("%d taken: ran %v, want %v", taken, ran, want)
		}
	}
}

// A task that waited for one move may begin another, and those behind it wait for that too.
func TestWhatWaitsForAMoveWaitsForTheNext(t *testing.T) {
	opened, order := make(chan Handle, 1), make(chan string, 8)
	s := serve(t, Config{Loops: 2}, func(c *Conn) Session {
		opened <- c.Handle()
		return &lines{conn: c}
	})
	s.dial()
	h := await(t, opened)
	say := func(what string) func(error) {
		return func(err error) {
			if err != nil {
				t.Error(err)
			}
			order <- what
		}
	}
	h.Post(func(c *Conn) {
		home := c.Loop()
		c.MoveTo(s.loops[1-home.index], say("there"))
		h.Post(func(c *Conn) { c.MoveTo(home, say("back")) })
		h.Post(func(*Conn) { order <- "last" })
	})
	for _, want := range []string{"there", "back", "last"} {
		if got := await(t, order); got != want {
			t.Errorf("%s where %s was to come", got, want)
		}
	}
}

// A peer that resets its connection while that moves ends it.
func TestResetWhileMoving(t *testing.T) {
	closed, opened := make(chan error, 2), make(chan Handle, 1)
	s := serve(t, Config{Loops: 2}, func(c *Conn) Session {
		opened <- c.Handle()
		return &lines{conn: c, closed: closed}
	})
	c := s.dial()
	h := await(t, opened)
	from := h.conn().Loop()
	to := s.loops[1-from.index]
	entered, goOn := make(chan struct{}), make(chan struct{})
	to.Post(func() { close(entered); <-goOn })
	await(t, entered)
	socket := make(chan int, 1)
	h.Post(func(c *Conn) {
		fd, err := duplicate(int(c.fd))
		if err != nil {
			t.Error(err)
		}
		socket <- fd
		c.MoveTo(to, func(err error) { t.Errorf("done with %v", err) })
	})
	fd := await(t, socket)
	eventually(t, "it leaves", func() bool { return h.conn().Loop() == to })
	_ = c.SetLinger(0)
	_ = c.Close()
	eventually(t, "the reset comes", func() bool {
		_, err := unix.Getpeername(fd)
		return errors.Is(err, unix.ENOTCONN)
	})
	_ = unix.Close(fd)
	close(goOn)
	if err := await(t, closed); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("closed with %v", err)
	}
	eventually(t, "connection gone", func() bool { return s.present() == 0 })
}

// A deadline that passes while the connection moves is told once it has arrived.
func TestDeadlineOnTheWay(t *testing.T) {
	l := bare(t)
	t.Cleanup(func() { stopWithoutEngine(l) })
	c, _, _ := homeless(t, l)
	session := &lines{conn: c}
	c.session = session
	c.rarely().departure = &departure{to: l, done: func(err error) {
		if err != nil || len(session.out) > 0 {
			t.Errorf("moved: %v, told before: %q", err, session.out)
		}
	}}
	l.begin()
	c.SetDeadline(l.Now().Add(-time.Second))
	l.expire()
	l.timers.forget(c)
	l.remove(c)
	c.special.departure.left = true
	l.welcome(c)
	l.clock.known = false
	l.expire()
	c.moving = false
	c.arrived()
	l.clock.known = false
	l.expire()
	if have := string(session.out); have != "timeout\n" {
		t.Errorf("said %q", have)
	}
}

// A connection on the way is visited once it has arrived.
func TestEachConnWaitsForArrival(t *testing.T) {
	l := bare(t)
	t.Cleanup(func() { stopWithoutEngine(l) })
	c, _, _ := homeless(t, l)
	arrived, visited := false, false
	c.rarely().departure = &departure{to: l, left: true, done: func(error) { arrived = true }}
	l.reactor.EachConn(func(*Conn) {
		if !arrived {
			t.Error("visited before")
		}
		visited = true
	})
	l.begin()
	for range 2 {
		l.drain()
	}
	c.arrived()
	if !visited {
		t.Error("not visited")
	}
}

// A deadline that passes while the connection is about to move is told when it stays after all.
func TestDeadlineOfADepartureThatFails(t *testing.T) {
	l := bare(t)
	t.Cleanup(func() { stopWithoutEngine(l) })
	c, _, _ := homeless(t, l)
	session := &lines{conn: c}
	c.session = session
	c.moving = false
	failed := false
	c.rarely().departure = &departure{to: l, done: func(err error) { failed = err != nil }}
	l.begin()
	c.SetDeadline(l.Now().Add(-time.Second))
	l.expire()
	c.depart()
	l.clock.known = false
	l.expire()
	if have := string(session.out); !failed || have != "timeout\n" {
		t.Errorf("departure failed: %v, said %q", failed, have)
	}
}
