package gateway

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
)

// balanceMethod is how a peer is chosen.
type balanceMethod uint8

const (
	balanceLeast balanceMethod = iota
	balanceRound
	balanceEWMA
	balanceHash
	balanceCookie
)

// choice is the choice of a peer for one try of a request.
type choice struct {
	r    *app.Request
	last *peer // has failed at the request; nil: none
	now  time.Time
	luck float64 // peers that are less warm are not asked
	all  bool    // peers that are out or unhealthy may be asked, too
}

// choose returns the peer for the next try, which has entered; nil if there is none. probe:
// the try decides about the return of the peer. It leaves out peers that may not be asked,
// and last, which has failed. If only last may be asked, it is asked again; if none may be,
// all may.
func (b *Backend) choose(r *app.Request, last *peer, now time.Time) (p *peer, probe bool) {
	all := b.set.Load()
	switch len(all.peers) {
	case 0:
		return nil, false
	case 1:
		p := all.peers[0]
		p.enter(false)
		return p, false
	}
	c := choice{r: r, last: last, now: now}
	if b.slowStart > 0 && b.method != balanceHash { // keys stay where they belong
		c.luck = rand.Float64()
	}
	for s := all; s != nil; s = s.next {
		if p, probe := s.choose(&c); p != nil {
			return p, probe
		}
	}
	if last != nil {
		if ok, probe := last.isAvailable(now); ok && !probe && !last.gone.Load() {
			last.enter(false)
			return last, false
		}
	}
	c.all = true
	if p, _ = all.choose(&c); p == nil {
		p = all.peers[rand.IntN(len(all.peers))]
		p.enter(false)
	}
	return p, false
}

// choose returns a peer that may be asked, which has entered, or nil.
func (s *peerSet) choose(c *choice) (p *peer, probe bool) {
	for range len(s.first) + 1 {
		if p, probe = s.best(c); p == nil && c.luck > 0 {
			c.luck = 0 // one that is not warm is better than none
			p, probe = s.best(c)
		}
		if p == nil || p.enter(probe) {
			return p, probe
		}
	}
	return nil, false
}

// permits reports whether p may be asked. probe: the try would decide about its return.
func (c *choice) permits(p *peer) (ok, probe bool) {
	switch {
	case p == c.last:
		return false, false
	case c.all:
		return true, false
	case c.luck > 0 && c.luck > p.warmth(c.now):
		return false, false
	}
	return p.isAvailable(c.now)
}

// best returns the peer that the method prefers among those that may be asked.
func (s *peerSet) best(c *choice) (best *peer, probe bool) {
	b := s.backend
	switch b.method {
	case balanceRound:
		at := b.turn.Add(1)
		return s.nextTurn(int(at%uint64(len(s.turns))), nil, c)
	case balanceHash:
		return s.nearest(b.hashOf(c.r), c)
	case balanceCookie:
		if p := s.sticky(c.r); p != nil && p != c.last {
			if ok, probe := p.isAvailable(c.now); ok || c.all {
				return p, probe && ok
			}
		}
	}
	first, probe := s.nextTurn(rand.IntN(len(s.turns)), nil, c)
	if first == nil || probe {
		return first, probe
	}
	second, probe := s.nextTurn(rand.IntN(len(s.turns)), first, c)
	if second == nil || !probe && !b.prefers(second, first, c.now) {
		return first, false
	}
	return second, probe
}

// prefers reports whether p is less busy than q.
func (b *Backend) prefers(p, q *peer, now time.Time) bool {
	if b.method == balanceEWMA {
		of, other := p.latency.at(now), q.latency.at(now)
		// A peer without a sample is assumed to be as fast as the other one.
		switch {
		case of == 0 && other == 0:
			of, other = 1, 1
		case of == 0:
			of = other
		case other == 0:
			other = of
		}
		return p.cost(of) < q.cost(other)
	}
	// With the request, p would be no busier for its weight than q is without. A plain comparison
	// would favor peers of small weight, which have no request in progress more often.
	return (p.active.Load()+1)*int64(q.weight.Load()) <= q.active.Load()*int64(p.weight.Load())
}

// cost is the time in which p is expected to be done with one more request, for its weight.
func (p *peer) cost(latency float64) float64 {
	return latency * float64(p.active.Load()+1) / float64(p.weight.Load())
}

// nextTurn returns the first peer that may be asked from a place in the order of turns on,
// other than besides.
func (s *peerSet) nextTurn(at int, besides *peer, c *choice) (found *peer, probe bool) {
	for i := range s.turns {
		p := s.first[s.turns[(at+i)%len(s.turns)]]
		if p == besides {
			continue
		}
		if ok, probe := c.permits(p); ok {
			return p, probe
		}
	}
	return nil, false
}

// setTurns makes the order in which peers of s take turns: each as often as its weight
// says, evenly spread.
func (s *peerSet) setTurns() {
	divisor, total := 0, 0
	for _, p := range s.first {
		divisor = gcd(divisor, int(p.weight.Load()))
		total += int(p.weight.Load())
	}
	if total == 0 {
		return
	}
	// The order has a bounded length, in which small weights are at least one turn.
	divisor = max(divisor, total/maxTurns)
	type turn struct {
		at   float64
		peer int
	}
	var turns []turn
	for i, p := range s.first {
		n := max(int(p.weight.Load())/divisor, 1)
		for k := range n {
			turns = append(turns, turn{(float64(k) + 0.5) / float64(n), i})
		}
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Compare(a.at, b.at) })
	for _, t := range turns {
		s.turns = append(s.turns, t.peer)
	}
}

// maxTurns limits the length of the order of turns, unless there are more peers.
const maxTurns = 1 << 14

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// hashOf returns the hash of what requests for the same peer have in common.
func (b *Backend) hashOf(r *app.Request) uint64 {
	switch b.hashKind {
	case config.ByPath:
		return hashText(r.RawPath)
	case config.ByHeader:
		return hashText(r.Fields.Get(b.hashName))
	case config.ByCookie:
		value, _ := routing.Cookie(r.Fields, b.hashName)
		return hashText(value)
	}
	address := r.Client().Addr.Addr().Unmap().As16()
	return hashText(address[:])
}

// nearest returns the peer with the highest score for a hash (rendezvous hashing), so that
// only the keys of a peer that has left move.
func (s *peerSet) nearest(key uint64, c *choice) (best *peer, probe bool) {
	most := math.Inf(-1)
	for _, p := range s.first {
		ok, probes := c.permits(p)
		if !ok {
			continue
		}
		// A number evenly spread between 0 and 1, weighted.
		part := (float64(mix(key^p.id)>>11) + 0.5) / (1 << 53)
		if score := -float64(p.weight.Load()) / math.Log(part); score > most {
			best, probe, most = p, probes, score
		}
	}
	return best, probe
}

// hashText is the same in every process, so that several gateways agree (FNV-1a).
func hashText[T string | []byte](text T) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	return mix(h)
}

// mix spreads the bits of a hash (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
