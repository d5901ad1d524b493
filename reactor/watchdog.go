//go:build linux

package reactor

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"time"

	"go.uber.org/zap"
)

const (
	// The watchdog looks twice within the shortest time that it is to notice, within these bounds.
	tickLeast = time.Millisecond
	tickMost  = 500 * time.Millisecond
	// tickSlack is how late a look may come before the process counts as having been stopped.
	tickSlack = 100 * time.Millisecond
	// warnInterval is how often a stall is logged at most, for each Loop.
	warnInterval = time.Second
	// catchTries is how often one look tries to catch lent code outside our API.
	catchTries = 1000
	// stacksMost bounds the dump of all stacks.
	stacksMost = 16 << 20
)

// watchdog looks at all Loops' ownership words and turns at regular intervals. A Loop that shows
// the same as at the last look has been busy with one thing since; the watchdog adds up how long.
type watchdog struct {
	reactor *Reactor
	period  time.Duration
	seen    []sight
	kills   []time.Time // within the last minute
	over    chan struct{}
	done    chan struct{}
}

// sight is what the watchdog knows of one Loop.
type sight struct {
	turn, section uint64
	turnSince     time.Time
	sectionSince  time.Time
	warned        time.Time
	standIn       chan struct{} // closed when the Loop hears again; nil: it does
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
		reactor: r, period: min(max(shortest/2, tickLeast), tickMost),
		seen: make([]sight, len(r.loops)), over: make(chan struct{}), done: make(chan struct{}),
	}
	go w.run()
	return w
}

func (w *watchdog) stop() {
	close(w.over)
	<-w.done
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
				w.hears(w.reactor.loops[i], &w.seen[i])
			}
			return
		case <-ticker.C:
		}
		now := time.Now()
		// A late look tells of a machine that slept or a process that was stopped, not of its
		// loops: all clocks start again.
		late := now.Sub(last) > 2*w.period+tickSlack
		for i, l := range w.reactor.loops {
			w.look(l, &w.seen[i], now, now.Sub(last), late)
		}
		last = now
	}
}

// look is one look at one Loop.
func (w *watchdog) look(l *Loop, s *sight, now time.Time, since time.Duration, late bool) {
	word, turn := l.own.word.Load(), l.turn.Load()
	section := word >> sectionShift
	switch {
	case late || turn != s.turn || turn&1 == 0:
		s.turn, s.turnSince = turn, now
		s.section, s.sectionSince = section, now
		w.hears(l, s)
		return
	case section != s.section:
		s.section, s.sectionSince = section, now
	}
	config := &w.reactor.config
	if config.StallWarn > 0 && now.Sub(s.turnSince) >= config.StallWarn {
		w.deaf(l, s, since)
	}
	busy := now.Sub(s.sectionSince)
	if config.StallWarn > 0 && busy >= config.StallWarn && now.Sub(s.warned) >= warnInterval {
		s.warned = now
		w.warn(l, word, busy)
	}
	if config.StallTimeout <= 0 || busy < config.StallTimeout {
		return
	}
	if word&insideBit != 0 && w.kill(l, section, busy) {
		w.hears(l, s)
		return
	}
	if busy >= config.faultTimeout {
		w.reactor.abort(fmt.Sprintf("loop %d has been busy outside of any handler for %v", l.index, busy.Round(time.Millisecond)))
		s.sectionSince = now
	}
}

// deaf begins or goes on to have others accept in the Loop's place.
func (w *watchdog) deaf(l *Loop, s *sight, since time.Duration) {
	l.stats.deaf.Add(int64(since))
	if s.standIn != nil {
		return
	}
	l.stats.stalls.Add(1)
	l.isDeaf.Store(true)
	s.standIn = make(chan struct{})
	go w.reactor.standIn(l, s.standIn)
}

