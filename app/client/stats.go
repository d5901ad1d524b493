package client

import (
	"sync/atomic"

	"github.com/gatewheel/gatewheel/internal/histogram"
)

// Stats are the counters of an origin, over all loops.
type Stats struct {
	Active      int64 // requests under way
	Waiting     int64 // requests that wait for a connection
	Connections int64 // open now
	Requests    uint64
	Retries     uint64 // requests that were sent again
	Reused      uint64 // requests on a connection that had served one before
	Dials       uint64 // connections that were begun
	Failures    [numKinds]uint64
	Connect     histogram.Totals // times of connecting, TLS included, of the dials that have succeeded
}

// counters are the Stats of a pool. Its loop writes them.
type counters struct {
	active, waiting, connections      atomic.Int64
	requests, retries, reused, dialed atomic.Uint64
	failures                          [numKinds]atomic.Uint64
	connect                           histogram.Durations
}

// Active returns the number of requests that wait or are under way, over all loops. Any
// goroutine.
func (o *Origin) Active() (n int64) {
	for _, p := range *o.pools.Load() {
		if p != nil {
			n += p.count.active.Load() + p.count.waiting.Load()
		}
	}
	return n
}

// Stats returns the counters. Any goroutine.
func (o *Origin) Stats() (s Stats) {
	for _, p := range *o.pools.Load() {
		if p == nil {
			continue
		}
		s.Active += p.count.active.Load()
		s.Waiting += p.count.waiting.Load()
		s.Connections += p.count.connections.Load()
		s.Requests += p.count.requests.Load()
		s.Retries += p.count.retries.Load()
		s.Reused += p.count.reused.Load()
		s.Dials += p.count.dialed.Load()
		for i := range s.Failures {
			s.Failures[i] += p.count.failures[i].Load()
		}
		s.Connect.Collect(&p.count.connect)
	}
	return s
}
