//go:build linux

package reactor

import (
	"runtime/debug"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
)

// roundsPerTurn is the maximum number of rounds over the inbox and the touched connections in one turn. Later work
// waits for the next turn, so that input is read.
const roundsPerTurn = 4

// Loop is the state of an event loop: connections, timers, inbox. Engines run its turns one after another; the Loop
// outlives each of them.
type Loop struct {
	reactor *Reactor
	index   int
	values  []any // by LoopValue.index

	own      ownership
	inbox    inbox
	turn     atomic.Uint64 // odd while in a turn
	woken    atomic.Bool   // a wake is on its way
	engine   atomic.Pointer[loopEngine]
	stalled  atomic.Bool // a turn exceeds Config.StallWarn: other Loops accept in its place
	starting sync.Mutex  // over starting an engine and stopping for good
	stopped  chan struct{}
	deaths   deaths

	conns   []*Conn
	touched []*Conn // to be finished in this turn, from next on
	next    int
	// deferred are connections whose work continues in a wake turn; due is how many of them the present
	// turn has still to continue.
	deferred   connQueue
	due        int
	postponed  postponed
	current    *Conn // whose code is running; closed after a panic
	firstTasks []func()

	in      inputs
	out     []byte // buffer that sessions append to
	wire    []byte // buffer that filters append to
	buffers buffers
	deliver func(plain []byte)

	writeHigh, writeLow int // see LimitOutput

	clock    clock
	budget   budget
	timers   timers
	writable *writability
	arrivals arrivals
	shortage shortage
	stats    loopStats
}

func newLoop(r *Reactor, index int) (*Loop, error) {
	l := &Loop{reactor: r, index: index, stopped: make(chan struct{})}
	l.deliver = func(plain []byte) { l.current.present(plain) }
	l.timers.init(l)
	l.LimitOutput(0)
	var err error
	l.writable, err = newWritability(r.table)
	return l, err
}

// Index returns the Loop's index in Reactor.Loops. On any goroutine.
func (l *Loop) Index() int { return l.index }

// Turn returns the number of the turn in progress: no two turns of a Loop have the
// same. On the loop.
func (l *Loop) Turn() uint64 { return l.turn.Load() >> 1 }

// Reactor returns the reactor that the Loop belongs to. On any goroutine.
func (l *Loop) Reactor() *Reactor { return l.reactor }

// begin starts a turn. Each callback of the engine starts with it.
func (l *Loop) begin() {
	if l.turn.Add(1)>>1%turnSample == 0 {
		l.stats.sampleBegin(l)
	} else {
		l.clock.known = false
	}
	if l.deferred.len() > 0 {
		l.budget.grant(shortUnits, shortTime)
	} else {
		l.budget.grant(turnUnits, turnTime)
	}
	l.postponed.direct = false
	if l.firstTasks != nil {
		l.runFirstTasks()
	}
}

// end ends a turn: it runs the tasks of the inbox and finishes the touched connections.
func (l *Loop) end() {
	for !l.round() {
	}
	l.endTurn()
}

// endAccept ends a turn in which only a connection was accepted. Other work waits for another turn: else each
// newcomer of a long queue would wait for the budgets of all turns before it.
func (l *Loop) endAccept() {
	for !l.finishAccepted() {
	}
	l.endTurn()
}

// endTurn completes end: it wakes the loop for another turn if work is left.
func (l *Loop) endTurn() {
	l.timers.arm(l)
	if l.stats.sampling {
		l.stats.sampleEnd()
	}
	if l.deferred.len() > 0 || l.inbox.next < len(l.inbox.batch) {
		l.wakeAfterPoll()
	}
	l.turn.Add(1)
	// A task that was posted after the last look saw the turn in progress and did not wake the loop.
	if l.inbox.waiting.Load() > 0 {
		l.wakeAfterPoll()
	}
}

// round does the work of a turn's end. done is false if a panic was contained: call it again for the rest.
func (l *Loop) round() (done bool) {
	defer l.contain()
	for range roundsPerTurn {
		l.drain()
		l.finishDeferred()
		l.finishTouched()
		if l.inbox.waiting.Load() == 0 || l.Spent() {
			break
		}
	}
	return true
}

// finishAccepted is round for endAccept.
func (l *Loop) finishAccepted() (done bool) {
	defer l.contain()
	l.finishTouched()
	return true
}

// finishDeferred continues the work of the connections that were deferred before this turn, as far as the
// budget goes.
func (l *Loop) finishDeferred() {
	if l.due == 0 {
		return
	}
	l.budget.regrant(l, turnUnits/2, turnTime/2)
	for l.due > 0 {
		l.due--
		c := l.deferred.take()
		if c.loop.Load() == l && c.input == inputNextTurn {
			c.input = inputAgain
		}
		if l.finish(c); l.Spent() {
			l.due = 0
		}
	}
}

