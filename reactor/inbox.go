//go:build linux

package reactor

import (
	"slices"
	"sync"
	"sync/atomic"
)

// task is one piece of work for a Loop. It is run, or forConn with the connection of handle. run with a handle is
// the arrival of that connection from another Loop.
type task struct {
	run     func()
	forConn func(*Conn)
	handle  Handle
}

// inbox is the queue of tasks from any goroutine to the loop. Producers append under a lock; the loop takes all
// of them at once as a batch. next advances before each task of the batch runs, so that after a takeover the next
// engine continues with the task after the one that stalled.
type inbox struct {
	waiting atomic.Int64 // number of tasks that are not in a batch
	mu      sync.Mutex
	tasks   []task
	closed  bool

	batch []task
	next  int
}

// put appends t. It reports false if the Loop has stopped. On any goroutine.
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

// take removes and returns the next task of the batch. ok is false at its end. On the loop.
func (in *inbox) take() (t task, ok bool) {
	if in.next == len(in.batch) {
		return t, false
	}
	t = in.batch[in.next]
	in.batch[in.next] = task{}
	in.next++
	return t, true
}

// refill makes the tasks that were put since the last refill the batch. The previous batch must be done. On the loop.
func (in *inbox) refill() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.batch, in.tasks, in.next = in.tasks, emptied(in.batch), 0
	in.waiting.Store(0)
}

// isArrival reports whether t is the arrival of a connection.
func (t *task) isArrival() bool { return t.run != nil && t.handle != (Handle{}) }

// close drops the waiting tasks except arrivals of connections, and all tasks that are put later.
func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	in.tasks = slices.DeleteFunc(in.tasks, func(t task) bool { return !t.isArrival() })
	in.waiting.Store(int64(len(in.tasks)))
}

// Post runs run on the loop, owned. Tasks of one goroutine run in the order of the calls. A batch of tasks costs
// one wake of the loop, and none while the loop is in a turn. A Loop that has stopped drops the task. On any
// goroutine.
func (l *Loop) Post(run func()) {
	if l.inbox.put(task{run: run}) {
		l.wake()
	}
}

// postTo puts a task for c into the inbox. It reports false if c belongs to another Loop. On any goroutine.
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

// runTask runs one task.
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
