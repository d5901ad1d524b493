package limit_test

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/gateway/limit"
	"github.com/gatewheel/gatewheel/internal/redistest"
	"github.com/gatewheel/gatewheel/internal/testport"
)

const patience = 20 * time.Second

// gateway is a host with a limit that is shared, and what it was warned of.
type gateway struct {
	*apptest.Host
	t        *testing.T
	shared   *limit.Shared
	rate     *limit.Rate
	warnings chan error
}

func newGateway(t *testing.T, address string, o limit.RateOptions) *gateway {
	t.Helper()
	g := &gateway{t: t, warnings: make(chan error, 100)}
	shared, err := limit.OpenShared(limit.SharedOptions{URL: "redis://" + address, Timeout: patience, Retry: time.Millisecond,
		Warn: func(err error) { g.warnings <- err }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shared.Close)
	g.shared = shared
	o.Shared, o.Name = shared, t.Name()
	g.rate = newRate(t, o)
	g.Host = apptest.NewLoops(g.rate.Middleware(served), 2)
	return g
}

// ask sends n requests at once and returns the sorted statuses.
func (g *gateway) ask(n int, request func() *apptest.Request) (statuses []int) {
	g.t.Helper()
	var calls []*apptest.Call
	for i := range n {
		r := request()
		r.Loop = i % 2
		calls = append(calls, g.Do(r))
	}
	for _, c := range calls {
		for end := time.Now().Add(patience); c.Status == 0; time.Sleep(time.Millisecond) {
			if g.Settle(); time.Now().After(end) {
				g.t.Fatal("no answer")
			}
		}
		statuses = append(statuses, c.Status)
	}
	slices.Sort(statuses)
	return statuses
}

func client() *apptest.Request { return from("2001:db8::1") }

func count(statuses []int, status int) (n int) {
	for _, s := range statuses {
		if s == status {
			n++
		}
	}
	return n
}

func TestSharedLimitOfRedisCountsForAllGateways(t *testing.T) {
	port := testport.Address(t)
	redistest.Start(t, port)
	o := limit.RateOptions{Count: 20, Per: time.Hour, Burst: 20}
	first, second := newGateway(t, port, o), newGateway(t, port, o)
	if got := count(first.ask(12, client), 200); got != 12 {
		t.Errorf("%d of 12 requests passed the first gateway", got)
	}
	if got := count(second.ask(12, client), 200); got != 8 {
		t.Errorf("%d of 12 requests passed the second gateway, want 8", got)
	}
	refused := first.Do(client())
	for refused.Status == 0 {
		first.Settle()
	}
	if refused.Status != 429 || refused.Header.Get("Retry-After") < "1" {
		t.Errorf("%d, Retry-After %q", refused.Status, refused.Header.Get("Retry-After"))
	}
	if got := first.ask(1, func() *apptest.Request { return from("192.0.2.9") }); got[0] != 200 {
		t.Errorf("another client: %v", got)
	}
	counted := second.shared.Stats()
	if got := second.ask(100, client); count(got, 429) != 100 {
		t.Errorf("%v", got)
	}
	if again := second.shared.Stats(); again != counted {
		t.Errorf("the server is asked about a key that it refuses: %+v, then %+v", counted, again)
	}
	if s := first.shared.Stats(); s.Uncounted != 0 || s.Counted == 0 || s.Batches == 0 || s.Batches > s.Counted {
		t.Errorf("counters: %+v", s)
	}
}

func TestSharedLimitOfRedisFailsOpen(t *testing.T) {
	port := testport.Address(t)
	stop := redistest.Start(t, port)
	g := newGateway(t, port, limit.RateOptions{Count: 1, Per: time.Hour, Burst: 1})
	key := func(name string) func() *apptest.Request {
		return func() *apptest.Request { return from(name) }
	}
	if got := count(g.ask(3, key("192.0.2.1")), 200); got != 1 {
		t.Errorf("%d of 3 requests passed", got)
	}
	stop()
	if got := count(g.ask(50, key("192.0.2.2")), 200); got != 50 {
		t.Errorf("%d of 50 requests passed without the server", got)
	}
	if err := <-g.warnings; err == nil {
		t.Error("the failure is no error")
	}
	if n := len(g.warnings); n != 0 {
		t.Errorf("%d further warnings", n)
	}
	if s := g.shared.Stats(); s.Uncounted != 50 {
		t.Errorf("counters: %+v", s)
	}
	redistest.Start(t, port)
	for end := time.Now().Add(patience); len(g.warnings) == 0; {
		if g.ask(1, key("192.0.2.3")); time.Now().After(end) {
			t.Fatal("the server is not asked again")
		}
	}
	if err := <-g.warnings; err != nil {
		t.Errorf("after the return: %v", err)
	}
	if got := count(g.ask(3, key("192.0.2.4")), 200); got != 1 {
		t.Errorf("%d of 3 requests passed after the return", got)
	}
}

// TestSharedLimitClosed lets requests pass after Close.
func TestSharedLimitClosed(t *testing.T) {
	g := newGateway(t, "127.0.0.1:1", limit.RateOptions{Count: 1, Burst: 1})
	g.shared.Close()
	if got := count(g.ask(3, client), 200); got != 3 {
		t.Errorf("%d of 3 requests passed", got)
	}
}

// TestSharedLimitHangs has a server that accepts and never answers.
func TestSharedLimitHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	shared, err := limit.OpenShared(limit.SharedOptions{URL: "redis://" + l.Addr().String(), Timeout: 10 * time.Millisecond, Retry: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	rate := newRate(t, limit.RateOptions{Count: 1, Burst: 1, Shared: shared})
	g := &gateway{t: t, Host: apptest.NewLoops(rate.Middleware(served), 2)}
	if got := count(g.ask(20, client), 200); got != 20 {
		t.Errorf("%d of 20 requests passed", got)
	}
}

func TestSharedURLRefused(t *testing.T) {
	for _, url := range []string{"", "redis://", "http://a:1", "redis:a", "a:6379", "redis://a b"} {
		if s, err := limit.OpenShared(limit.SharedOptions{URL: url}); err == nil {
			s.Close()
			t.Errorf("%q is accepted", url)
		}
	}
}

var _ app.Middleware = (*limit.Rate)(nil).Middleware
