//go:build linux

package reactor

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/internal/linked"
	"github.com/gatewheel/gatewheel/internal/rate"
)

// Peer is what a peer takes of a Reactor, see PeerLimits. Its methods may be called on any goroutine.
type Peer struct {
	table  *peerTable
	prefix netip.Prefix

	// use has the open connections, those of them that were refused, and the requests under way: one word, so that a
	// single change shows when nothing is left.
	use atomic.Int64
	// accepts and handshakes are the words of rate.Limit.Take.
	accepts, handshakes atomic.Int64

	linked.Links[Peer]      // in the shard's list of peers that are idle
	idle               bool // in that list; the shard's
}

// Units of Peer.use.
const (
	useRequest    = 1
	useRefused    = 1 << 24 // at most mostAnswered, and one for each loop
	useConnection = 1 << 40
)

// requestsIn, refusedIn and connectionsIn return the parts of Peer.use.
func requestsIn(use int64) int64    { return use & (useRefused - 1) }
func refusedIn(use int64) int64     { return use / useRefused & (useConnection/useRefused - 1) }
func connectionsIn(use int64) int64 { return use / useConnection }

// Prefix returns the addresses of the peer.
func (p *Peer) Prefix() netip.Prefix { return p.prefix }

// Connections returns the number of open connections, without those that were refused.
func (p *Peer) Connections() int {
	use := p.use.Load()
	return int(connectionsIn(use) - refusedIn(use))
}

// Requests returns the number of requests under way.
func (p *Peer) Requests() int { return int(requestsIn(p.use.Load())) }

// Enter counts a request under way. It reports false, and counts nothing, if PeerLimits.Requests are under way. The
// caller has a connection or a request of the peer.
func (p *Peer) Enter() bool {
	requests := requestsIn(p.use.Add(useRequest))
	if limit := p.table.rules.requests; limit == 0 || requests <= limit {
		return true
	}
	p.release(useRequest)
	return false
}

// Leave counts the end of a request that Enter or Reactor.EnterPeer has counted. The caller does not use p any more
// unless it has a connection of the peer.
func (p *Peer) Leave() { p.release(useRequest) }

// release gives back units of use. The table forgets a peer of which nothing is left.
func (p *Peer) release(units int64) {
	if p.use.Add(-units) == 0 {
		p.table.vacate(p)
	}
}

// refuse counts an open connection among those that were refused. It reports false if too many are.
func (p *Peer) refuse() bool {
	if refusedIn(p.use.Add(useRefused)) <= p.table.rules.answered {
		return true
	}
	p.use.Add(-useRefused)
	return false
}

// handshake counts a TLS handshake at now and reports whether PeerLimits.HandshakeRate admits it.
func (p *Peer) handshake(now int64) bool {
	limit := &p.table.rules.handshakes
	return limit.Burst == 0 || limit.Take(&p.handshakes, now).Wait == 0
}

// retryAfter returns the time at now from which another try may succeed, in whole seconds, at least one. Nobody knows when
// a connection will close.
func (p *Peer) retryAfter(reason PeerRefusal, now int64) time.Duration {
	var limit rate.Limit
	var word int64
	switch reason {
	case PeerConnectionRate:
		limit, word = p.table.rules.accepts, p.accepts.Load()
	case PeerHandshakeRate:
		limit, word = p.table.rules.handshakes, p.handshakes.Load()
	}
	wait := time.Duration(word-now) + limit.Interval - limit.Span()
	return max(wait+time.Second-1, time.Second).Truncate(time.Second)
}

// restsBy returns the time from which the peer has no more at its rates than a peer that is not known.
func (p *Peer) restsBy() int64 { return max(p.accepts.Load(), p.handshakes.Load()) }
