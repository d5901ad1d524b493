//go:build linux

package server

import "sync/atomic"

// countBatch holds changes of counts, so that the requests of one read from a socket, which are mostly answered at once
// and alike, change the shared counters once. It belongs to the loop.
type countBatch struct {
	open   bool
	closed [2]int64 // to be subtracted from counts.active

	response  *atomic.Uint64 // one of counts.responses
	responses uint64         // to be added to it
}

// beginBatch has changes held until endBatch.
func (c *counts) beginBatch() { c.batch.open = true }

// endBatch publishes the changes that are held. Later ones are published at once. Call it before output leaves, so
// that a client which has its response finds it counted.
func (c *counts) endBatch() {
	b := &c.batch
	b.open = false
	c.publishResponses()
	for protocol, n := range b.closed {
		if n != 0 {
			b.closed[protocol] = 0
			c.active[protocol].Add(-n)
		}
	}
}

// opened adds weight to a word of active. It is published at once, since a handler may ask for it; an exchange that takes
// the place of one whose end is held changes nothing.
func (c *counts) opened(protocol int, weight int64) {
	weight -= c.batch.closed[protocol]
	c.batch.closed[protocol] = 0
	if weight != 0 {
		c.active[protocol].Add(weight)
	}
}

// closed subtracts weight from a word of active.
func (c *counts) closed(protocol int, weight int64) {
	if c.batch.open {
		c.batch.closed[protocol] += weight
		return
	}
	c.active[protocol].Add(-weight)
}

// add adds 1 to a counter of responses.
func (c *counts) add(counter *atomic.Uint64) {
	b := &c.batch
	if !b.open {
		counter.Add(1)
		return
	}
	if b.response != counter {
		c.publishResponses()
		b.response = counter
	}
	b.responses++
}

// publishResponses publishes the responses that are held.
func (c *counts) publishResponses() {
	if b := &c.batch; b.responses > 0 {
		b.response.Add(b.responses)
		b.responses = 0
	}
}
