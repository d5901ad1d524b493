//go:build linux

package metrics

import (
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/histogram"
)

// loopCounts has the counters of requests on a loop. The loop writes them, without a lock and without a look-up in a
// map; other goroutines read them.
type loopCounts struct {
	metrics *Metrics
	index   int

	// The series that was used last, and those of each route, by slot. They belong to the loop.
	last   place
	slot   uint32
	routes [][]place

	received, sent [len(protocols)]sizes
	ends           [len(enders) * len(phases)]atomic.Uint64 // by terminationIndex
	lasting        [len(protocols)]histogram.Durations
	begun          [len(protocols)]atomic.Uint64
}

// place is where a loop counts the requests of a route with the same method, protocol and status.
type place struct {
	kind  kind
	times *histogram.Durations
}

// kind is what distinguishes the series of a route. Its zero value is none that occurs.
type kind struct {
	method, protocol uint8
	status           uint16
}

// seriesKey is what distinguishes all series.
type seriesKey struct {
	slot uint32
	kind
}

// series has the times of the requests with a key, by loop.
type series struct {
	seriesKey
	times []atomic.Pointer[histogram.Durations]
}

// protocols are the values of network_protocol_version.
var protocols = [...]string{"1.0", "1.1", "2"}

// protocolOf returns the index of a request's protocol. A refused head that shows none is one of HTTP/1.1.
func protocolOf(r *app.Request) int {
	switch r.Protocol {
	case app.HTTP10:
		return 0
	case app.HTTP2:
		return 2
	}
	return 1
}

