package gateway

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app/client"
)

// peer is one server of a backend. Its state is for all loops, and changes by atomics
// alone.
type peer struct {
	url      string
	address  string // in place of that of url; "": none
	priority int    // those with the lowest are asked first
	end      context.CancelFunc
	backend  *Backend
	origin   *client.Origin
	counted  bool // the backend has other peers
	weight   atomic.Int32
	id       uint64 // hash of the URL, for hash and cookie
	cookie   string // the value of that of balanceCookie

	_         [64]byte // the state has cache lines of its own
	active    atomic.Int64
	latency   atomic.Uint64 // moving average in nanoseconds, as the bits of a float64
	outUntil  atomic.Int64  // Unix time in nanoseconds until which it is left out; 0: it is not
	since     atomic.Int64  // Unix time in nanoseconds of its return; 0: it was never out
	failures  atomic.Int32  // in a row
	ejections atomic.Int32  // without a success between them
	ejected   atomic.Bool   // outUntil is that of an ejection: one request decides about the return
	probing   atomic.Bool   // that request is under way
	unhealthy atomic.Bool   // by the answers to health checks
	_         [40]byte
}

// Times for which a peer is left out that cannot be connected to: doubled with each failure
// in a row.
const (
	firstOut = time.Second
	maxOut   = 30 * time.Second
)

// maxEjection limits the time of an ejection.
const maxEjection = 300 * time.Second

// isAvailable reports whether p may be asked. Of a peer whose ejection is over, one request
// may ask: probe is true for it, and must be passed to enter.
func (p *peer) isAvailable(now time.Time) (ok, probe bool) {
	if p.unhealthy.Load() {
		return false, false
	}
	until := p.outUntil.Load()
	switch {
	case until == 0:
		return true, false
	case now.UnixNano() < until:
		return false, false
	case !p.ejected.Load():
		return true, false
	}
	return !p.probing.Load(), true
}

// enter counts a request that is sent to p. It reports false if another request is the one
// that decides about p's return.
func (p *peer) enter(probe bool) bool {
	if probe && !p.probing.CompareAndSwap(false, true) {
		return false
	}
	if p.counted {
		p.active.Add(1)
	}
	return true
}

// leave ends enter.
func (p *peer) leave() {
	if p.counted {
		p.active.Add(-1)
	}
}

// succeeded records a good response after that time.
func (p *peer) succeeded(took time.Duration, now time.Time) {
	if p.backend.method == balanceEWMA {
		p.average(took)
	}
	if p.failures.Load() != 0 {
		p.failures.Store(0)
	}
	if p.outUntil.Load() != 0 && p.outUntil.Swap(0) != 0 {
		p.ejections.Store(0)
		p.since.Store(now.UnixNano())
		wasEjected := p.ejected.Swap(false)
		p.probing.Store(false)
		if wasEjected {
			p.backend.tell(p, PeerReturned, nil)
		}
	}
}

// failed records a failure that is p's fault. connect: no connection could be opened.
func (p *peer) failed(connect bool, err error, now time.Time) {
	e := &p.backend.eject
	if e.off || !p.counted {
		return
	}
	n := p.failures.Add(1)
	if p.ejected.Load() {
		// The request that decides, or one that began before the ejection.
		if p.probing.Swap(false) || now.UnixNano() >= p.outUntil.Load() {
			p.ejectUntil(now, err)
		}
		return
	}
	if int(n) >= e.failures && p.backend.mayEject(p, now) {
		p.ejected.Store(true)
		p.ejectUntil(now, err)
		return
	}
	if connect {
		p.outUntil.Store(now.Add(min(firstOut<<min(n-1, 8), maxOut)).UnixNano())
	}
}

// ejectUntil ejects p for a time that grows with each ejection.
func (p *peer) ejectUntil(now time.Time, err error) {
	n := p.ejections.Add(1)
	d := min(time.Duration(min(n, 300))*p.backend.eject.time, maxEjection)
	p.outUntil.Store(now.Add(d).UnixNano())
	p.backend.tell(p, PeerEjected, err)
}

// abandon ends a request that says nothing about p, such as one that its client cancelled.
func (p *peer) abandon() { p.probing.CompareAndSwap(true, false) }

// average adds a response's time to the moving average, in which it weighs a tenth.
func (p *peer) average(took time.Duration) {
	for {
		old := p.latency.Load()
		mean := float64(took)
		if before := math.Float64frombits(old); before > 0 {
			mean = before + (mean-before)/10
		}
		if p.latency.CompareAndSwap(old, math.Float64bits(math.Max(mean, 1))) {
			return
		}
	}
}

// isWarm reports whether p gets its whole share, or a request of the part that it gets
// while it starts slowly.
func (p *peer) isWarm(now time.Time) bool {
	start := p.backend.slowStart
	if start == 0 {
		return true
	}
	since := p.since.Load()
	passed := now.UnixNano() - since
	return since == 0 || passed >= int64(start) || rand.Float64() < math.Max(0.1, float64(passed)/float64(start))
}

// PeerEvent is a change of a peer.
type PeerEvent uint8

const (
	// PeerEjected means that a peer gets no requests after failures in a row.
	PeerEjected PeerEvent = iota
	// PeerReturned means that a request to an ejected peer has succeeded.
	PeerReturned
	// PeerUnhealthy means that a peer gets no requests after health checks that failed.
	PeerUnhealthy
	// PeerHealthy means that health checks succeed again.
	PeerHealthy
	// PeersUnknown means that a look-up of peers has failed, for the first time after a
	// success. What was known stays in use.
	PeersUnknown
)

// String returns the event in words that follow the name of the peer.
func (e PeerEvent) String() string {
	return [...]string{"ejected", "returned", "unhealthy", "healthy", "look-up failed"}[e]
}
