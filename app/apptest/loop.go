package apptest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// Host runs handlers as a server would, without sockets and with a clock that
// moves only by Advance. Its loops run inside the calls of one goroutine, the
// test's: what a handler has started goes on in Settle, in Advance and in the
// methods of a Call, and nowhere else.
type Host struct {
	handler app.Handler
	// Timeout is the default limit of a request, 0: none.
	Timeout time.Duration
	// PoolQueue is how many jobs may wait for the pool, -1: any number.
	PoolQueue int
	// HoldPool keeps jobs waiting until it is false again.
	HoldPool bool

	mu      sync.Mutex
	changed sync.Cond
	now     time.Time
	loops   []*Loop
	running *Loop
	timers  []*timer
	jobs    []func()
	busy    int // goroutines of blocking handlers and of the pool that are not parked
	alive   int // the same, parked or not
	panics  []any

	live     map[*Call]struct{} // calls that are not over
	draining atomic.Bool
}

// New makes a host with one loop for that handler.
func New(h app.Handler) *Host { return NewLoops(h, 1) }

// NewLoops makes a host with several loops. Their LoopStart hooks are not run;
// set Loop.Value.
func NewLoops(h app.Handler, loops int) *Host {
	host := &Host{
		handler:   h,
		PoolQueue: -1,
		live:      map[*Call]struct{}{},
		now:       time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
	host.changed.L = &host.mu
	for i := range loops {
		host.loops = append(host.loops, &Loop{host: host, index: i})
	}
	return host
}

// Loop is a fake of app.Loop.
type Loop struct {
	// Value is what State returns.
	Value any
	// Posted counts the tasks that were posted.
	Posted int

	host  *Host
	index int
	tasks []func()
}

// Loop is the host's loop of that index.
func (h *Host) Loop(i int) *Loop { return h.loops[i] }

// Running is the index of the loop that runs user code now, -1 for none.
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

// Now implements app.Loop: the host's time.
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
	l.host.changed.Broadcast()
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

// Submit implements app.Pool. Jobs run in Settle, one after another.
func (h *Host) Submit(work func()) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.PoolQueue >= 0 && len(h.jobs) >= h.PoolQueue {
		return app.ErrPoolFull
	}
	h.jobs = append(h.jobs, work)
	h.changed.Broadcast()
	return nil
}

// Settle runs everything that can happen without time passing: tasks of the
// loops, jobs of the pool, and the goroutines of blocking handlers, which it
// waits for until they have ended or wait for their request's loop themselves.
func (h *Host) Settle() { h.settle(true) }

// SettleLoops is Settle that does not wait for goroutines: for handlers that wait
// for something that the test does next.
func (h *Host) SettleLoops() { h.settle(false) }

func (h *Host) settle(wait bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running != nil {
		panic("apptest: Settle inside of a handler")
	}
	for {
		switch {
		case h.turn():
		case wait && h.busy > 0:
			h.changed.Wait()
		case len(h.jobs) > 0 && !h.HoldPool:
			job := h.jobs[0]
			h.jobs = h.jobs[1:]
			h.spawn(job)
		default:
			return
		}
	}
}

// turn runs one task of each loop that has one.
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

// on runs task as user code on l; a panic is kept for Panics.
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

// Drain tells every call that the server is about to stop, and those that come later:
// event streams end, WebSockets are closed with 1001, and Request.Draining is ready.
// What else is under way goes on. It settles.
func (h *Host) Drain() {
	h.draining.Store(true)
	for c := range h.live {
		c.loop.Post(c.drain)
	}
	h.Settle()
}

// Panics are the panics of tasks that nobody caught, such as those of Done
// callbacks. A server logs them.
func (h *Host) Panics() []any {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.panics
}

// Advance lets d pass: timers fire in their order, each at its time, and
// everything settles in between.
func (h *Host) Advance(d time.Duration) {
	h.Settle()
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

func (h *Host) nextTimer(end time.Time) *timer {
	next := -1
	for i, t := range h.timers {
		if !t.at.After(end) && (next < 0 || t.at.Before(h.timers[next].at)) {
			next = i
		}
	}
	if next < 0 {
		return nil
	}
	t := h.timers[next]
	h.timers = slices.Delete(h.timers, next, next+1)
	return t
}

// Timers is how many timers are pending.
func (h *Host) Timers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.timers)
}

// Goroutines is how many goroutines of blocking handlers and of the pool live.
func (h *Host) Goroutines() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.alive
}

// spawn runs f in a goroutine that Settle waits for.
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

// String describes the host's state, for messages of tests.
func (h *Host) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return fmt.Sprintf("apptest host at %s: %d timers, %d jobs, %d goroutines (%d at work)",
		h.now.Format(time.RFC3339Nano), len(h.timers), len(h.jobs), h.alive, h.busy)
}
