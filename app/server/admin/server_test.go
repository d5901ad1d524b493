//go:build linux

package admin

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCommands(t *testing.T) {
	s, did := attacked(t, "127.0.0.1:0", "")
	if got := s.want(200, "POST", "/log?level=debug"); !strings.Contains(got, `"debug"`) || did.level.Level() != zap.DebugLevel {
		t.Errorf("answered %q, level %v", got, did.level)
	}
	for _, level := range []string{"", "loud", "fatal", "DEBUG"} {
		s.want(400, "POST", "/log?level="+level)
	}
	if did.level.Level() != zap.DebugLevel {
		t.Errorf("level %v", did.level)
	}
	wrong := errors.New("gateway.yaml:3:7: 99 is not a status\ngateway.yaml:4:1: another")
	did.wrong.Store(&wrong)
	if got := s.want(422, "POST", "/reload"); got != wrong.Error()+"\n" {
		t.Errorf("answered %q", got)
	}
	s.want(202, "POST", "/drain")
	if n := did.drains.Load(); n != 1 {
		t.Errorf("%d drains", n)
	}
}

func TestReadiness(t *testing.T) {
	var state atomic.Value
	state.Store(StateStarting)
	s := start(t, "127.0.0.1:0", "", Options{Ready: func() State { return state.Load().(State) }})
	for _, c := range []struct {
		state  State
		status int
	}{{StateStarting, 503}, {StateReady, 200}, {StateDraining, 503}} {
		state.Store(c.state)
		if got := s.want(c.status, "GET", "/readyz"); got != string(c.state)+"\n" {
			t.Errorf("%s: %q", c.state, got)
		}
		s.want(200, "GET", "/healthz")
		s.want(200, "GET", "/version")
		other := 200
		if c.state == StateStarting {
			other = 503
		}
		s.want(other, "GET", "/")
	}
}

func TestLists(t *testing.T) {
	var asked ConnectionQuery
	stalls := &Stalls{}
	for i := range maxStalls + 5 {
		stalls.Add(Stall{Loop: i, Stack: strings.Repeat("x", 2*maxStack)})
	}
	s := start(t, "127.0.0.1:0", "", Options{
		Connections: func(q ConnectionQuery) Connections { asked = q; return Connections{Stalled: []int{1}} },
		Requests: func(limit int, format string) (Requests, error) {
			if format == "%q %Q" {
				return Requests{}, errors.New("there is no atom %Q at byte 3")
			}
			return Requests{Requests: make([]Request, min(limit, 3))}, nil
		},
		Stalls: stalls,
	})
	s.want(200, "GET", "/connections")
	if asked != (ConnectionQuery{-1, "age", defaultLimit}) {
		t.Errorf("asked for %+v", asked)
	}
	s.want(200, "GET", "/connections?loop=3&sort=bytes_out&limit=7")
	if asked != (ConnectionQuery{3, "bytes_out", 7}) {
		t.Errorf("asked for %+v", asked)
	}
	for target, says := range map[string]string{
		"/connections?loop=x":           `loop is a number from 0 to 65536, not "x"`,
		"/connections?limit=1000000":    "limit is a number from 0 to 10000",
		"/connections?sort=peer":        `sort is one of age, idle, requests, bytes_in, bytes_out, not "peer"`,
		"/connections?order=age":        `there is no parameter "order"`,
		"/requests?limit=-1":            "limit is a number",
		"/requests?format=%25q%20%25Q":  "there is no atom %Q at byte 3",
		"/debug/pprof/profile?seconds=": "", // the default: not asked here
	} {
		if says != "" {
			if got := s.want(400, "GET", target); !strings.Contains(got, says) {
				t.Errorf("%s: %q, want %q", target, got, says)
			}
		}
	}
	var requests Requests
	if s.get("/requests?limit=2", &requests); len(requests.Requests) != 2 {
		t.Errorf("%+v", requests)
	}
	var kept struct{ Stalls []Stall }
	if s.get("/stalls", &kept); len(kept.Stalls) != maxStalls || kept.Stalls[0].Loop != maxStalls+4 || len(kept.Stalls[0].Stack) > maxStack+3 {
		t.Errorf("%d stalls, the newest is of %d", len(kept.Stalls), kept.Stalls[0].Loop)
	}
	for _, path := range []string{"/loops", "/backends", "/metrics", "/config", "/count"} {
		s.want(404, "GET", path) // not there without a source
	}
}

// One profile is taken at a time, for a bounded time, and ends when its client leaves.
func TestProfiles(t *testing.T) {
	s := start(t, "127.0.0.1:0", "", Options{})
	if got := s.want(200, "GET", "/debug/pprof/goroutine?debug=1"); !strings.Contains(got, "goroutine profile: total") {
		t.Errorf("%.100q", got)
	}
	for _, name := range []string{"heap", "allocs", "block", "mutex", "threadcreate"} {
		s.want(200, "GET", "/debug/pprof/"+name)
	}
	s.want(404, "GET", "/debug/pprof/cmdline")
	s.want(404, "GET", "/debug/pprof/symbol")
	s.want(400, "GET", "/debug/pprof/profile?seconds=61")
	s.want(400, "GET", "/debug/pprof/trace?seconds=11")
	if got := s.want(200, "GET", "/debug/pprof/trace?seconds=0"); !strings.HasPrefix(got, "go 1.") {
		t.Errorf("%.20q", got)
	}

	c, err := net.Dial("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /debug/pprof/profile?seconds=60 HTTP/1.1\r\nHost: %s\r\n\r\n", s.address)
	for s.profile.TryLock() {
		s.profile.Unlock()
		time.Sleep(time.Millisecond)
	}
	s.want(503, "GET", "/debug/pprof/heap")
	_ = c.Close()
	for deadline := time.Now().Add(patience); !s.profile.TryLock(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the profile goes on without its client")
		}
	}
	s.profile.Unlock()
}

