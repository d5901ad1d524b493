package gateway

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
)

// Backend is a group of servers, its peers, of which any may answer a request. Every loop
// has its own connections to each. Any goroutine may use it.
type Backend struct {
	client  *client.Client
	peers   []*peer
	weights int         // of all peers
	builtIn app.Handler // the application inside the process answers; nil: peers do
}

// NewBackend returns a backend with these peers, URLs as those of client.Client.Origin:
// http, h2c, https or h2, or these with +unix.
func NewBackend(options client.OriginOptions, urls ...string) (*Backend, error) {
	return newBackend(newClient(), options, urls...)
}

// newClient returns a client for backends. Those of one gateway share it.
func newClient() *client.Client { return client.New(client.Options{Timeout: -1}) }

func newBackend(c *client.Client, options client.OriginOptions, urls ...string) (*Backend, error) {
	if len(urls) == 0 {
		return nil, errors.New("gateway: a backend needs a peer")
	}
	b := &Backend{client: c}
	for i, url := range urls {
		for _, other := range urls[:i] {
			if url == other {
				return nil, fmt.Errorf("gateway: the peer %q is given twice", url)
			}
		}
		origin, err := b.client.NewOrigin(url, options)
		if err != nil {
			return nil, fmt.Errorf("gateway: %w", err)
		}
		b.peers = append(b.peers, &peer{url: url, origin: origin, counted: len(urls) > 1, weight: 1})
	}
	b.weights = len(b.peers)
	return b, nil
}

// weigh sets the weight of a peer, before the first request.
func (b *Backend) weigh(i, weight int) {
	b.weights += weight - b.peers[i].weight
	b.peers[i].weight = weight
}

// Close makes the backend refuse requests. Those under way go on.
func (b *Backend) Close() {
	for _, p := range b.peers {
		p.origin.Close()
	}
}

// Stats returns the counters of connections to the peers, together. Any goroutine.
func (b *Backend) Stats() (total client.Stats) {
	for _, p := range b.peers {
		addStats(&total, p.origin.Stats())
	}
	return total
}

func addStats(total *client.Stats, s client.Stats) {
	total.Active += s.Active
	total.Waiting += s.Waiting
	total.Connections += s.Connections
	total.Requests += s.Requests
	total.Retries += s.Retries
	total.Reused += s.Reused
	total.Dials += s.Dials
	for kind := range s.Failures {
		total.Failures[kind] += s.Failures[kind]
	}
}

// choose returns the peer for the next try: of two at random, by weight, the one with
// fewer requests under way in relation to its weight. Peers that could not be connected to
// lately are left out, and last, which has failed, too, unless nobody else is left.
func (b *Backend) choose(last *peer, now time.Time) *peer {
	if len(b.peers) == 1 {
		return b.peers[0]
	}
	first := b.pick(last, now, nil)
	if first == nil {
		return b.peers[rand.IntN(len(b.peers))]
	}
	if second := b.pick(last, now, first); second != nil && second.isLessBusy(first) {
		return second
	}
	return first
}

// pick returns a peer at random, by weight, that may be asked, but for two; nil if there is
// none.
func (b *Backend) pick(last *peer, now time.Time, first *peer) *peer {
	at := rand.IntN(b.weights)
	start := 0
	for at >= b.peers[start].weight {
		at -= b.peers[start].weight
		start++
	}
	for i := range b.peers {
		p := b.peers[(start+i)%len(b.peers)]
		if p != last && p != first && !p.isOut(now) {
			return p
		}
	}
	return nil
}

// isLessBusy reports whether p has fewer requests under way than q, in relation to their
// weights.
func (p *peer) isLessBusy(q *peer) bool {
	return p.active.Load()*int64(q.weight) < q.active.Load()*int64(p.weight)
}

// peer is one server of a backend. Its counters are for all loops.
type peer struct {
	url     string
	origin  *client.Origin
	counted bool // the backend has other peers
	weight  int

	_        [64]byte // the counters have a cache line of their own
	active   atomic.Int64
	outUntil atomic.Int64 // Unix time in nanoseconds until which it is left out; 0: it is not
	failures atomic.Int32 // to connect, in a row
	_        [40]byte
}

// Times for which a peer is left out that cannot be connected to: doubled with each failure
// in a row.
const (
	firstOut = time.Second
	maxOut   = 30 * time.Second
)

func (p *peer) isOut(now time.Time) bool {
	until := p.outUntil.Load()
	return until != 0 && now.UnixNano() < until
}

// enter counts a request that is sent to p.
func (p *peer) enter() {
	if p.counted {
		p.active.Add(1)
	}
}

// leave ends enter. failed is the failure of the try, or nil.
func (p *peer) leave(failed *client.Error, now time.Time) {
	if !p.counted {
		return
	}
	p.active.Add(-1)
	switch {
	case failed == nil:
		if p.outUntil.Load() != 0 {
			p.failures.Store(0)
			p.outUntil.Store(0)
		}
	case isConnectFailure(failed.Kind):
		n := min(p.failures.Add(1), 8)
		p.outUntil.Store(now.Add(min(firstOut<<(n-1), maxOut)).UnixNano())
	}
}

// isConnectFailure reports whether no connection to the peer could be opened.
func isConnectFailure(k client.Kind) bool {
	return k == client.ConnectFail || k == client.ConnectTimeout || k == client.TLSFail
}
