//go:build linux

package main

import (
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/reactor"
)

// counter gives the built-in application the counters of the server.
type counter struct{ server *server.Server }

// Counts implements target.Counter.
func (c counter) Counts() target.Counts {
	n := c.server.Counts()
	counts := target.Counts{
		Requests: n.Responses,
		BytesIn:  n.BytesIn,
		BytesOut: n.BytesOut,
		Accepted: n.Accepted,
		Open:     n.Open,
		Errors: map[string]uint64{
			"failed":    n.Failed,
			"panic":     n.Panics,
			"aborted":   n.Aborted,
			"peer-gone": n.PeerGone,
		},
	}
	for reason, n := range n.Refused {
		if reason := server.Reason(reason); n > 0 && reason != server.Flood { // shown by kind below
			counts.Errors[reason.String()] = n
		}
	}
	for kind, n := range n.HTTP2.Calmed {
		counts.Errors[server.Flood.String()+"-"+kind] = n
	}
	if n.LogDropped > 0 {
		counts.Errors["log-dropped"] = n.LogDropped
	}
	for reason, n := range c.server.TLSStats().Failures {
		if n > 0 {
			counts.Errors["tls-"+reactor.TLSFailure(reason).String()] = n
		}
	}
	return counts
}
