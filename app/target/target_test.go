package target_test

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/target"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newHost(t *testing.T, config target.Config) *apptest.Host {
	t.Helper()
	handler, err := target.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return apptest.New(handler)
}

// A status without content has none, whichever endpoint answers with it.
func TestStatusesWithoutContent(t *testing.T) {
	host := newHost(t, target.Config{})
	for _, code := range []int{204, 205, 304} {
		for _, path := range []string{"/status/%d", "/unstable?fail=1&status=%d"} {
			call := host.Do(apptest.Get(fmt.Sprintf(path, code)))
			if call.Status != code || len(call.Content) > 0 || call.Header.Has("Content-Type") {
				t.Errorf(path+": %d, %v, %q", code, call.Status, call.Header, call.Content)
			}
		}
	}
}

func TestWrongParametersGetOneClearSentence(t *testing.T) {
	host := newHost(t, target.Config{AllowStall: true})
	for url, sentence := range map[string]string{
		"/bytes/x":    `n is a number of bytes such as 512, 64KiB or 1MiB, not "x"`,
		"/bytes/-1":   `n is a number of bytes such as 512, 64KiB or 1MiB, not "-1"`,
		"/bytes/2GiB": "n is at most 1073741824 bytes, not 2GiB",
		"/stream/1KB": `n is a number of bytes such as 512, 64KiB or 1MiB, not "1KB"`,
		"/delay/" + strings.Repeat("0s,", 100) + "0s": "the delay has 100 choices at most",
		"/delay/soon":               `the delay is a duration such as 150ms or 2s, not "soon"`,
		"/delay/-1s":                `the delay is a duration such as 150ms or 2s, not "-1s"`,
		"/delay/2h":                 "the delay is at most 1h0m0s, not 2h",
		"/delay/1ms:x":              `the weight behind 1ms is a whole number, not "x"`,
		"/delay/1ms:0":              "one weight at least is above 0",
		"/status/99":                `the status is a number from 200 to 599, not "99"`,
		"/upload?rate=fast":         `rate is a number of bytes such as 512, 64KiB or 1MiB, not "fast"`,
		"/upload?rate=0":            "rate is at least 1 byte a second",
		"/drip?size=0":              "size is at least 1 byte",
		"/drip?every=x":             `every is a duration such as 150ms or 2s, not "x"`,
		"/unstable?fail=2":          `fail is a share from 0 to 1, not "2"`,
		"/unstable?status=1":        `status is a number from 200 to 599, not "1"`,
		"/fanout?n=0":               `n is a number from 1 to 1000, not "0"`,
		"/fanout?deadline=tomorrow": `deadline is a duration such as 150ms or 2s, not "tomorrow"`,
		"/offload/x":                `the duration is a duration such as 150ms or 2s, not "x"`,
		"/stall/x":                  `the duration is a duration such as 150ms or 2s, not "x"`,
		"/stall/1ms?spin=yes":       `spin is 0 or 1, not "yes"`,
		"/status/+200":              `the status is a number from 200 to 599, not "+200"`,
		"/bytes":                    `n is a number of bytes such as 512, 64KiB or 1MiB, not ""`,
		"/stream/":                  `n is a number of bytes such as 512, 64KiB or 1MiB, not ""`,
		"/bytes/1/2":                `n is a number of bytes such as 512, 64KiB or 1MiB, not "1/2"`,
		"/delay":                    `the delay is a duration such as 150ms or 2s, not ""`,
		"/offload/":                 `the duration is a duration such as 150ms or 2s, not ""`,
		"/upload?rate=%zz":          `the query cannot be read: invalid URL escape "%zz"`,
		"/drip?bytes=1;size=1":      "the query cannot be read: invalid semicolon separator in query",
		"/fanout?delay=1ms:":        `the weight behind 1ms is a whole number, not ""`,
	} {
		call := host.Do(apptest.Get(url))
		if call.Status != 400 || string(call.Content) != sentence+"\n" {
			t.Errorf("%s: got %d %q, want 400 %q", url, call.Status, call.Content, sentence)
		}
	}
}

