package reactor

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/gatewheel/gatewheel/internal/linked"
)

const (
	// maxStartedHandshakes bounds the handshakes with a goroutine, those in callbacks excepted. Each costs
	// about 40 KB with its stack. Peers 200 ms away reach it at 20,000 handshakes a second, more than the
	// processors can compute.
	maxStartedHandshakes = 4096
	// maxDialledHandshakes is the same bound for dialled connections, which have a share of their own: a peer of one
	// kind that does not answer keeps none of the other kind waiting.
	maxDialledHandshakes = 1024
	// maxQueuedHandshakes bounds the handshakes that wait to begin. Each costs its ClientHello. Connections
	// beyond are closed at once, since their turn would come after their timeout.
	maxQueuedHandshakes = 65536
)

// errHandshakeDisplaced ends the handshake that has waited longest for its peer when there are too many.
var errHandshakeDisplaced = errors.New("tls: too many handshakes wait for their peers")

type handshakeState uint8

const (
	handshakeNew handshakeState = iota
	handshakeQueued
	handshakeRunning
	handshakeParked // its goroutine waits for input
	handshakeReady  // its goroutine has input and waits for a slot
	handshakeEnded
)

// handshakeSlots let a few handshakes compute at a time, so that many new connections leave processor time to the
// loops. Pools take turns at the slots. Safe for concurrent use.
type handshakeSlots struct {
	mu      sync.Mutex
	slots   int
	running int
	pools   []*handshakePool
	turn    int // index of the pool that is next
}

// A handshakePool has the handshakes of accepted connections, or those of dialled ones. A handshake holds a slot while
// it computes, and none while it waits for its peer or runs a callback. Safe for concurrent use.
type handshakePool struct {
	*handshakeSlots
	limit   int           // of started, without those in callbacks
	started int           // handshakes with a goroutine: running, parked, ready or in callbacks
	idle    chan struct{} // sent to when started becomes zero

	inCallbacks int             // handshakes that run code of the application, or wait in returning
	returning   []chan struct{} // handshakes that wait for a slot behind a callback; closed when they have one

	fresh, ready, parked linked.List[handshake, *handshake]
}

// newHandshakeSlots returns one slot fewer than there are processors, and at least one.
func newHandshakeSlots() *handshakeSlots {
	return &handshakeSlots{slots: max(1, runtime.GOMAXPROCS(0)-1)}
}

// newPool adds a pool with at most limit started handshakes. Not after the first handshake.
func (s *handshakeSlots) newPool(limit int) *handshakePool {
	p := &handshakePool{handshakeSlots: s, limit: limit, idle: make(chan struct{}, 1)}
	s.pools = append(s.pools, p)
	return p
}

// begin queues h, which has input. It reports false if the queue is full.
func (p *handshakePool) begin(h *handshake) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fresh.Len() >= maxQueuedHandshakes {
		return false
	}
	if p.started-p.inCallbacks >= p.limit {
		p.displace()
	}
	h.state = handshakeQueued
	p.fresh.Push(h)
	p.schedule()
	return true
}

// displace ends the handshake whose peer has been silent longest, so that new ones need not wait for timeouts.
func (p *handshakePool) displace() {
	h := p.parked.First()
	if h == nil {
		return
	}
	h.failReads(errHandshakeDisplaced)
	p.wake(h)
}

// schedule assigns free slots, to the pools in turn.
func (s *handshakeSlots) schedule() {
	for idle := 0; s.running < s.slots && idle < len(s.pools); {
		p := s.pools[s.turn]
		s.turn = (s.turn + 1) % len(s.pools)
		if p.assign() {
			s.running++
			idle = 0
		} else {
			idle++
		}
	}
}

// assign gives a slot to a handshake that waits for one, if there is any: to started ones first, since each one that ends
// frees memory.
func (p *handshakePool) assign() bool {
	switch {
	case len(p.returning) > 0:
		close(p.returning[0])
		p.returning = p.returning[1:]
		p.inCallbacks--
	case p.ready.Len() > 0:
		h := p.ready.Pop()
		h.state = handshakeRunning
		h.wakeUp <- struct{}{}
	case p.fresh.Len() > 0 && p.started-p.inCallbacks < p.limit && p.inCallbacks < maxHandshakesInCallbacks:
		h := p.fresh.Pop()
		h.state = handshakeRunning
		p.started++
		go h.run()
	default:
		return false
	}
	return true
}

// park returns the slot of h and waits for resume or cancel, unless one of them has come already.
func (p *handshakePool) park(h *handshake) {
	p.mu.Lock()
	if h.early {
		h.early = false
		p.mu.Unlock()
		return
	}
	h.state = handshakeParked
	p.parked.Push(h)
	p.running--
	p.schedule()
	p.mu.Unlock()
	<-h.wakeUp
}

// resume lets h, which has input, go on as soon as there is a slot.
func (p *handshakePool) resume(h *handshake) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch h.state {
	case handshakeRunning:
		h.early = true
	case handshakeParked:
		p.wake(h)
	}
}

func (p *handshakePool) wake(h *handshake) {
	p.parked.Remove(h)
	h.state = handshakeReady
	p.ready.Push(h)
	p.schedule()
}

// cancel removes h from the queue, or wakes its goroutine, whose read then fails. It reports whether there is a
// goroutine.
func (p *handshakePool) cancel(h *handshake) (started bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch h.state {
	case handshakeNew:
		return false
	case handshakeQueued:
		p.fresh.Remove(h)
		h.state = handshakeEnded
		return false
	case handshakeRunning:
		h.early = true
	case handshakeParked:
		p.wake(h)
	}
	return true
}

// end returns the slot of h, whose goroutine ends.
func (p *handshakePool) end(h *handshake) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h.state = handshakeEnded
	p.running--
	p.started--
	if p.started == 0 {
		select {
		case p.idle <- struct{}{}:
		default:
		}
	}
	p.schedule()
}

// wait returns when no handshake has a goroutine, or when patience is over, since a callback of a *tls.Config may
// not return. The caller has cancelled all handshakes.
func (p *handshakePool) wait(patience <-chan time.Time) {
	for p.busy() {
		select {
		case <-p.idle:
		case <-patience:
			return
		}
	}
}

func (p *handshakePool) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started > 0
}
