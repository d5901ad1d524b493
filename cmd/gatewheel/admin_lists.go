//go:build linux

package main

import (
	"bytes"
	"crypto/tls"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/server/accesslog"
	"github.com/gatewheel/gatewheel/app/server/admin"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/histogram"
)

// histogramOf converts counted times for the admin listener.
func histogramOf(protocol string, t *histogram.Totals) admin.Histogram {
	return admin.Histogram{Protocol: protocol, Bounds: histogramBounds, Counts: t.Counts[:]}
}

var histogramBounds = histogram.Bounds()

// loops is what /loops answers.
func (o *operator) loops() []admin.Loop {
	lags := o.lag.Measure()
	stats := o.server.Stats().Loops
	all := make([]admin.Loop, len(stats))
	for i := range stats {
		l := &stats[i]
		all[i] = admin.Loop{
			Loop: i, Connections: l.Connections, Accepted: l.Accepted, Turns: l.Turns, Wakes: l.Wakes, Inbox: l.InboxDepth,
			BytesIn: l.BytesIn, BytesOut: l.BytesOut, Busy: l.Busy.Seconds(), Stalled: l.Stalled, Stalls: l.Stalls,
			StallTime: l.StallTime.Seconds(), Kills: l.Kills, Replaced: l.Replaced, StandIns: l.StandIns, MovedIn: l.MovedIn,
			Panics: l.Panics, Times: histogramOf("", &l.TurnTimes),
		}
		if i < len(lags) {
			all[i].Lag = lags[i].Seconds()
			all[i].Stalled = l.Stalled || lags[i] >= admin.StalledLag
		}
	}
	return all
}

// backends is what /backends answers.
func (o *operator) backends() []admin.Backend {
	all := []admin.Backend{}
	for _, b := range o.gateway.Backends() {
		shown := admin.Backend{Name: b.Name, Peers: make([]admin.Peer, len(b.Peers))}
		for i := range b.Peers {
			shown.Peers[i] = peerOf(&b.Peers[i])
		}
		all = append(all, shown)
	}
	return all
}

func peerOf(p *gateway.PeerStatus) admin.Peer {
	shown := admin.Peer{
		Name: p.URL, State: p.State, Weight: p.Weight, Active: p.Connections.Active, Requests: p.Connections.Requests,
		Errors: p.Statuses[5], Open: p.Connections.Connections, Times: histogramOf("", &p.Latency),
	}
	if p.Address != "" {
		shown.Name += " (" + p.Address + ")"
	}
	if !p.Healthy {
		shown.State = "unhealthy"
	} else if !p.Until.IsZero() {
		shown.Until = &p.Until
	}
	for _, n := range p.Failures {
		shown.Errors += n
	}
	return shown
}

// connectionOrders are the orders of /connections.
var connectionOrders = map[string]server.ConnSort{
	"age": server.ByAge, "idle": server.ByIdle, "requests": server.ByRequests, "bytes_in": server.ByIn, "bytes_out": server.ByOut,
}

// connections is what /connections answers.
func (o *operator) connections(q admin.ConnectionQuery) admin.Connections {
	found, stalled := o.server.Connections(server.ConnQuery{Loop: q.Loop, Sort: connectionOrders[q.Sort], Limit: q.Limit})
	answer := admin.Connections{Connections: make([]admin.Connection, len(found)), Stalled: stalled}
	for i, c := range found {
		answer.Connections[i] = admin.Connection{
			Number: c.Number, Loop: c.Loop, Peer: c.Peer, Local: c.Local, Protocol: c.Protocol, Age: c.Age.Seconds(),
			Idle: c.Idle.Seconds(), Requests: c.Requests, InFlight: c.Open, BytesIn: c.In, BytesOut: c.Out,
		}
		if c.TLS.Version != 0 {
			answer.Connections[i].TLS = tls.VersionName(c.TLS.Version)
		}
	}
	return answer
}

// phases are the phases of requests in words.
var phases = map[spi.Phase]string{
	spi.PhaseHead: "head", spi.PhaseContent: "receiving content", spi.PhaseWait: "waiting", spi.PhaseResponse: "sending response",
	spi.PhaseUpgraded: "open", spi.PhaseComplete: "complete",
}

// requests is what /requests answers. With a format of the access log, each has its line.
func (o *operator) requests(limit int, format string) (admin.Requests, error) {
	line, err := lineOf(format)
	if err != nil {
		return admin.Requests{}, err
	}
	found, stalled := o.server.Requests(server.RequestQuery{Limit: limit, Line: line})
	answer := admin.Requests{Requests: make([]admin.Request, len(found)), Stalled: stalled}
	for i, r := range found {
		parts := bytes.SplitN(r.Line, []byte{0}, 3)
		answer.Requests[i] = admin.Request{
			Loop: r.Loop, Connection: r.Conn, Stream: r.Stream, Peer: r.Peer, Protocol: r.Protocol, Method: r.Method,
			Host: r.Authority, Target: r.Target, Route: r.Route, Age: r.Age.Seconds(), Phase: phases[r.Phase], Status: r.Status,
			In: r.In, Out: r.Out, Backend: string(parts[0]), UpstreamTo: string(parts[1]), Line: string(parts[2]),
		}
	}
	return answer, nil
}

// lineOf returns what renders a request on its loop: the names of its backend and of its peer, each with a zero byte
// behind it, which they do not contain, and its line in that format of the access log; "" is none.
func lineOf(format string) (func(dst []byte, r *app.Request, rec *server.Record) []byte, error) {
	var compiled *accesslog.Format
	if format != "" {
		var err error
		if compiled, err = accesslog.Compile(format); err != nil {
			return nil, err
		}
	}
	return func(dst []byte, r *app.Request, rec *server.Record) []byte {
		if u := rec.Upstream; u != nil {
			dst = append(dst, u.Backend...)
			dst = append(dst, 0)
			dst = append(dst, u.Peer...)
		} else {
			dst = append(dst, 0)
		}
		dst = append(dst, 0)
		if compiled == nil {
			return dst
		}
		return bytes.TrimSuffix(compiled.Append(dst, r, rec), []byte("\n"))
	}, nil
}