func TestHello(t *testing.T) {
	call := newHost(t, target.Config{}).Do(apptest.Get("/"))
	if call.Status != 200 || string(call.Content) != "Hello, World!" || call.Header.Get("Content-Type") != "text/plain" {
		t.Fatalf("got %d %v %q", call.Status, call.Header, call.Content)
	}
}

func TestBytesAndStreamGiveTheSamePattern(t *testing.T) {
	host := newHost(t, target.Config{})
	long := host.Do(apptest.Get("/bytes/200KiB"))
	if long.Length != 200<<10 || len(long.Content) != 200<<10 || !long.Complete {
		t.Fatalf("length %d, got %d bytes", long.Length, len(long.Content))
	}
	for _, n := range []int{0, 1, 63, 64, 4096, 65535, 65536, 65537, 131072, 200 << 10} {
		for _, endpoint := range []string{"bytes", "stream"} {
			call := host.Do(apptest.Get(fmt.Sprintf("/%s/%d", endpoint, n)))
			if !call.Complete || string(call.Content) != string(long.Content[:n]) {
				t.Errorf("%s of %d: %d bytes, complete %v", endpoint, n, len(call.Content), call.Complete)
			}
			if declared := call.Length >= 0; declared != (endpoint == "bytes") {
				t.Errorf("%s of %d: length %d", endpoint, n, call.Length)
			}
		}
	}
}

func TestStreamWaitsForASlowPeer(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Do(&apptest.Request{Target: "/stream/1MiB", Slow: true, Room: 1000})
	if call.Accepted() != 1000 {
		t.Fatalf("accepted %d ahead of the peer", call.Accepted())
	}
	for len(call.Take(1000)) > 0 {
		if call.Accepted() > 1000 {
			t.Fatalf("accepted %d ahead of the peer", call.Accepted())
		}
	}
	if !call.Complete || len(call.Content) != 1<<20 {
		t.Fatalf("%d bytes, complete %v", len(call.Content), call.Complete)
	}
}

func TestEchoStreamsBackWhileTheContentArrives(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Do(&apptest.Request{
		Method: "POST", Target: "/echo", Body: "one ", Open: true,
		Fields: app.Fields{{Name: "content-type", Value: "text/x-test"}},
	})
	if string(call.Content) != "one " || call.Header.Get("Content-Type") != "text/x-test" {
		t.Fatalf("got %q %v", call.Content, call.Header)
	}
	call.Send("two")
	if string(call.Content) != "one two" || call.Complete {
		t.Fatalf("got %q", call.Content)
	}
	call.End()
	if !call.Complete {
		t.Fatal("the end has not come through")
	}
}

func TestEchoReadsNoFasterThanThePeerTakes(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Do(&apptest.Request{Target: "/echo", Body: strings.Repeat("x", 1<<20), Slow: true, Room: 100})
	if read := 1<<20 - call.Unread(); read > 64<<10 {
		t.Fatalf("has read %d bytes for a peer that takes nothing", read)
	}
}

func TestUploadTellsLengthAndHash(t *testing.T) {
	host := newHost(t, target.Config{})
	body := strings.Repeat("0123456789", 10000)
	call := host.Do(apptest.Post("/upload", "text/plain", body))
	want := fmt.Sprintf("{\"bytes\":100000,\"sha256\":\"%x\"}\n", sha256.Sum256([]byte(body)))
	if string(call.Content) != want {
		t.Fatalf("got %s want %s", call.Content, want)
	}
}

func TestUploadKeepsTheRate(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Do(apptest.Post("/upload?rate=10KiB", "text/plain", strings.Repeat("x", 100<<10)))
	for second := 1; second < 10; second++ {
		host.Advance(time.Second)
		if read := 100<<10 - call.Unread(); read > (second*10+2)<<10 || read < second*10<<10 {
			t.Fatalf("after %d s: %d bytes read", second, read)
		}
	}
	host.Advance(2 * time.Second)
	if call.Status != 200 {
		t.Fatal("not finished after 11 s")
	}
}

