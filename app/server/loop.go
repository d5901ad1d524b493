//go:build linux

package server

import (
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/reuse"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/h2"
	"github.com/gatewheel/gatewheel/internal/linked"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/ws"
)

// loop is the state of the server for a reactor.Loop: what its machines share, scratch memory and counters. It belongs
// to the loop.
type loop struct {
	r             *reactor.Loop
	server        *Server
	h1            *h1.Shared
	h2            *h2.Shared
	h1Event       *h1.Event
	h1ClientEvent *h1.ClientEvent
	h2Request     h2.ClientRequest // scratch memory of Start
	h1Request     h1.ClientRequest // scratch memory of Start
	h2Event       *h2.Event
	ws            ws.Shared
	wsEvent       *ws.Event
	messages      memory // of incomplete WebSocket messages
	// clientSockets are the open WebSockets to other servers that have not been told to close because of a drain.
	clientSockets  linked.List[clientSocket, *clientSocket]
	gathered       []*stream // streams whose readers are still to be woken
	ticked         time.Time // the time that the machines know
	published      int64     // Unix second in which counts of HTTP/2 were published last
	chunks         chunks
	streamHigh     int // see outbound; less while memory is short
	observers      []LoopObserver
	responseFields []string     // names of FieldObserver
	observed       bool         // there are observers, or Config.Finished
	block          []exchange   // see exchangeIn
	ended          []*exchange  // of which observers are to be told
	record         Record       // scratch memory of fill
	connRecord     ConnRecord   // scratch memory of fill
	snapshots      atomic.Int32 // that the loop owes
	eventSize      int          // bytes that the present event of an HTTP/2 machine has consumed
	calls          reuse.List[call]
	sources        reuse.List[sourceReader]

	observations    reuse.List[observation]
	upstreamRecords reuse.List[spi.UpstreamRecord]

	events  events
	workers workers // of blocking handlers
	count   counts
	load    load
	state   any                        // of Hooks.LoopStart
	watched map[*app.ConnInfo][]func() // of WatchConn
}

// loopOf has the loop of a reactor.Loop.
var loopOf = reactor.NewLoopValue[*loop]()

// tick tells the machines the current time, on which they base deadlines.
func (l *loop) tick() { l.tickAt(l.r.Now()) }

// tickTurn tells the machines the time at which the turn began, unless they know a later one. It does not read the
// clock.
func (l *loop) tickTurn() {
	if now := l.r.TurnTime(); now.After(l.ticked) {
		l.tickAt(now)
	}
}

// tickAt tells the machines the time, and publishes the counts of HTTP/2 once a second.
func (l *loop) tickAt(now time.Time) {
	if now != l.ticked {
		l.ticked = now
		l.h1.Tick(now)
		l.h2.Tick(now)
		if unix := now.Unix(); unix != l.published {
			l.published = unix
			l.count.http2.publish(&l.h2.Stats)
		}
		l.ws.Tick(now)
	}
}

// pull calls Read of s and returns its panic as an error. The loop is lent.
func (l *loop) pull(s *app.Pull, p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, &app.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return s.Read(p)
}

// span calls s.Span. A panic is an error, without a span.
func (l *loop) span(s app.Spans, most int) (fd int, offset int64, n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, &app.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	fd, offset, n = s.Span(most)
	return fd, offset, n, nil
}

// skip calls s.Skip. A panic is an error.
func (l *loop) skip(s app.Spans, n int) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &app.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	s.Skip(n)
	return nil
}

// renew replaces the scratch memory of the loop, which a stalled callback may still be reading.
func (l *loop) renew() {
	l.h1.Renew()
	l.ws.Renew()
	l.h1Event, l.h2Event, l.wsEvent = new(h1.Event), new(h2.Event), new(ws.Event)
	l.h1ClientEvent = new(h1.ClientEvent)
	l.gathered, l.block = nil, nil
	l.count.endBatch()
	l.renewEvents()
	if len(l.ended) > 0 {
		l.r.Post(l.flushEnded) // the turn that would have told of them was broken off
	}
}

// instant is a time, in nanoseconds of reactor.Loop.Age; 0 is never. It has a third of the size of a time.Time, and
// every idle connection holds two.
type instant int64

// instant returns the current time.
func (l *loop) instant() instant { return max(instant(l.r.Age()), 1) }

// ageInSeconds returns the age of the reactor plus 1, so that 0 is unknown.
func (l *loop) ageInSeconds() uint32 { return uint32(l.r.Age()/time.Second) + 1 }

