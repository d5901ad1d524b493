package app

import (
	"sync"
	"sync/atomic"
)

// cell holds the result of a pending future. It needs no lock: the first goroutine to
// settle it writes the result, publishes it by swapping the list of waiters for the
// mark settled, and posts the waiters to the cell's loop. A goroutine that is stopped
// in between leaves no partial state for others to see.
type cell[T any] struct {
	loop    Loop
	marks   atomic.Uint32
	idle    atomic.Int32 // waiters that were forgotten, minus those that stay
	waiters atomic.Pointer[node]
	value   T
	err     error
}

// node is the place of a waiter in a list. It may be used again after it was woken.
type node struct {
	next *node
	wake waker
	// far marks a waiter of another loop or goroutine. It runs no user code when it is
	// woken, but passes the result on.
	far bool
	// idle marks a waiter that was forgotten.
	idle atomic.Bool
}

// waker is called when the cell that it waits for is settled: on the loop of that
// cell, as user code. It adds what becomes ready in consequence to q.
type waker interface{ woken(q *queue) }

// settled marks the list of a cell that has a result.
var settled node

// settle sets the result. It reports false if there is one already. Waiters are added
// to q if that runs on the cell's loop, else posted there; q may be nil.
func (c *cell[T]) settle(value T, err error, q *queue) bool {
	if c.marks.Or(markTaken)&markTaken != 0 {
		return false
	}
	c.value, c.err = value, err
	newest := c.waiters.Swap(&settled)
	if err != nil && allIdle(newest) {
		c.unclaimed()
	}
	if newest == nil {
		return true
	}
	if q != nil && q.loop == c.loop {
		q.append(newest)
		return true
	}
	c.post(newest)
	return true
}

// allIdle reports whether all waiters of the list were forgotten.
func allIdle(n *node) bool {
	for ; n != nil; n = n.next {
		if !n.idle.Load() {
			return false
		}
	}
	return true
}

// post wakes waiters on the cell's loop.
func (c *cell[T]) post(newest *node) {
	q := &queue{loop: c.loop}
	if q.append(newest); q.first != nil {
		c.loop.Post(q.run)
	}
}

// settleHere settles the cell in a task of its loop. Waiters run before it returns.
func (c *cell[T]) settleHere(v T, err error) {
	q := queues.Get().(*queue)
	q.loop = c.loop
	c.settle(v, err, q)
	if q.drain() {
		*q = queue{}
		queues.Put(q)
	}
}

// queues has the queues of settleHere for reuse.
var queues = sync.Pool{New: func() any { return new(queue) }}

func (c *cell[T]) isSettled() bool { return c.waiters.Load() == &settled }

// subscribe adds a waiter. It reports false if the cell is settled: then the caller takes
// the result. Any goroutine.
func (c *cell[T]) subscribe(n *node) bool {
	for {
		newest := c.waiters.Load()
		if newest == &settled {
			c.claim()
			return false
		}
		n.next = newest
		if c.waiters.CompareAndSwap(newest, n) {
			return true
		}
	}
}

// maxIdle is the number of forgotten waiters that a cell keeps beyond the number of
// its other waiters.
const maxIdle = 32

// forget releases a waiter. It is removed later, together with others, so that a
// future with many short waits stays small; until then it may still be woken. Any
// goroutine.
func (c *cell[T]) forget(n *node) {
	n.idle.Store(true)
	if c.idle.Add(1) > maxIdle {
		c.sweep()
	}
}

// sweep removes the forgotten waiters: it takes the whole list, and puts the others
// back below those that were added meanwhile.
func (c *cell[T]) sweep() {
	var kept *node
	for {
		newest := c.waiters.Load()
		switch {
		case newest == &settled:
			// The goroutine that settled the cell has not seen them.
			c.post(kept)
			return
		case newest == nil:
			if c.waiters.CompareAndSwap(nil, kept) {
				return
			}
		case c.waiters.CompareAndSwap(newest, nil):
			kept = c.waiting(newest, kept)
		}
	}
}

// waiting joins two lists, without the forgotten waiters.
func (c *cell[T]) waiting(newest, older *node) *node {
	var first *node
	last, count := &first, int32(0)
	for _, n := range [...]*node{newest, older} {
		for ; n != nil; n = n.next {
			if !n.idle.Load() {
				*last, last = n, &n.next
				count++
			}
		}
	}
	*last = nil
	c.idle.Store(-count)
	return first
}

// future returns the cell's future.
func (c *cell[T]) future() Future[T] { return Future[T]{cell: c} }

// queue has the waiters to be woken in one task of a loop. They run one after another,
// not inside each other, so that a long chain of futures needs no deep stack.
type queue struct {
	loop        Loop
	first, last *node
}

// append adds the list of a cell, which has the newest waiter first. Waiters on other
// loops are woken first, so that a local waiter that blocks cannot delay them.
func (q *queue) append(newest *node) {
	var oldest, tail *node
	for n := newest; n != nil; {
		next := n.next
		if n.far {
			n.next = nil
			n.wake.woken(q)
		} else {
			if tail == nil {
				tail = n
			}
			n.next = oldest
			oldest = n
		}
		n = next
	}
	switch {
	case oldest == nil:
		return
	case q.first == nil:
		q.first = oldest
	default:
		q.last.next = oldest
	}
	q.last = tail
}

// run wakes the waiters in order. If the loop is taken from the calling goroutine
// meanwhile, or the goroutine ends, the remaining waiters are posted again.
func (q *queue) run() { q.drain() }

// drain is run. It reports whether all waiters were woken, so that nobody uses q any more.
func (q *queue) drain() (all bool) {
	defer func() {
		if q.first != nil {
			q.loop.Post(q.run)
		}
	}()
	for q.first != nil {
		n := q.first
		q.first, n.next = n.next, nil
		n.wake.woken(q)
		if q.first != nil && lost(q.loop) {
			return false
		}
	}
	return true
}

// lost reports whether the loop was taken from the calling goroutine.
func lost(loop Loop) bool {
	g, ok := loop.(fence)
	switch {
	case !ok:
		return false
	case !g.Enter():
		return true
	}
	g.Leave()
	return false
}

// at calls wake on that loop: at once if the queue runs there, else in a task.
func (q *queue) at(loop Loop, wake func(q *queue)) {
	if q.loop == loop {
		wake(q)
		return
	}
	loop.Post(func() {
		q := queue{loop: loop}
		wake(&q)
		q.run()
	})
}