func TestHeadersTellWhatWasUnderstood(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Do(apptest.Get("/headers?x=1", "X-One", "1", "x-two", "2"))
	var got struct {
		Method, Target, Protocol, Peer string
		Fields                         []struct{ Name, Value string }
		TLS                            any
	}
	if err := json.Unmarshal(call.Content, &got); err != nil {
		t.Fatal(err)
	}
	if got.Method != "GET" || got.Target != "/headers?x=1" || got.Protocol != "HTTP/1.1" ||
		got.Peer != "192.0.2.1:1234" || len(got.Fields) != 2 || got.Fields[1].Name != "x-two" || got.TLS != nil {
		t.Fatalf("got %s", call.Content)
	}
}

func TestHeadersTellTheClientBehindAProxy(t *testing.T) {
	request := apptest.Get("/headers", "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https")
	request.Conn = &app.ConnInfo{
		Peer:  netip.MustParseAddrPort("10.0.0.1:1"),
		Trust: forwarded.TrustNetworks(netip.MustParsePrefix("10.0.0.0/8")),
		TLS:   &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, NegotiatedProtocol: "h2"},
	}
	call := newHost(t, target.Config{}).Do(request)
	for _, want := range []string{
		`"client":{"address":"203.0.113.7:0","scheme":"https","host":"example.com"}`,
		`"tls":{"version":"TLS 1.3","cipher":"TLS_AES_128_GCM_SHA256","alpn":"h2","resumed":false}`,
	} {
		if !strings.Contains(string(call.Content), want) {
			t.Errorf("%s is not in %s", want, call.Content)
		}
	}
}

func TestTrailersFollowTheContent(t *testing.T) {
	call := newHost(t, target.Config{}).Do(apptest.Get("/trailers"))
	if call.Trailer.Get("Content-Bytes") != fmt.Sprint(len(call.Content)) ||
		call.Trailer.Get("Content-SHA256") != fmt.Sprintf("%x", sha256.Sum256(call.Content)) {
		t.Fatalf("got %v", call.Trailer)
	}
}

func TestDripGivesOnePartAtATime(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Do(apptest.Get("/drip?bytes=10&size=3&every=1s"))
	for _, want := range []int{3, 6, 9, 10} {
		if len(call.Content) != want || call.Complete != (want == 10) {
			t.Fatalf("got %d bytes, want %d", len(call.Content), want)
		}
		host.Advance(time.Second)
	}
}

func TestDelayWaitsOnTheLoop(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Do(apptest.Get("/delay/150ms"))
	host.Advance(149 * time.Millisecond)
	if call.Status != 0 {
		t.Fatal("answered too early")
	}
	host.Advance(time.Millisecond)
	if call.Status != 200 || host.Goroutines() != 0 {
		t.Fatal("not answered after the delay")
	}
}

func TestDelayPicksFromADistribution(t *testing.T) {
	host := newHost(t, target.Config{})
	var calls []*apptest.Call
	for range 1000 {
		calls = append(calls, host.Do(apptest.Get("/delay/1ms:1,1s:1")))
	}
	host.Advance(time.Millisecond)
	early := 0
	for _, call := range calls {
		if call.Status == 200 {
			early++
		}
	}
	if early < 400 || early > 600 { // 6 standard deviations
		t.Fatalf("%d of 1000 after 1ms, want about half", early)
	}
	host.Advance(time.Second)
}

func TestOffloadSleepsOnThePool(t *testing.T) {
	call := newHost(t, target.Config{}).Do(apptest.Get("/offload/1ms"))
	if call.Status != 200 {
		t.Fatalf("got %d", call.Status)
	}
}

func TestOffloadAnswersAHalfClosedPeer(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Start(apptest.Get("/offload/50ms"))
	call.HalfClose()
	host.Settle()
	if call.Status != 200 {
		t.Fatalf("got %d", call.Status)
	}
}

