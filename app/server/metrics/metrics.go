//go:build linux

// Package metrics counts what a server and its gateway do, and gives it to Prometheus: as a registry for programs that
// have metrics of their own, and as a handler for /metrics.
//
//	m := metrics.New(metrics.Options{})
//	s, err := server.New(server.Config{Handler: h, Observers: []server.Observer{m}})
//	err = s.Start(ctx)
//	m.Watch(s)
//	http.Handle("/metrics", m.Handler())
//
// Each loop has counters of its own, which a scrape adds up. A scrape reads counters only: it waits for no loop, and
// answers while loops stall.
package metrics

import (
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
)

// Options configures Metrics. The zero value is ready for use.
type Options struct {
	// Version is the version of the program, in gatewheel_build_info.
	Version string
	// Series limits the series of requests: combinations of route, method, protocol and status that have occurred.
	// Requests of further ones count without their route, with the class of their status (200 for 2xx). 0 means 8192.
	Series int
	// Gateway, if not nil, is asked for the counters of backends at each scrape.
	Gateway Gateway
	// AccessLogDropped, if not nil, returns the number of lines that the access log has lost. It must not wait.
	AccessLogDropped func() uint64
}

// Gateway is what Metrics reads of a gateway. A *gateway.Gateway is one.
type Gateway interface {
	Counts() gateway.Counts
	Backends() []gateway.BackendStatus
}

// defaultSeries is the default of Options.Series: a thousand routes with some methods and statuses each.
const defaultSeries = 8192

// Metrics is the server.Observer of one server, and a prometheus.Collector. Make one with New.
type Metrics struct {
	options  Options
	registry *prometheus.Registry
	server   atomic.Pointer[server.Server] // nil: Watch was not called

	mu     sync.Mutex // held for a few instructions: by a loop only for a series that it has not had before
	loops  []*loopCounts
	series []*series
	known  map[seriesKey]*series
}

var (
	_ server.Observer      = (*Metrics)(nil)
	_ prometheus.Collector = (*Metrics)(nil)
)

// New returns Metrics, registered with a registry of their own besides the collectors of the Go runtime and the process.
func New(options Options) *Metrics {
	if options.Series <= 0 {
		options.Series = defaultSeries
	}
	m := &Metrics{options: options, registry: prometheus.NewRegistry(), known: map[seriesKey]*series{}}
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Watch adds the counters of s, of which m is an observer. Call it after Server.Start. Any goroutine.
func (m *Metrics) Watch(s *server.Server) { m.server.Store(s) }

// Registry returns the registry of m. A program may register collectors of its own.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Handler returns the handler of /metrics: the registry in the format that the request asks for, text without one. Four
// scrapes run at a time, further ones get 503.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		EnableOpenMetrics:   true,
	})
}

// Loop implements server.Observer.
func (m *Metrics) Loop(int) server.LoopObserver {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := &loopCounts{metrics: m, index: len(m.loops)}
	m.loops = append(m.loops, l)
	return l
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, f := range families {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	e := emitter{out}
	e.gauge(buildInfo, 1, m.options.Version, runtime.Version())
	if dropped := m.options.AccessLogDropped; dropped != nil {
		e.counter(logDropped, float64(dropped()), "access")
	}
	m.mu.Lock()
	loops, all := slices.Clone(m.loops), m.series[:len(m.series):len(m.series)]
	m.mu.Unlock()
	e.requests(loops, all)
	if s := m.server.Load(); s != nil {
		e.server(s)
	}
	if g := m.options.Gateway; g != nil {
		counts := g.Counts()
		e.gateway(&counts, g.Backends())
	}
}
