package target_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/target"
)

// A parameter that an endpoint does not have, or that is given twice, would be ignored in silence.
func TestUnknownParametersAreRefused(t *testing.T) {
	host := newHost(t, target.Config{AllowStall: true, Counter: &counter{}})
	for url, sentence := range map[string]string{
		"/?n=1":                     `/ has no parameter "n": it takes timing`,
		"/bytes/10?size=1":          `/bytes has no parameter "size": it takes timing`,
		"/drip?sise=2":              `/drip has no parameter "sise": it takes bytes, every, size and timing`,
		"/drip?Size=2":              `/drip has no parameter "Size": it takes bytes, every, size and timing`,
		"/delay/1ms?sead=1":         `/delay has no parameter "sead": it takes seed and timing`,
		"/status/200?code=1":        `/status has no parameter "code": it takes timing`,
		"/unstable?fails=1":         `/unstable has no parameter "fails": it takes fail, seed, status and timing`,
		"/echo?before=1":            `/echo has no parameter "before": it takes after and timing`,
		"/upload?rates=1":           `/upload has no parameter "rates": it takes rate and timing`,
		"/trailers?x":               `/trailers has no parameter "x": it takes timing`,
		"/offload/1ms?seed=1":       `/offload has no parameter "seed": it takes timing`,
		"/fanout?nn=1":              `/fanout has no parameter "nn": it takes backend, deadline, delay, n, seed and timing`,
		"/events?evry=1s":           `/events has no parameter "evry": it takes every, n and timing`,
		"/count?rest=1":             `/count has no parameter "rest": it takes reset and timing`,
		"/stall/1ms?spinn=1":        `/stall has no parameter "spinn": it takes spin and timing`,
		"/ws?x=1":                   `/ws has no parameter "x"`,
		"/ws/flood?m=1":             `/ws/flood has no parameter "m"`,
		"/ws/chat?room=1":           `/ws/chat has no parameter "room"`,
		"/drip?size=1&size=2":       "size is given twice",
		"/delay/1ms?%73eed=1&seed=": "seed is given twice",
		"/bytes/1?n=%zz":            `the query cannot be read: invalid URL escape "%zz"`,
	} {
		call := host.Do(apptest.Get(url))
		if call.Status != 400 || !strings.HasPrefix(string(call.Content), sentence) {
			t.Errorf("%s: got %d %q, want 400 %q", url, call.Status, call.Content, sentence)
		}
	}
	for _, url := range []string{"/headers?any=thing&any=other", "/healthz?from=balancer", "/readyz?x"} {
		if call := host.Do(apptest.Get(url)); call.Status != 200 {
			t.Errorf("%s: %d", url, call.Status)
		}
	}
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	host := newHost(t, target.Config{AllowStall: true, Counter: &counter{}})
	const reading, content = "GET, HEAD", "DELETE, GET, HEAD, PATCH, POST, PUT"
	for path, allowed := range map[string]string{
		"/": reading, "/bytes/1": reading, "/bytes": reading, "/stream/1": reading, "/drip?bytes=1": reading, "/delay/0s": reading,
		"/status/200": reading, "/unstable?fail=0": reading, "/trailers": reading, "/offload/0s": reading, "/fanout?n=1": reading,
		"/events?n=1": reading, "/count": "GET, HEAD, POST", "/healthz": reading, "/readyz": reading, "/stall/0s": reading, "/ws": reading,
		"/ws/flood": reading, "/ws/chat": reading, "/echo": content, "/upload": content, "/headers": content,
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} {
			call := host.Do(&apptest.Request{Method: method, Target: path})
			want := slices.Contains(strings.Split(allowed, ", "), method)
			if got := call.Status != 405; got != want {
				t.Errorf("%s %s: %d, allowed are %s", method, path, call.Status, allowed)
			}
			if !want {
				names := strings.Split(call.Header.Get("Allow"), ", ")
				slices.Sort(names)
				if got := strings.Join(names, ", "); got != allowed {
					t.Errorf("%s %s: Allow is %q, want %q", method, path, got, allowed)
				}
			}
		}
	}
}

