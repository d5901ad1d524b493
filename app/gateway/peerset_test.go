package gateway

import (
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/discovery"
)

// found returns the peers of b by their addresses.
func found(b *Backend) (addresses map[string]*peer) {
	addresses = map[string]*peer{}
	for _, p := range b.set.Load().peers {
		addresses[p.address] = p
	}
	return addresses
}

// A peer that stays keeps what is known of it; one that has gone is chosen no more.
func TestPeersThatChange(t *testing.T) {
	for _, method := range []config.BalanceMethod{config.Least, config.Round, config.EWMA, config.Cookie} {
		b := newEmptyBackend(newShared(), group(t, config.Backend{}, 1).options)
		t.Cleanup(b.Close)
		b.counted, b.name = true, "changing"
		b.setBalance(config.Balance{Method: method})
		if p := b.chosen(anybody, nil, time.Now()); p != nil {
			t.Fatalf("%s: without peers, %s is chosen", method, p.name())
		}
		set := func(endpoints ...discovery.Endpoint) {
			t.Helper()
			if err := b.update(endpoints); err != nil {
				t.Fatal(err)
			}
		}
		one := discovery.Endpoint{URL: "http://x.test:80", Address: "10.0.0.1:80"}
		two := discovery.Endpoint{URL: "http://x.test:80", Address: "10.0.0.2:80", Weight: 3}
		three := discovery.Endpoint{URL: "http://x.test:80", Address: "10.0.0.3:80", Priority: 1}
		set(one, two, three)
		before := found(b)
		before[one.Address].unhealthy.Store(true)
		before[two.Address].latency.word.Store(77)
		for range 100 {
			if p := b.chosen(anybody, nil, time.Now()); p != before[two.Address] {
				t.Fatalf("%s: %s is chosen, want the healthy peer of the first priority", method, p.name())
			}
		}
		two.Weight = 1
		set(two, three)
		after := found(b)
		if len(after) != 2 || after[two.Address] != before[two.Address] || after[two.Address].latency.word.Load() != 77 {
			t.Errorf("%s: a peer that stays is not the same", method)
		}
		after[two.Address].unhealthy.Store(true)
		if p := b.chosen(anybody, nil, time.Now()); p != after[three.Address] {
			t.Errorf("%s: %s is chosen, want the next priority", method, p.name())
		}
		set()
		if p := b.chosen(anybody, nil, time.Now()); p != nil {
			t.Errorf("%s: %s is chosen, which has gone", method, p.name())
		}
	}
}

// Only the keys of a peer that has gone move.
func TestKeysOfPeersThatChange(t *testing.T) {
	b := group(t, config.Backend{Balance: config.Balance{Method: config.Hash, Hash: "path"}}, 1, 1, 2, 2, 4)
	paths := []string{}
	for i := range 500 {
		paths = append(paths, "/"+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	chosen := func() (names []string) {
		for _, path := range paths {
			p := b.chosen(asker("192.0.2.1", path), nil, time.Now())
			p.leave()
			names = append(names, p.url)
		}
		return names
	}
	before := chosen()
	var endpoints []discovery.Endpoint
	gone := b.set.Load().peers[3].url
	for _, p := range b.set.Load().peers {
		if p.url != gone {
			endpoints = append(endpoints, discovery.Endpoint{URL: p.url, Weight: int(p.weight.Load())})
		}
	}
	if err := b.update(endpoints); err != nil {
		t.Fatal(err)
	}
	for i, now := range chosen() {
		if before[i] != gone && now != before[i] {
			t.Errorf("%s moved from %s to %s", paths[i], before[i], now)
		}
	}
}

func TestChoosingAllocatesNothing(t *testing.T) {
	for _, balance := range []config.Balance{{}, {Method: config.Round}, {Method: config.EWMA}, {Method: config.Hash, Hash: "path"}} {
		b := group(t, config.Backend{Balance: balance}, 1, 2, 3)
		now := time.Now()
		if n := testing.AllocsPerRun(1000, func() { b.chosen(anybody, nil, now).leave() }); n > 0 {
			t.Errorf("%s: %.1f allocations", balance.Method, n)
		}
	}
}