// event reads one server-sent event.
func event(t *testing.T, r *bufio.Reader) (shot Snapshot) {
	t.Helper()
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(line, "data: ")
	if blank, err := r.ReadString('\n'); !ok || blank != "\n" || err != nil {
		t.Fatalf("%q, %q, %v", line, blank, err)
	}
	if err := json.Unmarshal([]byte(text), &shot); err != nil {
		t.Fatal(err)
	}
	return shot
}

// A snapshot is computed once a second for all viewers, and not at all for none. Viewers are bounded.
func TestViewers(t *testing.T) {
	var computed atomic.Int64
	s := start(t, "127.0.0.1:0", "", Options{Totals: func() Totals {
		n := computed.Add(1)
		return Totals{Requests: map[string]map[int]uint64{"HTTP/1.1": {200: uint64(100 * n)}}, Errors: map[string]uint64{"panic": uint64(n)}}
	}})
	var viewers []*http.Response
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range maxViewers {
		resp, err := client.Get("http://" + s.address + "/events")
		if err != nil {
			t.Fatal(err)
		}
		viewers = append(viewers, resp)
	}
	s.want(503, "GET", "/events")
	for _, v := range []*http.Response{viewers[0], viewers[maxViewers-1]} {
		if v.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%v", v.Header)
		}
		r := bufio.NewReader(v.Body)
		first, second := event(t, r), event(t, r)
		passed := second.Time.Sub(first.Time)
		if p := second.Protocols[0]; passed < snapshotInterval/2 || p.Rate <= 0 || p.Total != first.Protocols[0].Total+100 {
			t.Errorf("%v later: %+v", passed, p)
		}
	}
	for _, v := range viewers {
		_ = v.Body.Close()
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		s.watch.mu.Lock()
		runs := s.watch.running
		s.watch.mu.Unlock()
		if !runs {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("snapshots are computed for nobody")
		}
	}
	if n := computed.Load(); n > 60 {
		t.Errorf("%d snapshots for %d viewers", n, maxViewers)
	}
}

// Peers that send nothing, or a head slowly, do not keep an operator out.
func TestSlowClientsGiveWay(t *testing.T) {
	s := start(t, "127.0.0.1:0", "", Options{})
	for i := range 3 * maxConnections {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nX")
		}
	}
	s.want(200, "GET", "/healthz")
	s.want(431, "GET", "/healthz", "X: "+strings.Repeat("x", 64<<10))
}

// A loop that does not run its task is measured by what it has waited, and the others are not kept.
func TestLagOfAStalledLoop(t *testing.T) {
	var p LagProbe
	var stalled func()
	p.Add(func(task func()) { task() })
	p.Add(func(task func()) { stalled = task })
	p.Add(func(task func()) { go task() })
	lags := p.Measure()
	if len(lags) != 3 || lags[0] >= StalledLag || lags[1] < lagPatience || lags[2] >= lagPatience {
		t.Errorf("%v", lags)
	}
	before := stalled
	stalled = nil
	if again := p.Measure(); again[1] <= lags[1] || stalled != nil {
		t.Errorf("%v, a second task: %v", again, stalled != nil)
	}
	before()
	if later := p.Measure(); stalled == nil || later[1] < lagPatience {
		t.Errorf("%v", later)
	}
}

func TestQuantiles(t *testing.T) {
	h := Histogram{Bounds: []float64{1, 2, 4}, Counts: []uint64{0, 50, 40, 10}}
	for q, want := range map[float64]float64{0.25: 1.5, 0.5: 2, 0.7: 3, 0.9: 4, 0.99: 4} {
		if got := h.quantile(q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if got := (Histogram{}).quantile(0.5); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	if d := h.minus(Histogram{Counts: []uint64{0, 50, 0, 0}}); d.quantile(0.1) != 2.25 {
		t.Errorf("%v", d)
	}
}

func TestRecentLines(t *testing.T) {
	r := NewRecent()
	log := zap.New(r).With(zap.String("service", "x y"))
	log.Info("not kept")
	for i := range maxLines + 1 {
		log.Warn("line", zap.Int("i", i), zap.Error(errors.New("\x1b[31m<b>")), zap.String("stack", "left out"))
	}
	log.Error(strings.Repeat("x", 2*maxText) + "\xff")
	lines := r.ring.newest(maxLines)
	if len(lines) != maxLines || len(lines[0].Message) > maxText+3 || lines[0].Level != "error" {
		t.Errorf("%d lines, the newest is %.20q", len(lines), lines[0].Message)
	}
	if want := `error="\x1b[31m<b>" i=200 service="x y"`; lines[1].Fields != want {
		t.Errorf("%s, want %s", lines[1].Fields, want)
	}
}