// turnInstant returns the time at which the turn began.
func (l *loop) turnInstant() instant { return max(instant(l.r.TurnAge()), 1) }

// drainBy returns the time at which a draining server closes connections without requests; 0 if it does not drain.
func (l *loop) drainBy() instant { return instant(l.r.DrainBy()) }

// Draining implements spi.Drainer.
func (l *loop) Draining() bool { return l.server.draining.Load() }

// run calls a callback of the application for x; nil stands for the loop itself.
func (l *loop) run(x *exchange, task func()) {
	switch {
	case x == nil:
		l.runFor(nil, l, task)
	case x.conn.Orphaned() == &x.subject:
		// Code of this request still runs in the goroutine from which the loop was taken. Two goroutines must not run
		// in one request.
		x.conn.AfterStall(func() { l.run(x, task) })
	default:
		l.runFor(x.conn, x, task)
	}
}

// Costs in the budget of a turn (reactor.Loop.Charge): of a call of a handler or a continuation, and of an event of a
// machine.
const (
	unitsPerCall  = 2
	unitsPerEvent = 1
)

// runFor runs task while the loop is lent for who, on the connection c, which may be nil. It reports a panic.
func (l *loop) runFor(c *reactor.Conn, who lender, task func()) {
	l.r.Charge(unitsPerCall)
	l.r.Lend(c, who.lentFor())
	err := recovered(task)
	l.r.Reclaim()
	if err != nil {
		l.reportFor(c, who, err)
	}
}

// recovered runs task and returns its panic as an error.
func recovered(task func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &app.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	task()
	return nil
}

// String returns the name of the loop in the watchdog's report.
func (l *loop) String() string { return "loop " + strconv.Itoa(l.r.Index()) }

// Index implements app.Loop, as do the following methods, for hooks.
func (l *loop) Index() int { return l.r.Index() }

// Now implements app.Loop.
func (l *loop) Now() time.Time { return l.r.Now() }

// State implements app.Loop.
func (l *loop) State() any { return l.state }

// Post implements app.Loop.
func (l *loop) Post(task func()) { l.post(nil, task) }

// After implements app.Loop.
func (l *loop) After(d time.Duration, task func()) app.Timer { return l.after(nil, d, task) }

// exchangeLoop is the app.Loop of an exchange. A task that stalls the loop is blamed on the exchange's connection.
type exchangeLoop exchange

func (e *exchangeLoop) Index() int     { return e.loop.r.Index() }
func (e *exchangeLoop) Now() time.Time { return e.loop.r.Now() }
func (e *exchangeLoop) State() any     { return e.loop.state }

// Turn returns a number that identifies the current turn among those of all loops; it is never 0. Package files uses
// it: the state of a file is read once for all requests of a turn.
func (e *exchangeLoop) Turn() uint64 {
	return uint64(e.loop.r.Index()+1)<<48 | e.loop.r.Turn()&(1<<48-1)
}

// Post implements app.Loop.
func (e *exchangeLoop) Post(task func()) { e.loop.post((*exchange)(e), task) }

// After implements app.Loop.
func (e *exchangeLoop) After(d time.Duration, task func()) app.Timer {
	return e.loop.after((*exchange)(e), d, task)
}

// post runs task on the loop for x; nil stands for the loop itself. Any goroutine.
func (l *loop) post(x *exchange, task func()) {
	l.r.Post(func() { l.run(x, task) })
}

// after runs task on the loop for x after d; nil stands for the loop itself. Any goroutine.
func (l *loop) after(x *exchange, d time.Duration, task func()) *timer {
	return l.arm(d, func() { l.run(x, task) })
}

// arm calls task on the loop, owned, after d. Any goroutine.
func (l *loop) arm(d time.Duration, task func()) *timer {
	t := &timer{loop: l, task: task}
	l.r.Post(func() { t.arm(d) })
	return t
}

// timer is a timer of the application. decided is set once, by the loop that fires it or by the goroutine that stops
// it.
type timer struct {
	loop    *loop
	task    func()
	armed   *reactor.Timer // the loop's
	decided atomic.Bool
}

func (t *timer) arm(d time.Duration) {
	if !t.decided.Load() {
		t.armed = t.loop.r.AfterFunc(d, t.fire)
	}
}

func (t *timer) fire() {
	if t.decided.CompareAndSwap(false, true) {
		t.task()
	}
}

// Stop implements app.Timer.
func (t *timer) Stop() bool {
	if !t.decided.CompareAndSwap(false, true) {
		return false
	}
	t.loop.r.Post(func() {
		if t.armed != nil {
			t.armed.Stop()
		}
	})
	return true
}
