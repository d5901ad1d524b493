//go:build linux

package reactor

import (
	"slices"
	"sync"
	"sync/atomic"
)

// task is one thing to be done on a Loop: run alone, or forConn with the connection of handle. When run
// has a handle, it is the arrival of that connection from another Loop.
type task struct {
	run     func()
	forConn func(*Conn)
	handle  Handle
}

// inbox brings tasks from any goroutine to the loop. Producers append under a lock that nobody
// holds for longer than that; the loop takes the whole batch at once. A batch is worked off by
// advancing next before each task, so that whoever goes on with the Loop after a kill goes on with
// the task behind the one that stalled.
type inbox struct {
	waiting atomic.Int64 // tasks not yet taken
	mu      sync.Mutex
	tasks   []task
	closed  bool

	batch []task
	next  int
}

// put appends t. It is false when the Loop has stopped.
func (in *inbox) put(t task) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return false
	}
	in.tasks = append(in.tasks, t)
	in.waiting.Store(int64(len(in.tasks)))
	return true
}

// take gives the next task, if there is one, of the batch in progress.
func (in *inbox) take() (t task, ok bool) {
	if in.next == len(in.batch) {
		return t, false
	}
	t = in.batch[in.next]
	in.batch[in.next] = task{}
	in.next++
	return t, true
}

// refill makes what has been put since the next batch. Only when the last one is worked off.
func (in *inbox) refill() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.batch, in.tasks, in.next = in.tasks, emptied(in.batch), 0
	in.waiting.Store(0)
}

func (t *task) arrives() bool { return t.run != nil && t.handle != (Handle{}) }

// close drops what waits, but for connections that arrive, and lets everything that comes later fall.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.tasks = slices.DeleteFunc(in.tasks, func(t task) bool { return !t.arrives() })
	in.waiting.Store(int64(len(in.tasks)))
}

// Post has task run on the loop as loop code (owned), in the order of the calls from one goroutine.
// From any goroutine. A batch costs one wake of the loop, and none while the loop is in a turn. On
// a Loop that has stopped the task falls silently.
func (l *Loop) Post(run func()) {
	if l.inbox.put(task{run: run}) {
		l.wake()
	}
}

// postTo puts a task for c into the inbox unless c belongs to another Loop by now: then false.
func (l *Loop) postTo(c *Conn, h Handle, forConn func(*Conn)) bool {
	in := &l.inbox
	in.mu.Lock()
	if c.loop.Load() != l {
		in.mu.Unlock()
		return false
	}
	if !in.closed {
		in.tasks = append(in.tasks, task{forConn: forConn, handle: h})
		in.waiting.Store(int64(len(in.tasks)))
	}
	in.mu.Unlock()
	l.wake()
	return true
}

// runTask does one task.
func (l *Loop) runTask(t task) {
	if t.forConn == nil {
		t.run()
		return
	}
	c := t.handle.conn()
	switch {
	case c == nil:
	case c.departing():
		c.rare.departure.wait(t.forConn, l)
	default:
		l.current = c
		t.forConn(c)
		l.current = nil
	}
}
