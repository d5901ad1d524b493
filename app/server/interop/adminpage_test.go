//go:build linux

package interop

import (
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/server/admin"
)

// pageReport is what testdata/adminpage.js reports of one visit.
type pageReport struct {
	Name       string
	Complaints []string // errors of the console, and requests to others
	Violations []string // of rules of accessibility (axe)
	Paused     string
	Rows       map[string]int
	Stalls     int
	Points     int  // of the first plot
	Markup     int  // elements that texts of others have made
	Width      int  // of the content, in pixels
	Wide       bool // wider than the window
	Target     string
}

const markup = `</script><script>alert(1)</script><img src=x onerror=alert(2)>"'&`

// times are response times that grow with i.
func times(i uint64) admin.Histogram {
	return admin.Histogram{Bounds: []float64{1e-4, 1e-3, 1e-2, 0.1}, Counts: []uint64{900 * i, 400 * i, 90 * i, 9 * i, i}}
}

// pageOptions are those of a busy gateway, with markup in each text that others can choose.
func pageOptions() admin.Options {
	var n atomic.Int64
	recent, stalls := admin.NewRecent(), &admin.Stalls{}
	zap.New(recent).Error("panic in the application", zap.String("request", "GET /"+markup), zap.String("value", markup))
	zap.New(recent).Warn("a server of a backend has changed", zap.String("peer", "http://10.0.0.7:9000"), zap.String("change", "ejected"))
	stalls.Add(admin.Stall{Time: time.Now(), Loop: 1, For: 0.35, What: "GET /" + markup, Stack: "main.slow\n\t/src/slow.go:12\n" + markup})
	return admin.Options{
		Version: "v1.0.0", Recent: recent, Stalls: stalls,
		Totals: func() admin.Totals {
			i := uint64(n.Add(1))
			return admin.Totals{Open: 100 + i, Accepted: 1000 * i, BytesIn: i << 20, BytesOut: i << 22,
				Requests: map[string]map[int]uint64{"HTTP/1.1": {200: 9000 * i, 503: 3 * i}, "HTTP/2.0": {200: 20000*i + i%3*5000, 404: 11 * i}},
				Errors:   map[string]uint64{"head-timeout": 3, markup: i}}
		},
		Loops: func() []admin.Loop {
			i := n.Load()
			return []admin.Loop{
				{Loop: 0, Connections: 60, Turns: 90_000 * i, Busy: 0.4 * float64(i), Lag: 40e-6 * float64(1+i%3)},
				{Loop: 1, Connections: 41, Turns: 80_000 * i, Busy: 0.5 * float64(i), Lag: 0.35, Stalled: true, Stalls: 1},
			}
		},
		Latency: func() []admin.Histogram {
			i := uint64(n.Load()) + 1
			one, two := times(i), times(2*i)
			one.Protocol, two.Protocol = "HTTP/1.1", "HTTP/2.0"
			return []admin.Histogram{one, two}
		},
		Backends: func() []admin.Backend {
			i := uint64(n.Load())
			return []admin.Backend{{Name: "shop", Peers: []admin.Peer{
				{Name: "http://10.0.0.6:9000", State: admin.PeerInUse, Weight: 1, Active: 3, Requests: 800 * i, Open: 4, Times: times(i)},
				{Name: "http://10.0.0.7:9000", State: "ejected", Weight: 1, Requests: 7, Errors: 5},
				{Name: markup, State: "unhealthy"}}}}
		},
		Requests: func(int, string) (admin.Requests, error) {
			return admin.Requests{Requests: []admin.Request{{Method: "GET", Host: "shop.example", Target: "/" + markup, Age: 3.5, Phase: "waiting", Peer: "192.0.2.7:40312", Protocol: "HTTP/2.0", Backend: "shop", UpstreamTo: "http://10.0.0.6:9000"}}}, nil
		},
	}
}

// The page of the admin listener works at the sizes of a desktop and a phone, light and dark, by keyboard, and without
// script; it breaks no rule of accessibility, asks nobody else for anything, and shows markup of others as text.
// ADMIN_SCREENSHOTS names a directory for pictures.
func TestAdminPageInChromium(t *testing.T) {
	executable, node := need(t, "chromium", "chromium"), needNode(t, "axe-core")
	l, err := admin.Listen("127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	s := admin.New(l, pageOptions())
	s.Serve()
	defer s.Close()
	var reports []pageReport
	run(t, &reports, node, "testdata/adminpage.js", executable, l.URL()+"/", os.Getenv("ADMIN_SCREENSHOTS"))
	if len(reports) != 5 {
		t.Fatalf("%d visits", len(reports))
	}
	for _, r := range reports {
		script := r.Name != "desktop-noscript"
		if len(r.Complaints)+len(r.Violations)+r.Markup > 0 || r.Wide || script && (r.Points < 3 || r.Paused != "true paused") {
			t.Errorf("%+v", r)
		}
		if rows := r.Rows; rows["protocols"] != 2 || rows["answers"] < 4 || rows["loops"] != 2 || rows["backends"] != 3 || rows["requests"] != 1 || rows["log"] != 2 || r.Stalls != 1 {
			t.Errorf("%s: rows %v, %d stalls", r.Name, rows, r.Stalls)
		}
		if !strings.Contains(r.Target, markup) {
			t.Errorf("%s: the target is shown as %q", r.Name, r.Target)
		}
	}
}