func TestEchoAfterTheContentIsComplete(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Start(&apptest.Request{Method: "POST", Target: "/echo?after=1", Open: true, Fields: apptest.Post("", "text/x", "").Fields})
	part := strings.Repeat("x", 100_000)
	for range 3 {
		call.Send(part)
		if call.Status != 0 {
			t.Fatalf("answered %d before the content was complete", call.Status)
		}
	}
	call.End()
	if call.Status != 200 || string(call.Content) != part+part+part || call.Length != 300_000 || call.Header.Get("Content-Type") != "text/x" {
		t.Errorf("got %d, %d bytes of %d, %v", call.Status, len(call.Content), call.Length, call.Header)
	}
	if call = host.Do(apptest.Get("/echo?after=1")); call.Status != 200 || len(call.Content) > 0 {
		t.Errorf("without content: %d, %q", call.Status, call.Content)
	}
	const sentence = "/echo?after=1 takes 16777216 bytes at most\n"
	if call = host.Start(&apptest.Request{Method: "PUT", Target: "/echo?after=1", Open: true, Length: 16<<20 + 1}); call.Status != 413 || string(call.Content) != sentence {
		t.Errorf("announced too much: %d %q", call.Status, call.Content)
	}
	call = host.Start(&apptest.Request{Method: "PUT", Target: "/echo?after=1", Open: true})
	call.Send(strings.Repeat("x", 16<<20))
	if call.Status != 0 {
		t.Errorf("the largest content is answered %d", call.Status)
	}
	if call.Send("x"); call.Status != 413 || string(call.Content) != sentence {
		t.Errorf("too much: %d %q", call.Status, call.Content)
	}
}

// What all requests hold together is bounded, and given back when they are answered, refused or left.
func TestEchoAfterIsBoundedForAll(t *testing.T) {
	host := newHost(t, target.Config{})
	begin := func() *apptest.Call {
		call := host.Start(&apptest.Request{Method: "PUT", Target: "/echo?after=1", Open: true})
		call.Send(strings.Repeat("x", 16<<20))
		return call
	}
	var calls []*apptest.Call
	for range 16 {
		calls = append(calls, begin())
	}
	for range 2 {
		if call := begin(); call.Status != 503 {
			t.Fatalf("beyond the bound: %d", call.Status)
		}
	}
	calls[0].End()
	calls[1].Leave()
	for i := range 2 {
		if call := begin(); call.Status != 0 {
			t.Errorf("%d: room was given back, answered %d", i, call.Status)
		}
	}
	if call := begin(); call.Status != 503 {
		t.Errorf("beyond the bound again: %d", call.Status)
	}
}

func TestServerTiming(t *testing.T) {
	now := time.Time{}
	host := newHost(t, target.Config{Now: func() time.Time { return now }})
	now = host.Loop(0).Now().Add(1500 * time.Microsecond) // the handler begins this long after the head
	call := host.Start(apptest.Get("/delay/20ms?timing=1"))
	now = now.Add(20 * time.Millisecond)
	host.Advance(20 * time.Millisecond)
	if got := call.Header.Get("Server-Timing"); call.Status != 200 || got != "queue;dur=1.500, handler;dur=20.000, first-byte;dur=21.500" {
		t.Errorf("%d, Server-Timing is %q", call.Status, got)
	}
	for _, path := range []string{"/?timing=1", "/bytes/1MiB?timing=1", "/echo?timing=1", "/trailers?timing=1", "/status/404?timing=1"} {
		call := host.Do(apptest.Get(path))
		if !regexp.MustCompile(`^queue;dur=[0-9.]+, handler;dur=0\.000, first-byte;dur=[0-9.]+$`).MatchString(call.Header.Get("Server-Timing")) {
			t.Errorf("%s: Server-Timing is %q", path, call.Header.Get("Server-Timing"))
		}
	}
	for _, path := range []string{"/", "/?timing=0", "/bytes/1"} {
		if call := host.Do(apptest.Get(path)); call.Header.Has("Server-Timing") {
			t.Errorf("%s: Server-Timing is %q", path, call.Header.Get("Server-Timing"))
		}
	}
	if call := host.Do(apptest.Get("/?timing=yes")); call.Status != 400 {
		t.Errorf("timing=yes: %d", call.Status)
	}
}

