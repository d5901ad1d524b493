//go:build linux

package server

import (
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/logqueue"
	"github.com/gatewheel/gatewheel/reactor"
)

// counts is what a loop counts: written by the loop alone, read by whoever calls Server.Counts.
type counts struct {
	responses [len(protocolNames)][600]atomic.Uint64
	refusals  refusals
	failed    atomic.Uint64
	panics    atomic.Uint64
	ended     [outcomes]atomic.Uint64 // those that are not Complete
	// Sockets count when they open.
	sockets     [len(protocolNames)]atomic.Uint64
	openSockets atomic.Int64
	http2       h2counts
}

var protocolNames = [...]string{app.HTTP10, app.HTTP11, app.HTTP2}

// The protocols' places in protocolNames.
const (
	http10 = iota
	http11
	http2
)

func protocolIndex(name string) int {
	switch name {
	case app.HTTP10:
		return http10
	case app.HTTP2:
		return http2
	}
	return http11
}

// response counts a response whose head was given to the machine.
func (c *counts) response(protocol string, status int) {
	if status < len(c.responses[0]) {
		c.responses[protocolIndex(protocol)][status].Add(1)
	}
}

// withdrawn takes back the count of a response that the machine has replaced before any of it left.
func (c *counts) withdrawn(protocol string, status int) {
	if status < len(c.responses[0]) {
		c.responses[protocolIndex(protocol)][status].Add(^uint64(0))
	}
}

// Counts is what a Server has counted since it started.
type Counts struct {
	// Responses counts requests that were answered, by protocol and status: by a handler, or by this server, which
	// refused them.
	Responses map[string]map[int]uint64
	// Refused counts what the server refused or ended, by Reason.
	Refused Refusals
	// Failed is requests whose handler failed with no status of its own, Panics those of them that panicked.
	Failed, Panics uint64
	// Aborted is responses that were broken off by the application.
	Aborted uint64
	// PeerGone is requests whose peer left, or reset its stream, before they were over.
	PeerGone uint64
	// Sockets is WebSockets that were opened, by protocol, and OpenSockets those that are open now.
	Sockets     map[string]uint64
	OpenSockets uint64
	// HTTP2 is what HTTP/2 counts besides.
	HTTP2 HTTP2Counts
	// Accepted connections since the start, and those that are open now.
	Accepted, Open uint64
	// LogDropped is log lines that were lost because the log was blocked or failed.
	LogDropped uint64
	// BytesIn and BytesOut are what the sockets have carried.
	BytesIn, BytesOut uint64
}

// Counts reads the counters. Any goroutine.
func (s *Server) Counts() Counts {
	total := Counts{Responses: map[string]map[int]uint64{}, Sockets: map[string]uint64{}}
	for _, l := range s.loops {
		total.add(&l.count)
	}
	total.Refused.add(&s.refusals)
	total.LogDropped = logqueue.Dropped(s.log)
	stats := s.reactor.Stats()
	total.Refused[DescriptorLimit] += uint64(stats.Withheld)
	total.Refused[ProxyHeader] += uint64(stats.ProxyRefused)
	total.Open = uint64(stats.Connections)
	for _, l := range stats.Loops {
		total.Accepted += uint64(l.Accepted)
		total.BytesIn += uint64(l.BytesIn)
		total.BytesOut += uint64(l.BytesOut)
		total.Refused[StallKill] += uint64(l.Kills)
	}
	return total
}

// Stats reads the counters of the loops beneath. Any goroutine.
func (s *Server) Stats() reactor.Stats { return s.reactor.Stats() }

// TLSStats reads the counters of TLS handshakes and of what went wrong with TLS, by reason. Any goroutine.
func (s *Server) TLSStats() reactor.TLSStats { return s.reactor.TLSStats() }

func (total *Counts) add(c *counts) {
	for i, name := range protocolNames {
		total.Sockets[name] += c.sockets[i].Load()
		for status := range c.responses[i] {
			n := c.responses[i][status].Load()
			if n == 0 {
				continue
			}
			if total.Responses[name] == nil {
				total.Responses[name] = map[int]uint64{}
			}
			total.Responses[name][status] += n
		}
	}
	total.Refused.add(&c.refusals)
	total.Failed += c.failed.Load()
	total.Panics += c.panics.Load()
	total.Aborted += c.ended[Aborted].Load()
	total.PeerGone += c.ended[PeerGone].Load()
	total.OpenSockets += uint64(c.openSockets.Load())
	total.HTTP2.add(&c.http2)
}
