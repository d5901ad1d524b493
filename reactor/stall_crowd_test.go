//go:build linux

package reactor

import (
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// park has n goroutines wait until the test ends.
func park(t *testing.T, n int) {
	over := make(chan struct{})
	var parked sync.WaitGroup
	for range n {
		parked.Go(func() { <-over })
	}
	t.Cleanup(func() { close(over); parked.Wait() })
}

// occupy keeps all processors busy, within this process and by another, until it is told to stop.
func occupy(t *testing.T) (stop func()) {
	t.Helper()
	other := exec.Command("sh", "-c", "while :; do :; done")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	var spinning sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		spinning.Go(func() {
			for !over.Load() {
			}
		})
	}
	stop = sync.OnceFunc(func() {
		over.Store(true)
		spinning.Wait()
		_ = other.Process.Kill()
		_ = other.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// worst is the longest time that an answer took, counted from when it should have been asked for, until over
// says so.
func worst(c *client, over func() bool) (longest time.Duration) {
	c.t.Helper()
	const pause = 500 * time.Microsecond
	for began := time.Now(); !over(); began = time.Now().Add(pause) {
		time.Sleep(time.Until(began))
		c.say("echo probe")
		c.want("probe")
		longest = max(longest, time.Since(began))
	}
	return longest
}

// dialLoop connects to a Loop.
func (s *server) dialLoop(l *Loop) *client {
	s.t.Helper()
	known := map[*Conn]bool{}
	var mu sync.Mutex
	visit := func(found func(*Conn)) {
		for _, each := range s.loops {
			on(s.t, each, func() {
				mu.Lock()
				defer mu.Unlock()
				for _, c := range each.conns {
					found(c)
				}
			})
		}
	}
	visit(func(c *Conn) { known[c] = true })
	c := s.dial()
	c.say("echo hello")
	c.want("hello")
	arrived := make(chan error, 1)
	visit(func(c *Conn) {
		if !known[c] {
			known[c] = true
			c.MoveTo(l, func(err error) { arrived <- err })
		}
	})
	if err := await(s.t, arrived); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// While a loop stalls, is reported and is killed, requests on another loop take no more than some
// milliseconds longer than when nothing happens, however many goroutines there are. On a machine that is
// busy with something else that is much longer already, and spoils some rounds, but not all of them.
func TestStallDelaysNobodyElse(t *testing.T) {
	const rounds, allowed = 30, slowdown * 5 * time.Millisecond
	park(t, crowd)
	config := brisk()
	// Loops that wait in epoll_wait keep their processors until the runtime takes them back, up to 20 ms later. With as
	// many processors as loops that would delay the test's own client.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4 * config.Loops))
	config.StallTimeout = 200 * time.Millisecond
	core, logs := observer.New(zap.ErrorLevel)
	config.Logger = zap.New(core)
	release := make(chan struct{})
	defer close(release)
	s := serve(t, config, staller(func(*Conn) { <-release }, nil))
	probe := s.dialLoop(s.loops[0])
	var delays []time.Duration
	for round := range rounds {
		_ = probe.SetDeadline(time.Now().Add(patience))
		blamed := s.dialLoop(s.loops[1])
		end := time.Now().Add(2 * config.StallTimeout)
		idle := worst(probe, func() bool { return time.Now().After(end) })
		blamed.say("run")
		stalled := worst(probe, func() bool { return logs.FilterMessage(killMessage).Len() > round })
		blamed.wantEnd()
		delays = append(delays, stalled-idle)
		if stalled < max(idle+allowed, 2*idle) {
			t.Logf("at worst %v while idle, %v during a stall and its kill, among %d goroutines", idle, stalled, crowd)
			return
		}
	}
	t.Errorf("delays beyond those of an idle process: %v", delays)
}

// A stall ends in time while all processors are busy and there are very many goroutines.
func TestKillComesInTime(t *testing.T) {
	const rounds, allowed = 5, 500 * time.Millisecond
	park(t, crowd)
	config := brisk()
	config.StallWarn, config.StallTimeout = 100*time.Millisecond, time.Second
	release, stalled := make(chan struct{}), make(chan time.Time, 1)
	defer close(release)
	s := serve(t, config, staller(func(*Conn) { stalled <- time.Now(); <-release }, nil))
	stop := occupy(t)
	var late []time.Duration
	for range rounds {
		blamed := s.dial()
		blamed.say("run")
		began := await(t, stalled)
		blamed.wantEnd()
		took := time.Since(began)
		if took < config.StallTimeout {
			t.Fatalf("killed after %v", took)
		}
		late = append(late, took-config.StallTimeout)
		if took < config.StallTimeout+allowed {
			stop()
			t.Logf("killed %v after the time, among %d goroutines", took-config.StallTimeout, crowd)
			return
		}
	}
	t.Errorf("the kill came late by %v", late)
}