// delays asks for n delays, each with its own seed, and returns them in order.
func delays(t *testing.T, host *apptest.Host, distribution string, n int) []time.Duration {
	t.Helper()
	var all []time.Duration
	for seed := range n {
		call := host.Start(apptest.Get(fmt.Sprintf("/delay/%s?seed=%d", distribution, seed)))
		host.Advance(time.Hour)
		var d time.Duration
		var err error
		if text, ok := strings.CutPrefix(strings.TrimSpace(string(call.Content)), "after "); !ok {
			t.Fatalf("answered %d %q", call.Status, call.Content)
		} else if d, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

// The same seeds make the same delays, and they have the percentiles that were asked for.
func TestDelaysByPercentiles(t *testing.T) {
	host := newHost(t, target.Config{})
	const n = 4000
	drawn := delays(t, host, "p10=1ms,p50=10ms,p90=20ms,p99=200ms", n)
	if again := delays(t, host, "p10=1ms,p50=10ms,p90=20ms,p99=200ms", 100); !slices.Equal(again, drawn[:100]) {
		t.Error("the same seeds have drawn other delays")
	}
	slices.Sort(drawn)
	for d, want := range map[time.Duration]float64{500 * time.Microsecond: 5, time.Millisecond: 10, 5500 * time.Microsecond: 30, 10 * time.Millisecond: 50, 20 * time.Millisecond: 90} {
		at, _ := slices.BinarySearch(drawn, d)
		if got := 100 * float64(at) / n; math.Abs(got-want) > 2 {
			t.Errorf("%.1f %% are below %v, want %v", got, d, want)
		}
	}
	if drawn[n-1] != 200*time.Millisecond {
		t.Errorf("the longest is %v", drawn[n-1])
	}
}

func TestSeedsRepeatEverythingThatIsDrawn(t *testing.T) {
	host := newHost(t, target.Config{})
	fails := 0
	for seed := range 1000 {
		path := "/unstable?fail=0.3&seed=" + strconv.Itoa(seed)
		first, second := host.Do(apptest.Get(path)).Status, host.Do(apptest.Get(path)).Status
		if first != second {
			t.Errorf("seed %d: %d, then %d", seed, first, second)
		}
		if first == 503 {
			fails++
		}
	}
	if fails < 250 || fails > 350 {
		t.Errorf("%d of 1000 seeds fail, want about 300", fails)
	}
	gather := func() string {
		call := host.Start(apptest.Get("/fanout?n=50&delay=1ms:1,5s:1&deadline=1s&seed=7"))
		host.Advance(10 * time.Second)
		return string(call.Content)
	}
	if first, second := gather(), gather(); first != second || !strings.Contains(first, `"missing":2`) {
		t.Errorf("seed 7: %s, then %s", first, second)
	}
}

func TestWrongDistributions(t *testing.T) {
	host := newHost(t, target.Config{})
	for text, sentence := range map[string]string{
		"p50":                 `p50 is a duration such as 150ms or 2s, not ""`,
		"p50=soon":            `p50 is a duration such as 150ms or 2s, not "soon"`,
		"p101=1s":             `the delay has percentiles such as p50=10ms,p99.9=200ms, not "p101=1s"`,
		"p50=1ms,1s":          `the delay has percentiles such as p50=10ms,p99.9=200ms, not "1s"`,
		"p99=1s,p50=1ms":      "the delay has percentiles in rising order, not p50=1ms behind the one before",
		"p50=1s,p99=1ms":      "the delay has percentiles in rising order, not p99=1ms behind the one before",
		"1ms?seed=-1":         `seed is a whole number, not "-1"`,
		"p50=1ms,p99=2h":      "p99 is at most 1h0m0s, not 2h",
		"pNaN=1ms":            `the delay has percentiles such as p50=10ms,p99.9=200ms, not "pNaN=1ms"`,
		"1ms:90,p99=20ms":     `the delay is a duration such as 150ms or 2s, not "p99=20ms"`,
		"p50=1ms,p50=2ms":     "the delay has percentiles in rising order, not p50=2ms behind the one before",
		"p0=1ms,p50=1ms,p=1s": `the delay has percentiles such as p50=10ms,p99.9=200ms, not "p=1s"`,
	} {
		call := host.Do(apptest.Get("/delay/" + text))
		if call.Status != 400 || string(call.Content) != sentence+"\n" {
			t.Errorf("%s: got %d %q, want 400 %q", text, call.Status, call.Content, sentence)
		}
	}
}
