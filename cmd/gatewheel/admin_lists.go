//go:build linux

package main

import (
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server/admin"
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
