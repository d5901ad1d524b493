//go:build linux

package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	SetPattern(r *app.Request, route *internalapi.Route)
})

// request returns a request of a route; "" is none.
func request(method, protocol, pattern string) *app.Request {
	r := &app.Request{Method: method, Protocol: protocol}
	if pattern != "" {
		core.SetPattern(r, &internalapi.Route{Pattern: pattern, Slot: internalapi.SlotOf(pattern)})
	}
	return r
}

// gathered are the metrics of a scrape, by name.
type gathered map[string]*dto.MetricFamily

func gather(t testing.TB, m *Metrics) gathered {
	t.Helper()
	all, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := gathered{}
	for _, f := range all {
		byName[f.GetName()] = f
	}
	return byName
}

// find returns the metrics of a family that have these labels, given as name=value.
func (g gathered) find(name string, labels ...string) (found []*dto.Metric) {
	for _, metric := range g[name].GetMetric() {
		matching := 0
		for _, pair := range metric.GetLabel() {
			for _, want := range labels {
				if want == pair.GetName()+"="+pair.GetValue() {
					matching++
				}
			}
		}
		if matching == len(labels) {
			found = append(found, metric)
		}
	}
	return found
}

// sum adds the values of these metrics, of histograms the counts.
func (g gathered) sum(name string, labels ...string) (total float64) {
	for _, metric := range g.find(name, labels...) {
		total += metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
	}
	return total
}

func TestRequestsAreCountedByRouteMethodProtocolAndStatus(t *testing.T) {
	m := New(Options{})
	first, second := m.Loop(0), m.Loop(1)
	r := request("GET", app.HTTP11, "/items/{id}")
	first.Finished(r, &server.Record{Status: 200, Total: time.Millisecond, In: 10, Out: 300})
	second.Finished(r, &server.Record{Status: 200, Total: time.Second, Out: 5000})
	second.Finished(r, &server.Record{Status: 404, Total: time.Second})
	first.Finished(request("BREW", app.HTTP2, ""), &server.Record{})
	first.Finished(request("GET", app.HTTP10, "/items/{id}"), &server.Record{Status: 299})

	g := gather(t, m)
	for _, c := range []struct {
		labels string
		want   float64
	}{
		{"http_route=/items/{id} http_request_method=GET http_response_status_code=200 network_protocol_version=1.1", 2},
		{"http_route=/items/{id} http_request_method=GET http_response_status_code=404 network_protocol_version=1.1", 1},
		{"http_route= http_request_method=_OTHER http_response_status_code= network_protocol_version=2", 1},
		{"http_response_status_code=200 network_protocol_version=1.0", 1}, // 299 has no name: its class
	} {
		if got := g.sum("http_server_request_duration_seconds", strings.Fields(c.labels)...); got != c.want {
			t.Errorf("%s: %v requests, want %v", c.labels, got, c.want)
		}
	}
	if got := g.sum("http_server_response_body_size_bytes", "network_protocol_version=1.1"); got != 3 {
		t.Errorf("%v responses over HTTP/1.1, want 3", got)
	}
	sizes := g.find("http_server_response_body_size_bytes", "network_protocol_version=1.1")[0].GetHistogram()
	if sizes.GetSampleSum() != 5300 || sizes.GetBucket()[0].GetCumulativeCount() != 1 || sizes.GetBucket()[1].GetCumulativeCount() != 2 || sizes.GetBucket()[2].GetCumulativeCount() != 3 {
		t.Errorf("sizes of responses: %v", sizes)
	}
	for i, l := range m.Latency() {
		if want := []uint64{1, 3, 1}[i]; l.Times.Count() != want {
			t.Errorf("HTTP/%s: %d latencies, want %d", l.Protocol, l.Times.Count(), want)
		}
	}
}

