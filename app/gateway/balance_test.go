package gateway

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/discovery"
	"github.com/gatewheel/gatewheel/app/spi"
)

// group returns a backend of peers with these weights, to which nothing connects.
func group(t *testing.T, c config.Backend, weights ...int) *Backend {
	t.Helper()
	for i, w := range weights {
		c.Peers.List = append(c.Peers.List, config.Peer{URL: fmt.Sprintf("http://10.0.0.%d:80", i+1), Weight: w})
	}
	b, err := openBackend(newShared(), "group", &c, nil, Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// asker is a request of a client with that address, with fields as name, value, name, value.
func asker(address, path string, fields ...string) *app.Request {
	r := &app.Request{Method: "GET", Scheme: "http", RawPath: path, Arrived: time.Now()}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Fields.Add(fields[i], fields[i+1])
	}
	spi.Bind(r, nil, &app.ConnInfo{Peer: netip.AddrPortFrom(netip.MustParseAddr(address), 1)})
	return r
}

var anybody = asker("192.0.2.1", "/")

// chosen returns the peer for the next try.
func (b *Backend) chosen(r *app.Request, last *peer, now time.Time) *peer {
	p, _ := b.choose(r, last, now)
	return p
}

func (b *Backend) index(p *peer) int { return slices.Index(b.set.Load().peers, p) }

// TestSharesByWeight: with as many requests in progress as come and go, each peer gets its share, whether
// one is chosen by turns, by the requests in progress, or by the time.
func TestSharesByWeight(t *testing.T) {
	weights := []int{1, 1, 2, 2, 4}
	for _, method := range []config.BalanceMethod{config.Least, config.Round, config.EWMA} {
		b := group(t, config.Backend{Balance: config.Balance{Method: method}}, weights...)
		now := time.Now()
		const asked, inProgress = 20_000, 64
		seen := make([]int, len(weights))
		var open []*peer
		for range asked {
			p := b.chosen(anybody, nil, now)
			seen[b.index(p)]++
			if open = append(open, p); len(open) > inProgress {
				open[0].succeeded(false, time.Millisecond, now)
				open[0].leave()
				open = open[1:]
			}
		}
		for i, n := range seen {
			want := float64(weights[i]) / 10
			if got := float64(n) / asked; math.Abs(got-want) > 0.05*want+0.005 {
				t.Errorf("%s: the peer of weight %d got %.3f, want %.2f", method, weights[i], got, want)
			}
		}
	}
}

// TestSlowPeerGetsLess: a peer that takes ten times as long gets at most a fifth of its share.
func TestSlowPeerGetsLess(t *testing.T) {
	for _, method := range []config.BalanceMethod{config.Least, config.EWMA} {
		b := group(t, config.Backend{Balance: config.Balance{Method: method}}, 1, 1, 1, 1, 1)
		now := time.Now()
		type call struct {
			p    *peer
			ends time.Time
		}
		var open []call
		seen, asked := 0, 0
		for range 200_000 {
			now = now.Add(10 * time.Microsecond)
			kept := open[:0]
			for _, c := range open {
				if c.ends.After(now) {
					kept = append(kept, c)
					continue
				}
				took := time.Millisecond
				if c.p == b.set.Load().peers[0] {
					took *= 10
				}
				c.p.succeeded(false, took, now)
				c.p.leave()
			}
			for open = kept; len(open) < 40; {
				p := b.chosen(anybody, nil, now)
				took := time.Millisecond
				if p == b.set.Load().peers[0] {
					took *= 10
					seen++
				}
				asked++
				open = append(open, call{p, now.Add(took)})
			}
		}
		if share := float64(seen) / float64(asked); share > 0.2/5 {
			t.Errorf("%s: the slow peer got %.3f of the requests", method, share)
		}
	}
}

// TestHashMovesOnlyKeysOfALostPeer: the others stay where they were, and the weights count.
func TestHashMovesOnlyKeysOfALostPeer(t *testing.T) {
	for _, key := range []config.Key{"client", "path", "header:X-Key", "cookie:k"} {
		b := group(t, config.Backend{Balance: config.Balance{Method: config.Hash, Hash: key}}, 1, 1, 2)
		now := time.Now()
		const keys = 3000
		seen := make([]int, 3)
		moved := 0
		for i := range keys {
			text := fmt.Sprint(i)
			r := asker(fmt.Sprintf("10.%d.%d.1", i/250, i%250), "/"+text, "X-Key", text, "Cookie", "k="+text)
			first := b.chosen(r, nil, now)
			if again := b.chosen(r, nil, now); again != first {
				t.Fatalf("%s: key %d went to %s, then to %s", key, i, first.url, again.url)
			}
			seen[b.index(first)]++
			b.set.Load().peers[0].unhealthy.Store(true)
			if next := b.chosen(r, nil, now); next == b.set.Load().peers[0] || first != b.set.Load().peers[0] && next != first {
				moved++
			}
			b.set.Load().peers[0].unhealthy.Store(false)
		}
		if moved > 0 {
			t.Errorf("%s: %d keys moved that had no reason", key, moved)
		}
		for i, want := range []float64{0.25, 0.25, 0.5} {
			if got := float64(seen[i]) / keys; math.Abs(got-want) > 0.05 {
				t.Errorf("%s: peer %d got %.3f of the keys, want %.2f", key, i, got, want)
			}
		}
	}
}

func TestStickyCookies(t *testing.T) {
	b := group(t, config.Backend{Balance: config.Balance{Method: config.Cookie}}, 1, 1, 1)
	now := time.Now()
	for _, p := range b.set.Load().peers {
		field := b.setCookie(anybody, p)
		want := "gatewheel-group=" + p.cookie + "; Path=/; HttpOnly; SameSite=Lax"
		if field != want {
			t.Errorf("Set-Cookie is %q, want %q", field, want)
		}
		back := asker("192.0.2.1", "/", "Cookie", "a=b; gatewheel-group="+p.cookie)
		for range 20 {
			if got := b.chosen(back, nil, now); got != p {
				t.Errorf("a client of %s went to %s", p.url, got.url)
			}
		}
		if again := b.setCookie(back, p); again != "" {
			t.Errorf("a client that has the cookie gets %q", again)
		}
		p.unhealthy.Store(true)
		if other := b.chosen(back, nil, now); other == p || b.setCookie(back, other) == "" {
			t.Errorf("a client of a peer that is out went to %s", other.url)
		}
		p.unhealthy.Store(false)
	}
	forged := asker("192.0.2.1", "/", "Cookie", "gatewheel-group="+b.set.Load().peers[0].cookie[:len(b.set.Load().peers[0].cookie)-1]+"x")
	if b.set.Load().sticky(forged) != nil {
		t.Error("a forged cookie counts")
	}
}

// Gateways with the same key take each other's cookies, others do not.
func TestStickyCookiesOfAFleet(t *testing.T) {
	open := func(key string) *Backend {
		s := newShared()
		if key != "" {
			s.cookieKey = []byte(key)
		}
		c := config.Backend{Balance: config.Balance{Method: config.Cookie}}
		c.Peers.List = []config.Peer{{URL: "http://10.0.0.1"}, {URL: "http://10.0.0.2"}}
		b, err := openBackend(s, "group", &c, nil, Parts{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		return b
	}
	one, same, other, another := open("the key of a fleet"), open("the key of a fleet"), open(""), open("")
	for i, p := range one.set.Load().peers {
		r := asker("192.0.2.1", "/", "Cookie", "gatewheel-group="+p.cookie)
		if same.set.Load().sticky(r) != same.set.Load().peers[i] {
			t.Errorf("the cookie of %s counts as none at a gateway with the same key", p.url)
		}
		if other.set.Load().sticky(r) != nil || another.set.Load().peers[i].cookie == other.set.Load().peers[i].cookie {
			t.Error("gateways without a key have the same")
		}
	}
}

// TestEjectionAndReturn: five failures in a row eject a peer, for longer each time; one request decides
// about its return.
func TestEjectionAndReturn(t *testing.T) {
	var told []string
	b := group(t, config.Backend{}, 1, 1)
	b.notify = func(_, peer string, e PeerEvent, _ error) { told = append(told, e.String()) }
	p, now := b.set.Load().peers[0], time.Now()
	failure := errors.New("x")
	for range 4 {
		p.failed(false, false, failure, now)
	}
	p.succeeded(false, 0, now)
	for range 4 {
		p.failed(false, false, failure, now)
	}
	if ok, _ := p.isAvailable(now); !ok {
		t.Fatal("ejected after four failures in a row")
	}
	p.failed(false, false, failure, now)
	p.succeeded(false, 0, now) // of a request that began before
	if ok, _ := p.isAvailable(now); ok {
		t.Fatal("a request that began before the ejection has ended it")
	}
	for _, wait := range []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second} {
		if ok, _ := p.isAvailable(now.Add(wait - 1)); ok {
			t.Fatalf("not ejected for %v", wait)
		}
		now = now.Add(wait)
		ok, probe := p.isAvailable(now)
		if !ok || !probe || !p.enter(true) || p.enter(true) {
			t.Fatalf("after %v not exactly one request decides", wait)
		}
		p.leave()
		p.failed(false, false, failure, now) // of a request that began before
		if ok, _ := p.isAvailable(now.Add(maxEjection)); ok {
			t.Fatal("another request than the probe has decided")
		}
		p.failed(true, false, failure, now)
	}
	now = now.Add(maxEjection)
	if !p.enter(true) {
		t.Fatal("no request decides")
	}
	p.abandoned(true) // its client has left
	if ok, probe := p.isAvailable(now); !ok || !probe || !p.enter(true) {
		t.Fatal("after a request that says nothing no other one decides")
	}
	p.succeeded(true, time.Millisecond, now)
	if ok, probe := p.isAvailable(now); !ok || probe {
		t.Error("the peer has not returned")
	}
	if want := []string{"ejected", "ejected", "ejected", "ejected", "returned"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

func TestNotAllPeersAreEjected(t *testing.T) {
	for _, c := range []struct {
		peers int
		most  config.Percent
		want  int
	}{{1, 50, 0}, {2, 50, 1}, {3, 50, 1}, {4, 50, 2}, {10, 30, 3}, {3, 100, 2}} {
		weights := make([]int, c.peers)
		b := group(t, config.Backend{Eject: &config.Eject{Most: c.most, Failures: 1}}, weights...)
		now, out := time.Now(), 0
		for _, p := range b.set.Load().peers {
			p.failed(false, false, nil, now)
			if ok, _ := p.isAvailable(now); !ok {
				out++
			}
		}
		if out != c.want {
			t.Errorf("%d of %d are ejected, want %d", out, c.peers, c.want)
		}
		if b.chosen(anybody, nil, now) == nil {
			t.Error("nobody is asked")
		}
	}
	off := group(t, config.Backend{Eject: &config.Eject{Off: true}}, 1, 1)
	for range 100 {
		off.set.Load().peers[0].failed(false, true, nil, time.Now())
	}
	if ok, _ := off.set.Load().peers[0].isAvailable(time.Now()); !ok {
		t.Error("eject: off ejects")
	}
}

func TestSlowStart(t *testing.T) {
	b := group(t, config.Backend{SlowStart: 100 * time.Second}, 1, 1)
	began := time.Now()
	b.set.Load().peers[0].since.Store(began.UnixNano())
	share := func(after time.Duration) float64 {
		n := 0
		const asked = 4000
		for range asked {
			p := b.chosen(anybody, nil, began.Add(after))
			p.leave()
			if p == b.set.Load().peers[0] {
				n++
			}
		}
		return float64(n) / asked
	}
	early, later, whole := share(time.Second), share(50*time.Second), share(100*time.Second)
	if early > 0.15 || later <= early || whole < 0.4 {
		t.Errorf("the share grows from %.2f to %.2f to %.2f", early, later, whole)
	}
}

// TestAllOut: when nobody may be asked, all are.
func TestAllOut(t *testing.T) {
	b := group(t, config.Backend{}, 1, 1, 1)
	for _, p := range b.set.Load().peers {
		p.unhealthy.Store(true)
	}
	seen := map[*peer]bool{}
	for range 200 {
		seen[b.chosen(anybody, nil, time.Now())] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d of 3 peers were asked", len(seen))
	}
}

// For every method one request decides about the return of a peer, whose time has passed: of the keys of
// that peer with hash, of its clients with cookie.
func TestOneRequestDecidesAboutTheReturn(t *testing.T) {
	for _, balance := range []config.Balance{{}, {Method: config.Round}, {Method: config.EWMA}, {Method: config.Hash, Hash: "path"}, {Method: config.Cookie}} {
		b := group(t, config.Backend{Balance: balance}, 1, 1, 1)
		p, now := b.set.Load().peers[0], time.Now()
		var own []*app.Request // requests that p gets, or may get, while nothing is wrong
		for i := 0; len(own) < 50; i++ {
			r := asker("192.0.2.1", fmt.Sprint("/", i))
			if balance.Method == config.Cookie {
				r = asker("192.0.2.1", "/", "Cookie", "gatewheel-group="+p.cookie)
			}
			if balance.Method != config.Hash || b.chosen(r, nil, now) == p {
				own = append(own, r)
			}
		}
		for range 5 {
			p.failed(false, false, nil, now)
		}
		due := now.Add(10 * time.Second)
		for _, at := range []time.Time{now, due} {
			probes := 0
			for _, r := range own {
				if got, probe := b.choose(r, nil, at); got == p {
					if probes++; !probe {
						t.Errorf("%v: a request that is no probe went to an ejected peer", balance)
					}
				}
			}
			if want := map[bool]int{true: 1}[at == due]; probes != want {
				t.Errorf("%v: %d requests went to the ejected peer, want %d", balance, probes, want)
			}
		}
	}
}

// While several loops see peers fail and succeed and the set of peers changes, never more than the part is
// ejected, and the count of them is exact at the end.
func TestEjectionsAtTheSameTime(t *testing.T) {
	b := group(t, config.Backend{Eject: &config.Eject{Failures: 1, For: time.Nanosecond}}, 1, 1, 1, 1, 1, 1)
	endpoints := []discovery.Endpoint{}
	for _, p := range b.set.Load().peers {
		endpoints = append(endpoints, discovery.Endpoint{URL: p.url})
	}
	var mostOut atomic.Int32
	b.notify = func(string, string, PeerEvent, error) {
		for n := b.ejected.Load(); n > mostOut.Load(); {
			mostOut.Store(n)
		}
	}
	var loops sync.WaitGroup
	for n := range 4 {
		loops.Go(func() {
			for i := range 3000 {
				now := time.Now()
				p, probe := b.choose(anybody, nil, now)
				switch (i + n) % 3 {
				case 0:
					p.succeeded(probe, time.Millisecond, now)
				case 1:
					p.abandoned(probe)
				default:
					p.failed(probe, i%2 == 0, nil, now)
				}
				p.leave()
				if n == 0 && i%50 == 0 {
					rest := slices.Delete(slices.Clone(endpoints), i/50%6, i/50%6+1)
					if err := errors.Join(b.update(rest), b.update(endpoints)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	loops.Wait()
	out := int32(0)
	for _, p := range b.set.Load().peers {
		if p.stands().isOut() {
			out++
		}
		if n := p.active.Load(); n != 0 {
			t.Errorf("%d requests to %s are in progress at the end", n, p.url)
		}
	}
	if counted := b.ejected.Load(); counted != out || mostOut.Load() > 3 {
		t.Errorf("%d are ejected, %d are counted; at most %d were", out, counted, mostOut.Load())
	}
}

// A peer without a sample is assumed to be as fast as the others: it is not flooded, nor left out.
func TestEWMAOfANewPeer(t *testing.T) {
	b := group(t, config.Backend{Balance: config.Balance{Method: config.EWMA}}, 1, 1, 1, 1)
	peers, now := b.set.Load().peers, time.Now()
	for _, p := range peers[1:] {
		p.succeeded(false, time.Millisecond, now)
	}
	seen := 0
	for range 400 {
		if b.chosen(anybody, nil, now) == peers[0] {
			seen++
		}
	}
	if seen < 90 || seen > 110 {
		t.Errorf("a new peer got %d of 400 requests at the same time, want 100", seen)
	}
}

// A peer that was slow once is asked again some time, and is fast again after some answers.
func TestEWMAForgets(t *testing.T) {
	b := group(t, config.Backend{Balance: config.Balance{Method: config.EWMA}}, 1, 1)
	slow, fast, now := b.set.Load().peers[0], b.set.Load().peers[1], time.Now()
	slow.succeeded(false, 100*time.Millisecond, now)
	fast.succeeded(false, time.Millisecond, now)
	seen := 0
	for i := range 600 { // a minute
		now = now.Add(100 * time.Millisecond)
		p := b.chosen(anybody, nil, now)
		if p == slow {
			seen++
		}
		p.succeeded(false, time.Millisecond, now)
		p.leave()
		if i < 100 && seen > 0 {
			t.Fatal("a peer that is a hundred times slower was asked")
		}
	}
	if seen < 50 {
		t.Errorf("a peer that was slow has got %d of 600 requests", seen)
	}
	if got := time.Duration(slow.latency.at(now)); got > 2*time.Millisecond {
		t.Errorf("its average is %v", got)
	}
	fast.latency.add(time.Second, now.Add(-time.Hour)) // a clock that is behind
	if got := time.Duration(fast.latency.at(now)); got > 2*time.Millisecond {
		t.Errorf("a sample of another clock made the average %v", got)
	}
}
