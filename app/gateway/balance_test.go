package gateway

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/spi"
)

// group returns a backend of peers with these weights, to which nothing connects.
func group(t *testing.T, c config.Backend, weights ...int) *Backend {
	t.Helper()
	for i, w := range weights {
		c.Peers.List = append(c.Peers.List, config.Peer{URL: fmt.Sprintf("http://10.0.0.%d:80", i+1), Weight: w})
	}
	b, err := openBackend(newClient(), "group", &c, nil, Parts{})
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
			p := b.choose(anybody, nil, now)
			seen[b.index(p)]++
			if open = append(open, p); len(open) > inProgress {
				open[0].succeeded(time.Millisecond, now)
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
				c.p.succeeded(took, now)
				c.p.leave()
			}
			for open = kept; len(open) < 40; {
				p := b.choose(anybody, nil, now)
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
			first := b.choose(r, nil, now)
			if again := b.choose(r, nil, now); again != first {
				t.Fatalf("%s: key %d went to %s, then to %s", key, i, first.url, again.url)
			}
			seen[b.index(first)]++
			b.set.Load().peers[0].unhealthy.Store(true)
			if next := b.choose(r, nil, now); next == b.set.Load().peers[0] || first != b.set.Load().peers[0] && next != first {
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
			if got := b.choose(back, nil, now); got != p {
				t.Errorf("a client of %s went to %s", p.url, got.url)
			}
		}
		if again := b.setCookie(back, p); again != "" {
			t.Errorf("a client that has the cookie gets %q", again)
		}
		p.unhealthy.Store(true)
		if other := b.choose(back, nil, now); other == p || b.setCookie(back, other) == "" {
			t.Errorf("a client of a peer that is out went to %s", other.url)
		}
		p.unhealthy.Store(false)
	}
	forged := asker("192.0.2.1", "/", "Cookie", "gatewheel-group="+b.set.Load().peers[0].cookie[:len(b.set.Load().peers[0].cookie)-1]+"x")
	if b.set.Load().sticky(forged) != nil {
		t.Error("a forged cookie counts")
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
		p.failed(false, failure, now)
	}
	p.succeeded(0, now)
	for range 4 {
		p.failed(false, failure, now)
	}
	if ok, _ := p.isAvailable(now); !ok {
		t.Fatal("ejected after four failures in a row")
	}
	p.failed(false, failure, now)
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
		p.failed(false, failure, now)
	}
	now = now.Add(maxEjection)
	if !p.enter(true) {
		t.Fatal("no request decides")
	}
	p.abandon() // its client has left
	if ok, probe := p.isAvailable(now); !ok || !probe || !p.enter(true) {
		t.Fatal("after a request that says nothing no other one decides")
	}
	p.succeeded(time.Millisecond, now)
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
			p.failed(false, nil, now)
			if ok, _ := p.isAvailable(now); !ok {
				out++
			}
		}
		if out != c.want {
			t.Errorf("%d of %d are ejected, want %d", out, c.peers, c.want)
		}
		if b.choose(anybody, nil, now) == nil {
			t.Error("nobody is asked")
		}
	}
	off := group(t, config.Backend{Eject: &config.Eject{Off: true}}, 1, 1)
	for range 100 {
		off.set.Load().peers[0].failed(true, nil, time.Now())
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
			p := b.choose(anybody, nil, began.Add(after))
			p.leave()
			if p == b.set.Load().peers[0] {
				n++
			}
		}
		return float64(n) / asked
	}
	early, later, whole := share(time.Second), share(50*time.Second), share(100*time.Second)
	if early > 0.35 || later <= early || whole < 0.4 {
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
		seen[b.choose(anybody, nil, time.Now())] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d of 3 peers were asked", len(seen))
	}
}
