package limit_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/gateway/limit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func served(*app.Request) app.Answer { return app.Ready(app.Text(200, "served\n")) }

// newRate returns a limit with those options.
func newRate(t *testing.T, o limit.RateOptions) *limit.Rate {
	t.Helper()
	l, err := limit.NewRate(o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// from returns a request of the client with that address.
func from(address string) *apptest.Request {
	r := apptest.Get("/")
	r.Conn = &app.ConnInfo{}
	if address != "" {
		r.Conn.Peer = netip.AddrPortFrom(netip.MustParseAddr(address), 1234)
	}
	return r
}

// statuses returns the statuses of n equal requests.
func statuses(h *apptest.Host, r *apptest.Request, n int) (got []int) {
	for range n {
		copied := *r
		got = append(got, h.Do(&copied).Status)
	}
	return got
}

func TestRate(t *testing.T) {
	h := apptest.New(newRate(t, limit.RateOptions{Count: 2, Burst: 3}).Middleware(served))
	for _, step := range []struct {
		after time.Duration
		n     int
		want  []int
	}{
		{0, 4, []int{200, 200, 200, 429}},
		{499 * time.Millisecond, 1, []int{429}},
		{time.Millisecond, 2, []int{200, 429}},
		{time.Second, 3, []int{200, 200, 429}},
		{time.Hour, 5, []int{200, 200, 200, 429, 429}},
	} {
		h.Advance(step.after)
		if got := statuses(h, from("192.0.2.1"), step.n); fmt.Sprint(got) != fmt.Sprint(step.want) {
			t.Errorf("after %v: %v, want %v", step.after, got, step.want)
		}
	}
	if got := statuses(h, from("192.0.2.2"), 1); got[0] != 200 {
		t.Errorf("another client: %v", got)
	}
}

func TestRateRetryAfter(t *testing.T) {
	h := apptest.New(newRate(t, limit.RateOptions{Count: 6, Per: time.Minute, Burst: 1}).Middleware(served))
	h.Do(from("192.0.2.1"))
	for _, step := range []struct {
		after time.Duration
		want  string
	}{{0, "10"}, {time.Millisecond, "10"}, {999 * time.Millisecond, "9"}, {8500 * time.Millisecond, "1"}} {
		h.Advance(step.after)
		c := h.Do(from("192.0.2.1"))
		if got := c.Header.Get("Retry-After"); c.Status != 429 || got != step.want {
			t.Errorf("after %v more: %d, Retry-After %q, want %q", step.after, c.Status, got, step.want)
		}
	}
}

func TestRateKeys(t *testing.T) {
	for _, c := range []struct {
		name, header string
		a, b         *apptest.Request
		same         bool
	}{
		{"an IPv4 address", "", from("192.0.2.1"), from("192.0.2.1"), true},
		{"two IPv4 addresses", "", from("192.0.2.1"), from("192.0.2.2"), false},
		{"an IPv4 address mapped to IPv6", "", from("192.0.2.1"), from("::ffff:192.0.2.1"), true},
		{"one IPv6 network of 64 bits", "", from("2001:db8:0:1::1"), from("2001:db8:0:1:ffff::2"), true},
		{"two IPv6 networks of 64 bits", "", from("2001:db8:0:1::1"), from("2001:db8:0:2::1"), false},
		{"clients on unix sockets", "", from(""), from(""), true},
		{"equal field values", "X-Key", apptest.Get("/", "x-key", "a"), apptest.Get("/", "X-KEY", "a"), true},
		{"different field values", "X-Key", apptest.Get("/", "X-Key", "a"), apptest.Get("/", "X-Key", "b"), false},
		{"no field: the client", "X-Key", from("192.0.2.1"), from("192.0.2.1"), true},
		{"no field: two clients", "X-Key", from("192.0.2.1"), from("192.0.2.2"), false},
	} {
		h := apptest.New(newRate(t, limit.RateOptions{Count: 1, Header: c.header}).Middleware(served))
		first, second := h.Do(c.a).Status, h.Do(c.b).Status
		if first != 200 || (second == 429) != c.same {
			t.Errorf("%s: %d, then %d", c.name, first, second)
		}
	}
}

// TestRateKeysAreBounded makes more keys than the limit counts. The client that is limited most stays
// limited.
func TestRateKeysAreBounded(t *testing.T) {
	l := newRate(t, limit.RateOptions{Count: 1, Burst: 50, Keys: 64})
	h := apptest.New(l.Middleware(served))
	statuses(h, from("192.0.2.1"), 51)
	for i := range 5000 {
		h.Do(from(fmt.Sprintf("10.0.%d.%d", i/250, i%250)))
	}
	if got := statuses(h, from("192.0.2.1"), 1); got[0] != 429 {
		t.Errorf("after 5000 other clients: %v", got)
	}
	if got := l.Stats(); got.Evicted == 0 || got.Refused < 2 {
		t.Errorf("counters: %+v", got)
	}
	h.Advance(time.Hour)
	before := l.Stats().Evicted
	h.Do(from("10.1.1.1"))
	if after := l.Stats().Evicted; after != before {
		t.Errorf("a key whose time is over counts as evicted: %d, then %d", before, after)
	}
}

func TestRateOptionsRefused(t *testing.T) {
	for _, o := range []limit.RateOptions{
		{}, {Count: -1}, {Count: 1, Per: -1}, {Count: 1, Burst: -1}, {Count: 1, Keys: -1}, {Count: 1, Header: "a b"},
		{Count: 1, Per: 24 * time.Hour, Burst: 1 << 30},
	} {
		if _, err := limit.NewRate(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

// TestRateIsExactOnAllLoops lets many goroutines ask for one key at one time.
func TestRateIsExactOnAllLoops(t *testing.T) {
	l := newRate(t, limit.RateOptions{Count: 1, Per: time.Hour, Burst: 1000})
	const loops = 8
	var passed atomic.Int64
	var wait sync.WaitGroup
	for range loops {
		h := apptest.New(served)
		r := h.Do(from("192.0.2.1")).Request
		wait.Go(func() {
			for range 500 {
				if wait, _ := l.Check(r).Result(); wait == 0 {
					passed.Add(1)
				}
			}
		})
	}
	wait.Wait()
	// Taking the slot at once may count a request of each loop apart.
	if n := passed.Load(); n < 1000 || n > 1000+loops {
		t.Errorf("%d requests of 4000 passed, want 1000", n)
	}
}

func TestRateAllocatesNothing(t *testing.T) {
	for name, o := range map[string]limit.RateOptions{"client": {Count: 1e9, Burst: 1e6}, "header": {Count: 1e9, Burst: 1e6, Header: "X-Key"}} {
		l := newRate(t, o)
		r := apptest.New(served).Do(apptest.Get("/", "X-Key", "abcdefgh")).Request
		if n := testing.AllocsPerRun(1000, func() { l.Check(r) }); n != 0 {
			t.Errorf("%s: %v allocations a request", name, n)
		}
	}
}

func BenchmarkRate(b *testing.B) {
	l, err := limit.NewRate(limit.RateOptions{Count: 1e9})
	if err != nil {
		b.Fatal(err)
	}
	r := apptest.New(served).Do(from("192.0.2.1")).Request
	for b.Loop() {
		l.Check(r)
	}
}

func TestConcurrency(t *testing.T) {
	l := limit.NewConcurrency(2)
	answers := []*app.Promise[*app.Response]{}
	h := apptest.New(l.Middleware(func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		answers = append(answers, p)
		return f
	}))
	first, second := h.Do(apptest.Get("/")), h.Do(apptest.Get("/"))
	if c := h.Do(apptest.Get("/")); c.Status != 503 || c.Header.Get("Retry-After") == "" {
		t.Errorf("the third request: %d %v", c.Status, c.Header)
	}
	answers[0].Resolve(app.Text(200, "done\n"))
	h.Settle()
	if third := h.Do(apptest.Get("/")); first.Status != 200 || third.Status != 0 {
		t.Errorf("first %d, third %d", first.Status, third.Status)
	}
	second.Leave()
	h.Settle()
	if got := l.Current(); got != 1 {
		t.Errorf("%d requests count when one is left", got)
	}
	if fourth := h.Do(apptest.Get("/")); fourth.Status != 0 {
		t.Errorf("the place of a client that has left is not free: %d", fourth.Status)
	}
	if got := l.Refused(); got != 1 {
		t.Errorf("%d requests refused, want 1", got)
	}
	for _, p := range answers {
		p.Resolve(app.Empty(204))
	}
	h.Settle()
}

// TestConcurrencyCountsContent has a response whose content the client has not taken.
func TestConcurrencyCountsContent(t *testing.T) {
	l := limit.NewConcurrency(1)
	h := apptest.New(l.Middleware(func(*app.Request) app.Answer {
		return app.Ready(app.Pulled(200, "text/plain", 1<<20, func(p []byte) (int, error) { return len(p), nil }))
	}))
	slow := h.Do(&apptest.Request{Target: "/", Slow: true, Room: 1})
	if again := h.Do(apptest.Get("/")); slow.Status != 200 || again.Status != 503 {
		t.Errorf("slow %d, the next %d", slow.Status, again.Status)
	}
	slow.Leave()
	h.Settle()
	if got := l.Current(); got != 0 {
		t.Errorf("%d requests count in the end", got)
	}
}
