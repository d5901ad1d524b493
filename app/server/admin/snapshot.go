//go:build linux

package admin

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Totals are counters since the start.
type Totals struct {
	Open     uint64 // connections open now
	Accepted uint64
	BytesIn  uint64
	BytesOut uint64
	// Requests is the number of responses by protocol and status.
	Requests map[string]map[int]uint64
	// Errors is the number of refusals and failures by reason.
	Errors map[string]uint64
}

// Loop is an event loop. Numbers are since the start unless named otherwise, times in seconds.
type Loop struct {
	Loop        int     `json:"loop"`
	Connections int     `json:"connections"` // open now
	Accepted    int64   `json:"accepted"`
	Turns       int64   `json:"turns"`
	Wakes       int64   `json:"wakes"`
	Inbox       int     `json:"inbox"` // tasks that wait now
	BytesIn     int64   `json:"bytes_in"`
	BytesOut    int64   `json:"bytes_out"`
	Busy        float64 `json:"busy_seconds"`
	Lag         float64 `json:"lag_seconds"` // time from a task's arrival to its turn, measured last
	Stalled     bool    `json:"stalled"`     // now
	Stalls      int64   `json:"stalls"`
	StallTime   float64 `json:"stall_seconds"`
	Kills       int64   `json:"kills"`
	Replaced    int64   `json:"replaced"`
	StandIns    int64   `json:"stand_ins"`
	MovedIn     int64   `json:"moved_in"`
	Panics      int64   `json:"panics"`

	Times Histogram `json:"-"` // of turns

	// TurnP99 is the 99th percentile of Times; in a Snapshot of the turns since the Snapshot before.
	TurnP99 float64 `json:"turn_p99_seconds"`
	// Since the Snapshot before, in a Snapshot.
	TurnRate float64 `json:"turns_per_second,omitempty"`
	TurnTime float64 `json:"turn_seconds,omitempty"` // mean
	BusyPart float64 `json:"busy_part,omitempty"`    // from 0 to 1
}

// Histogram has the response times of a protocol since the start.
type Histogram struct {
	Protocol string
	Bounds   []float64 // upper ends of the buckets but the last, in seconds, rising
	Counts   []uint64  // of each bucket, one more than Bounds
}

// Connection is an open connection. Times are in seconds.
type Connection struct {
	Number   uint64  `json:"number"`
	Loop     int     `json:"loop"`
	Peer     string  `json:"peer"`
	Local    string  `json:"local,omitempty"`
	Protocol string  `json:"protocol"`
	TLS      string  `json:"tls,omitempty"`
	Age      float64 `json:"age_seconds"`
	Idle     float64 `json:"idle_seconds"`
	Requests uint64  `json:"requests"`
	InFlight int     `json:"in_flight"`
	BytesIn  uint64  `json:"bytes_in"`
	BytesOut uint64  `json:"bytes_out"`
}

// ConnectionQuery asks for connections.
type ConnectionQuery struct {
	Loop  int    // -1: all
	Sort  string // one of ConnectionOrders
	Limit int
}

// ConnectionOrders are the orders of connections, the largest first.
var ConnectionOrders = []string{"age", "idle", "requests", "bytes_in", "bytes_out"}

// Connections are connections, with the loops that did not answer in time because they are stalled.
type Connections struct {
	Connections []Connection `json:"connections"`
	Stalled     []int        `json:"stalled_loops,omitempty"`
}

// Request is a request in flight. Times are in seconds.
type Request struct {
	Loop       int     `json:"loop"`
	Connection uint64  `json:"connection"`
	Stream     uint32  `json:"stream,omitempty"`
	Peer       string  `json:"peer"`
	Protocol   string  `json:"protocol"`
	Method     string  `json:"method"`
	Host       string  `json:"host"`
	Target     string  `json:"target"`
	Route      string  `json:"route,omitempty"`
	Age        float64 `json:"age_seconds"`
	Phase      string  `json:"phase"` // such as waiting, for the handler or the backend
	Status     int     `json:"status,omitempty"`
	In         int64   `json:"content_in"`
	Out        int64   `json:"content_out"`
	Backend    string  `json:"backend,omitempty"`
	UpstreamTo string  `json:"upstream_peer,omitempty"`
	Line       string  `json:"line,omitempty"` // in the access log's format
}

