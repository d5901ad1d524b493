//go:build linux

package reactor

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/linked"
	"github.com/gatewheel/gatewheel/internal/loglimit"
)

// peerTable has the peers of a Reactor. Each is looked up once for a connection, and then reached by a pointer. The locks
// of the shards are held for a look-up, an insertion and a removal, without system calls and code of others: an accept
// costs a system call or more, against which a lock that is rarely contended is small.
type peerTable struct {
	rules  peerRules
	log    *zap.Logger
	clock  func() int64 // the time of Loop.Age in nanoseconds, above 0
	seed   maphash.Seed
	shards [peerShards]peerShard

	refused   [peerRefusals]atomic.Int64
	closed    atomic.Int64 // refused connections that were closed without an answer
	unlimited atomic.Int64 // connections and requests of peers for which there was no room
	evicted   atomic.Int64 // peers that were forgotten before their rates were over

	lines     [peerRefusals]loglimit.Limit
	fullLines loglimit.Limit
}

const peerShards = 64

// peerShard has the peers whose prefix has the same hash.
type peerShard struct {
	mu    sync.Mutex
	peers map[netip.Prefix]*Peer
	// idle are the peers without connections and requests whose rates are not over, longest idle first.
	idle linked.List[Peer, *Peer]
}

// sweep is how many idle peers a look-up forgets at most, if their rates are over. With more than one, the list gets
// shorter while peers come.
const sweep = 2

// newPeerTable returns a table for these limits; nil if they limit nothing. born is the zero of its clock.
func newPeerTable(limits *PeerLimits, born time.Time, log *zap.Logger) (*peerTable, error) {
	rules, err := limits.rules()
	if rules == nil {
		return nil, err
	}
	t := &peerTable{rules: *rules, log: log, seed: maphash.MakeSeed()}
	t.clock = func() int64 { return max(int64(time.Since(born)), 1) }
	for i := range t.shards {
		t.shards[i].peers = map[netip.Prefix]*Peer{}
	}
	return t, nil
}

func (t *peerTable) shard(prefix netip.Prefix) *peerShard {
	return &t.shards[maphash.Comparable(t.seed, prefix)%peerShards]
}

// get adds units to the use of the peer with that prefix, and returns the peer with its use; nil if there is no room for
// it.
func (t *peerTable) get(prefix netip.Prefix, units, now int64) (p *Peer, use int64) {
	s := t.shard(prefix)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	p = s.peers[prefix]
	switch {
	case p == nil:
		if len(s.peers) >= max(t.rules.maxPeers/peerShards, 1) && !t.evict(s) {
			return nil, 0
		}
		p = &Peer{table: t, prefix: prefix}
		s.peers[prefix] = p
	case p.idle:
		s.idle.Remove(p)
		p.idle = false
	}
	return p, p.use.Add(units)
}

// overflowed counts and logs a connection or a request for whose peer there was no room.
func (t *peerTable) overflowed(prefix netip.Prefix) {
	t.unlimited.Add(1)
	if suppressed, ok := t.fullLines.Allow(time.Now()); ok {
		t.log.Warn("a peer is not limited: too many are known", zap.Int("known", t.rules.maxPeers), zap.Stringer("prefix", prefix),
			zap.Int("unlogged", suppressed))
	}
}

// sweep forgets idle peers whose rates are over. The lock is held.
func (s *peerShard) sweep(now int64) {
	for range sweep {
		p := s.idle.First()
		if p == nil || p.restsBy() > now {
			return
		}
		s.forget(p)
	}
}

// evict forgets the peer that is idle for the longest time. It reports false if there is none. The lock is held.
func (t *peerTable) evict(s *peerShard) bool {
	p := s.idle.First()
	if p == nil {
		return false
	}
	s.forget(p)
	t.evicted.Add(1)
	return true
}

// forget removes an idle peer. The lock is held.
func (s *peerShard) forget(p *Peer) {
	s.idle.Remove(p)
	p.idle = false
	delete(s.peers, p.prefix)
}

