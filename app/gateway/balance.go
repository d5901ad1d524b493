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

// choose returns the peer for the next try, which has entered; nil if there is none. It
// leaves out peers that are unhealthy or ejected, and last, which has failed; if nobody is
// left, it chooses among all.
func (b *Backend) choose(r *app.Request, last *peer, now time.Time) *peer {
	all := b.set.Load()
	switch len(all.peers) {
	case 0:
		return nil
	case 1:
		p := all.peers[0]
		p.enter(false)
		return p
	}
	for s := all; s != nil; s = s.next {
		for range len(s.first) {
			p, probe := s.best(r, last, now)
			if p == nil {
				break
			}
			if p.enter(probe) {
				return p
			}
		}
	}
	p := all.peers[rand.IntN(len(all.peers))]
	p.enter(false)
	return p
}

// best returns the peer that the method prefers among those that may be asked.
func (s *peerSet) best(r *app.Request, last *peer, now time.Time) (best *peer, probe bool) {
	b := s.backend
	switch b.method {
	case balanceRound:
		at := b.turn.Add(1)
		return s.nextTurn(int(at%uint64(len(s.turns))), last, nil, now)
	case balanceHash:
		return s.nearest(b.hashOf(r), last, now)
	case balanceCookie:
		if p := s.sticky(r); p != nil && p != last {
			if ok, probe := p.isAvailable(now); ok {
				return p, probe
			}
		}
	}
	first, probe := s.pick(last, nil, now)
	if first == nil || probe {
		return first, probe
	}
	second, probe := s.pick(last, first, now)
	if second == nil || probe || !b.prefers(second, first) {
		return first, false
	}
	return second, false
}

// prefers reports whether p is less busy than q.
func (b *Backend) prefers(p, q *peer) bool {
	if b.method == balanceEWMA {
		return p.cost()/float64(p.weight.Load()) < q.cost()/float64(q.weight.Load())
	}
	return p.active.Load()*int64(q.weight.Load()) < q.active.Load()*int64(p.weight.Load())
}

// cost is the time in which p is expected to be done with one more request.
func (p *peer) cost() float64 {
	return math.Float64frombits(p.latency.Load()) * float64(p.active.Load()+1)
}

// pick returns a peer at random, by weight, that may be asked, but for two.
func (s *peerSet) pick(last, first *peer, now time.Time) (found *peer, probe bool) {
	for range 2 {
		found, probe = s.nextTurn(rand.IntN(len(s.turns)), last, first, now)
		if found == nil || probe || found.isWarm(now) {
			break
		}
	}
	return found, probe
}

// nextTurn returns the first peer that may be asked from a place in the order of turns on.
func (s *peerSet) nextTurn(at int, last, first *peer, now time.Time) (found *peer, probe bool) {
	for i := range s.turns {
		p := s.first[s.turns[(at+i)%len(s.turns)]]
		if p == last || p == first {
			continue
		}
		if ok, probe := p.isAvailable(now); ok {
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
func (s *peerSet) nearest(key uint64, last *peer, now time.Time) (best *peer, probe bool) {
	most := math.Inf(-1)
	for _, p := range s.first {
		if p == last {
			continue
		}
		ok, probes := p.isAvailable(now)
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
