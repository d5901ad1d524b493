package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/internal/moment"
)

// peer is one server of a backend. All loops share its state, which changes by atomic
// operations alone.
type peer struct {
	url      string
	address  string // where connections go in place of url's host; "": there
	priority int    // peers with the lowest are asked first
	end      context.CancelFunc
	backend  *Backend
	origin   *client.Origin
	counted  bool // the backend has, or may have, other peers
	weight   atomic.Int32
	id       uint64 // hash of URL and address, for hash and cookie
	cookie   string // the value of the cookie of balanceCookie
	counts   [countPlaces]atomic.Pointer[peerCounts]

	_         [64]byte // the state has cache lines of its own
	active    atomic.Int64
	latency   latency
	standing  atomic.Uint64 // a standing
	since     atomic.Int64  // moment.Steady of its return; 0: it was never out
	failures  atomic.Int32  // in a row
	ejections atomic.Int32  // without a return between them
	unhealthy atomic.Bool   // by the answers to health checks
	gone      atomic.Bool   // it is no longer a peer of the backend
	_         [64]byte
}

// standing is what a peer's responses say about its use: a mode in the low two bits, and
// above them a time of moment.Steady. The zero value is a peer in use.
//
//	inUse ─(no connection)→ paused ─(a success)→ inUse
//	inUse, paused ─(failures in a row)→ ejected ─(its time has passed)→ probed
//	probed ─(the probe succeeds)→ inUse
//	probed ─(the probe fails)→ ejected
type standing uint64

const (
	inUse   standing = iota
	paused           // it gets no requests until the time
	ejected          // after the time, one request decides about its return: the probe
	probed           // the probe is in progress
)

// at returns the mode with a time.
func (s standing) at(t time.Time) standing { return standing(moment.Steady(t))<<2 | s }

func (s standing) mode() standing { return s & 3 }

// isDue reports whether the time has come.
func (s standing) isDue(now time.Time) bool { return moment.Steady(now) >= int64(s>>2) }

// isOut reports whether the peer is ejected and has not returned.
func (s standing) isOut() bool { return s.mode() >= ejected }

func (p *peer) stands() standing { return standing(p.standing.Load()) }

// move changes the standing if it is still from.
func (p *peer) move(from, to standing) bool {
	return p.standing.CompareAndSwap(uint64(from), uint64(to))
}

// Times for which a peer gets no requests after a failure to connect. They double with
// each failure in a row.
const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
)

// maxEjection limits the time of an ejection.
const maxEjection = 300 * time.Second

// isAvailable reports whether p may be asked. probe: the request would decide about the
// return of p.
func (p *peer) isAvailable(now time.Time) (ok, probe bool) {
	if p.unhealthy.Load() {
		return false, false
	}
	switch s := p.stands(); s.mode() {
	case inUse:
		return true, false
	case paused:
		return s.isDue(now), false
	case ejected:
		return s.isDue(now), true
	}
	return false, false
}

// enter counts a request that is sent to p. It reports false if another request has become
// the probe.
func (p *peer) enter(probe bool) bool {
	if probe {
		s := p.stands()
		if s.mode() != ejected || !p.move(s, s|probed) {
			return false
		}
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

// succeeded records a good response after that time. While p is ejected, only the success
// of the probe counts.
func (p *peer) succeeded(probe bool, took time.Duration, now time.Time) {
	if p.backend.method == balanceEWMA {
		p.latency.add(took, now)
	}
	if p.failures.Load() != 0 {
		p.failures.Store(0)
	}
	switch s := p.stands(); {
	case s.mode() == paused:
		if p.move(s, inUse) {
			p.since.Store(moment.Steady(now))
		}
	case probe && s.mode() == probed && p.move(s, inUse):
		p.since.Store(moment.Steady(now))
		p.ejections.Store(0)
		p.backend.ejected.Add(-1)
		p.backend.tell(p, PeerReturned, nil)
	}
}

// failed records a failure that is p's fault. connect: no connection could be opened. While
// p is ejected, only the failure of the probe counts.
func (p *peer) failed(probe, connect bool, err error, now time.Time) {
	e := &p.backend.eject
	if e.off || !p.counted {
		return
	}
	n := p.failures.Add(1)
	for {
		s := p.stands()
		switch {
		case s.isOut():
			if probe && s.mode() == probed {
				p.eject(s, err, now)
			}
			return
		case int(n) >= e.failures && p.backend.reserveEjection(p, now):
			if p.eject(s, err, now) {
				return
			}
			p.backend.ejected.Add(-1) // another loop has changed the standing
		case connect:
			pause := min(firstPause<<min(n-1, 8), maxPause)
			if p.move(s, paused.at(now.Add(pause))) {
				return
			}
		default:
			return
		}
	}
}

// abandoned ends a request that says nothing about p, such as one that its client has
// cancelled. After a probe the next request is one.
func (p *peer) abandoned(probe bool) {
	if s := p.stands(); probe && s.mode() == probed {
		p.move(s, s&^3|ejected)
	}
}

// eject changes the standing from s to that of an ejected peer, for a time that grows with
// each ejection. It reports false if the standing is not s.
func (p *peer) eject(s standing, err error, now time.Time) bool {
	n := p.ejections.Load() + 1
	d := min(time.Duration(min(n, 300))*p.backend.eject.time, maxEjection)
	if !p.move(s, ejected.at(now.Add(d))) {
		return false
	}
	p.ejections.Store(n)
	p.backend.tell(p, PeerEjected, err)
	if p.gone.Load() {
		p.forget()
	}
	return true
}

// forget ends the ejection of a peer that has gone, so that others may be ejected.
func (p *peer) forget() {
	p.gone.Store(true)
	for s := p.stands(); s.isOut(); s = p.stands() {
		if p.move(s, inUse) {
			p.backend.ejected.Add(-1)
		}
	}
}

// warmth returns the part of its share that p gets while it starts slowly; 1 is all.
func (p *peer) warmth(now time.Time) float64 {
	start, since := p.backend.slowStart, p.since.Load()
	if passed := moment.Steady(now) - since; since != 0 && passed < int64(start) {
		return max(minWarmth, float64(passed)/float64(start))
	}
	return 1
}

// minWarmth is the part of its share with which a peer starts.
const minWarmth = 0.1

// name returns the peer in log lines.
func (p *peer) name() string {
	if p.address == "" {
		return p.url
	}
	return p.url + " (" + p.address + ")"
}

// PeerEvent is a change of a peer.
type PeerEvent uint8

const (
	// PeerEjected means that a peer gets no requests after failures in a row, or after the
	// failure of the request that was to decide about its return.
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