// finishTouched finishes the connections that were touched in this turn. Beyond the budget it defers them.
func (l *Loop) finishTouched() {
	if l.next < len(l.touched) && l.Spent() {
		l.budget.regrant(l, shortUnits, shortTime)
	}
	for l.next < len(l.touched) {
		l.finish(l.nextTouched())
		for l.next < len(l.touched) && l.Spent() {
			if c := l.nextTouched(); c.loop.Load() == l && c.touched {
				l.deferred.put(c)
			}
		}
	}
	l.touched, l.next = emptied(l.touched), 0
}

func (l *Loop) nextTouched() *Conn {
	c := l.touched[l.next]
	l.touched[l.next] = nil
	l.next++
	return c
}

// finish does the end of a connection's turn, if it still belongs to the Loop and was touched.
func (l *Loop) finish(c *Conn) {
	if c.loop.Load() != l || !c.touched {
		return
	}
	c.touched = false
	l.current = c
	c.finishTurn()
	l.current = nil
}

// deferConn continues c's work in the next wake turn, after other connections' input was read.
func (l *Loop) deferConn(c *Conn) {
	if !c.touched {
		c.touched = true
		l.deferred.put(c)
	}
}

// drain runs the waiting tasks, within the budget of the turn. A long inbox gets the budget of a long turn: its tasks
// follow from work of earlier turns, which would otherwise add to them faster than turns with input run them.
func (l *Loop) drain() {
	if l.inbox.next == len(l.inbox.batch) {
		if l.inbox.waiting.Load() == 0 {
			return
		}
		l.inbox.refill()
	}
	if len(l.inbox.batch)-l.inbox.next > longInbox {
		l.budget.regrant(l, turnUnits, turnTime)
	} else if l.Spent() {
		l.budget.regrant(l, shortUnits, shortTime)
	}
	for t, ok := l.inbox.take(); ok; t, ok = l.inbox.take() {
		l.runTask(t)
		if l.Charge(unitsPerTask); l.Spent() {
			return
		}
	}
}

// wakeTurn is a turn without input: for tasks, expired timers, and deferred and postponed connections.
func (l *Loop) wakeTurn() {
	l.woken.Store(false)
	l.begin()
	l.budget.grant(turnUnits/2, turnTime/2)
	l.stats.wakes.Add(1)
	l.due = l.deferred.len()
	l.takePostponed()
	l.end()
}

// wake makes the loop take a turn soon, unless it is in one, which looks into the inbox at its very end. On
// any goroutine.
func (l *Loop) wake() {
	if l.turn.Load()&1 != 0 {
		return
	}
	l.wakeSelf()
}

// wakeSelf makes the loop take another turn, even if it is in one.
func (l *Loop) wakeSelf() {
	if l.woken.CompareAndSwap(false, true) {
		if e := l.engine.Load(); e != nil {
			e.Wake()
		}
	}
}

// wakeAfterPoll is wakeSelf for the end of a turn, which leaves work: sockets are polled first.
func (l *Loop) wakeAfterPoll() {
	if l.woken.CompareAndSwap(false, true) {
		if e := l.engine.Load(); e != nil {
			e.WakeAfterPoll()
		}
	}
}

// contain recovers from a panic of this package or of a session, logs it, and closes the connection whose code was
// running. It must be deferred directly.
func (l *Loop) contain() {
	p := recover()
	if p == nil {
		return
	}
	l.regain()
	c := l.current
	l.current = nil
	l.stats.panics.Add(1)
	l.reactor.log.Error("panic on the loop", zap.Int("loop", l.index), zap.Any("panic", p),
		zap.ByteString("stack", debug.Stack()), zap.Bool("connection closed", c != nil))
	if c != nil && !c.Closed() {
		c.closeContained(ErrPanic)
	}
}

// runFirstTasks runs the tasks for the first turn of a new engine. If one of them stalls the Loop, the rest is run by
// the engine after it.
func (l *Loop) runFirstTasks() {
	for len(l.firstTasks) > 0 {
		f := l.firstTasks[0]
		l.firstTasks[0] = nil
		l.firstTasks = l.firstTasks[1:]
		l.contained(f)
	}
	l.firstTasks = nil
}

// guarded calls run with c. A panic in run closes c and no other connection.
func (l *Loop) guarded(c *Conn, run func(*Conn)) {
	defer l.contain()
	l.current = c
	run(c)
	l.current = nil
}

// contained runs f. A panic in it is logged.
func (l *Loop) contained(f func()) {
	defer l.contain()
	f()
}

// add makes c one of the Loop's connections.
func (l *Loop) add(c *Conn) {
	c.index = int32(len(l.conns))
	l.conns = append(l.conns, c)
	l.stats.connections.Store(int64(len(l.conns)))
}

// remove removes c from the Loop's connections.
func (l *Loop) remove(c *Conn) {
	last := len(l.conns) - 1
	moved := l.conns[last]
	l.conns[c.index] = moved
	moved.index = c.index
	l.conns[last] = nil
	l.conns = shrunk(l.conns[:last])
	l.stats.connections.Store(int64(last))
}