// methods are the values of http_request_method. 0 is none of a request.
var methods = [...]string{"", "_OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

func methodOf(method string) uint8 {
	switch method {
	case "GET":
		return 2
	case "HEAD":
		return 3
	case "POST":
		return 4
	case "PUT":
		return 5
	case "DELETE":
		return 6
	case "CONNECT":
		return 7
	case "OPTIONS":
		return 8
	case "TRACE":
		return 9
	case "PATCH":
		return 10
	}
	return 1
}

// The letters of spi.Termination.
const (
	enders = "-CcRSTHPWLMUu"
	phases = "-QBHDU"
)

// enderIndexes and phaseIndexes have the index in enders and phases of each letter; 0 for others.
var enderIndexes, phaseIndexes = indexes(enders), indexes(phases)

func indexes(letters string) (table [256]uint8) {
	for i := range letters {
		table[letters[i]] = uint8(i)
	}
	return table
}

// terminationIndex returns the index of t in loopCounts.ends.
func terminationIndex(t spi.Termination) int {
	return int(enderIndexes[byte(t.By)])*len(phases) + int(phaseIndexes[byte(t.In)])
}

// Opened implements server.LoopObserver.
func (l *loopCounts) Opened(r *app.Request, _ *server.Record) { l.begun[protocolOf(r)].Add(1) }

// Finished implements server.LoopObserver. Its atomic additions are to memory that no other loop writes.
func (l *loopCounts) Finished(r *app.Request, rec *server.Record) {
	protocol := protocolOf(r)
	if end := terminationIndex(rec.End); end > 0 { // the others are the common case, and have their times
		l.ends[end].Add(1)
	}
	if rec.In > 0 {
		l.received[protocol].add(rec.In)
	}
	l.sent[protocol].add(rec.Out)
	if rec.Event == server.EventClose {
		l.lasting[protocol].Add(rec.Total)
		return
	}
	l.times(spi.SlotOf(r), kind{methodOf(r.Method), uint8(protocol), uint16(rec.Status)}).Add(rec.Total)
}

// times returns where requests of a route's slot and a kind are counted.
func (l *loopCounts) times(slot uint32, k kind) *histogram.Durations {
	if l.slot == slot && l.last.kind == k {
		return l.last.times
	}
	l.slot, l.last = slot, l.place(slot, k)
	return l.last.times
}

// place finds or makes the place of a kind in the route of a slot.
func (l *loopCounts) place(slot uint32, k kind) place {
	if int(slot) < len(l.routes) {
		for _, p := range l.routes[slot] {
			if p.kind == k {
				return p
			}
		}
	}
	p := place{k, l.metrics.seriesOf(slot, k).on(l.index)}
	for int(slot) >= len(l.routes) {
		l.routes = append(l.routes, nil)
	}
	l.routes[slot] = append(l.routes[slot], p)
	return p
}

// seriesOf returns the series of requests of a route's slot and a kind. A status without a name stands for its class.
// Beyond Options.Series, requests have neither route nor exact status, so that few combinations are left.
func (m *Metrics) seriesOf(slot uint32, k kind) *series {
	m.mu.Lock()
	defer m.mu.Unlock()
	if http.StatusText(int(k.status)) == "" {
		k.status -= k.status % 100
	}
	key := seriesKey{slot, k}
	if m.known[key] == nil && len(m.series) >= m.options.Series {
		key.slot = spi.OtherSlot
		key.status -= key.status % 100
	}
	s := m.known[key]
	if s == nil {
		// All loops are known before the first request.
		s = &series{key, make([]atomic.Pointer[histogram.Durations], len(m.loops))}
		m.known[key] = s
		m.series = append(m.series, s)
	}
	return s
}

// on returns the times of the series on a loop, which calls it.
func (s *series) on(loop int) *histogram.Durations {
	t := s.times[loop].Load()
	if t == nil {
		t = &histogram.Durations{}
		s.times[loop].Store(t)
	}
	return t
}

// sizeBounds are the upper bounds of the buckets of sizes; each is sixteen times the one before.
var sizeBounds = [...]float64{256, 4 << 10, 64 << 10, 1 << 20, 16 << 20, 256 << 20, 4 << 30}

// sizes counts lengths of content. One loop adds them; any goroutine may read it.
type sizes struct {
	counts [len(sizeBounds) + 1]atomic.Uint64
	sum    atomic.Uint64
}

// add counts n bytes.
func (s *sizes) add(n int64) {
	if n <= 256 {
		s.counts[0].Add(1)
	} else {
		s.counts[min((bits.Len64(uint64(n-1))-5)/4, len(s.counts)-1)].Add(1)
	}
	if n > 0 {
		s.sum.Add(uint64(n))
	}
}

// requests emits the counters of requests.
func (e emitter) requests(loops []*loopCounts, all []*series) {
	for _, s := range all {
		status := ""
		if s.status > 0 {
			status = strconv.Itoa(int(s.status))
		}
		e.times(requestDuration, s.total(), methods[s.method], status, strings.ToValidUTF8(spi.PatternOf(s.slot), "�"), protocols[s.protocol])
	}
	for p, version := range protocols {
		var lasting histogram.Totals
		begun := uint64(0)
		for _, l := range loops {
			lasting.Collect(&l.lasting[p])
			begun += l.begun[p].Load()
		}
		e.counter(lastingBegun, float64(begun), version)
		e.times(lastingDuration, lasting, version)
		e.sizes(requestSize, loops, func(l *loopCounts) *sizes { return &l.received[p] }, version)
		e.sizes(responseSize, loops, func(l *loopCounts) *sizes { return &l.sent[p] }, version)
	}
	for i := 1; i < len(enders)*len(phases); i++ {
		n := uint64(0)
		for _, l := range loops {
			n += l.ends[i].Load()
		}
		if n > 0 || i == 1 {
			e.counter(terminations, float64(n), string([]byte{enders[i/len(phases)], phases[i%len(phases)]}))
		}
	}
}

// Latency has the times of the requests over a protocol.
type Latency struct {
	Protocol string // "1.0", "1.1" or "2"
	Times    histogram.Totals
}

// Latency returns the times of requests since the start by protocol, without those that last. Any goroutine but a
// loop's.
func (m *Metrics) Latency() []Latency {
	m.mu.Lock()
	all := m.series[:len(m.series):len(m.series)]
	m.mu.Unlock()
	latencies := make([]Latency, len(protocols))
	for i, version := range protocols {
		latencies[i].Protocol = version
	}
	for _, s := range all {
		total := s.total()
		latencies[s.protocol].Times.Add(&total)
	}
	return latencies
}

// total returns the times of the series on all loops.
func (s *series) total() (total histogram.Totals) {
	for i := range s.times {
		if t := s.times[i].Load(); t != nil {
			total.Collect(t)
		}
	}
	return total
}

// sizes emits the sum of a histogram of sizes over all loops.
func (e emitter) sizes(f *family, loops []*loopCounts, of func(*loopCounts) *sizes, labels ...string) {
	var count, sum uint64
	buckets := make(map[float64]uint64, len(sizeBounds))
	for i := range len(sizeBounds) + 1 {
		for _, l := range loops {
			count += of(l).counts[i].Load()
		}
		if i < len(sizeBounds) {
			buckets[sizeBounds[i]] = count
		}
	}
	for _, l := range loops {
		sum += of(l).sum.Load()
	}
	e.out <- prometheus.MustNewConstHistogram(f.desc, count, float64(sum), buckets, labels...)
}
