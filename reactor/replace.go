//go:build linux

package reactor

import (
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// An engine that cannot be started, for want of descriptors say, is tried again after a while that
// doubles up to the second of these.
const (
	restartPauseFirst = 20 * time.Millisecond
	restartPauseLast  = time.Second
)

// deathMemory is for how long the death of a Loop's engine makes the next one a repetition.
const deathMemory = 10 * time.Second

// deaths counts engines of a Loop that end by themselves, one soon after the other.
type deaths struct {
	last time.Time
	wait time.Duration
}

// pause is how long to wait after another death: not at all after the first, lest a mishap keeps
// anybody waiting.
func (d *deaths) pause(now time.Time) time.Duration {
	if now.Sub(d.last) > deathMemory {
		d.wait = 0
	} else {
		d.wait = min(max(2*d.wait, restartPauseFirst), restartPauseLast)
	}
	d.last = now
	return d.wait
}

// unlessStopped does something to a Loop that has not stopped, and not meanwhile. It is false when
// it has.
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

// rest waits, but not beyond the Loop's end: then it is false.
func (l *Loop) rest(pause time.Duration) bool {
	select {
	case <-l.stopped:
		return false
	case <-time.After(pause):
		return true
	}
}

// startEngine lets a new engine turn l. What it reports by ready is to be waited for. nil: the Loop
// has stopped.
func (l *Loop) startEngine() (e *engine) {
	l.unlessStopped(func() {
		e = newEngine(l)
		l.engine.Store(e)
		go e.run()
	})
	return e
}

// restartEngine is startEngine for a Loop that must not stay without.
func (l *Loop) restartEngine() {
	l.stats.replaced.Add(1)
	for pause := restartPauseFirst; ; pause = min(2*pause, restartPauseLast) {
		e := l.startEngine()
		if e == nil {
			return
		}
		err := <-e.ready
		if err == nil {
			return
		}
		l.reactor.log.Error("cannot start an engine", zap.Int("loop", l.index), zap.Error(err))
		e.stop()
		<-e.done
		if !l.rest(pause) {
			return
		}
	}
}

// seize takes everything of the Loop's from an engine that turns it no more. The caller is, or has
// made itself, the only one to touch the Loop. guilty, which may be nil, is to be closed; fenced
// says that a goroutine was left behind in lent code. The Loop goes on with the next engine's first
// turn, and none of its work is lost: what was begun is forgotten, what waits is done then.
func (l *Loop) seize(e *engine, guilty *Conn, fenced bool) {
	var arrivals []*arrival
	for _, c := range l.conns {
		if c.gnet == nil {
			continue
		}
		if int(c.fd) == l.parting {
			l.parting = -1
		}
		e.forget(int(c.fd))
		c.gnet = nil
		c.moving = true
		if c != guilty {
			arrivals = append(arrivals, &arrival{conn: c})
		}
	}
	if l.parting >= 0 {
		_ = unix.Close(l.parting)
		l.parting = -1
	}
	e.dropListeners()
	l.current = nil
	// Lent code may still be writing to these.
	l.out, l.wire, l.in.joint = nil, nil, nil
	l.stats.sampling = false

	var left *haunting
	if fenced {
		left = &haunting{what: l.own.lends[len(l.own.lends)-1].what, holds: e.descriptors()}
		l.reactor.gate.lower(left.holds)
	}
	l.own.forget()
	// Nobody turns the Loop until the next engine does, and who was left behind least of all.
	l.own.goroutine.Store(0)
	if fenced {
		l.own.haunts++
		e.haunt(left)
	}
	waiting := append([]func(){func() { l.own.goroutine.Store(goroutineNumber()) }}, l.revived...)
	if fenced && l.reactor.config.Renew != nil {
		waiting = append(waiting, func() { l.reactor.config.Renew(l) })
	}
	if guilty != nil {
		guilty.guilty = true
		guilty.rarely().haunting = left
		waiting = append(waiting, func() { guilty.abandon(ErrStalled) })
	}
	l.revived = append(waiting, func() { l.intake.add(l, arrivals...) })
	if l.turn.Load()&1 != 0 {
		l.turn.Add(1)
	}
	l.own.word.Store(l.own.compose(stateOwned))
}

// engineDied is called when an engine has ended that nobody asked to.
func (r *Reactor) engineDied(e *engine, err error) {
	l := e.loop
	r.log.Error("engine ended by itself; its loop goes on with another",
		zap.Int("loop", l.index), zap.Int("connections", int(l.stats.connections.Load())), zap.Error(err))
	if !l.unlessStopped(func() { l.seize(e, nil, false) }) {
		return
	}
	pause := l.deaths.pause(time.Now())
	switch {
	case !e.listening:
		// It had nobody to accept: the next may end just so.
		l.rest(pause)
	case pause > 0 || scarce(e.refusal):
		// Nor will the next accept, until others give back what it needs.
		r.gate.rest()
	}
	l.restartEngine()
}
