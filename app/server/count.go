//go:build linux

package server

import (
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/logqueue"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/ws"
)

// counts has the counters of a loop. Only the loop writes them; any goroutine may read them, except batch, which belongs
// to the loop.
type counts struct {
	responses [len(protocolNames)][600]atomic.Uint64
	refusals  refusals
	failed    atomic.Uint64
	panics    atomic.Uint64
	ended     [outcomes]atomic.Uint64 // those that are not Complete
	// sockets counts WebSockets from clients when they open, clientSockets those to other servers.
	sockets           [len(protocolNames)]atomic.Uint64
	clientSockets     [len(protocolNames)]atomic.Uint64
	openSockets       atomic.Int64
	openClientSockets atomic.Int64
	hijacked          atomic.Uint64
	// active has, for HTTP/1 and HTTP/2, the open exchanges, and above connectionsShift the connections that have one.
	active   [2]atomic.Int64
	http1    atomic.Int64 // open connections of HTTP/1
	switched atomic.Int64 // open connections of HTTP/1 that have become a WebSocket or a tunnel
	http2    h2counts
	upstream upstreamCounts
	batch    countBatch
}

// connectionsShift is the place of the number of connections in counts.active.
const connectionsShift = 32

// activity returns the numbers in a word of counts.active.
func activity(word int64) (exchanges, connections uint64) {
	return uint64(word) & (1<<connectionsShift - 1), uint64(word) >> connectionsShift
}

var protocolNames = [...]string{app.HTTP10, app.HTTP11, app.HTTP2}

// Indexes of protocolNames.
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

// socketOpened counts a WebSocket in that role.
func (c *counts) socketOpened(protocol string, role ws.Role) {
	if role == ws.Client {
		c.clientSockets[protocolIndex(protocol)].Add(1)
		c.openClientSockets.Add(1)
		return
	}
	c.sockets[protocolIndex(protocol)].Add(1)
	c.openSockets.Add(1)
}

// socketClosed counts the end of a WebSocket in that role.
func (c *counts) socketClosed(role ws.Role) {
	if role == ws.Client {
		c.openClientSockets.Add(-1)
		return
	}
	c.openSockets.Add(-1)
}

// response counts a response whose head the machine has taken.
func (c *counts) response(protocol string, status int) {
	if status < len(c.responses[0]) {
		c.add(&c.responses[protocolIndex(protocol)][status])
	}
}

// withdrawn reverts the count of a response that the machine has replaced before it left.
func (c *counts) withdrawn(protocol string, status int) {
	if status < len(c.responses[0]) {
		c.publishResponses() // which may hold it
		c.responses[protocolIndex(protocol)][status].Add(^uint64(0))
	}
}

// Counts are the counters of a Server since its start.
type Counts struct {
	// Responses has the number of responses by protocol and status, including those with which the server refused
	// requests. Responses to requests that arrived together may be counted together, before any of them is sent.
	Responses map[string]map[int]uint64
	// Refused has the numbers of refused requests and ended connections, by Reason.
	Refused Refusals
	// Failed is the number of requests whose handler failed without a status of its own, Panics the number of those that
	// panicked.
	Failed, Panics uint64
	// Aborted is the number of responses that the application began and did not complete.
	Aborted uint64
	// PeerGone is the number of requests whose peer left, or reset the stream, before they had ended.
	PeerGone uint64
	// Sockets is the number of WebSockets that clients have opened, by protocol; OpenSockets the number of open
	// ones. ClientSockets and OpenClientSockets count those that were opened to other servers.
	Sockets, ClientSockets         map[string]uint64
	OpenSockets, OpenClientSockets uint64
	// Hijacked is the number of connections that the application has taken from HTTP; OpenHijacked the number of open
	// ones.
	Hijacked, OpenHijacked uint64
	// ActiveRequests has the number of requests in progress, Connections the number of open connections of clients, both
	// by protocol: app.HTTP11 stands for HTTP/1.0 too. The ends of requests that arrived together may be counted
	// together, when all that arrived was read.
	ActiveRequests map[string]uint64
	Connections    map[string]ConnectionCounts
	// Goroutines is the number of blocking handlers that run on goroutines of their own.
	Goroutines uint64
	// Pool has the state of the pool of app.Offload, FilePool that of the pool of package files, and Calls that of the
	// calls of app.Go.
	Pool, FilePool, Calls PoolCounts
	// HTTP2 has the counters of HTTP/2.
	HTTP2 HTTP2Counts
	// Upstream has the counters of connections to other servers.
	Upstream UpstreamCounts
	// Accepted is the number of connections that were accepted; Open the number of open ones.
	Accepted, Open uint64
	// Memory is the state of memory with regard to Config.MemoryLimit.
	Memory MemoryCounts
	// Peers has the counters of Config.Peers. Connections in it that were refused are in Refused too.
	Peers reactor.PeerStats
	// LogDropped is the number of log lines that were lost because the log was blocked or failed.
	LogDropped uint64
	// BytesIn and BytesOut are the bytes that were read from and written to sockets.
	BytesIn, BytesOut uint64
}