func TestUnstableFailsAsOftenAsItIsTold(t *testing.T) {
	host := newHost(t, target.Config{})
	for url, want := range map[string]int{"/unstable?fail=0": 200, "/unstable?fail=1": 503, "/unstable?fail=1&status=502": 502} {
		if call := host.Do(apptest.Get(url)); call.Status != want {
			t.Errorf("%s: got %d want %d", url, call.Status, want)
		}
	}
}

func TestStatus(t *testing.T) {
	host := newHost(t, target.Config{})
	for _, code := range []int{200, 201, 204, 304, 404, 418, 500, 599} {
		if call := host.Do(apptest.Get(fmt.Sprintf("/status/%d", code))); call.Status != code {
			t.Errorf("got %d want %d", call.Status, code)
		}
	}
}

func TestFanoutAnswersWithWhatCameBeforeTheDeadline(t *testing.T) {
	host := newHost(t, target.Config{})
	call := host.Do(apptest.Get("/fanout?n=10&delay=10ms&deadline=1s"))
	host.Advance(10 * time.Millisecond)
	if !strings.HasPrefix(string(call.Content), `{"asked":10,"came":10,"missing":0,`) {
		t.Fatalf("got %s", call.Content)
	}
	call = host.Do(apptest.Get("/fanout?n=3&delay=10m&deadline=1s"))
	host.Advance(time.Second)
	if !strings.HasPrefix(string(call.Content), `{"asked":3,"came":0,"missing":3,`) {
		t.Fatalf("got %s", call.Content)
	}
	if n := host.Timers(); n > 0 {
		t.Errorf("%d timers are left of what nobody waits for", n)
	}
	host.Timeout = time.Second
	if call = host.Do(apptest.Get("/fanout?n=3&delay=10m&deadline=1h")); call.Status != 0 {
		t.Fatalf("got %d", call.Status)
	}
	host.Advance(time.Second)
	if call.Status != 503 && call.Status != 200 || host.Timers() > 1 {
		t.Errorf("got %d, and %d timers are left", call.Status, host.Timers())
	}
	host.Advance(time.Hour)
}

func TestFanoutAsksBackendsInTurn(t *testing.T) {
	host := newHost(t, target.Config{})
	var asked []string
	for _, address := range []string{"127.0.0.1:9001", "127.0.0.1:9002", "[::1]:9003"} {
		host.Answer(address, func(r *app.Request) app.Answer {
			asked = append(asked, r.Authority+r.Target)
			return app.Ready(app.Text(200, "ok"))
		})
	}
	call := host.Do(apptest.Get("/fanout?n=3&delay=5ms&backend=h2c://127.0.0.1:9001&backend=http://127.0.0.1:9002/"))
	if !strings.HasPrefix(string(call.Content), `{"asked":3,"came":3,"missing":0,`) {
		t.Errorf("got %s", call.Content)
	}
	if got := strings.Join(asked, " "); got != "127.0.0.1:9001/delay/5ms 127.0.0.1:9001/delay/5ms 127.0.0.1:9002/delay/5ms" &&
		got != "127.0.0.1:9001/delay/5ms 127.0.0.1:9002/delay/5ms 127.0.0.1:9001/delay/5ms" {
		t.Errorf("asked %s", got)
	}
	if call = host.Do(apptest.Get("/fanout?n=1&backend=h2c://[::1]:9003")); call.Status != 200 || len(asked) != 4 {
		t.Errorf("got %d", call.Status)
	}
	call = host.Do(apptest.Get("/fanout?n=1&backend=h2c://127.0.0.1:1"))
	if !strings.HasPrefix(string(call.Content), `{"asked":1,"came":0,"missing":1,`) || !strings.Contains(string(call.Content), "connect-fail") {
		t.Errorf("without a server: %s", call.Content)
	}
}