// hears ends what deaf began.
func (w *watchdog) hears(l *Loop, s *sight) {
	if s.standIn != nil {
		close(s.standIn)
		s.standIn = nil
		l.isDeaf.Store(false)
	}
}

// warn logs what keeps the Loop. The description is read while the word says held, so that the
// owner cannot come back from it meanwhile.
func (w *watchdog) warn(l *Loop, word uint64, busy time.Duration) {
	fields := []zap.Field{zap.Int("loop", l.index), zap.Duration("for", busy)}
	if word&stateMask == stateLent && l.own.word.CompareAndSwap(word, word&^stateMask|stateHeld) {
		if what := l.own.lends[len(l.own.lends)-1].what; what != nil {
			fields = append(fields, zap.String("what", what.String()))
		}
		l.own.word.Store(word)
	}
	fields = append(fields, zap.ByteString("stack", goroutineStack(l.own.goroutine.Load())))
	w.reactor.log.Warn("loop is stalled", fields...)
}

// kill takes the Loop from the goroutine that has kept it in one section for too long, and lets it
// go on without. It is false when the code could not be caught outside of our API.
func (w *watchdog) kill(l *Loop, section uint64, busy time.Duration) bool {
	for range catchTries {
		word := l.own.word.Load()
		if word>>sectionShift != section {
			return true
		}
		if word&stateMask == stateLent && l.own.word.CompareAndSwap(word, word&^stateMask|stateFenced) {
			w.bury(l, busy)
			return true
		}
		runtime.Gosched()
	}
	return false
}

// bury replaces the engine of a Loop that was fenced.
func (w *watchdog) bury(l *Loop, busy time.Duration) {
	r := w.reactor
	top := l.own.lends[len(l.own.lends)-1]
	fields := []zap.Field{zap.Int("loop", l.index), zap.Duration("after", busy), zap.Int("connections", len(l.conns))}
	if top.what != nil {
		fields = append(fields, zap.Stringer("what", top.what))
	}
	fields = append(fields, zap.ByteString("stack", goroutineStack(l.own.goroutine.Load())))
	r.log.Error("loop is stalled and goes on without what stalls it", fields...)
	l.stats.kills.Add(1)

	e := l.engine.Load()
	l.takeOver(e, top.conn, true)
	go func() {
		e.Stop()
		l.restartEngine()
	}()
	w.budget()
}

// budget ends the process when too many Loops had to be killed within a minute: goroutines that
// spin cannot be freed.
func (w *watchdog) budget() {
	now := time.Now()
	recent := w.kills[:0]
	for _, t := range w.kills {
		if now.Sub(t) < time.Minute {
			recent = append(recent, t)
		}
	}
	w.kills = append(recent, now)
	if len(w.kills) > w.reactor.config.StallRestarts {
		w.reactor.abort(fmt.Sprintf("%d stalled loops within a minute", len(w.kills)))
		w.kills = w.kills[:0]
	}
}

// abort ends the process, unless Config.Abort does something else.
func (r *Reactor) abort(reason string) {
	stacks := allStacks()
	r.log.Error("beyond repair", zap.String("reason", reason))
	if r.config.Abort != nil {
		r.config.Abort(reason, stacks)
		return
	}
	_ = r.log.Sync()
	fmt.Fprintf(os.Stderr, "gatewheel: %s\n\n%s\n", reason, stacks)
	os.Exit(ExitAbort)
}

// allStacks are the stacks of all goroutines, or of as many as have room.
func allStacks() []byte {
	for size := 64 << 10; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size || size >= stacksMost {
			return buf[:n]
		}
	}
}

// goroutineStack is the stack of the goroutine with that number.
func goroutineStack(number uint64) []byte {
	head := fmt.Appendf(nil, "goroutine %d ", number)
	for _, stack := range bytes.Split(allStacks(), []byte("\n\n")) {
		if bytes.HasPrefix(stack, head) {
			return stack
		}
	}
	return []byte("not among the first goroutines")
}
