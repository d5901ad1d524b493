//go:build linux

package server

import (
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app/client"
)

// clientKinds is the size of a table with an entry for each client.Kind, and for none.
const clientKinds = int(client.NoSocket) + 1

// upstreamCounts has the counters of a loop's connections to other servers. Only the loop writes them.
type upstreamCounts struct {
	dialled atomic.Uint64
	opened  [len(protocolNames)]atomic.Uint64
	ended   atomic.Uint64
	failed  [clientKinds]atomic.Uint64 // of connections, dials included
	started [len(protocolNames)]atomic.Uint64
	reused  atomic.Uint64
	calls   [clientKinds]atomic.Uint64 // calls that have ended; [0]: complete
}

// UpstreamCounts has the counters of connections to other servers in Counts.
type UpstreamCounts struct {
	// Dialled is the number of dials. Opened has the number of connections that were opened, by protocol; Open is the
	// number of open ones.
	Dialled uint64
	Opened  map[string]uint64
	Open    uint64
	// Failed has the number of dials and connections that have ended with a failure, by the name of its client.Kind.
	Failed map[string]uint64
	// Calls has the number of requests that were begun, by protocol; Reused is the number of those that were not the
	// first on their connection.
	Calls  map[string]uint64
	Reused uint64
	// Complete is the number of requests with a complete response. Incomplete has the number of the others that have
	// ended, by the name of the client.Kind; those that were cancelled are "client-gone".
	Complete   uint64
	Incomplete map[string]uint64
}

// connected counts a connection that was opened.
func (n *upstreamCounts) connected(protocol string) { n.opened[protocolIndex(protocol)].Add(1) }

// disconnected counts the end of a connection. failure may be nil.
func (n *upstreamCounts) disconnected(failure *client.Error) {
	n.ended.Add(1)
	if failure != nil {
		n.failed[failure.Kind].Add(1)
	}
}

// begun counts a call that the machine has taken.
func (u *upstream) begun() {
	n := &u.loop.count.upstream
	n.started[protocolIndex(u.self.Protocol())].Add(1)
	if u.used {
		n.reused.Add(1)
	}
	u.used = true
}

// countEnd counts the end of a call.
func (c *call) countEnd() {
	kind := client.Kind(0)
	switch {
	case c.failure != nil:
		kind = c.failure.Kind
	case c.released:
		kind = client.ClientGone
	}
	c.loop.count.upstream.calls[kind].Add(1)
}

func (total *UpstreamCounts) add(n *upstreamCounts) {
	total.Dialled += n.dialled.Load()
	opened := uint64(0)
	for i, name := range protocolNames {
		connections := n.opened[i].Load()
		opened += connections
		addNamed(&total.Opened, name, connections)
		addNamed(&total.Calls, name, n.started[i].Load())
	}
	total.Open += opened - n.ended.Load()
	total.Reused += n.reused.Load()
	total.Complete += n.calls[0].Load()
	for kind := client.Kind(1); int(kind) < clientKinds; kind++ {
		addNamed(&total.Failed, kind.String(), n.failed[kind].Load())
		addNamed(&total.Incomplete, kind.String(), n.calls[kind].Load())
	}
}

// addNamed adds n to the entry of name, unless n is 0.
func addNamed(total *map[string]uint64, name string, n uint64) {
	if n == 0 {
		return
	}
	if *total == nil {
		*total = map[string]uint64{}
	}
	(*total)[name] += n
}
