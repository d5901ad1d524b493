//go:build linux

package server

import (
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/h2"
)

// h2counts has the counters of a loop's machines for other goroutines. They are copied when a connection ends, and
// once a second while the loop turns.
type h2counts struct {
	streams, refused, tooLarge, malformed, resets, stalled, failed atomic.Uint64

	calmed                      [h2.Budgets]atomic.Uint64
	resetsSent, resetsReceived  [h2.CodeKinds]atomic.Uint64
	streamBlocks, streamBlocked atomic.Uint64 // h2.Blockage, in nanoseconds
	connBlocks, connBlocked     atomic.Uint64
}

// HTTP2Counts has the counters of HTTP/2 in Counts. They may be a second old.
type HTTP2Counts struct {
	// Streams counts requests that reached a handler.
	Streams uint64
	// Refused counts streams beyond the limit, TooLarge field sections above theirs, Malformed stream errors of
	// the peer.
	Refused, TooLarge, Malformed uint64
	// Resets counts streams that the peer reset before they were complete.
	Resets uint64
	// Stalled counts streams reset because the peer's windows stayed closed.
	Stalled uint64
	// Failed counts connections ended for an error, and Calmed those that ended for a flood, by its kind.
	Failed uint64
	Calmed map[string]uint64
	// ResetsSent and ResetsReceived have the numbers of RST_STREAM frames by h2.CodeKind, those received of open streams
	// only.
	ResetsSent, ResetsReceived [h2.CodeKinds]uint64
	// StreamWindow and ConnWindow count content that waited for the peer's window of its stream or connection.
	StreamWindow, ConnWindow h2.Blockage
	// Active is the number of open streams.
	Active uint64
}

func (c *h2counts) publish(s *h2.Stats) {
	c.streams.Store(s.Streams)
	c.refused.Store(s.Refused)
	c.tooLarge.Store(s.TooLarge)
	c.malformed.Store(s.Malformed)
	c.resets.Store(s.PeerResets)
	c.stalled.Store(s.Stalled)
	c.failed.Store(s.ConnErrors)
	for b := range s.Calmed {
		c.calmed[b].Store(s.Calmed[b])
	}
	for i := range s.ResetsSent {
		c.resetsSent[i].Store(s.ResetsSent[i])
		c.resetsReceived[i].Store(s.ResetsReceived[i])
	}
	c.streamBlocks.Store(s.StreamWindow.Times)
	c.streamBlocked.Store(uint64(s.StreamWindow.Lasted))
	c.connBlocks.Store(s.ConnWindow.Times)
	c.connBlocked.Store(uint64(s.ConnWindow.Lasted))
}

func (total *HTTP2Counts) add(c *h2counts) {
	total.Streams += c.streams.Load()
	total.Refused += c.refused.Load()
	total.TooLarge += c.tooLarge.Load()
	total.Malformed += c.malformed.Load()
	total.Resets += c.resets.Load()
	total.Stalled += c.stalled.Load()
	total.Failed += c.failed.Load()
	for i := range c.resetsSent {
		total.ResetsSent[i] += c.resetsSent[i].Load()
		total.ResetsReceived[i] += c.resetsReceived[i].Load()
	}
	total.StreamWindow.Times += c.streamBlocks.Load()
	total.StreamWindow.Lasted += time.Duration(c.streamBlocked.Load())
	total.ConnWindow.Times += c.connBlocks.Load()
	total.ConnWindow.Lasted += time.Duration(c.connBlocked.Load())
	for b := range c.calmed {
		if n := c.calmed[b].Load(); n > 0 {
			if total.Calmed == nil {
				total.Calmed = map[string]uint64{}
			}
			total.Calmed[h2.Budget(b).String()] += n
		}
	}
}
