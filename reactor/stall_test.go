//go:build linux

package reactor

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"
)

// brisk is a configuration in which stalls are short.
func brisk() Config {
	return Config{
		Loops: 2, Logger: quiet(), StallRestarts: 1000,
		StallWarn: 20 * time.Millisecond, StallTimeout: 100 * time.Millisecond,
	}
}

// staller opens sessions whose "run" command stalls.
func staller(stall func(*Conn), closed chan error) func(*Conn) Session {
	return func(c *Conn) Session {
		return &lines{conn: c, stalled: closed, script: func(c *Conn) string {
			stall(c)
			return "came back"
		}}
	}
}

// ways are the ways in which lent code keeps its loop. Each ends at the latest when release is
// closed.
func ways() (release chan struct{}, all map[string]func(*Conn)) {
	release = make(chan struct{})
	released := func() bool {
		select {
		case <-release:
			return true
		default:
			return false
		}
	}
	return release, map[string]func(*Conn){
		"waits": func(*Conn) { <-release },
		"sleeps": func(*Conn) {
			for !released() {
				time.Sleep(10 * time.Millisecond)
			}
		},
		"spins": func(*Conn) {
			for !released() {
				runtime.Gosched()
			}
		},
		"keeps calling": func(c *Conn) {
			l := c.Loop()
			for !released() {
				if l.Enter(c) {
					c.Touch()
					l.Leave()
				}
			}
		},
		"panics in the end": func(*Conn) {
			<-release
			panic("too late")
		},
	}
}

// However a loop is stalled, the blamed connection is closed and every other one is served; the
// goroutine ends when its code does.
func TestStalledLoopIsReplaced(t *testing.T) {
	release, all := ways()
	close(release)
	for name := range all {
		t.Run(name, func(t *testing.T) {
			release, all := ways()
			closed := make(chan error, 1)
			config := brisk()
			config.Loops = 1
			s := serve(t, config, staller(all[name], closed))
			before := runtime.NumGoroutine()

			var others []*client
			for i := range 50 {
				c := s.dial()
				c.say("echo %d", i)
				c.want(fmt.Sprint(i))
				others = append(others, c)
			}
			blamed := s.dial()
			blamed.say("run")
			for i, c := range others {
				c.say("echo %d during the stall", i)
			}
			late := s.dial()
			late.say("echo newcomer")

			for i, c := range others {
				c.want(fmt.Sprintf("%d during the stall", i))
			}
			late.want("newcomer")
			if err := await(t, closed); err != ErrStalled {
				t.Errorf("blamed connection closed with %v", err)
			}
			blamed.wantEnd()
			stats := s.Stats().Loops[0]
			if stats.Kills != 1 || stats.Stalls < 1 || stats.MovedIn < 50 {
				t.Errorf("%d kills, %d stalls, %d moved", stats.Kills, stats.Stalls, stats.MovedIn)
			}
			close(release)
			eventually(t, "the goroutine has ended", func() bool {
				orphans := 0
				on(t, s.loops[0], func() { orphans = s.loops[0].own.orphans })
				return orphans == 0
			})
			for _, c := range others {
				c.say("echo afterwards")
				c.want("afterwards")
			}
			eventually(t, "goroutines as before", func() bool { return runtime.NumGoroutine() <= before+12 })
		})
	}
}

// Nobody gets the descriptor number of a connection that was closed for a stall before the code that stalled has
// ended: that code may be about to write to it.
func TestDescriptorOfAnOrphanIsNotReused(t *testing.T) {
	release, closed, stalls := make(chan struct{}), make(chan error, 1), make(chan int, 1)
	s := serve(t, brisk(), staller(func(c *Conn) {
		if l := c.Loop(); l.Enter(c) {
			stalls <- int(c.fd)
			l.Leave()
		}
		<-release
	}, closed))
	blamed := s.dial()
	blamed.say("run")
	fd := await(t, stalls)
	if err := await(t, closed); err != ErrStalled {
		t.Fatalf("closed with %v", err)
	}
	blamed.wantEnd()
	for i := range 20 {
		c := s.dial()
		c.say("echo %d", i)
		c.want(fmt.Sprint(i))
	}
	if n, err := unix.Write(fd, []byte("from the orphan")); err == nil {
		t.Errorf("%d bytes were written to descriptor %d", n, fd)
	}
	null := func() bool {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		return err == nil && target == "/dev/null"
	}
	if !null() {
		t.Errorf("descriptor %d has another owner", fd)
	}
	close(release)
	eventually(t, "the descriptor is given back", func() bool { return !null() })
}

