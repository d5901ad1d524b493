package apptest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/goroutine"
)

// Host runs handlers like a server, without sockets and with a clock that only Advance
// moves. Its loops run on the goroutine of the test, inside Settle, Advance and the methods
// of a Call.
type Host struct {
	handler app.Handler
	// Timeout is the default deadline of requests; 0 is none.
	Timeout time.Duration
	// PoolQueue is the number of jobs that may wait for the pool; -1 is any number.
	PoolQueue int
	// HoldPool makes jobs wait until it is false again.
	HoldPool bool

	mu      sync.Mutex
	changed sync.Cond
	now     time.Time
	loops   []*Loop
	running *Loop
	timers  []*timer
	jobs    []func()
	busy    int // goroutines of blocking handlers and of the pool, except parked ones
	alive   int // all of them
	panics  []any
	woken   chan struct{} // of advanceBubble: there is work; else nil

	settling uintptr // the goroutine that runs the loops
	reports  []error
	warnings []string

	live     map[*Call]struct{} // calls that have not ended
	backends map[string]*Backend
	draining atomic.Bool
}

// New returns a host with one loop for that handler.
func New(h app.Handler) *Host { return NewLoops(h, 1) }

// NewLoops returns a host with several loops. Hooks are not run; tests set Loop.Value
// instead.
func NewLoops(h app.Handler, loops int) *Host {
	host := &Host{
		handler:   h,
		PoolQueue: -1,
		live:      map[*Call]struct{}{},
		backends:  map[string]*Backend{},
		now:       time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
	host.changed.L = &host.mu
	for i := range loops {
		host.loops = append(host.loops, &Loop{host: host, index: i})
	}
	return host
}

// Loop is a fake app.Loop.
type Loop struct {
	// Value is the value that State returns.
	Value any
	// Posted is the number of tasks that were posted.
	Posted int

	host    *Host
	index   int
	tasks   []func()
	watched map[*app.ConnInfo][]func() // of WatchConn
}

// WatchConn implements spi.ConnWatcher.
func (l *Loop) WatchConn(conn *app.ConnInfo, ended func()) {
	if l.watched == nil {
		l.watched = map[*app.ConnInfo][]func(){}
	}
	l.watched[conn] = append(l.watched[conn], ended)
}

// EndConn is the end of the connection of requests whose Conn is conn.
func (l *Loop) EndConn(conn *app.ConnInfo) {
	for _, ended := range l.watched[conn] {
		l.Post(ended)
	}
	delete(l.watched, conn)
	l.host.Settle()
}

// Loop returns the loop with that index.
func (h *Host) Loop(i int) *Loop { return h.loops[i] }

// Running returns the index of the loop that runs user code, or -1.
func (h *Host) Running() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running == nil {
		return -1
	}
	return h.running.index
}

// Index implements app.Loop.
func (l *Loop) Index() int { return l.index }

// State implements app.Loop.
func (l *Loop) State() any { return l.Value }

// Now implements app.Loop. It returns the time of the host.
func (l *Loop) Now() time.Time {
	l.host.mu.Lock()
	defer l.host.mu.Unlock()
	return l.host.now
}

// Post implements app.Loop.
func (l *Loop) Post(task func()) {
	l.host.mu.Lock()
	defer l.host.mu.Unlock()
	l.post(task)
}

func (l *Loop) post(task func()) {
	l.Posted++
	l.tasks = append(l.tasks, task)
	l.host.work()
}

// After implements app.Loop.
func (l *Loop) After(d time.Duration, task func()) app.Timer {
	l.host.mu.Lock()
	defer l.host.mu.Unlock()
	t := &timer{loop: l, at: l.host.now.Add(d), task: task}
	l.host.timers = append(l.host.timers, t)
	return t
}

type timer struct {
	loop *Loop
	at   time.Time
	task func()
}

// Stop implements app.Timer.
func (t *timer) Stop() bool {
	h := t.loop.host
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.timers, t)
	if i >= 0 {
		h.timers = slices.Delete(h.timers, i, i+1)
	}
	return i >= 0
}

// Submit implements app.Pool. Jobs run in Settle.
func (h *Host) Submit(work func()) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.PoolQueue >= 0 && len(h.jobs) >= h.PoolQueue {
		return app.ErrPoolFull
	}
	h.jobs = append(h.jobs, work)
	h.work()
	return nil
}

