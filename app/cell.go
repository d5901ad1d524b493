package app

import "sync/atomic"

// cell is the place where the result of a pending future appears. No lock and
// no loop owns it: whoever settles it first writes the result, publishes it by
// swapping the list of waiters for the mark settled, and sends the waiters to
// the cell's loop. A goroutine that is stopped anywhere in between leaves
// nothing half done that another could see.
type cell[T any] struct {
	loop    Loop
	taken   atomic.Bool
	idle    atomic.Int32 // see forget
	waiters atomic.Pointer[node]
	value   T
	err     error
}

// node is a waiter's place in a list. A waiter that waits for one thing after
// another uses the same node again.
type node struct {
	next *node
	wake waker
	// far says that the waiter belongs elsewhere: it runs nothing of the
	// application's here, but passes the result on.
	far bool
	// idle says that nobody waits any more.
	idle atomic.Bool
}

// waker is told that what it waits for is settled. It runs on the loop of the
// cell that was settled, as user code; q takes what becomes ready in
// consequence.
type waker interface{ woken(q *queue) }

// settled is what the list of a cell with a result points to.
var settled node

// settle gives the cell its result. The first call wins. Waiters are appended to
// q when that runs on the cell's loop, else they are posted there.
func (c *cell[T]) settle(value T, err error, q *queue) bool {
	if !c.taken.CompareAndSwap(false, true) {
		return false
	}
	c.value, c.err = value, err
	newest := c.waiters.Swap(&settled)
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

// post wakes waiters on the cell's loop.
func (c *cell[T]) post(newest *node) {
	q := &queue{loop: c.loop}
	if q.append(newest); q.first != nil {
		c.loop.Post(q.run)
	}
}

// settleHere settles from a task of the cell's own loop: what waits runs now.
func (c *cell[T]) settleHere(v T, err error) {
	q := queue{loop: c.loop}
	c.settle(v, err, &q)
	q.run()
}

func (c *cell[T]) isSettled() bool { return c.waiters.Load() == &settled }

// subscribe adds a waiter; false says that the result is there already.
func (c *cell[T]) subscribe(n *node) bool {
	for {
		newest := c.waiters.Load()
		if newest == &settled {
			return false
		}
		n.next = newest
		if c.waiters.CompareAndSwap(newest, n) {
			return true
		}
	}
}

// maxIdle is how many waiters that wait no more a cell holds beyond as many as it
// has of the others.
const maxIdle = 32

// forget says that a waiter of the cell waits no more. It is taken out of the list
// in time, together with others, so that what is asked for again and again holds no
// more than those who wait; until then the waiter may still be woken. Any goroutine.
func (c *cell[T]) forget(n *node) {
	n.idle.Store(true)
	if c.idle.Add(1) > maxIdle {
		c.sweep()
	}
}

// sweep takes out whoever waits no more: it takes the whole list and puts the rest
// of it back, below what came meanwhile.
func (c *cell[T]) sweep() {
	var kept *node
	for {
		newest := c.waiters.Load()
		switch {
		case newest == &settled:
			// Whoever has settled the cell has not seen them.
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

// waiting joins two lists without those who wait no more.
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

// future is the cell's future.
func (c *cell[T]) future() Future[T] { return Future[T]{cell: c} }

// queue is what is to be woken in one task of a loop. Waiters run one after
// another and not from inside each other, so that a long chain of futures needs
// no deep stack.
type queue struct {
	loop        Loop
	first, last *node
}

// append takes over a cell's list, which has the newest waiter first. Those from
// elsewhere are woken at once: what one of the others does, block for ever even,
// is not theirs to suffer.
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

// run wakes everything in the queue. A waiter whose goroutine has lost the loop
// meanwhile (a stalled loop is taken away from its goroutine), or is ended for it,
// takes nobody with it: the rest is posted again.
func (q *queue) run() {
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
			return
		}
	}
}

// lost tells that the calling goroutine has lost the loop.
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

// at calls wake on that loop: now when the queue runs there, else in a task.
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
