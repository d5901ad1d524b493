package gateway

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/internal/histogram"
	"github.com/gatewheel/gatewheel/internal/moment"
)

// BackendStatus is the state of a backend at a time.
type BackendStatus struct {
	// Name is that of the file; "" for a backend that no file describes.
	Name string
	// BuiltIn reports that the application inside the process answers: there are no peers.
	BuiltIn bool
	Peers   []PeerStatus
}

// PeerStatus is the state of a peer at a time, with its counters since it was found.
type PeerStatus struct {
	URL string
	// Address is where connections go in place of the URL's host; "" if they go there.
	Address string
	// Weight and Priority are those of the file or of the look-up.
	Weight, Priority int
	// State is "in-use", "paused" (after a failure to connect), "ejected" or "probed": a request is under way that
	// decides about the return of the peer.
	State string
	// Until is the end of the pause or of the ejection, after which one request is tried; the zero time without one.
	Until time.Time
	// Healthy is false if the peer is out for its answers to health checks.
	Healthy bool
	// Statuses has the number of responses by the first digit of their status, also of those that were tried again.
	Statuses [6]uint64
	// Failures has the number of tries that the peer has failed, by Reason.
	Failures [reasons]uint64
	// Latency has the times from the choice of the peer to the head of its response.
	Latency histogram.Totals
	// Connections has the counters of connections and requests.
	Connections client.Stats
}

// Usable reports whether the peer gets requests.
func (p *PeerStatus) Usable() bool { return p.Healthy && p.State == stateNames[inUse] }

// stateNames are the modes of a standing in PeerStatus.
var stateNames = [...]string{inUse: "in-use", paused: "paused", ejected: "ejected", probed: "probed"}

// Backends returns the state of the backends in use, by name, and of their peers, by URL and address. It may wait for a
// change of the peers: any goroutine but a loop's.
func (g *Gateway) Backends() []BackendStatus {
	var all []BackendStatus
	for _, b := range g.backends() {
		all = append(all, b.Status())
	}
	slices.SortFunc(all, func(a, b BackendStatus) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Status returns the state of the backend. Any goroutine but a loop's.
func (b *Backend) Status() BackendStatus {
	s := BackendStatus{Name: b.name, BuiltIn: b.builtIn != nil}
	if s.BuiltIn {
		return s
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.set.Load().peers {
		s.Peers = append(s.Peers, p.status())
	}
	slices.SortFunc(s.Peers, func(a, b PeerStatus) int {
		return cmp.Or(cmp.Compare(a.URL, b.URL), cmp.Compare(a.Address, b.Address))
	})
	return s
}

func (p *peer) status() PeerStatus {
	at := p.stands()
	s := PeerStatus{
		URL: p.url, Address: p.address, Weight: int(p.weight.Load()), Priority: p.priority,
		State: stateNames[at.mode()], Healthy: !p.unhealthy.Load(), Connections: p.origin.Stats(),
	}
	if at.mode() != inUse {
		s.Until = moment.Wall(int64(at>>2), time.Now())
	}
	for i := range p.counts {
		if c := p.counts[i].Load(); c != nil {
			c.addTo(&s)
		}
	}
	return s
}

// countPlaces is the number of places for counters of a peer. Loops whose indexes differ by it share one.
const countPlaces = 64

// peerCounts has the counters of a peer that one loop, mostly, writes.
type peerCounts struct {
	statuses [6]atomic.Uint64 // by first digit
	failures [reasons]atomic.Uint64
	latency  histogram.Durations
}

// countsOn returns the counters of p for a loop.
func (p *peer) countsOn(l *loopState) *peerCounts {
	place := &p.counts[l.index%countPlaces]
	if c := place.Load(); c != nil {
		return c
	}
	place.CompareAndSwap(nil, new(peerCounts))
	return place.Load()
}

// responded counts a response after that time.
func (c *peerCounts) responded(status int, took time.Duration) {
	c.statuses[min(status/100, len(c.statuses)-1)].Add(1)
	c.latency.Add(took)
}

// failed counts the end of a try for a reason that is the peer's.
func (c *peerCounts) failed(reason Reason) {
	if reason.BackendFailed() {
		c.failures[reason].Add(1)
	}
}

func (c *peerCounts) addTo(s *PeerStatus) {
	for i := range c.statuses {
		s.Statuses[i] += c.statuses[i].Load()
	}
	for i := range c.failures {
		s.Failures[i] += c.failures[i].Load()
	}
	s.Latency.Collect(&c.latency)
}