func TestSizesAreInTheBucketOfTheirBound(t *testing.T) {
	for i, bound := range sizeBounds {
		for n, want := range map[int64]int{int64(bound): i, int64(bound) + 1: i + 1, int64(bound) - 1: i} {
			var s sizes
			if s.add(n); s.counts[want].Load() != 1 {
				t.Errorf("%d bytes are not in bucket %d", n, want)
			}
		}
	}
	var s sizes
	if s.add(0); s.counts[0].Load() != 1 {
		t.Error("0 bytes are not in bucket 0")
	}
}

func TestLastingRequestsHaveTimesOfTheirOwn(t *testing.T) {
	m := New(Options{})
	l := m.Loop(0)
	r := request("GET", app.HTTP2, "/events")
	l.Opened(r, &server.Record{Event: server.EventOpen})
	l.Opened(r, &server.Record{Event: server.EventOpen})
	l.Finished(r, &server.Record{Event: server.EventClose, Status: 200, Total: time.Hour})
	g := gather(t, m)
	if got := g.sum("http_server_request_duration_seconds"); got != 0 {
		t.Errorf("%v short requests", got)
	}
	if begun, ended := g.sum("gatewheel_lasting_requests_total"), g.sum("gatewheel_lasting_request_duration_seconds"); begun != 2 || ended != 1 {
		t.Errorf("%v have begun and %v ended, want 2 and 1", begun, ended)
	}
}

func TestEachTerminationIsCounted(t *testing.T) {
	m := New(Options{})
	l := m.Loop(0)
	r := request("GET", app.HTTP11, "")
	l.Finished(r, &server.Record{})
	for i := range enders {
		for k := range phases {
			l.Finished(r, &server.Record{End: spi.Termination{By: spi.Ender(enders[i]), In: spi.Phase(phases[k])}})
		}
	}
	g := gather(t, m)
	for i := range enders {
		for k := range phases {
			want := 1.0
			if i == 0 && k == 0 {
				want = 0 // complete ones are not counted here
			}
			end := spi.Termination{By: spi.Ender(enders[i]), In: spi.Phase(phases[k])}
			if got := g.sum("gatewheel_request_terminations_total", "termination="+end.String()); got != want {
				t.Errorf("%s: %v requests, want %v", end, got, want)
			}
		}
	}
}

func TestSeriesAreBoundedUnderHostileRequests(t *testing.T) {
	const limit = 100
	m := New(Options{Series: limit})
	l := m.Loop(0)
	random := rand.New(rand.NewPCG(1, 2))
	known := request("GET", app.HTTP11, "/known")
	l.Finished(known, &server.Record{Status: 200})
	const requests = 20000
	for i := range requests {
		r := request([]string{"GET", "POST", fmt.Sprint("M", i)}[i%3], []string{app.HTTP10, app.HTTP11, app.HTTP2}[random.IntN(3)], fmt.Sprint("/bounded/", i%300))
		r.Target, r.Authority = fmt.Sprint("/", i), fmt.Sprint("host", i)
		l.Finished(r, &server.Record{Status: 100 + random.IntN(900)})
	}
	l.Finished(known, &server.Record{Status: 200})
	g := gather(t, m)
	// The further ones have no route: methods, protocols and classes of statuses are left.
	most := limit + len(methods)*len(protocols)*10
	if got := len(g.find("http_server_request_duration_seconds")); got < limit || got > most {
		t.Errorf("%d series, want %d to %d", got, limit, most)
	}
	if got := g.sum("http_server_request_duration_seconds"); got != requests+2 {
		t.Errorf("%v requests, want %v", got, requests+2)
	}
	if got := g.sum("http_server_request_duration_seconds", "http_route=/known"); got != 2 {
		t.Errorf("%v requests of a route from before, want 2", got)
	}
}

func TestRoutesThatAreMadeAgainKeepTheirSlot(t *testing.T) {
	first := internalapi.SlotOf("/again/{id}")
	for range 10 * internalapi.Slots {
		if got := internalapi.SlotOf("/again/{id}"); got != first {
			t.Fatalf("slot %d, then %d", first, got)
		}
	}
	if got := spi.PatternOf(first); got != "/again/{id}" {
		t.Errorf("pattern %q", got)
	}
}