// Requests are requests in flight, with the loops that did not answer in time because they are stalled.
type Requests struct {
	Requests []Request `json:"requests"`
	Stalled  []int     `json:"stalled_loops,omitempty"`
}

// Backend is a backend of a gateway.
type Backend struct {
	Name  string `json:"name"`
	Peers []Peer `json:"peers"`
}

// Peer is a server of a backend. Numbers are since it was found, times in seconds.
type Peer struct {
	Name     string     `json:"name"`
	State    string     `json:"state"`           // PeerInUse, or why it gets no requests
	Until    *time.Time `json:"until,omitempty"` // the end of State, if that is known
	Weight   int        `json:"weight"`
	Active   int64      `json:"active"` // requests in progress
	Requests uint64     `json:"requests"`
	Errors   uint64     `json:"errors"`
	Open     int64      `json:"connections"`
	Times    Histogram  `json:"-"` // to the heads of its responses

	// Of Times; in a Snapshot of those since the Snapshot before.
	P50 float64 `json:"p50_seconds"`
	P99 float64 `json:"p99_seconds"`
	// Since the Snapshot before, in a Snapshot.
	Rate      float64 `json:"requests_per_second,omitempty"`
	ErrorRate float64 `json:"errors_per_second,omitempty"`
}

// PeerInUse is the State of a peer that gets requests.
const PeerInUse = "in-use"

// Snapshot is what the page shows. Rates are those since the Snapshot before; they are 0 in the first one.
type Snapshot struct {
	Time      time.Time  `json:"time"`
	Version   string     `json:"version"`
	PID       int        `json:"pid"`
	Uptime    float64    `json:"uptime_seconds"`
	State     State      `json:"state"`
	Times     bool       `json:"times"` // response times are known
	Open      uint64     `json:"connections"`
	Accepted  Number     `json:"accepted"`
	BytesIn   Number     `json:"bytes_in"`
	BytesOut  Number     `json:"bytes_out"`
	Protocols []Protocol `json:"protocols"`
	Statuses  []Named    `json:"statuses"` // by class: 2xx
	Errors    []Named    `json:"errors"`   // by reason, those that have occurred
	Loops     []Loop     `json:"loops"`
	Backends  []Backend  `json:"backends,omitempty"`
	Requests  []Request  `json:"requests"` // slowest first
	Stalled   []int      `json:"stalled_loops,omitempty"`
	Stalls    []Stall    `json:"stalls"` // newest first
	Log       []LogLine  `json:"log"`    // newest first
}

// Number is a counter with its rate.
type Number struct {
	Total uint64  `json:"total"`
	Rate  float64 `json:"per_second"`
}

// Named is a Number with a name.
type Named struct {
	Name string `json:"name"`
	Number
}

// Protocol is what concerns one protocol. Times are in seconds, of the requests since the Snapshot before; 0 if there
// were none.
type Protocol struct {
	Named
	P50 float64 `json:"p50_seconds"`
	P90 float64 `json:"p90_seconds"`
	P99 float64 `json:"p99_seconds"`
}

// Bounds of what a Snapshot has.
const (
	snapshotRequests = 20
	snapshotStalls   = 8
	snapshotLines    = 50
	snapshotPeers    = 200
)

// sample has the counters that the next Snapshot subtracts from its own.
type sample struct {
	at      time.Time
	totals  Totals
	loops   []Loop
	latency map[string]Histogram
	peers   map[[2]string]Peer
}

// changes turns counters into rates since an earlier sample. A nil changes has no earlier sample: all rates are 0.
type changes struct {
	before  *sample
	seconds float64
}

func since(before *sample, now time.Time) *changes {
	if before == nil {
		return nil
	}
	seconds := now.Sub(before.at).Seconds()
	if seconds <= 0 {
		return nil
	}
	return &changes{before, seconds}
}

// rate returns the rate of a counter that was then. A counter that has been set back has none.
func (c *changes) rate(now, then uint64) float64 {
	if c == nil || now < then {
		return 0
	}
	return float64(now-then) / c.seconds
}

// number returns a counter with its rate. then reads it in the earlier totals.
func (c *changes) number(now uint64, then func(*Totals) uint64) Number {
	if c == nil {
		return Number{Total: now}
	}
	return Number{now, c.rate(now, then(&c.before.totals))}
}

