//go:build linux

package reactor

import (
	"bufio"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
)

// idleLines is a lines session that reports since when it is idle.
type idleLines struct {
	lines
	since time.Duration
}

func (s *idleLines) IdleSince() time.Duration { return s.since }

// A loop is taken over with as many free descriptors as the start of an engine needs, and no connection but the blamed one
// is closed.
func TestTakeoverWithFewDescriptors(t *testing.T) {
	s, end := newStalling(t, time.Hour)
	defer end()
	const engineNeeds = 8
	lost := s.stallWith(engineNeeds)
	if lost != 0 || s.Stats().Shed != 0 {
		t.Errorf("%d connections were lost, %d shed", lost, s.Stats().Shed)
	}
	if n := s.Stats().Loops[0].Replaced; n != 1 {
		t.Errorf("%d engines were started", n)
	}
}

// A loop that is taken over without a free descriptor closes as many connections as an engine needs, and serves the
// others.
func TestTakeoverWithoutDescriptors(t *testing.T) {
	s, end := newStalling(t, 20*time.Millisecond)
	defer end()
	lost := s.stallWith(0)
	if lost != shedToStart || s.Stats().Shed != shedToStart {
		t.Errorf("%d connections were lost, %d shed, want %d", lost, s.Stats().Shed, shedToStart)
	}
	c := s.dial()
	c.say("echo accepted")
	c.want("accepted")
}

// stalling is a server of one Loop for a takeover.
type stalling struct{ *server }

// newStalling starts one. end ends the code that stalls it, and waits until its descriptors are closed.
func newStalling(t *testing.T, shortage time.Duration) (s *stalling, end func()) {
	over := make(chan struct{})
	config := Config{Loops: 1, Logger: quiet(), StallWarn: -1, StallTimeout: 50 * time.Millisecond, shortagePatience: shortage}
	s = &stalling{serve(t, config, func(c *Conn) Session {
		return &lines{conn: c, script: func(*Conn) string { <-over; return "came back" }}
	})}
	first := s.loops[0].engine.Load()
	return s, func() { close(over); await(t, first.Done()) }
}

// stallWith has one of many connections stall the loop while so many descriptors are free. It returns how many of the
// others have ended when the rest is served again.
func (s *stalling) stallWith(free int) (lost int) {
	s.t.Helper()
	var clients []*client
	for range 60 {
		c := s.dial()
		c.say("echo before")
		c.want("before") // one after another: the engine takes descriptors to accept a queue
		clients = append(clients, c)
	}
	blamed, clients := clients[0], clients[1:]
	restore := enginetest.LeaveDescriptors(s.t, free)
	defer restore()
	blamed.say("run")
	blamed.wantEnd()
	for _, c := range clients {
		_, _ = fmt.Fprintln(c, "echo after")
		if line, _ := bufio.NewReader(c).ReadString('\n'); line != "after\n" {
			lost++
		}
	}
	return lost
}

// A connection that cannot be polled for lack of a descriptor gets that of the connection that is idle for the longest
// time.
func TestArrivalShedsAnIdleConnection(t *testing.T) {
	ages := make(chan time.Duration, 3)
	s := serve(t, Config{Loops: 1, Logger: quiet(), shortagePatience: 20 * time.Millisecond}, func(c *Conn) Session {
		return &idleLines{lines: lines{conn: c}, since: <-ages}
	})
	var clients []*client
	for _, since := range []time.Duration{0, 30, 20} {
		ages <- since
		c := s.dial()
		c.say("echo hello")
		c.want("hello")
		clients = append(clients, c)
	}
	ours, theirs := socketPair(t)
	if err := unix.SetNonblock(theirs, false); err != nil {
		t.Fatal(err)
	}
	ages <- 0
	restore := enginetest.LeaveDescriptors(t, 0)
	defer restore()
	l := s.loops[0]
	l.arrivals.add(l, &arrival{fresh: ours, listener: s.listeners[0]})
	clients[2].wantEnd()
	if _, err := unix.Write(theirs, []byte("echo late\n")); err != nil {
		t.Error(err)
	}
	var have [5]byte
	if _, err := unix.Read(theirs, have[:]); err != nil || string(have[:]) != "late\n" {
		t.Errorf("%q, %v", have, err)
	}
	for _, c := range clients[:2] {
		c.say("echo here")
		c.want("here")
	}
	if n := s.Stats().Shed; n != 1 {
		t.Errorf("%d connections were shed", n)
	}
}

// When orphans hold so many descriptors that less than a quarter of the reserve is free, idle connections of all Loops are
// closed, the longest idle of each first, and no busy one.
func TestSurplusIsShed(t *testing.T) {
	r := faked(t, Config{Loops: 3}, nil)
	closed := make(chan time.Duration, 20)
	for i, l := range r.loops {
		for since := range time.Duration(4) {
			on(t, l, func() {
				ours, _ := socketPair(t)
				c := l.newConn(enginetest.NewSocket(ours), ours, nil)
				c.session = &shedObserver{idleLines: idleLines{lines{conn: c}, since * 10}, loop: i, closed: closed}
			})
		}
	}
	r.gate.reserve.Store(32)
	r.gate.room.Store(14)
	for _, step := range []struct {
		lower int
		want  []time.Duration
	}{
		{20, nil},                                // 12 connections, 14 - 20 + 24 have room
		{6 + 4, []time.Duration{10, 20, 30, 10}}, // 8 have room
		{2, []time.Duration{20, 30}},
		{100, []time.Duration{10, 20, 30}}, // three busy ones stay
	} {
		r.gate.lower(step.lower)
		r.loops[0].shedSurplus()
		var have []time.Duration
		for range step.want {
			have = append(have, await(t, closed))
		}
		for range 2 {
			for _, l := range r.loops {
				on(t, l, func() {})
			}
		}
		if !slices.Equal(have, step.want) || len(closed) > 0 {
			t.Errorf("lowered by %d: closed %v and %d more, want %v", step.lower, have, len(closed), step.want)
		}
	}
	if n := r.open.Load(); n != 3 {
		t.Errorf("%d are open", n)
	}
}

// shedObserver tells when it is closed.
type shedObserver struct {
	idleLines
	loop   int
	closed chan time.Duration
}

func (s *shedObserver) Closed(err error) {
	if err == ErrShed {
		s.closed <- s.since
	}
}

// Half-closed connections are closed first, then idle ones, those without a session, and busy ones.
func TestOrderOfShedding(t *testing.T) {
	d := newDriven(t)
	var want []*Conn
	for i := range 4 {
		_, c := d.open(1)
		switch i {
		case 0:
			c.polling = pollHalfClosed
		case 1:
			c.session = &idleLines{since: 5}
		case 2:
			c.session = nil
		}
		want = append([]*Conn{c}, want...)
	}
	slices.Reverse(want)
	_, blamed := d.open(1)
	blamed.blamed = true
	for n := range len(want) + 2 {
		if have := d.sheddable(n, shedBusy); !slices.Equal(have, want[:min(n, len(want))]) {
			t.Errorf("%d: %v, want %v", n, have, want)
		}
	}
	if have := d.sheddable(9, shedIdle); !slices.Equal(have, want[:2]) {
		t.Errorf("idle: %v", have)
	}
}