// Every call of a goroutine that lost its Loop fails, even when the next engine's own lent
// code makes the word look right.
func TestFencedCallsAreRefused(t *testing.T) {
	fenced, again := make(chan struct{}), make(chan struct{})
	refused := make(chan bool, 1)
	var calls atomic.Int64
	config := brisk()
	config.Loops = 1
	s := serve(t, config, staller(func(c *Conn) {
		l := c.Loop()
		if calls.Add(1) == 1 {
			close(fenced)
			<-again
			refused <- !l.Enter(nil) && !l.Enter(c)
			return
		}
		close(again)
		if <-refused {
			refused <- true
		}
	}, nil))
	first, second := s.dial(), s.dial()
	second.say("echo there")
	second.want("there")
	first.say("run")
	await(t, fenced)
	second.say("run")
	second.want("came back")
	if !await(t, refused) {
		t.Error("a call was let in")
	}
}

// Tasks, timers and touched connections that waited behind the stall are not lost.
func TestWorkBehindAStallIsDone(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	config := brisk()
	config.Loops = 1
	s := serve(t, config, nil)
	l := s.loops[0]
	done := make(chan int, 8)
	blocked := make(chan struct{})
	on(t, l, func() {
		l.AfterFunc(time.Millisecond, func() { done <- 4 })
		l.Post(func() {
			l.Post(func() { done <- 3 })
			l.Lend(nil, subject("a task that waits"))
			close(blocked)
			<-release
			l.Reclaim()
			done <- -1
		})
		l.Post(func() { done <- 1 })
		l.Post(func() { done <- 2 })
	})
	await(t, blocked)
	sum := 0
	for range 4 {
		sum += await(t, done)
	}
	if sum != 10 {
		t.Errorf("sum of what was done: %d", sum)
	}
}

// When all loops are stalled, new connections wait, and no processor time is used.
func TestAllLoopsAreStalled(t *testing.T) {
	config := brisk()
	config.StallTimeout = -1
	s := serve(t, config, nil)
	release := make(chan struct{})
	var away sync.WaitGroup
	for _, l := range s.Loops() {
		away.Add(1)
		l.Post(func() {
			defer away.Done()
			l.Lend(nil, nil)
			<-release
			l.Reclaim()
		})
	}
	for _, l := range s.Loops() {
		eventually(t, "the loop counts as stalled", l.stalled.Load)
	}
	var clients []*client
	for range 8 {
		clients = append(clients, s.dial())
	}
	began := processorTime(t)
	time.Sleep(500 * time.Millisecond)
	if busy := processorTime(t) - began; busy > 200*time.Millisecond {
		t.Errorf("%v of processor time within 500 ms", busy)
	}
	close(release)
	away.Wait()
	for _, c := range clients {
		c.say("echo heard")
		c.want("heard")
	}
}

func processorTime(t testing.TB) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func TestStallIsReported(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	release := make(chan struct{})
	config := brisk()
	config.Loops, config.StallTimeout, config.Logger = 1, -1, zap.New(core)
	s := serve(t, config, staller(func(*Conn) { <-release }, nil))
	c := s.dial()
	c.say("run for a while")
	eventually(t, "a warning", func() bool { return logs.FilterMessage("loop is stalled").Len() > 0 })
	close(release)
	c.want("came back")
	fields := logs.FilterMessage("loop is stalled").All()[0].ContextMap()
	if fields["what"] != "run for a while from "+c.LocalAddr().String() {
		t.Errorf("what: %v", fields["what"])
	}
	if stack := fmt.Sprint(fields["stack"]); !strings.Contains(stack, "TestStallIsReported") {
		t.Errorf("stack: %v", stack)
	}
	if s.Stats().Loops[0].StallTime == 0 {
		t.Error("no stall time counted")
	}
}

// While a loop is stalled, the others accept what arrives at its socket.
func TestOthersAcceptForADeafLoop(t *testing.T) {
	stalled, release := make(chan struct{}), make(chan struct{})
	config := brisk()
	config.StallTimeout = -1
	s := serve(t, config, staller(func(*Conn) { close(stalled); <-release }, nil))
	c := s.dial()
	c.say("run")
	await(t, stalled)
	// The kernel gives about half of them to the stalled loop's socket.
	for i := range 50 {
		newcomer := s.dial()
		newcomer.say("echo %d", i)
		newcomer.want(fmt.Sprint(i))
	}
	close(release)
	c.want("came back")
	stats := s.Stats()
	if stats.Loops[0].StandIns+stats.Loops[1].StandIns == 0 {
		t.Error("nobody stood in")
	}
}

