package gateway

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/internal/moment"
)

// healthCheck asks one peer regularly. Each question is asked on a loop, the loops taking
// turns, and over a connection of its own: one that is kept would answer for a peer that
// takes no new ones. Between two questions there is only a timer.
type healthCheck struct {
	peer    *peer
	loops   *loopList
	every   time.Duration
	timeout time.Duration
	rise    int
	fall    int
	ask     question

	mu    sync.Mutex
	timer *time.Timer
	round int // number of the question that is open; its answer ends it
	good  int // answers in a row
	bad   int
	ended bool
}

// question asks the peer on a loop. done is called once, there, unless the loop stalls.
type question func(loop app.Loop, done func(error))

// Values of config.Health that are not given.
const (
	defaultEvery   = 5 * time.Second
	defaultTimeOut = time.Second
	defaultRise    = 2
	defaultFall    = 3
)

// stallTime is how long a question may be late. Then the loop is taken to stall: another
// one is asked on the next loop, and the late answer does not count.
const stallTime = time.Second

// checkHealth has peers asked that are found from now on.
func (b *Backend) checkHealth(c *config.Health) {
	b.health = func(p *peer) (stop func(), err error) {
		h := &healthCheck{
			peer: p, loops: &b.shared.loops, every: orDefault(c.Every, defaultEvery), timeout: orDefault(c.Timeout, defaultTimeOut),
			rise: max(c.Rise, 1), fall: max(c.Fall, 1),
		}
		if c.Rise == 0 {
			h.rise = defaultRise
		}
		if c.Fall == 0 {
			h.fall = defaultFall
		}
		if h.ask, err = b.question(p, c, h.timeout); err != nil {
			return nil, err
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.timer = time.AfterFunc(rand.N(h.every/10+1), h.next)
		return h.stop, nil
	}
}

// stop ends the questions. Any goroutine.
func (h *healthCheck) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.timer.Stop()
}

// next begins the next question. If the last one is still open, its loop stalls: that says
// nothing about the peer. Any goroutine.
func (h *healthCheck) next() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	loop := h.loops.next()
	if loop == nil {
		h.loops.whenAdded(h.next)
		return
	}
	h.round++
	round := h.round
	h.timer.Reset(stallTime)
	loop.Post(func() {
		if h.begins(round) {
			h.ask(loop, func(err error) { h.answered(round, err) })
		}
	})
}

// begins reports whether a question is still to be asked, and gives it its time.
func (h *healthCheck) begins(round int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.round != round || h.ended {
		return false
	}
	h.timer.Reset(h.timeout + stallTime)
	return true
}

// answered takes the answer to a question, and plans the next one. The time in between
// varies by a tenth, so that several gateways do not ask at the same time.
func (h *healthCheck) answered(round int, err error) {
	h.mu.Lock()
	if h.round != round || h.ended {
		h.mu.Unlock()
		return
	}
	h.round++
	h.timer.Reset(h.every - h.every/10 + rand.N(h.every/5+1))
	if err == nil {
		h.good, h.bad = h.good+1, 0
	} else {
		h.good, h.bad = 0, h.bad+1
	}
	good, bad := h.good, h.bad
	h.mu.Unlock()
	p := h.peer
	switch {
	case bad >= h.fall && !p.unhealthy.Swap(true):
		p.backend.tell(p, PeerUnhealthy, err)
	case good >= h.rise && p.unhealthy.Swap(false):
		p.since.Store(moment.Steady(time.Now()))
		p.backend.tell(p, PeerHealthy, nil)
	}
}

// loopList has the loops on which health is asked for. Any goroutine.
type loopList struct {
	mu      sync.Mutex
	loops   []app.Loop
	turn    int
	waiting []func()
}

// add adds a loop, unless it is there.
func (l *loopList) add(loop app.Loop) {
	l.mu.Lock()
	for _, known := range l.loops {
		if known == loop {
			l.mu.Unlock()
			return
		}
	}
	l.loops = append(l.loops, loop)
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

// next returns the loop whose turn it is; nil if there is none.
func (l *loopList) next() app.Loop {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.loops) == 0 {
		return nil
	}
	l.turn++
	return l.loops[l.turn%len(l.loops)]
}

// whenAdded has f called when there is a loop.
func (l *loopList) whenAdded(f func()) {
	l.mu.Lock()
	if len(l.loops) == 0 {
		l.waiting = append(l.waiting, f)
		f = nil
	}
	l.mu.Unlock()
	if f != nil {
		time.AfterFunc(0, f) // one was added in the meantime
	}
}
