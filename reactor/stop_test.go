//go:build linux

package reactor

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// wantHungUp wants the other end of the descriptor fd to be closed.
func wantHungUp(t *testing.T, fd int) {
	t.Helper()
	if n, err := unix.Read(fd, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("read %d, %v: the other end is open", n, err)
	}
}

// A connection that moves to a Loop which has just ended is closed, once, where it was.
func TestMoveToALoopThatHasStopped(t *testing.T) {
	closed, opened := make(chan error, 2), make(chan Handle, 1)
	s := serve(t, Config{Loops: 2}, func(c *Conn) Session {
		opened <- c.Handle()
		return &lines{conn: c, closed: closed}
	})
	ended, last := s.loops[0], s.loops[1]
	before := openDescriptors()
	c := s.dial()
	c.say("echo here")
	c.want("here")
	arrived := make(chan error, 1)
	(<-opened).Post(func(c *Conn) { c.MoveTo(last, func(err error) { arrived <- err }) })
	if err := await(t, arrived); err != nil {
		t.Fatal(err)
	}

	entered, goOn := make(chan struct{}), make(chan struct{})
	last.Post(func() {
		close(entered)
		<-goOn
		last.conns[0].MoveTo(ended, func(err error) { t.Errorf("done with %v", err) })
	})
	await(t, entered)
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.stop() }()
	eventually(t, "the first loop ends", func() bool {
		ended.inbox.mu.Lock()
		defer ended.inbox.mu.Unlock()
		return ended.inbox.closed
	})
	close(goOn)
	await(t, stopped)
	if err := await(t, closed); err != ErrStopped {
		t.Errorf("closed with %v", err)
	}
	c.wantEnd()
	_ = c.Close()
	if n := s.present(); n != 0 || len(closed) > 0 {
		t.Errorf("%d connections are present, Closed was called %d times more", n, len(closed))
	}
	// The engines' own are among those before.
	eventually(t, "descriptors given back", func() bool { return openDescriptors() < before })
}

// homeless is a connection that no engine reads for, its other end, and what its Closed is told.
func homeless(t *testing.T, l *Loop) (c *Conn, theirs int, closed chan error) {
	t.Helper()
	ours, theirs := socketPair(t)
	closed = make(chan error, 2)
	c = l.newConn(nil, ours, nil)
	c.session = &lines{conn: c, closed: closed}
	c.polling = pollMoving
	return c, theirs, closed
}

// stopWithoutEngine stops a Loop whose engine has just ended.
func stopWithoutEngine(l *Loop) {
	unturned(l)
	l.stop()
}

// A connection that no engine knows at the time is closed when its Loop ends.
func TestStopClosesWhatNoEngineKnows(t *testing.T) {
	l := bare(t)
	_, theirs, closed := homeless(t, l)
	began := time.Now()
	stopWithoutEngine(l)
	if err := await(t, closed); err != ErrStopped || len(closed) > 0 {
		t.Errorf("closed with %v, and %d times more", err, len(closed))
	}
	wantHungUp(t, theirs)
	if took := time.Since(began); took >= stopPatience {
		t.Errorf("took %v", took)
	}
}

// A connection that waits in a Loop's inbox to arrive there is closed when the Loop ends.
func TestArrivalWhileTheLoopStops(t *testing.T) {
	r, err := New(Config{Loops: 2, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.release)
	from, to := r.loops[0], r.loops[1]
	c, theirs, closed := homeless(t, from)
	c.ensureRare().departure = &departure{to: to, left: true, done: func(err error) { t.Errorf("done with %v", err) }}
	from.remove(c)
	from.switchLoop(c, to)
	from.drain()
	stopWithoutEngine(to)
	if err := await(t, closed); err != ErrStopped || len(closed) > 0 {
		t.Errorf("closed with %v, and %d times more", err, len(closed))
	}
	wantHungUp(t, theirs)
}

// Loops that are stalled keep Stop for a moment, all together, and its result is that of every call.
func TestStopLeavesStalledLoopsBehind(t *testing.T) {
	const loops = 6
	release := make(chan struct{})
	defer close(release)
	config := brisk()
	config.Loops, config.StallTimeout = loops, -1
	s := serve(t, config, nil)
	for _, l := range s.loops {
		s.dialLoop(l)
	}
	for _, l := range s.loops {
		entered := make(chan struct{})
		l.Post(func() {
			l.Lend(nil, nil)
			close(entered)
			<-release
			l.Reclaim()
		})
		await(t, entered)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	began := time.Now()
	first := s.Stop(over)
	if took := time.Since(began); took > loops/2*stopPatience {
		t.Errorf("took %v", took)
	}
	if second := s.Stop(context.Background()); first != context.Canceled || second != first {
		t.Errorf("returned %v, and then %v", first, second)
	}
}