// ConnectionCounts are numbers of open connections: those with a request in progress, and the others.
type ConnectionCounts struct{ Active, Idle uint64 }

// Keys of Counts.Connections besides the protocols.
const (
	// Upgraded connections have become a WebSocket over HTTP/1, a tunnel, or were hijacked. All are active.
	UpgradedConnections = "upgraded"
	// Undecided connections have not shown their protocol. All are idle.
	UndecidedConnections = "undecided"
)

// PoolCounts is the state of a pool at a time.
type PoolCounts struct {
	Running, Waiting uint64 // jobs
	Limit            uint64 // of both together
	Refused          uint64 // jobs since the start for which there was no room
}

// Counts returns the counters. Any goroutine.
func (s *Server) Counts() Counts {
	total := Counts{Responses: map[string]map[int]uint64{}, Sockets: map[string]uint64{}, ClientSockets: map[string]uint64{}}
	for _, l := range s.loops() {
		total.add(&l.count)
		total.HTTP2.Active += uint64(max(l.load.streams.Load(), 0))
		total.Goroutines += uint64(max(l.workers.busy.Load(), 0))
	}
	total.Refused.add(&s.refusals)
	total.Pool, total.FilePool, total.Calls = s.pool.counts(), s.files.counts(), s.calls.counts()
	total.Memory = s.Memory()
	total.LogDropped = logqueue.Dropped(s.log)
	stats := s.reactor.Stats()
	total.Refused[DescriptorLimit] += uint64(stats.Withheld)
	total.Refused[DescriptorShed] += uint64(stats.Shed)
	total.Refused[ProxyHeader] += uint64(stats.ProxyRefused)
	for refusal, n := range stats.Peers.Refused {
		if n > 0 {
			total.Refused[peerReason(reactor.PeerRefusal(refusal))] += uint64(n)
		}
	}
	total.Peers = stats.Peers
	total.Open = uint64(stats.Connections)
	for _, l := range stats.Loops {
		total.Accepted += uint64(l.Accepted)
		total.BytesIn += uint64(l.BytesIn)
		total.BytesOut += uint64(l.BytesOut)
		total.Refused[StallKill] += uint64(l.Kills)
	}
	s.countConnections(&total)
	return total
}

// countConnections sets the numbers of open connections and of requests in progress. They are read one after another, so
// differences are limited to what there may be.
func (s *Server) countConnections(total *Counts) {
	var requests, active [2]uint64
	var http1, http2, upgraded int64
	for _, l := range s.loops() {
		for i := range l.count.active {
			n, connections := activity(l.count.active[i].Load())
			requests[i] += n
			active[i] += connections
		}
		http1 += l.count.http1.Load()
		upgraded += l.count.switched.Load()
		http2 += l.load.connections.Load()
	}
	total.ActiveRequests = map[string]uint64{app.HTTP11: requests[0], app.HTTP2: requests[1]}
	known := http1 + http2 + upgraded + int64(total.Upstream.Open)
	total.Connections = map[string]ConnectionCounts{
		app.HTTP11:           {Active: active[0], Idle: above(http1, active[0])},
		app.HTTP2:            {Active: active[1], Idle: above(http2, active[1])},
		UpgradedConnections:  {Active: uint64(max(upgraded, 0))},
		UndecidedConnections: {Idle: above(int64(total.Open), uint64(max(known, 0)))},
	}
}

// above returns n-m, or 0 if m is greater.
func above(n int64, m uint64) uint64 { return uint64(max(n-int64(m), 0)) }

// Stats returns the counters of the reactor. Any goroutine.
func (s *Server) Stats() reactor.Stats { return s.reactor.Stats() }

// TLSStats returns the counters of TLS handshakes and of TLS failures by reason. Any goroutine.
func (s *Server) TLSStats() reactor.TLSStats { return s.reactor.TLSStats() }

func (total *Counts) add(c *counts) {
	for i, name := range protocolNames {
		total.Sockets[name] += c.sockets[i].Load()
		total.ClientSockets[name] += c.clientSockets[i].Load()
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
	total.OpenClientSockets += uint64(c.openClientSockets.Load())
	ended := c.ended[Hijacked].Load() // first: never more than were hijacked
	hijacked := c.hijacked.Load()
	total.Hijacked += hijacked
	total.OpenHijacked += hijacked - ended
	total.HTTP2.add(&c.http2)
	total.Upstream.add(&c.upstream)
}