func TestFanoutAsksOtherMachinesOnlyIfAllowed(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		host := newHost(t, target.Config{AllowBackends: allowed})
		host.Answer("192.0.2.9:80", func(*app.Request) app.Answer { return app.Ready(app.Text(200, "ok")) })
		call := host.Do(apptest.Get("/fanout?n=1&backend=http://192.0.2.9"))
		if want := map[bool]int{false: 403, true: 200}[allowed]; call.Status != want {
			t.Errorf("allowed: %v: got %d, want %d", allowed, call.Status, want)
		}
	}
	host := newHost(t, target.Config{})
	for _, backend := range []string{"", "x", "http:", "http://127.0.0.1/path", "http://a@127.0.0.1", "http://localhost.evil.test", "http+unix:/x"} {
		if call := host.Do(apptest.Get("/fanout?backend=" + backend)); call.Status/100 != 4 {
			t.Errorf("backend=%s: got %d", backend, call.Status)
		}
	}
}

// What a request has begun goes with its peer, whatever it was to wait for.
func TestFanoutHoldsNothingForAPeerThatHasGone(t *testing.T) {
	host := newHost(t, target.Config{})
	host.Timeout = time.Minute
	for _, url := range []string{"/fanout?n=100&delay=10s&deadline=20s", "/fanout?n=100&delay=10m&deadline=1h"} {
		call := host.Do(apptest.Get(url))
		if host.Timers() == 0 {
			t.Fatalf("%s: nothing is waited for", url)
		}
		if call.HalfClose(); host.Timers() == 0 {
			t.Fatalf("%s: who only closes its sending side is not waited for", url)
		}
		if call.Leave(); host.Timers() > 0 {
			t.Errorf("%s: %d timers are left", url, host.Timers())
		}
	}
}

// What all requests wait for is bounded.
func TestFanoutIsBoundedForAllTogether(t *testing.T) {
	const largest = "/fanout?n=1000"
	host := newHost(t, target.Config{Ask: func(r *app.Request, _ string) app.Answer {
		_, never := app.Promised[*app.Response](r)
		return never
	}})
	var calls []*apptest.Call
	for range 100 {
		calls = append(calls, host.Do(apptest.Get(largest)))
	}
	for _, url := range []string{largest, "/fanout?n=1"} {
		if call := host.Do(apptest.Get(url)); call.Status != 503 || !strings.Contains(string(call.Content), "100000") {
			t.Errorf("%s: one too many got %d, %q", url, call.Status, call.Content)
		}
	}
	calls[0].Leave()
	if call := host.Do(apptest.Get(largest)); call.Status != 0 {
		t.Errorf("in the place of one that has left: %d", call.Status)
	}
	host.Advance(time.Second)
	if call := host.Do(apptest.Get(largest)); calls[1].Status != 200 || call.Status != 0 {
		t.Errorf("at the deadline got %d, and behind it %d", calls[1].Status, call.Status)
	}
	host.Advance(time.Second)
}

func TestADelayBeyondTheDeadlineHoldsNothing(t *testing.T) {
	host := newHost(t, target.Config{})
	host.Timeout = time.Second
	call := host.Do(apptest.Get("/delay/1h"))
	host.Advance(time.Second)
	if call.Status != 503 || host.Timers() > 0 {
		t.Errorf("got %d, and %d timers are left", call.Status, host.Timers())
	}
}

func TestReadinessTurnsWhileDraining(t *testing.T) {
	draining := false
	host := newHost(t, target.Config{Draining: func() bool { return draining }})
	if call := host.Do(apptest.Get("/readyz")); call.Status != 200 {
		t.Fatalf("got %d", call.Status)
	}
	draining = true
	if call := host.Do(apptest.Get("/readyz")); call.Status != 503 {
		t.Fatalf("draining: got %d", call.Status)
	}
	if call := host.Do(apptest.Get("/healthz")); call.Status != 200 {
		t.Fatalf("alive: got %d", call.Status)
	}
}

