package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestSlopeOfALine(t *testing.T) {
	for _, c := range []struct {
		about       string
		x, y        []float64
		base, slope float64
	}{
		{"two points", []float64{0, 1000}, []float64{500, 2500}, 500, 2},
		{"on a line", []float64{0, 1000, 5000, 15_000}, []float64{20, 1020, 5020, 15_020}, 20, 1},
		{"one point off the line", []float64{0, 1000, 5000, 10_000, 15_000}, []float64{20, 2020, 10_020, 90_000, 30_020}, 20, 2},
		{"one value of x", []float64{5, 5}, []float64{1, 3}, 2, 0},
		{"no points", nil, nil, 0, 0},
	} {
		l := fit(c.x, c.y)
		if math.Abs(l.base-c.base) > 1e-6 || math.Abs(l.slope-c.slope) > 1e-6 {
			t.Errorf("%s: %v + %v·x, want %v + %v·x", c.about, l.base, l.slope, c.base, c.slope)
		}
	}
}

// memoryOf returns a server of 20 MiB with 1,000 bytes a connection, and a kernel with 2,500 a socket. A connection has
// two sockets, and somebody else has some now and then.
func memoryOf(caches bool) memoryResult {
	m := memoryResult{Protocol: h1}
	for i, n := range []int{0, 1000, 5000, 10_000, 15_000} {
		p := memoryPoint{Connections: n, Resident: 20<<20 + int64(n)*1000}
		p.Sockets = 100 + int64(2*n) + int64(i%2)*7000
		p.Slab = 1<<30 + p.Sockets*2500
		if caches {
			p.Caches = map[string]int64{
				"TCP": 1<<20 + p.Sockets*2000, "filp": p.Sockets * 500,
				"small":  p.Sockets * (leastGrowth - 1),
				"dentry": []int64{1 << 20, 9 << 20, 9 << 20, 30 << 20, 31 << 20}[i], // of somebody else
			}
		}
		m.Points = append(m.Points, p)
	}
	keepGrowing(m.Points)
	return m
}

func TestMemoryOfAMillionConnections(t *testing.T) {
	for _, caches := range []bool{true, false} {
		m := memoryOf(caches)
		l := m.lines()
		if got := l.kernel.slope; math.Abs(got-2500) > 1e-6 {
			t.Errorf("caches %v: %v bytes of the kernel a socket, want 2500", caches, got)
		}
		want := 20<<20 + 1e6*1000 + 1e6*2500
		if got := l.together(); math.Abs(got-want) > 1 {
			t.Errorf("caches %v: %v bytes together, want %v", caches, got, want)
		}
	}
	if caches := memoryOf(true).Points[0].Caches; len(caches) != 2 {
		t.Errorf("caches that grow with sockets: %v, want TCP and filp", caches)
	}
}