// Settle runs everything that does not need time: tasks of the loops, jobs of the pool, and
// the goroutines of blocking handlers, until they have ended or wait for their loop.
//
// In a bubble of testing/synctest it also returns when they wait for anything else, such as
// the end of their context, a channel or time.Sleep, which Advance then ends. Elsewhere it
// panics after a minute.
func (h *Host) Settle() { h.settle(true) }

// SettleLoops is like Settle, but does not wait for goroutines. It is for handlers that
// wait for a later step of the test.
func (h *Host) SettleLoops() { h.settle(false) }

func (h *Host) settle(wait bool) {
	bubble := wait && waitBubble()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running != nil {
		panic("apptest: Settle inside of a handler")
	}
	h.settling = goroutine.Self()
	for {
		switch {
		case h.turn():
		case bubble && h.rest():
		case wait && !bubble && h.busy > 0:
			h.awaitGoroutine()
		case len(h.jobs) > 0 && !h.HoldPool:
			job := h.jobs[0]
			h.jobs = h.jobs[1:]
			h.spawn(job)
		default:
			return
		}
	}
}

// turn runs one task of each loop. It reports whether there was any.
func (h *Host) turn() (ran bool) {
	for _, l := range h.loops {
		if len(l.tasks) > 0 {
			task := l.tasks[0]
			l.tasks = l.tasks[1:]
			h.on(l, task)
			ran = true
		}
	}
	return ran
}

// on runs task as user code on l and keeps a panic for Panics.
func (h *Host) on(l *Loop, task func()) {
	h.running = l
	h.mu.Unlock()
	defer func() {
		v := recover()
		h.mu.Lock()
		h.running = nil
		if v != nil {
			h.panics = append(h.panics, v)
		}
	}()
	task()
}

// Drain makes the host drain like a server: event streams end, WebSockets are closed with
// 1001, and Request.Draining is ready, for open calls and later ones. Other calls go on.
func (h *Host) Drain() {
	h.draining.Store(true)
	for c := range h.live {
		c.loop.Post(c.drain)
	}
	h.Settle()
}

// Panics returns the values of panics in tasks, such as callbacks of Done, which a server
// would log.
func (h *Host) Panics() []any {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.panics
}

// Advance moves the clock by d. Timers fire in order, each at its time, with a Settle after
// each. In a bubble of testing/synctest the time of package time moves with it.
func (h *Host) Advance(d time.Duration) {
	h.Settle()
	if waitBubble() {
		h.advanceBubble(d)
		return
	}
	h.mu.Lock()
	end := h.now.Add(d)
	for {
		t := h.nextTimer(end)
		if t == nil {
			break
		}
		if t.at.After(h.now) {
			h.now = t.at
		}
		t.loop.post(t.task)
		h.mu.Unlock()
		h.Settle()
		h.mu.Lock()
	}
	h.now = end
	h.mu.Unlock()
}

// nextTimer takes the earliest timer that is due by end from the pending ones; nil if there
// is none.
func (h *Host) nextTimer(end time.Time) *timer {
	next := h.earliest(end)
	if next < 0 {
		return nil
	}
	t := h.timers[next]
	h.timers = slices.Delete(h.timers, next, next+1)
	return t
}

// earliest returns the index of the earliest timer that is due by end; -1 if there is none.
func (h *Host) earliest(end time.Time) int {
	next := -1
	for i, t := range h.timers {
		if !t.at.After(end) && (next < 0 || t.at.Before(h.timers[next].at)) {
			next = i
		}
	}
	return next
}

// Timers returns the number of pending timers.
func (h *Host) Timers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.timers)
}

// Goroutines returns the number of goroutines of blocking handlers and of the pool.
func (h *Host) Goroutines() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.alive
}

// spawn runs f in a goroutine for which Settle waits.
func (h *Host) spawn(f func()) {
	h.busy++
	h.alive++
	go func() {
		defer func() {
			v := recover()
			h.mu.Lock()
			defer h.mu.Unlock()
			h.busy--
			h.alive--
			if v != nil {
				h.panics = append(h.panics, v)
			}
			h.changed.Broadcast()
		}()
		f()
	}()
}

func (h *Host) park(by int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy += by
	h.changed.Broadcast()
}

// String describes the state of the host, for messages of tests.
func (h *Host) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprintf("apptest host at %s: %d timers, %d jobs, %d goroutines (%d at work)",
		h.now.Format(time.RFC3339Nano), len(h.timers), len(h.jobs), h.alive, h.busy)
}
