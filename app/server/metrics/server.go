//go:build linux

package metrics

import (
	"crypto/tls"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/h2"
	"github.com/gatewheel/gatewheel/reactor"
)

// server emits the counters of a server.
func (e emitter) server(s *server.Server) {
	counts, stats, secure := s.Counts(), s.Stats(), s.TLSStats()
	for protocol, version := range map[string]string{app.HTTP11: "1.1", app.HTTP2: "2"} {
		e.gauge(activeRequests, float64(counts.ActiveRequests[protocol]), version)
	}
	for reason, n := range counts.Refused {
		e.counter(refusals, float64(n), server.Reason(reason).String())
	}
	e.counter(failures, float64(counts.Failed), "failed")
	e.counter(failures, float64(counts.Panics), "panic")
	e.counter(failures, float64(counts.Aborted), "aborted")
	e.counter(failures, float64(counts.PeerGone), "peer-gone")
	for protocol, n := range counts.Connections {
		e.gauge(connections, float64(n.Active), protocol, "active")
		e.gauge(connections, float64(n.Idle), protocol, "idle")
	}
	e.gauge(limit, float64(stats.Limit))
	e.flag(paused, stats.GateShut)
	e.counter(pauses, float64(stats.Withheld))
	e.counter(shed, float64(stats.Shed))
	e.gauge(clientsKnown, float64(counts.Peers.Known))
	e.counter(clientsClosed, float64(counts.Peers.Closed))
	e.counter(clientsUnlimited, float64(counts.Peers.Unlimited))
	e.gauge(hijacked, float64(counts.OpenHijacked))
	e.gauge(sockets, float64(counts.OpenSockets), "server")
	e.gauge(sockets, float64(counts.OpenClientSockets), "client")
	e.named(opened, counts.Sockets, "server")
	e.named(opened, counts.ClientSockets, "client")
	for i := range stats.Loops {
		e.loop(strconv.Itoa(i), &stats.Loops[i])
	}
	e.memory(&counts.Memory)
	e.http2(&counts.HTTP2)
	e.tls("accepted", &secure.TLSCounts)
	e.tls("dialled", &secure.Dialled)
	e.pool("offload", &counts.Pool)
	e.pool("files", &counts.FilePool)
	e.pool("calls", &counts.Calls)
	e.gauge(blocking, float64(counts.Goroutines))
	e.counter(logDropped, float64(counts.LogDropped), "server")
	e.dials(&stats.Dials, &counts.Upstream)
}

func (e emitter) pool(name string, n *server.PoolCounts) {
	e.gauge(poolJobs, float64(n.Running), name, "running")
	e.gauge(poolJobs, float64(n.Waiting), name, "waiting")
	e.gauge(poolLimit, float64(n.Limit), name)
	e.counter(poolFull, float64(n.Refused), name)
}

// named emits a counter for each name of counts, behind the labels.
func (e emitter) named(f *family, counts map[string]uint64, labels ...string) {
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		e.counter(f, float64(counts[name]), append(slices.Clip(labels), name)...)
	}
}

func (e emitter) loop(index string, s *reactor.LoopStats) {
	e.gauge(loopConnections, float64(s.Connections), index)
	e.counter(accepted, float64(s.Accepted), index)
	e.counter(bytesIn, float64(s.BytesIn), index)
	e.counter(bytesOut, float64(s.BytesOut), index)
	e.counter(turns, float64(s.Turns), index)
	e.counter(wakes, float64(s.Wakes), index)
	e.counter(busy, s.Busy.Seconds(), index)
	e.times(turnDuration, s.TurnTimes, index)
	e.times(timerLag, s.TimerLag, index)
	e.gauge(inbox, float64(s.InboxDepth), index)
	e.flag(stalled, s.Stalled, index)
	e.counter(stalls, float64(s.Stalls), index)
	e.counter(stallTime, s.StallTime.Seconds(), index)
	e.counter(kills, float64(s.Kills), index)
	e.counter(replacements, float64(s.Replaced), index)
	e.counter(loopPanics, float64(s.Panics), index)
	e.counter(standIns, float64(s.StandIns), index)
	e.counter(moves, float64(s.MovedIn), index)
	e.counter(watermarks, float64(s.FullPulls), index)
	e.counter(shortWrites, float64(s.ShortWrites), index)
}

func (e emitter) memory(n *server.MemoryCounts) {
	e.gauge(memoryLimit, float64(n.Limit))
	e.gauge(memoryNeeded, float64(n.Needed))
	e.gauge(memoryLevel, float64(n.Level))
	e.counter(memoryCollections, float64(n.Collections))
}

func (e emitter) http2(n *server.HTTP2Counts) {
	e.gauge(streams, float64(n.Active))
	e.counter(streamsTotal, float64(n.Streams))
	for i := range h2.CodeKinds {
		code := h2.ErrCode(i).String()
		e.counter(resets, float64(n.ResetsReceived[i]), "client", code)
		e.counter(resets, float64(n.ResetsSent[i]), "server", code)
	}
	e.counter(windowStalls, float64(n.Stalled))
	e.counter(windowBlocks, float64(n.StreamWindow.Times), "stream")
	e.counter(windowBlocks, float64(n.ConnWindow.Times), "connection")
	e.counter(windowBlocked, n.StreamWindow.Lasted.Seconds(), "stream")
	e.counter(windowBlocked, n.ConnWindow.Lasted.Seconds(), "connection")
	for i := range h2.Budgets {
		budget := h2.Budget(i).String()
		e.counter(budgets, float64(n.Calmed[budget]), budget)
	}
	e.counter(http2Errors, float64(n.Failed))
}

// tls emits the counters of TLS connections that were accepted or dialled.
func (e emitter) tls(side string, n *reactor.TLSCounts) {
	for v, count := range n.Versions {
		version := strings.TrimPrefix(tls.VersionName(tls.VersionTLS10+uint16(v)), "TLS ")
		e.counter(handshakes, float64(count[0]), side, version, "false")
		e.counter(handshakes, float64(count[1]), side, version, "true")
	}
	for reason, count := range n.Failures {
		e.counter(tlsFailures, float64(count), side, reactor.TLSFailure(reason).String())
	}
}

// dials emits the counters of connections to other servers.
func (e emitter) dials(d *reactor.DialStats, n *server.UpstreamCounts) {
	e.gauge(dialsUnderWay, float64(d.UnderWay))
	e.counter(dials, float64(d.Started))
	for stage, count := range d.Failures {
		e.counter(dialFailures, float64(count), reactor.DialStage(stage).String())
	}
	e.gauge(upstreams, float64(n.Open))
	e.named(upstreamsOpened, n.Opened)
	e.named(upstreamErrors, n.Failed)
	e.named(upstreamCalls, n.Calls)
	e.counter(upstreamReused, float64(n.Reused))
}
