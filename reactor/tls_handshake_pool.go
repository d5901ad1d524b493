package reactor

import (
	"errors"
	"runtime"
	"sync"
	"time"
)

const (
	// maxStartedHandshakes bounds the goroutines that wait in a handshake for their peers. Each costs
	// about 40 KB with its stack. Peers 200 ms away fill it at 20,000 handshakes a second, which is
	// more than the processors can begin.
	maxStartedHandshakes = 4096
	// maxQueuedHandshakes bounds the connections that wait for their handshake to begin. Each costs
	// its ClientHello. What comes beyond is closed at once, since its turn would come after its
	// timeout.
	maxQueuedHandshakes = 65536
)

// errHandshakeDisplaced ends a handshake that had been waiting longest when there were too many.
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

// A handshakePool lets a few handshakes compute at a time, so that a crowd of newcomers leaves
// processor time to the loops. A slot is held while computing only: a peer that is slow to answer
// keeps nobody else waiting.
type handshakePool struct {
	mu      sync.Mutex
	slots   int
	running int
	started int           // handshakes with a goroutine: running, parked, ready or in callbacks
	idle    chan struct{} // told when started gets to zero

	inCallbacks int             // handshakes that run code of the application, or wait in returning
	returning   []chan struct{} // handshakes that wait for a slot behind a callback; closed when they have one

	fresh  handshakeList
	ready  handshakeList
	parked handshakeList
}

// newHandshakePool makes a pool of one slot fewer than there are processors, and at least one.
func newHandshakePool() *handshakePool {
	return &handshakePool{slots: max(1, runtime.GOMAXPROCS(0)-1), idle: make(chan struct{}, 1)}
}

// begin queues h, which has input. It answers false when the queue is full.
func (p *handshakePool) begin(h *handshake) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fresh.length >= maxQueuedHandshakes {
		return false
	}
	if p.started-p.inCallbacks >= maxStartedHandshakes {
		p.displace()
	}
	h.state = handshakeQueued
	p.fresh.push(h)
	p.schedule()
	return true
}

// displace ends the handshake whose peer has been silent longest: with so many of them, waiting for
// each to time out would shut newcomers out.
func (p *handshakePool) displace() {
	h := p.parked.first
	if h == nil {
		return
	}
	h.refuse(errHandshakeDisplaced)
	p.wake(h)
}

// schedule hands free slots out: to handshakes under way first, since each one that ends frees memory.
func (p *handshakePool) schedule() {
	for p.running < p.slots {
		switch {
		case len(p.returning) > 0:
			close(p.returning[0])
			p.returning = p.returning[1:]
			p.running++
			p.inCallbacks--
		case p.ready.first != nil:
			h := p.ready.pop()
			h.state = handshakeRunning
			p.running++
			h.wakeUp <- struct{}{}
		case p.fresh.first != nil && p.started-p.inCallbacks < maxStartedHandshakes && p.inCallbacks < maxHandshakesInCallbacks:
			h := p.fresh.pop()
			h.state = handshakeRunning
			p.running++
			p.started++
			go h.run()
		default:
			return
		}
	}
}

// park gives the slot of h away until resume or cancel, unless one of them came first.
func (p *handshakePool) park(h *handshake) {
	p.mu.Lock()
	if h.early {
		h.early = false
		p.mu.Unlock()
		return
	}
	h.state = handshakeParked
	p.parked.push(h)
	p.running--
	p.schedule()
	p.mu.Unlock()
	<-h.wakeUp
}

// resume lets h go on as soon as there is a slot: it has input.
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
	p.parked.remove(h)
	h.state = handshakeReady
	p.ready.push(h)
	p.schedule()
}

// cancel takes h out of the queue, or lets its goroutine find out that it has been stopped. It tells
// whether there is one.
func (p *handshakePool) cancel(h *handshake) (started bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch h.state {
	case handshakeNew:
		return false
	case handshakeQueued:
		p.fresh.remove(h)
		h.state = handshakeEnded
		return false
	case handshakeRunning:
		h.early = true
	case handshakeParked:
		p.wake(h)
	}
	return true
}

// leave is the last thing that the goroutine of h does with its slot.
func (p *handshakePool) leave(h *handshake) {
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

// wait returns once no handshake has a goroutine, or when patience is over: a callback of a
// *tls.Config may keep one. Whoever calls it has cancelled all of them.
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

// A handshakeList is a queue that forgets one in its midst at once.
type handshakeList struct {
	first, last *handshake
	length      int
}

func (l *handshakeList) push(h *handshake) {
	h.previous, h.next = l.last, nil
	if l.last == nil {
		l.first = h
	} else {
		l.last.next = h
	}
	l.last = h
	l.length++
}

func (l *handshakeList) pop() *handshake {
	h := l.first
	l.remove(h)
	return h
}

func (l *handshakeList) remove(h *handshake) {
	if h.previous == nil {
		l.first = h.next
	} else {
		h.previous.next = h.next
	}
	if h.next == nil {
		l.last = h.previous
	} else {
		h.next.previous = h.previous
	}
	h.previous, h.next = nil, nil
	l.length--
}
