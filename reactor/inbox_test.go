//go:build linux

package reactor

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// Tasks of one goroutine run in order, however many others post.
func TestPostKeepsOrder(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	l := s.loops[0]
	const posters, each = 8, 1000
	var last [posters]int
	var posting sync.WaitGroup
	for p := range posters {
		posting.Go(func() {
			for i := 1; i <= each; i++ {
				l.Post(func() {
					if last[p] != i-1 {
						t.Errorf("poster %d: %d after %d", p, i, last[p])
					}
					last[p] = i
				})
			}
		})
	}
	posting.Wait()
	on(t, l, func() {
		for p, n := range last {
			if n != each {
				t.Errorf("poster %d: %d tasks have run", p, n)
			}
		}
	})
}

// A batch that is posted while the loop is busy costs one wake, and what a task posts itself none.
func TestOneWakeABatch(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	l := s.loops[0]
	on(t, l, func() {})
	before := l.stats.wakes.Load()
	busy, goOn, ran := make(chan struct{}), make(chan struct{}), make(chan struct{})
	l.Post(func() {
		close(busy)
		<-goOn
		l.Post(func() {})
	})
	await(t, busy)
	for range 100 {
		l.Post(func() {})
	}
	l.Post(func() { close(ran) })
	close(goOn)
	await(t, ran)
	if n := l.stats.wakes.Load() - before; n > 2 {
		t.Errorf("%d wakes", n)
	}
}

func TestPostAllocatesNothing(t *testing.T) {
	l := bare(t)
	run := func() {}
	h := Handle{l.reactor.table, 1}
	if n := testing.AllocsPerRun(100, func() {
		l.inbox.put(task{run: run})
		l.drain()
		h.Post(nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A Handle finds its connection and, once that is gone, nobody, though its place is taken again.
func TestHandleCarriesGeneration(t *testing.T) {
	l := bare(t)
	first := &Conn{timerIndex: -1}
	first.loop.Store(l)
	l.reactor.table.insert(first)
	h := first.Handle()
	if h.conn() != first {
		t.Fatal("not found")
	}
	l.reactor.table.remove(first)
	second := &Conn{timerIndex: -1}
	second.loop.Store(l)
	l.reactor.table.insert(second)
	if uint32(second.id) != uint32(h.id) {
		t.Fatal("the place was not taken again")
	}
	if h.conn() != nil || second.Handle() == h {
		t.Error("a stale handle is not told from a fresh one")
	}
	if (Handle{}).conn() != nil {
		t.Error("the zero Handle names something")
	}
}

func TestTableGrows(t *testing.T) {
	tab := newTable()
	conns := make([]Conn, 3*tableChunk)
	for i := range conns {
		tab.insert(&conns[i])
	}
	for i := range conns {
		if tab.lookup(conns[i].id) != &conns[i] {
			t.Fatalf("connection %d is not found", i)
		}
	}
}

// A timer that is set for now again and again runs once a turn.
func TestTimerForNowWaitsForTheNextTurn(t *testing.T) {
	l := bare(t)
	l.begin()
	ran := 0
	var again func()
	again = func() {
		if ran++; ran < 100 {
			l.AfterFunc(0, again)
		}
	}
	l.AfterFunc(0, again)
	l.clock.known = false
	for turn := 1; turn <= 3; turn++ {
		l.expire()
		if ran != turn {
			t.Fatalf("ran %d times in %d turns", ran, turn)
		}
		l.clock.known = false
	}
}

// Timers run in the order of their times, stopped ones never.
func TestTimersInOrder(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	l := s.loops[0]
	const n = 200
	ran := make(chan int64, n)
	on(t, l, func() {
		var stopped []*Timer
		for range n {
			d := time.Duration(rand.IntN(20)) * time.Millisecond
			var due int64
			timer := l.AfterFunc(d, func() { ran <- due })
			due = l.timers.heap[timer.index].when
			stopped = append(stopped, l.AfterFunc(d, func() { t.Error("a stopped timer ran") }))
		}
		for _, timer := range stopped {
			if !timer.Stop() || timer.Stop() {
				t.Error("Stop is wrong about what it did")
			}
		}
	})
	var last int64
	for range n {
		due := await(t, ran)
		if due < last {
			t.Fatal("out of order")
		}
		last = due
	}
}