func TestStallIsOnlyThereWhenAllowed(t *testing.T) {
	if call := newHost(t, target.Config{}).Do(apptest.Get("/stall/1ms")); call.Status != 404 {
		t.Fatalf("got %d", call.Status)
	}
	for _, url := range []string{"/stall/1ms", "/stall/1ms?spin=1"} {
		if call := newHost(t, target.Config{AllowStall: true}).Do(apptest.Get(url)); call.Status != 200 {
			t.Fatalf("%s: got %d", url, call.Status)
		}
	}
}

func TestFilesUnderTheRoot(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := newHost(t, target.Config{Root: dir})
	for url, want := range map[string]int{
		"/file/a.txt": 200, "/file/": 200, "/file/b.txt": 404, "/file/..%2Fa.txt": 404, "/file": 307,
	} {
		if call := host.Do(apptest.Get(url)); call.Status != want {
			t.Errorf("%s: got %d want %d", url, call.Status, want)
		}
	}
	if _, err := target.New(target.Config{Root: filepath.Join(dir, "missing")}); err == nil {
		t.Error("a root that is not there is no error")
	}
}

type counter struct{ counts target.Counts }

func (c *counter) Counts() target.Counts { return c.counts }

func TestCountTellsWhatCameSinceTheReset(t *testing.T) {
	c := &counter{target.Counts{
		Requests: map[string]map[int]uint64{"HTTP/1.1": {200: 5, 404: 1}},
		BytesIn:  100, BytesOut: 200, Accepted: 3, Open: 2, Errors: map[string]uint64{"panic": 1},
	}}
	host := newHost(t, target.Config{Counter: c})
	want := `{"requests":{"HTTP/1.1":{"200":5,"404":1}},"total":6,"bytes_in":100,"bytes_out":200,"connections_accepted":3,"connections_open":2,"errors":{"panic":1}}` + "\n"
	if call := host.Do(apptest.Get("/count?reset=1")); call.Status != 405 || call.Header.Get("Allow") != "POST" {
		t.Fatalf("GET with reset=1: %d, Allow %q", call.Status, call.Header.Get("Allow"))
	}
	if call := host.Do(apptest.Post("/count?reset=1", "", "")); string(call.Content) != want {
		t.Fatalf("got %s", call.Content)
	}
	c.counts.Requests = map[string]map[int]uint64{"HTTP/1.1": {200: 7, 404: 1}, "HTTP/2.0": {200: 1}}
	c.counts.BytesIn = 130
	want = `{"requests":{"HTTP/1.1":{"200":2},"HTTP/2.0":{"200":1}},"total":3,"bytes_in":30,"bytes_out":0,"connections_accepted":0,"connections_open":2,"errors":{"panic":0}}` + "\n"
	if call := host.Do(apptest.Get("/count")); string(call.Content) != want {
		t.Fatalf("got %s", call.Content)
	}
}

// racingCounter is asked again while it answers.
type racingCounter struct {
	n     atomic.Uint64
	again func()
}

func (c *racingCounter) Counts() target.Counts {
	n := c.n.Add(1)
	if n == 1 {
		done := make(chan struct{})
		go func() { defer close(done); c.again() }()
		select {
		case <-done:
		case <-time.After(50 * time.Millisecond): // it waits for this answer
		}
	}
	return target.Counts{BytesIn: n}
}

func TestCountsOfTwoAtOnceDoNotRunBackwards(t *testing.T) {
	c := &racingCounter{}
	handler, err := target.New(target.Config{Counter: c})
	if err != nil {
		t.Fatal(err)
	}
	var again sync.WaitGroup
	again.Add(1)
	c.again = func() {
		defer again.Done()
		apptest.New(handler).Do(apptest.Post("/count?reset=1", "", ""))
	}
	call := apptest.New(handler).Do(apptest.Post("/count?reset=1", "", ""))
	again.Wait()
	if !strings.Contains(string(call.Content), `"bytes_in":1,`) {
		t.Errorf("got %s", call.Content)
	}
}