// vacate forgets a peer of which nothing was left, or makes it idle until its rates are over.
func (t *peerTable) vacate(p *Peer) {
	s := t.shard(p.prefix)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := t.clock()
	if s.peers[p.prefix] == p && p.use.Load() == 0 && !p.idle {
		if p.restsBy() <= now {
			delete(s.peers, p.prefix)
		} else {
			s.idle.Push(p)
			p.idle = true
		}
	}
	s.sweep(now)
}

// connect counts a connection of the peer with that address. p is nil if the peer has no limits. refusal is not 0 if the
// connection is beyond a limit. Any goroutine.
func (t *peerTable) connect(addr netip.Addr, now int64) (p *Peer, refusal PeerRefusal) {
	prefix, ok := t.rules.limited(addr)
	if !ok {
		return nil, 0
	}
	p, use := t.get(prefix, useConnection, now)
	switch limit := &t.rules; {
	case p == nil:
		t.overflowed(prefix)
	case limit.connections > 0 && connectionsIn(use)-refusedIn(use) > limit.connections:
		refusal = PeerConnections
	case limit.accepts.Burst > 0 && limit.accepts.Take(&p.accepts, now).Wait > 0:
		refusal = PeerConnectionRate
	}
	return p, refusal
}

// enter counts a request of the peer with that address, see Reactor.EnterPeer. Any goroutine.
func (t *peerTable) enter(addr netip.Addr) (p *Peer, ok bool) {
	prefix, limited := t.rules.limited(addr)
	if !limited {
		return nil, true
	}
	p, use := t.get(prefix, useRequest, t.clock())
	switch limit := t.rules.requests; {
	case p == nil:
		t.overflowed(prefix)
		return nil, true
	case limit > 0 && requestsIn(use) > limit:
		p.Leave()
		return nil, false
	}
	return p, true
}

// EnterPeer counts a request under way of the peer with that address, which may have no connection: a client behind a
// proxy. ok is false if PeerLimits.Requests are under way. Otherwise Peer.Leave must be called at the end of the request,
// unless p is nil: the peer has no limits. It takes a lock, unlike Peer.Enter. Any goroutine.
func (r *Reactor) EnterPeer(addr netip.Addr) (p *Peer, ok bool) {
	if r.peers == nil {
		return nil, true
	}
	return r.peers.enter(addr)
}

// PeerStats are counters of PeerLimits since the Reactor was made.
type PeerStats struct {
	Known     int                 // peers that are known now
	Refused   [peerRefusals]int64 // connections, by PeerRefusal
	Closed    int64               // refused connections that were closed without an answer, to bound the others
	Unlimited int64               // connections and requests that were not counted since MaxPeers were known
	Evicted   int64               // peers that were forgotten before their rates were over since MaxPeers were known
}

// stats returns the counters. t may be nil. Any goroutine.
func (t *peerTable) stats() (s PeerStats) {
	if t == nil {
		return s
	}
	for i := range t.shards {
		shard := &t.shards[i]
		shard.mu.Lock()
		s.Known += len(shard.peers)
		shard.mu.Unlock()
	}
	for i := range t.refused {
		s.Refused[i] = t.refused[i].Load()
	}
	s.Closed, s.Unlimited, s.Evicted = t.closed.Load(), t.unlimited.Load(), t.evicted.Load()
	return s
}

// EachPeer calls visit for each peer that has a connection or a request under way. Any goroutine.
func (r *Reactor) EachPeer(visit func(*Peer)) {
	if r.peers == nil {
		return
	}
	var all []*Peer
	for i := range r.peers.shards {
		s := &r.peers.shards[i]
		s.mu.Lock()
		all = all[:0]
		for _, p := range s.peers {
			if !p.idle {
				all = append(all, p)
			}
		}
		s.mu.Unlock()
		for _, p := range all {
			visit(p)
		}
	}
}
