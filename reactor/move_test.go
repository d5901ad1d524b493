//go:build linux

package reactor

import (
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
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

// Tasks posted by a Handle keep their order across a move, wherever they wait during the move: in the batch that is
// being worked off, in the inbox behind it, or in the next Loop's.
func TestPostKeepsOrderAcrossAMove(t *testing.T) {
	for _, taken := range []int{1, 2} {
		r, err := New(Config{Loops: 2, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.release)
		from, to := r.loops[0], r.loops[1]
		unturned(from)
		t.Cleanup(func() { stopWithoutEngine(to) })
		ours, _ := socketPair(t)
		c := from.newConn(enginetest.NewSocket(ours), ours, nil)
		c.session = &lines{conn: c}
		var ran []int
		post := func(i int) { c.Handle().Post(func(*Conn) { ran = append(ran, i) }) }
		for i := range 3 {
			if i == taken {
				from.inbox.refill()
			}
			post(i)
		}
		c.ensureRare().departure = &departure{to: to, done: func(err error) {
			if err != nil || len(ran) > 0 {
				t.Errorf("moved: %v, %v ran before", err, ran)
			}
		}}
		c.depart()
		post(3)
		unturned(to)
		to.drain() // before the old Loop has come to the tasks from before
		post(4)
		for from.inbox.waiting.Load() > 0 || from.inbox.next < len(from.inbox.batch) {
			from.drain()
		}
		to.drain()
		c.arrived()
		post(5)
		to.drain()
		if want := []int{0, 1, 2, 3, 4, 5}; !slices.Equal(ran, want) {
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
		c.MoveTo(to, func(error) {})
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
	if err := await(t, closed); !errors.Is(err, unix.ECONNRESET) || len(closed) > 0 {
		t.Errorf("closed with %v, and %d times more", err, len(closed))
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
	c.ensureRare().departure = &departure{to: l, done: func(err error) {
		if err != nil || len(session.out) > 0 {
			t.Errorf("moved: %v, told before: %q", err, session.out)
		}
	}}
	l.begin()
	c.SetDeadline(l.Now().Add(-time.Second))
	l.expire()
	l.timers.forget(c)
	l.remove(c)
	c.rare.departure.left = true
	l.adoptMoved(c)
	l.clock.known = false
	l.expire()
	c.polling = pollReading
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
	c.ensureRare().departure = &departure{to: l, left: true, done: func(error) { arrived = true }}
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
	c.polling = pollReading
	failed := false
	c.ensureRare().departure = &departure{to: l, done: func(err error) { failed = err != nil }}
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

// departAll has n connections with tasks in the inbox leave a Loop at once, and returns how long that takes.
func departAll(t *testing.T, n int) time.Duration {
	t.Helper()
	r, err := New(Config{Loops: 2, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.release()
	from, to := r.loops[0], r.loops[1]
	unturned(from)
	ours, _ := socketPair(t)
	defer unix.Close(ours)
	var conns []*Conn
	for range n {
		fd, err := duplicate(ours)
		if err != nil {
			t.Fatal(err)
		}
		c := from.newConn(enginetest.NewSocket(fd), fd, nil)
		c.session = &lines{conn: c}
		c.ensureRare().departure = &departure{to: to, done: func(error) {}}
		for range 3 {
			c.Handle().Post(func(*Conn) {})
		}
		conns = append(conns, c)
		defer unix.Close(fd)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadTime(t)
	for _, c := range conns {
		c.depart()
	}
	for from.inbox.waiting.Load() > 0 || from.inbox.next < len(from.inbox.batch) {
		from.begin()
		from.end()
	}
	took := threadTime(t) - began
	for _, c := range conns {
		if c.Loop() != to || len(c.rare.departure.waiting) != 3 {
			t.Fatalf("connection %d: %d tasks wait", c.id, len(c.rare.departure.waiting))
		}
	}
	stopWithoutEngine(to) // where they are closed
	if n := r.present(); n != 0 {
		t.Fatalf("%d connections are left", n)
	}
	return took
}

// Most HTTP/2 connections move when they are new. Many at once cost so many times what one costs: if each
// looked at all the others, eight times as many would cost 64 times as much.
func TestMovesAtOnceAreLinear(t *testing.T) {
	const few, many = 1000, 8000
	a, b := departAll(t, few), departAll(t, many)
	// The least of several: the collector disturbs some.
	for n := 1; n < 3 || n < 20 && b > 4*many/few*a; n++ {
		a, b = min(a, departAll(t, few)), min(b, departAll(t, many))
	}
	t.Logf("%d take %v, %d take %v", few, a, many, b)
	if b > 4*many/few*a {
		t.Errorf("%d take %v, %d take %v: more than four times as much each", few, a, many, b)
	}
}

// threadTime returns the CPU time of the calling thread.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Nano())
}
