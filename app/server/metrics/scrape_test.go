//go:build linux

package metrics

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// busyMetrics returns Metrics of so many loops, each of which has served all of so many routes.
func busyMetrics(loops, routes int) *Metrics {
	m := New(Options{})
	var observers []server.LoopObserver
	for i := range loops {
		observers = append(observers, m.Loop(i))
	}
	for i := range routes {
		r := request("GET", app.HTTP11, fmt.Sprintf("/scraped/%d/{id}", i))
		for n, l := range observers {
			l.Finished(r, &server.Record{Status: 200, Total: time.Duration(i+n) * time.Millisecond})
		}
	}
	return m
}

// scrape returns the length of an answer of /metrics.
func scrape(t testing.TB, m *Metrics) int {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("/metrics: %d %s", w.Code, w.Body)
	}
	return w.Body.Len()
}

func TestAScrapeHasAllRoutesOfAllLoops(t *testing.T) {
	const loops, routes = 64, 1000
	m := busyMetrics(loops, routes)
	g := gather(t, m)
	if series, requests := len(g.find(requestDuration.name)), g.sum(requestDuration.name); series != routes || requests != loops*routes {
		t.Errorf("%d series of %v requests, want %d of %d", series, requests, routes, loops*routes)
	}
	shortest := time.Hour
	size := 0
	for range 5 {
		began := time.Now()
		size = scrape(t, m)
		shortest = min(shortest, time.Since(began))
	}
	t.Logf("a scrape of %d routes and %d loops: %v, %d KiB", routes, loops, shortest, size>>10)
}

// BenchmarkScrape measures a scrape of 1000 routes and 64 loops, which should take less than 50 ms.
func BenchmarkScrape(b *testing.B) {
	m := busyMetrics(64, 1000)
	b.ReportAllocs()
	for b.Loop() {
		scrape(b, m)
	}
}
