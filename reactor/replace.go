//go:build linux

package reactor

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/reactor/internal/engine"
)

// The pause before another attempt to start an engine, after a lack of descriptors for example. It doubles from the
// first to the last.
const (
	restartPauseFirst = 20 * time.Millisecond
	restartPauseLast  = time.Second
)

// deathInterval is the time within which a second death of an engine counts as a repetition.
const deathInterval = 10 * time.Second

// deaths counts engines of a Loop that ended by themselves in short succession.
type deaths struct {
	last time.Time
	wait time.Duration
}

// pause returns how long to wait after another death. The first one in a while needs no pause.
func (d *deaths) pause(now time.Time) time.Duration {
	if now.Sub(d.last) > deathInterval {
		d.wait = 0
	} else {
		d.wait = min(max(2*d.wait, restartPauseFirst), restartPauseLast)
	}
	d.last = now
	return d.wait
}

// unlessStopped calls do and reports true, unless the Loop has stopped. The Loop does not stop during the call.
func (l *Loop) unlessStopped(do func()) bool {
	l.starting.Lock()
	defer l.starting.Unlock()
	select {
	case <-l.stopped:
		return false
	default:
		do()
		return true
	}
}

// sleep waits for the duration of pause. It reports false as soon as the Loop stops.
func (l *Loop) sleep(pause time.Duration) bool {
	select {
	case <-l.stopped:
		return false
	case <-time.After(pause):
		return true
	}
}

// startEngine starts a new engine for l, or returns nil if the Loop has stopped. The caller must receive from Ready.
func (l *Loop) startEngine() (e *loopEngine) {
	l.unlessStopped(func() {
		e = l.reactor.newEngine(l)
		l.engine.Store(e)
		go e.Run()
	})
	return e
}

// restartEngine starts an engine, and tries again until one is ready or the Loop has stopped. A lack of descriptors that
// lasts costs connections of the Loop. The caller must have exclusive access.
func (l *Loop) restartEngine() {
	l.stats.replaced.Add(1)
	var lack shortage
	for pause := restartPauseFirst; ; pause = min(2*pause, restartPauseLast) {
		e := l.startEngine()
		if e == nil {
			return
		}
		err := <-e.Ready()
		if err == nil {
			return
		}
		l.reactor.log.Error("cannot start an engine", zap.Int("loop", l.index), zap.Error(err))
		e.Stop()
		<-e.Done()
		if engine.Scarce(err) && lack.lasts(time.Since(l.reactor.born), l.reactor.config.shortagePatience) {
			l.unlessStopped(func() { l.shedUnpolled(shedToStart) })
		}
		if !l.sleep(pause) {
			return
		}
	}
}

// takeOver detaches the Loop from an engine that does not turn it any more. The caller must have exclusive access.
// fenced reports that a goroutine still runs lent code: then the connection of Lend is closed, and so is one whose
// session is in the middle of a call. The next engine's first turn does the work that waits.
func (l *Loop) takeOver(e *loopEngine, fenced bool) {
	var moving []*arrival
	var blamed []*Conn
	if fenced {
		blamed = l.blamed()
	}
	for _, c := range l.conns {
		if c.socket == nil {
			continue
		}
		e.Release(int(c.fd))
		c.socket = nil
		c.polling = pollMoving
		if !slices.Contains(blamed, c) {
			moving = append(moving, &arrival{conn: c})
		}
	}
	for _, a := range e.Abandon() {
		moving = append(moving, a.(*arrival))
	}
	l.current = nil
	// Lent code may still be writing to these.
	l.out, l.wire, l.in.joint = nil, nil, nil
	l.stats.sampling = false

	var left *orphan
	if fenced {
		// Each blamed connection leaves its descriptor too, see closeDescriptor.
		left = &orphan{subject: l.own.lends[len(l.own.lends)-1].subject, descriptors: e.Descriptors() + len(blamed)}
		l.reactor.gate.lower(left.descriptors)
		l.shedSurplus()
	}
	l.own.forget()
	// No goroutine runs the Loop's turns until the next engine does.
	l.own.goroutine.Store(0)
	l.own.self.Store(0)
	if fenced {
		l.own.orphans++
		go func() {
			<-e.Done() // and with it the goroutine's deferred functions
			l.Post(func() { left.end(l) })
		}()
	}
	waiting := append([]func(){l.identify}, l.firstTasks...)
	if fenced && l.reactor.config.Renew != nil {
		waiting = append(waiting, func() { l.reactor.config.Renew(l) })
	}
	for _, c := range blamed {
		c.blamed = true
		c.ensureRare().orphan = left
		waiting = append(waiting, func() { c.closeContained(ErrStalled) })
	}
	l.arrivals.enqueue(l, moving)
	l.firstTasks = append(waiting, l.offerArrivals)
	if l.turn.Load()&1 != 0 {
		l.turn.Add(1)
	}
	l.own.word.Store(l.own.compose(stateOwned))
}

// blamed returns the connections that are closed for a stall of lent code.
func (l *Loop) blamed() (blamed []*Conn) {
	if c := l.own.lends[len(l.own.lends)-1].conn; c != nil && c.loop.Load() == l {
		blamed = append(blamed, c)
	}
	if c := l.current; c != nil && !slices.Contains(blamed, c) {
		blamed = append(blamed, c)
	}
	return blamed
}

// engineDied starts another engine for the Loop of e, which has ended by itself. On a goroutine of the engine.
func (r *Reactor) engineDied(e *loopEngine, d engine.Death) {
	l := e.loop
	r.log.Error("engine ended by itself; its loop goes on with another",
		zap.Int("loop", l.index), zap.Int("connections", int(l.stats.connections.Load())), zap.Error(d.Err))
	if !l.unlessStopped(func() { l.takeOver(e, false) }) {
		return
	}
	pause := l.deaths.pause(time.Now())
	switch {
	case !d.Accepting:
		// The next may end for the same reason.
		l.sleep(pause)
	case pause > 0 || engine.Scarce(d.Err):
		// The next accept would fail too, until descriptors or memory are released.
		r.gate.pause()
	}
	l.restartEngine()
}
