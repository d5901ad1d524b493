//go:build linux

package reactor

import (
	"io"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
)

// A connection accepted in a stalled loop's place counts as present at once, even while the loop that is to
// serve it is busy: otherwise a stall would take descriptors beyond every limit.
func TestStandInKeepsToTheLimit(t *testing.T) {
	const limit, clients = 8, 100
	s := serve(t, Config{Loops: 2, MaxConnections: limit}, nil)
	stalledLoop, busy := s.loops[0], s.loops[1]
	release := make(chan struct{})
	for _, l := range s.loops {
		entered := make(chan struct{})
		l.Post(func() { close(entered); <-release })
		await(t, entered)
	}
	stalledLoop.stalled.Store(true)
	over, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); s.standIn(stalledLoop, over) }()

	var waiting []*client
	for range clients {
		c := s.dial()
		c.say("echo here")
		waiting = append(waiting, c)
	}
	eventually(t, "the limit is reached", func() bool { return s.gate.shut.Load() || s.arriving.Load() > limit })
	close(over)
	await(t, done)
	if n := busy.stats.accepted.Load(); n != limit {
		t.Errorf("%d were accepted, want %d", n, limit)
	}
	stalledLoop.stalled.Store(false)
	close(release)
	// Nobody is lost: those beyond the limit are taken as others leave.
	var answers sync.WaitGroup
	for i, c := range waiting {
		answers.Go(func() {
			have := make([]byte, len("here\n"))
			if n, err := io.ReadFull(c, have); err != nil {
				t.Errorf("client %d: %q, %v", i, have[:n], err)
			}
			_ = c.Close()
		})
	}
	answers.Wait()
}

// A socket on its way to a Loop waits for descriptors when there are none, and the Loop runs meanwhile.
func TestArrivalWaitsForDescriptors(t *testing.T) {
	s := serve(t, Config{Loops: 1, Logger: quiet(), shortagePatience: time.Hour}, nil)
	l := s.loops[0]
	ours, theirs := socketPair(t)
	if err := unix.SetNonblock(theirs, false); err != nil {
		t.Fatal(err)
	}
	restore := enginetest.LeaveDescriptors(t, 0)
	l.arrivals.add(l, &arrival{fresh: ours, listener: s.listeners[0]})
	ran := make(chan struct{})
	l.Post(func() { close(ran) })
	select {
	case <-ran:
	case <-time.After(patience):
		t.Error("the loop does not run")
	}
	if _, err := unix.Write(theirs, []byte("echo late\n")); err != nil {
		t.Error(err)
	}
	restore()
	var have [5]byte
	if _, err := unix.Read(theirs, have[:]); err != nil || string(have[:]) != "late\n" {
		t.Errorf("%q, %v", have, err)
	}
	if n := s.Stats().Loops[0].Replaced; n != 0 {
		t.Errorf("%d engines were replaced", n)
	}
}
