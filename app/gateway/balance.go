package gateway

import (
	"math"
	"math/rand/v2"
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
	if len(b.peers) == 1 {
		p := b.peers[0]
		p.enter(false)
		return p
	}
	for range len(b.peers) {
		p, probe := b.best(r, last, now)
		if p == nil {
			break
		}
		if p.enter(probe) {
			return p
		}
	}
	p := b.peers[rand.IntN(len(b.peers))]
	p.enter(false)
	return p
}

// best returns the peer that the method prefers among those that may be asked.
func (b *Backend) best(r *app.Request, last *peer, now time.Time) (best *peer, probe bool) {
	switch b.method {
	case balanceRound:
		at := b.turn.Add(1)
		return b.next(int(at%uint64(len(b.turns))), last, nil, now)
	case balanceHash:
		return b.nearest(b.hashOf(r), last, now)
	case balanceCookie:
		if p := b.sticky(r); p != nil && p != last {
			if ok, probe := p.isAvailable(now); ok {
				return p, probe
			}
		}
	}
	first, probe := b.pick(last, nil, now)
	if first == nil || probe {
		return first, probe
	}
	second, probe := b.pick(last, first, now)
	if second == nil || probe || !b.prefers(second, first) {
		return first, false
	}
	return second, false
}

// prefers reports whether p is less busy than q.
func (b *Backend) prefers(p, q *peer) bool {
	if b.method == balanceEWMA {
		return p.cost()/float64(p.weight) < q.cost()/float64(q.weight)
	}
	return p.active.Load()*int64(q.weight) < q.active.Load()*int64(p.weight)
}

// cost is the time in which p is expected to be done with one more request.
func (p *peer) cost() float64 {
	return math.Float64frombits(p.latency.Load()) * float64(p.active.Load()+1)
}

// pick returns a peer at random, by weight, that may be asked, but for two.
func (b *Backend) pick(last, first *peer, now time.Time) (found *peer, probe bool) {
	for range 2 {
		found, probe = b.next(rand.IntN(len(b.turns)), last, first, now)
		if found == nil || probe || found.isWarm(now) {
			break
		}
	}
	return found, probe
}

// next returns the first peer that may be asked from a place in the order of turns on.
func (b *Backend) next(at int, last, first *peer, now time.Time) (found *peer, probe bool) {
	for i := range b.turns {
		p := b.peers[b.turns[(at+i)%len(b.turns)]]
		if p == last || p == first {
			continue
		}
		if ok, probe := p.isAvailable(now); ok {
			return p, probe
		}
	}
	return nil, false
}

// setTurns makes the order in which peers take turns: each as often as its weight says,
// evenly spread.
func (b *Backend) setTurns() {
	b.turns = nil
	divisor, total := 0, 0
	for _, p := range b.peers {
		divisor = gcd(divisor, p.weight)
	}
	current := make([]int, len(b.peers))
	for _, p := range b.peers {
		total += p.weight / divisor
	}
	for range total {
		best := 0
		for i, p := range b.peers {
			current[i] += p.weight / divisor
			if current[i] > current[best] {
				best = i
			}
		}
		current[best] -= total
		b.turns = append(b.turns, best)
	}
}

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
func (b *Backend) nearest(key uint64, last *peer, now time.Time) (best *peer, probe bool) {
	most := math.Inf(-1)
	for _, p := range b.peers {
		if p == last {
			continue
		}
		ok, probes := p.isAvailable(now)
		if !ok {
			continue
		}
		// A number evenly spread between 0 and 1, weighted.
		part := (float64(mix(key^p.id)>>11) + 0.5) / (1 << 53)
		if score := -float64(p.weight) / math.Log(part); score > most {
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