func TestParseSlabs(t *testing.T) {
	const text = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit>
TCP                  130    221   2368   13    8 : tunables    0    0    0 : slabdata     17     17      0
`
	caches := parseSlabs(text)
	if want := int64(130 * 8 / 13 * os.Getpagesize()); len(caches) != 1 || caches["TCP"] != want {
		t.Errorf("caches are %v, want TCP with %d bytes", caches, want)
	}
}

func TestGroupedNumbers(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1_000_000: "1,000,000", -15_000: "-15,000"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

// TestGrowthOfARun measures small numbers of everything with real servers and reads the report.
func TestGrowthOfARun(t *testing.T) {
	r := &runner{gatewheel: builtNow(t), rounds: 1, duration: 50 * time.Millisecond, settle: 20 * time.Millisecond}
	res, err := r.growth([]growthSeries{
		activeSeries(3), idleSeries(50, 70), streamSeries(1, 5), routeSeries(2), peerSeries(3),
	}, []memoryCase{{h1, []int{20, 40}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range res.Series {
		for _, p := range s.Points {
			if len(p.Samples) != 1 || p.Samples[0].Requests == 0 || p.Samples[0].CPU == 0 {
				t.Errorf("%s, %d: %+v, left out: %q", s.Name, p.N, p.Samples, p.LeftOut)
			}
		}
	}
	if m := res.Memory[0]; len(m.Points) != 3 || m.Points[2].Resident == 0 || m.Points[2].Slab == 0 || m.Points[2].Sockets == 0 {
		t.Errorf("memory: %+v", m)
	}

	dir := t.TempDir()
	if err := res.write(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"active.svg", "active.png", "memory.svg", "growth.md"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	read, err := readGrowth(filepath.Join(dir, "growth.json"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(read.markdown()), string(res.markdown()); got != want {
		t.Errorf("the report of growth.json differs:\n%s\nwant\n%s", got, want)
	}
}

// builtNow returns the binary under measurement, which it builds where there is none.
func builtNow(t *testing.T) string {
	if path := built(); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "gatewheel")
	build := exec.Command("go", "build", "-o", path, "./cmd/gatewheel")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func TestUnknownSeriesAreRefused(t *testing.T) {
	for _, series := range []string{"none,activ", "active,none", "active,["} {
		if err := growth([]string{"-series", series}, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), "there is none") {
			t.Errorf("%s: %v", series, err)
		}
	}
}

// TestRequestsOfTheReaderAreNotCounted: a server that nobody loads has answered nothing in the window.
func TestRequestsOfTheReaderAreNotCounted(t *testing.T) {
	var total atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"total": %d, "connections_open": 1}`, total.Add(1))
	}))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	counted := &target{setup: &setup{port: number}, process: &process{cmd: &exec.Cmd{Process: self}}}
	done, err := counted.window(0, 20*time.Millisecond)
	if err != nil || done.requests != 0 || done.elapsed < 20*time.Millisecond {
		t.Errorf("%+v, %v, want no requests", done, err)
	}
}

func TestInterruptedGrowthHasNoResult(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	r := &runner{ctx: ctx, gatewheel: "/bin/false", rounds: 1, duration: time.Millisecond}
	res, err := r.growth([]growthSeries{activeSeries(3)}, nil)
	if !errors.Is(err, errGrowthInterrupted) || res != nil {
		t.Errorf("%v, %v", res, err)
	}
	if _, err := os.Stat(r.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder: %v", err)
	}
}

func TestPartOfAGrowthCanBeReadAgain(t *testing.T) {
	dir := t.TempDir()
	if err := (&growthResult{Memory: []memoryResult{memoryOf(true)}}).write(dir); err != nil {
		t.Fatal(err)
	}
	if res, err := readGrowth(filepath.Join(dir, "growth.json")); err != nil || len(res.Memory) != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

func TestReportOfABusyMachineWarns(t *testing.T) {
	for load, want := range map[string]bool{"2.50 0.10 0.10": true, "1.90 7.00 9.00": false, "": false} {
		res := &growthResult{Machine: machine{Processors: 2, Load: load}}
		if got := strings.Contains(string(res.markdown()), "disturbed"); got != want {
			t.Errorf("load average %q: warned: %v", load, got)
		}
	}
}

func TestFiguresOfAPage(t *testing.T) {
	page := "# Scale\n\n" + figuresBegin + "\nold\n\n" + figuresEnd + "\nmore\n"
	got, err := withFigures(page, "| new |\n")
	if want := "# Scale\n\n" + figuresBegin + "\n| new |\n\n" + figuresEnd + "\nmore\n"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if _, err := withFigures("# Scale\n", ""); err == nil || !strings.Contains(err.Error(), "it lacks") {
		t.Errorf("a page without figures: %v", err)
	}
}

// TestScalePageHasTheFiguresOfItsReport: docs/scale.md quotes docs/growth.
func TestScalePageHasTheFiguresOfItsReport(t *testing.T) {
	res, err := readGrowth("../docs/growth/growth.json")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := withFigures(string(page), string(res.figures("growth/growth.md")))
	if err != nil {
		t.Fatal(err)
	}
	if string(page) != want {
		t.Error("docs/scale.md has other figures than docs/growth: make bench-growth writes both")
	}
}