// Kills in a row, of both Loops, also while they take in what moved: nothing leaks, and nobody but
// the blamed is lost.
func TestTwentyKills(t *testing.T) {
	config := brisk()
	config.StallWarn, config.StallTimeout = 5*time.Millisecond, 20*time.Millisecond
	var release atomic.Pointer[chan struct{}]
	s := serve(t, config, staller(func(*Conn) { <-*release.Load() }, nil))
	var others []*client
	for i := range 40 {
		c := s.dial()
		c.say("echo %d", i)
		c.want(fmt.Sprint(i))
		others = append(others, c)
	}
	descriptors, goroutines := openDescriptors(), runtime.NumGoroutine()
	for i := range 20 {
		late := make(chan struct{})
		release.Store(&late)
		blamed := []*client{s.dial(), s.dial()}
		for _, c := range blamed {
			c.say("run")
		}
		s.EachConn(func(c *Conn) { c.MoveTo(s.loops[i%2], func(error) {}) })
		for _, c := range blamed {
			c.wantEnd()
		}
		for j, c := range others {
			c.say("echo %d %d", i, j)
		}
		for j, c := range others {
			c.want(fmt.Sprintf("%d %d", i, j))
		}
		close(late)
		for _, c := range blamed {
			_ = c.Close()
		}
	}
	eventually(t, "descriptors given back", func() bool { return openDescriptors() <= descriptors })
	eventually(t, "goroutines ended", func() bool { return runtime.NumGoroutine() <= goroutines+12 })
	kills := s.Stats().Loops[0].Kills + s.Stats().Loops[1].Kills
	if kills != 40 {
		t.Errorf("%d kills", kills)
	}
}

// Time in which nobody has looked does not count, however long, so that a process that was stopped kills
// nobody when it goes on. What was observed does, so that a watchdog that always comes late kills all the same.
func TestUnobservedTimeDoesNotCount(t *testing.T) {
	r := &Reactor{config: Config{StallWarn: -1, StallTimeout: -1}}
	l := &Loop{reactor: r}
	w := &watchdog{reactor: r, period: time.Second}
	l.turn.Store(1)
	var s observation
	w.look(l, &s, 0)
	for looks := time.Duration(1); looks <= 3; looks++ {
		w.look(l, &s, observed(time.Hour, w.period))
		if want := looks * (w.period + tickSlack); s.inSection != want || s.inTurn != want {
			t.Errorf("%v in the section and %v in the turn after %d late looks, want %v", s.inSection, s.inTurn, looks, want)
		}
	}
	w.look(l, &s, observed(w.period/2, w.period))
	if want := 3*(w.period+tickSlack) + w.period/2; s.inSection != want {
		t.Errorf("%v after a look in time, want %v", s.inSection, want)
	}
	l.turn.Store(3)
	if w.look(l, &s, w.period); s.inSection != 0 || s.inTurn != 0 {
		t.Errorf("%v in the section and %v in the turn after another turn", s.inSection, s.inTurn)
	}
}

// A stall outside of lent code is a fault of ours that only a new process repairs.
func TestStallOfOursAborts(t *testing.T) {
	aborted := make(chan string, 1)
	release := make(chan struct{})
	config := brisk()
	config.faultTimeout = config.StallTimeout
	config.Abort = func(reason string, stacks []byte) {
		if !strings.Contains(string(stacks), "TestStallOfOursAborts") {
			reason = "no stacks"
		}
		select {
		case aborted <- reason:
		default:
		}
	}
	s := serve(t, config, nil)
	s.loops[0].Post(func() { <-release })
	if reason := await(t, aborted); !strings.Contains(reason, "outside of any handler") {
		t.Errorf("aborted: %s", reason)
	}
	close(release)
}

func TestTooManyKillsAbort(t *testing.T) {
	aborted := make(chan string, 1)
	release := make(chan struct{})
	defer close(release)
	config := brisk()
	config.StallRestarts = 2
	config.Abort = func(reason string, _ []byte) { aborted <- reason }
	s := serve(t, config, staller(func(*Conn) { <-release }, nil))
	for range 3 {
		c := s.dial()
		c.say("run")
		_, _ = io.ReadAll(c)
	}
	if reason := await(t, aborted); !strings.Contains(reason, "stalled loops") {
		t.Errorf("aborted: %s", reason)
	}
}

// Code of one connection's request that stalls within a call of another connection's session costs both: the first
// is to blame, and the second is in the middle of that call. Nobody else is lost.
func TestStallWithinAnotherSession(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	config := brisk()
	config.Loops = 1
	var waiting *Conn
	closed := make(chan error, 2)
	s := serve(t, config, func(c *Conn) Session {
		if waiting == nil {
			waiting = c
		}
		return &lines{conn: c, stalled: closed, script: func(c *Conn) string {
			l := c.Loop()
			if !l.Enter(c) {
				return "fenced"
			}
			defer l.Leave()
			l.Lend(waiting, subject("the one that waited"))
			<-release
			l.Reclaim()
			return "came back"
		}}
	})
	waits, settles, other := s.dial(), s.dial(), s.dial()
	for _, c := range []*client{waits, settles, other} {
		c.say("echo here")
		c.want("here")
	}
	settles.say("run")
	waits.wantEnd()
	settles.wantEnd()
	if err := await(t, closed); err != ErrStalled {
		t.Errorf("closed with %v", err)
	}
	other.say("echo still here")
	other.want("still here")
}
