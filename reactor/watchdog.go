//go:build linux

package reactor

import (
	"fmt"
	"sync"
	"time"
)

const (
	// The watchdog looks twice within the shortest time that it has to notice, within these bounds.
	minPeriod = time.Millisecond
	maxPeriod = 250 * time.Millisecond
	// tickSlack is how much of the time by which a look is late counts as observed: more than a busy
	// machine makes it late, and less than a process that was stopped would lose.
	tickSlack = 100 * time.Millisecond
	// warnInterval is the shortest time between two warnings of one Loop.
	warnInterval = time.Second
	// fenceAttempts is how often one look tries to catch lent code outside our API.
	fenceAttempts = 1000
)

// watchdog looks at the ownership words and the turns of all Loops at regular intervals, and adds up for
// how long each has shown the same. Unobserved time does not count: neither the stop of the process nor the
// sleep of the machine is a stall.
//
// It acts first and passes reports to the reporter. The time of its work does not depend on the number of
// goroutines or connections.
type watchdog struct {
	reactor   *Reactor
	period    time.Duration
	seen      []observation
	kills     []time.Time // within the last minute
	reports   *reporter
	takeovers sync.WaitGroup
	over      chan struct{}
	done      chan struct{}
}

// observation is the state of one Loop as the watchdog last saw it, with the time for which it has not changed.
type observation struct {
	turn, section     uint64
	inTurn, inSection time.Duration // observed
	sinceWarning      time.Duration
	standIn           chan struct{} // closed when the Loop comes back; nil: no other accepts in its place
}

// startWatchdog starts the watchdog; nil when it has nothing to watch for.
func startWatchdog(r *Reactor) *watchdog {
	shortest := time.Duration(0)
	for _, d := range []time.Duration{r.config.StallWarn, r.config.StallTimeout} {
		if d > 0 && (shortest == 0 || d < shortest) {
			shortest = d
		}
	}
	if shortest == 0 {
		return nil
	}
	w := &watchdog{
		reactor: r, period: min(max(shortest/2, minPeriod), maxPeriod),
		seen: make([]observation, len(r.loops)), reports: startReporter(r.log, r.config.StallReported),
		over: make(chan struct{}), done: make(chan struct{}),
	}
	go w.run()
	return w
}

// stop ends the watchdog. A report that is being written is not waited for.
func (w *watchdog) stop() {
	close(w.over)
	<-w.done
	w.takeovers.Wait()
	w.reports.stop()
}

func (w *watchdog) run() {
	defer close(w.done)
	ticker := time.NewTicker(w.period)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-w.over:
			for i := range w.seen {
				w.endStandIn(w.reactor.loops[i], &w.seen[i])
			}
			return
		case <-ticker.C:
		}
		now := time.Now()
		step := observed(now.Sub(last), w.period)
		for i, l := range w.reactor.loops {
			w.look(l, &w.seen[i], step)
		}
		last = now
	}
}

// observed returns how much of the time since the last look counts.
func observed(since, period time.Duration) time.Duration { return min(since, period+tickSlack) }

// look is one look at one Loop, step after the last.
func (w *watchdog) look(l *Loop, s *observation, step time.Duration) {
	word, turn := l.own.word.Load(), l.turn.Load()
	section := word >> sectionShift
	if turn != s.turn || turn&1 == 0 {
		*s = observation{turn: turn, section: section, sinceWarning: warnInterval, standIn: s.standIn}
		w.endStandIn(l, s)
		return
	}
	if section != s.section {
		s.section, s.inSection, s.sinceWarning = section, 0, warnInterval
	}
	s.inTurn += step
	s.inSection += step
	s.sinceWarning += step
	config := &w.reactor.config
	if config.StallWarn > 0 && s.inTurn >= config.StallWarn {
		w.beginStandIn(l, s, step)
	}
	if word&stateMask == stateFenced {
		return // being taken over
	}
	if config.StallTimeout > 0 && s.inSection >= config.StallTimeout {
		if word&insideBit != 0 && w.kill(l, section, s.inSection) {
			return
		}
		if s.inSection >= config.faultTimeout {
			busy := s.inSection.Round(time.Millisecond)
			s.inSection = 0
			w.reactor.abort(fmt.Sprintf("loop %d has been busy outside of any handler for %v", l.index, busy))
			return
		}
	}
	if config.StallWarn > 0 && s.inSection >= config.StallWarn && s.sinceWarning >= warnInterval {
		s.sinceWarning = 0
		w.warn(l, word, s.inSection)
	}
}

// beginStandIn counts step as stalled, and has others accept in the place of l unless they do so already.
func (w *watchdog) beginStandIn(l *Loop, s *observation, step time.Duration) {
	l.stats.stallTime.Add(int64(step))
	if s.standIn != nil {
		return
	}
	l.stats.stalls.Add(1)
	l.stalled.Store(true)
	s.standIn = make(chan struct{})
	go w.reactor.standIn(l, s.standIn)
}

// endStandIn ends accepting in the place of l, which has come back.
func (w *watchdog) endStandIn(l *Loop, s *observation) {
	if s.standIn != nil {
		close(s.standIn)
		s.standIn = nil
		l.stalled.Store(false)
	}
}

// warn reports the code that stalls the Loop. It reads the connection while the word says held, so that the owner
// cannot come back and change it meanwhile.
func (w *watchdog) warn(l *Loop, word uint64, busy time.Duration) {
	report := newReport(l, warnMessage, word>>sectionShift, busy)
	if word&stateMask == stateLent && l.own.word.CompareAndSwap(word, word&^stateMask|stateHeld) {
		report.describe(&l.own.lends[len(l.own.lends)-1])
		l.own.word.Store(word)
	}
	w.reports.put(report)
}

// kill takes the Loop from a goroutine that has stayed in one section for too long, and starts another engine. It reports false if the code could not be caught outside our API.
func (w *watchdog) kill(l *Loop, section uint64, busy time.Duration) bool {
	for range fenceAttempts {
		word := l.own.word.Load()
		if word>>sectionShift != section {
			return true
		}
		if word&stateMask == stateLent && l.own.word.CompareAndSwap(word, word&^stateMask|stateFenced) {
			w.replaceEngine(l, section, busy)
			return true
		}
	}
	return false
}

// replaceEngine gives a Loop that was fenced another engine.
func (w *watchdog) replaceEngine(l *Loop, section uint64, busy time.Duration) {
	l.stats.kills.Add(1)
	report := newReport(l, killMessage, section, busy)
	report.kill = true
	report.connections = len(l.conns)
	report.describe(&l.own.lends[len(l.own.lends)-1])
	// Not here: it takes a system call for each connection.
	w.takeovers.Go(func() {
		e := l.engine.Load()
		l.takeOver(e, true)
		go func() {
			e.Stop()
			l.restartEngine()
		}()
	})
	w.reports.put(report)
	w.countKill()
}

// countKill ends the process when too many Loops had to be killed within a minute: goroutines that spin
// cannot be freed.
func (w *watchdog) countKill() {
	now := time.Now()
	recent := w.kills[:0]
	for _, t := range w.kills {
		if now.Sub(t) < time.Minute {
			recent = append(recent, t)
		}
	}
	w.kills = append(recent, now)
	if n := len(w.kills); n > w.reactor.config.StallRestarts {
		w.kills = w.kills[:0]
		w.reactor.abort(fmt.Sprintf("%d stalled loops within a minute", n))
	}
}
