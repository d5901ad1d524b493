//go:build linux

package main

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/server/admin"
	"github.com/gatewheel/gatewheel/app/server/metrics"
)

type metricsFlags struct {
	Metrics bool `name:"metrics" default:"true" negatable:"" help:"Serve metrics for Prometheus at /metrics of --admin; see docs/operate.md. On by default."`
}

// measure makes metrics that observe the server, if there is an admin listener.
func (o *operator) measure(f *metricsFlags, access *accessLog, config *server.Config) {
	if o.listener == nil || !f.Metrics {
		return
	}
	options := metrics.Options{Version: programVersion()}
	if o.gateway != nil {
		options.Gateway = o.gateway
	}
	if access.Log != nil {
		options.AccessLogDropped = access.Dropped
	}
	o.metrics = metrics.New(options)
	config.Observers = append(config.Observers, o.metrics)
}

// showMetrics gives the admin listener the metrics.
func (o *operator) showMetrics(options *admin.Options) {
	if o.metrics != nil {
		options.Metrics, options.Latency = o.metrics.Handler(), o.latency
	}
}

// protocolsOfMetrics are the names that counters of the server have for the protocols of metrics.
var protocolsOfMetrics = map[string]string{"1.0": app.HTTP10, "1.1": app.HTTP11, "2": app.HTTP2}

// latency has the response times by protocol.
func (o *operator) latency() []admin.Histogram {
	var all []admin.Histogram
	for _, l := range o.metrics.Latency() {
		all = append(all, histogramOf(protocolsOfMetrics[l.Protocol], &l.Times))
	}
	return all
}
