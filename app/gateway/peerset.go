package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/gatewheel/gatewheel/app/gateway/discovery"
	"github.com/gatewheel/gatewheel/internal/moment"
)

// peerSet has the peers of a backend at a time. It does not change.
type peerSet struct {
	backend  *Backend
	peers    []*peer
	first    []*peer // those with the lowest priority, which are asked first
	turns    []int   // indices of first, by weight
	byCookie map[string]*peer
	next     *peerSet // of the peers with the next priority, asked if none of these may be; nil: none
}

// endpointKey is what makes a peer the same.
type endpointKey struct{ url, address string }

// drainDelay is the time from the end of a peer to the end of its idle connections, in
// which requests that were given to it just before reach it.
const drainDelay = time.Second

// update replaces the peers. Those that stay keep their connections and what is known of
// them; those that have gone get no new requests, and end what is under way. Any goroutine
// but a loop.
func (b *Backend) update(endpoints []discovery.Endpoint) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.life.Err() != nil {
		return nil // closed
	}
	old := b.set.Load()
	gone := make(map[endpointKey]*peer, len(old.peers))
	for _, p := range old.peers {
		gone[endpointKey{p.url, p.address}] = p
	}
	all := &peerSet{backend: b}
	var added []*peer
	for _, e := range endpoints {
		key := endpointKey{e.URL, e.Address}
		p := gone[key]
		delete(gone, key)
		if p == nil {
			var err error
			if p, err = b.newPeer(e, len(endpoints) == 1); err != nil {
				for _, p := range added {
					p.close()
				}
				return err
			}
			added = append(added, p)
			if len(old.peers) > 0 {
				p.since.Store(moment.Steady(time.Now()))
			}
		}
		p.weight.Store(int32(min(max(e.Weight, 1), maxWeight)))
		p.priority = e.Priority
		all.peers = append(all.peers, p)
	}
	all.index()
	b.set.Store(all)
	for _, p := range gone {
		p.end()
		p.forget()
		time.AfterFunc(drainDelay, p.origin.Close)
	}
	return nil
}

// close ends the health checks and the connections of a peer that has got no requests.
func (p *peer) close() {
	p.end()
	p.origin.Close()
}

// maxWeight limits the weight of a peer.
const maxWeight = 1 << 20

// newPeer returns a peer that was found. b.mu is locked. alone: there is no other, so that
// requests wait while it restarts.
func (b *Backend) newPeer(e discovery.Endpoint, alone bool) (*peer, error) {
	options := b.options
	if !alone && options.Patience == 0 {
		options.Patience = -1 // another peer is asked at once
	}
	if e.Address != "" {
		options.Addresses = []string{e.Address}
	}
	origin, err := b.client.NewOrigin(e.URL, options)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	p := &peer{url: e.URL, address: e.Address, backend: b, origin: origin, counted: b.counted, id: hashText(e.URL + " " + e.Address)}
	if e.Address == "" {
		p.id = hashText(e.URL)
	}
	var life context.Context
	life, p.end = context.WithCancel(b.life)
	if b.health != nil {
		stop, err := b.health(p)
		if err != nil {
			p.close()
			return nil, fmt.Errorf("gateway: %w", err)
		}
		context.AfterFunc(life, stop)
	}
	return p, nil
}

// index makes what peers are chosen by, for each priority.
func (s *peerSet) index() {
	if s.backend.method == balanceCookie {
		s.setSticky()
	}
	lowest := 0
	for i, p := range s.peers {
		if i == 0 || p.priority < lowest {
			lowest = p.priority
		}
	}
	var rest []*peer
	for _, p := range s.peers {
		if p.priority == lowest {
			s.first = append(s.first, p)
		} else {
			rest = append(rest, p)
		}
	}
	if len(rest) > 0 {
		s.next = &peerSet{backend: s.backend, peers: rest, byCookie: s.byCookie}
		s.next.index()
	}
	s.setTurns()
}

// watch follows a source. It waits for a while until peers are found.
func (b *Backend) watch(source discovery.Source) {
	found := false
	b.watching.Go(func() {
		source.Watch(b.life, func(endpoints []discovery.Endpoint) {
			if err := b.update(endpoints); err != nil {
				b.tell(nil, PeersUnknown, err)
			}
			if !found {
				found = true
				close(b.found)
			}
		})
	})
	select {
	case <-b.found:
	case <-time.After(firstLookUp):
	}
}

// firstLookUp limits how long a start waits for the peers of a backend. Requests that come
// before they are known are answered with 503.
const firstLookUp = 2 * time.Second