// protocols returns the requests by protocol, and by class of status.
func (c *changes) protocols(now *Totals, latency map[string]Histogram) (protocols []Protocol, statuses []Named) {
	classes, earlier := map[string]uint64{}, map[string]uint64{}
	for _, name := range slices.Sorted(maps.Keys(now.Requests)) {
		var total, then uint64
		for status, n := range now.Requests[name] {
			total += n
			classes[class(status)] += n
		}
		if c != nil {
			for status, n := range c.before.totals.Requests[name] {
				then += n
				earlier[class(status)] += n
			}
		}
		p := Protocol{Named: Named{name, Number{total, c.rate(total, then)}}}
		if c != nil {
			h := latency[name].minus(c.before.latency[name])
			p.P50, p.P90, p.P99 = h.quantile(0.5), h.quantile(0.9), h.quantile(0.99)
		}
		protocols = append(protocols, p)
	}
	return protocols, c.named(classes, earlier)
}

func class(status int) string { return string(rune('0'+status/100)) + "xx" }

// named returns counters with their rates, in the order of their names.
func (c *changes) named(now, then map[string]uint64) []Named {
	all := make([]Named, 0, len(now))
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if n := now[name]; n > 0 {
			all = append(all, Named{name, Number{n, c.rate(n, then[name])}})
		}
	}
	return all
}

// errors returns the reasons that have occurred, the most frequent first.
func (c *changes) errors(now *Totals) []Named {
	var then map[string]uint64
	if c != nil {
		then = c.before.totals.Errors
	}
	all := c.named(now.Errors, then)
	slices.SortStableFunc(all, func(a, b Named) int { return cmp.Compare(b.Total, a.Total) })
	return all
}

// loops completes what concerns the last second; without earlier counters the times since the start.
func (c *changes) loops(now []Loop) {
	for i := range now {
		l := &now[i]
		if c == nil || len(c.before.loops) != len(now) {
			l.TurnP99 = l.Times.quantile(0.99)
			continue
		}
		then := &c.before.loops[i]
		l.TurnP99 = l.Times.minus(then.Times).quantile(0.99)
		turns, busy := float64(l.Turns-then.Turns), max(l.Busy-then.Busy, 0)
		l.TurnRate = turns / c.seconds
		l.BusyPart = min(busy/c.seconds, 1)
		if turns > 0 {
			l.TurnTime = busy / turns
		}
	}
}

// backends completes what concerns the last second; without earlier counters the times since the start.
func (c *changes) backends(now []Backend) {
	for _, b := range now {
		for i := range b.Peers {
			p := &b.Peers[i]
			times := p.Times
			if c != nil {
				if then, ok := c.before.peers[[2]string{b.Name, p.Name}]; ok {
					p.Rate, p.ErrorRate = c.rate(p.Requests, then.Requests), c.rate(p.Errors, then.Errors)
					times = times.minus(then.Times)
				}
			}
			p.P50, p.P99 = times.quantile(0.5), times.quantile(0.99)
		}
	}
}

// minus returns the times that h has and then has not.
func (h Histogram) minus(then Histogram) Histogram {
	if len(then.Counts) != len(h.Counts) {
		return h
	}
	counts := make([]uint64, len(h.Counts))
	for i := range counts {
		counts[i] = h.Counts[i] - min(then.Counts[i], h.Counts[i])
	}
	return Histogram{h.Protocol, h.Bounds, counts}
}

// quantile returns the time that the part q of the times do not exceed, between the bounds of its bucket by
// proportion; 0 if there are none.
func (h Histogram) quantile(q float64) float64 {
	var total uint64
	for _, n := range h.Counts {
		total += n
	}
	if total == 0 || len(h.Bounds) == 0 {
		return 0
	}
	rank, below := q*float64(total), 0.0
	for i, n := range h.Counts {
		if below+float64(n) >= rank && n > 0 {
			if i == len(h.Bounds) {
				return h.Bounds[i-1]
			}
			lower := 0.0
			if i > 0 {
				lower = h.Bounds[i-1]
			}
			return lower + (h.Bounds[i]-lower)*(rank-below)/float64(n)
		}
		below += float64(n)
	}
	return h.Bounds[len(h.Bounds)-1]
}