func TestCountingDoesNotAllocate(t *testing.T) {
	m := New(Options{})
	l := m.Loop(0)
	one, two := request("GET", app.HTTP11, "/one"), request("POST", app.HTTP2, "/two")
	rec := &server.Record{Status: 200, Total: time.Millisecond}
	if n := testing.AllocsPerRun(100, func() { l.Finished(one, rec); l.Finished(two, rec) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// nativeCounts returns the counts of a native histogram by the index of their bucket.
func nativeCounts(h *dto.Histogram) map[int]int64 {
	counts := map[int]int64{}
	i, index, before := 0, 0, int64(0)
	for _, span := range h.GetPositiveSpan() {
		index += int(span.GetOffset())
		for range span.GetLength() {
			before += h.GetPositiveDelta()[i]
			counts[index] = before
			index++
			i++
		}
	}
	return counts
}

func TestHistogramsAreClassicAndNative(t *testing.T) {
	m := New(Options{})
	l := m.Loop(0)
	r := request("GET", app.HTTP11, "")
	times := []time.Duration{0, time.Microsecond, 3 * time.Millisecond, 3 * time.Millisecond, time.Second, time.Hour}
	sum := 0.0
	for _, d := range times {
		l.Finished(r, &server.Record{Status: 200, Total: d})
		sum += d.Seconds()
	}
	h := gather(t, m).find("http_server_request_duration_seconds")[0].GetHistogram()
	if h.GetSampleCount() != uint64(len(times)) || math.Abs(h.GetSampleSum()-sum) > 1e-6 {
		t.Errorf("%d times of %v s, want %d of %v s", h.GetSampleCount(), h.GetSampleSum(), len(times), sum)
	}
	for _, b := range h.GetBucket() {
		want := uint64(0)
		for _, d := range times {
			if d.Seconds() <= b.GetUpperBound() {
				want++
			}
		}
		if b.GetCumulativeCount() != want {
			t.Errorf("%d times up to %v s, want %d", b.GetCumulativeCount(), b.GetUpperBound(), want)
		}
	}
	native, all := nativeCounts(h), h.GetZeroCount()
	for _, n := range native {
		all += uint64(n)
	}
	// 3 ms are in (2^-9, 2^-8], a second in (2^-1, 2^0], and an hour is beyond the bounds.
	if h.GetSchema() != 0 || all != uint64(len(times)) || native[-8] != 2 || native[0] != 1 || native[9] != 1 {
		t.Errorf("native buckets %v and %d around zero", native, h.GetZeroCount())
	}
}

func TestANativeHistogramWithoutTimesIsOne(t *testing.T) {
	m := New(Options{})
	m.Loop(0)
	h := gather(t, m).find("gatewheel_lasting_request_duration_seconds")[0].GetHistogram()
	if len(h.GetPositiveSpan()) != 1 || h.GetPositiveSpan()[0].GetLength() != 0 || len(h.GetPositiveDelta()) != 0 {
		t.Errorf("spans %v", h.GetPositiveSpan())
	}
}

func TestKnownMethodsAreTheirOwn(t *testing.T) {
	for i, method := range methods[2:] {
		if got := methodOf(method); int(got) != i+2 {
			t.Errorf("%s is method %d, want %d", method, got, i+2)
		}
	}
	for _, method := range []string{"", "get", http.MethodGet + "X", "PROPFIND"} {
		if got := methods[methodOf(method)]; got != "_OTHER" {
			t.Errorf("%q is %s", method, got)
		}
	}
}

func BenchmarkFinished(b *testing.B) {
	m := New(Options{})
	l := m.Loop(0)
	r := request("GET", app.HTTP11, "/items/{id}")
	rec := &server.Record{Status: 200, Total: time.Millisecond, Out: 13}
	b.ReportAllocs()
	for range b.N {
		l.Finished(r, rec)
	}
}
