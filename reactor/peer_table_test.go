//go:build linux

package reactor

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

// peersAt returns a table whose clock is *now.
func peersAt(t testing.TB, limits PeerLimits, now *time.Duration) *peerTable {
	t.Helper()
	table, err := newPeerTable(&limits, time.Now(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	table.clock = func() int64 { return int64(*now) }
	return table
}

func (t *peerTable) connectAt(addr string, now time.Duration) (*Peer, PeerRefusal) {
	return t.connect(netip.MustParseAddr(addr), int64(now))
}

func TestPeerLimitsAreChecked(t *testing.T) {
	for _, limits := range []PeerLimits{
		{Connections: -1}, {Requests: -1}, {ConnectionRate: -1}, {HandshakeRate: -1}, {MaxPeers: -1},
		{Connections: 1, Prefix4: 33}, {Connections: 1, Prefix6: 129}, {Connections: 1, Prefix4: -1}, {ConnectionRate: 1e-12},
	} {
		if table, err := newPeerTable(&limits, time.Now(), zap.NewNop()); err == nil {
			t.Errorf("%+v is accepted: %v", limits, table.rules)
		}
	}
	if table, err := newPeerTable(&PeerLimits{Prefix4: 24}, time.Now(), zap.NewNop()); table != nil || err != nil {
		t.Errorf("no limits make a table: %v, %v", table, err)
	}
}

// A peer is an IPv4 address, mapped to IPv6 or not, or an IPv6 prefix without its zone.
func TestPeerPrefixes(t *testing.T) {
	spared := netip.MustParsePrefix("192.0.2.128/25")
	for _, c := range []struct {
		limits     PeerLimits
		addr, want string
	}{
		{PeerLimits{}, "192.0.2.1", "192.0.2.1/32"},
		{PeerLimits{}, "::ffff:192.0.2.1", "192.0.2.1/32"},
		{PeerLimits{}, "2001:db8:1:2:3:4:5:6", "2001:db8:1::/56"},
		{PeerLimits{}, "2001:db8:1:2ff:3:4:5:6", "2001:db8:1:200::/56"},
		{PeerLimits{}, "fe80::1%eth0", "fe80::/56"},
		{PeerLimits{}, "::1", "::/56"},
		{PeerLimits{Prefix4: 24}, "::ffff:192.0.2.1", "192.0.2.0/24"},
		{PeerLimits{Prefix6: 64}, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{PeerLimits{}, "192.0.2.200", "none"},
		{PeerLimits{}, "::ffff:192.0.2.200", "none"},
	} {
		c.limits.Connections, c.limits.Spared = 1, spared.Contains
		rules, err := c.limits.rules()
		if err != nil {
			t.Fatal(err)
		}
		got := "none"
		if prefix, ok := rules.limited(netip.MustParseAddr(c.addr)); ok {
			got = prefix.String()
		}
		if got != c.want {
			t.Errorf("%s with %+v counts for %s, want %s", c.addr, c.limits, got, c.want)
		}
	}
	if _, ok := new(peerRules).limited(netip.Addr{}); ok {
		t.Error("a peer without an address is limited")
	}
}

func TestPeerConnections(t *testing.T) {
	now := time.Second
	table := peersAt(t, PeerLimits{Connections: 2}, &now)
	var first *Peer
	for i, want := range []PeerRefusal{0, 0, PeerConnections, PeerConnections} {
		p, refusal := table.connectAt("192.0.2.1", now)
		if refusal != want {
			t.Errorf("connection %d: %v, want %v", i+1, refusal, want)
		}
		if refusal != 0 && !p.refuse() {
			t.Error("it is not answered")
		}
		first = p
	}
	if p, refusal := table.connectAt("192.0.2.2", now); refusal != 0 || p.Connections() != 1 {
		t.Errorf("another peer: %v", refusal)
	}
	if n := first.Connections(); n != 2 {
		t.Errorf("%d connections count", n)
	}
	first.release(useConnection)
	if _, refusal := table.connectAt("192.0.2.1", now); refusal != 0 {
		t.Errorf("after one has closed: %v", refusal)
	}
	for range 3 {
		first.release(useConnection)
	}
	first.release(useConnection + 2*useRefused)
	if use := first.use.Load(); use != 0 {
		t.Errorf("%#x is left", use)
	}
}

// Only so many refused connections are answered at a time.
func TestRefusedConnectionsAreBounded(t *testing.T) {
	for limit, want := range map[int]int{1: leastAnswered, 100: 100, 100_000: mostAnswered} {
		now := time.Second
		p, _ := peersAt(t, PeerLimits{Connections: limit}, &now).connectAt("::1", now)
		answered := 0
		for range 1000 {
			if p.refuse() {
				answered++
			}
		}
		if answered != want {
			t.Errorf("with a limit of %d, %d refused connections are answered, want %d", limit, answered, want)
		}
	}
}

func TestPeerConnectionRate(t *testing.T) {
	now := time.Second
	table := peersAt(t, PeerLimits{ConnectionRate: 2}, &now)
	var p *Peer
	for i, want := range []PeerRefusal{0, 0, PeerConnectionRate} {
		var refusal PeerRefusal
		if p, refusal = table.connectAt("192.0.2.1", now); refusal != want {
			t.Errorf("connection %d: %v, want %v", i+1, refusal, want)
		}
	}
	if wait := p.retryAfter(PeerConnectionRate, int64(now)); wait != time.Second {
		t.Errorf("try again after %v, want a second: half of one, rounded up", wait)
	}
	now += 500 * time.Millisecond
	if _, refusal := table.connectAt("192.0.2.1", now); refusal != 0 {
		t.Errorf("half a second later: %v", refusal)
	}
	slow := peersAt(t, PeerLimits{ConnectionRate: 0.1}, &now)
	p, _ = slow.connectAt("192.0.2.1", now)
	if _, refusal := slow.connectAt("192.0.2.1", now); refusal != PeerConnectionRate {
		t.Errorf("the second: %v", refusal)
	}
	if wait := p.retryAfter(PeerConnectionRate, int64(now+1500*time.Millisecond)); wait != 9*time.Second {
		t.Errorf("try again after %v, want 9s: 8.5s, rounded up", wait)
	}
}

func TestPeerRequests(t *testing.T) {
	now := time.Second
	table := peersAt(t, PeerLimits{Requests: 2}, &now)
	p, _ := table.connectAt("192.0.2.1", now)
	behind, ok := table.enter(netip.MustParseAddr("192.0.2.1"))
	if behind != p || !ok || !p.Enter() || p.Enter() || p.Requests() != 2 {
		t.Errorf("%d requests are under way, want 2", p.Requests())
	}
	if q, ok := table.enter(netip.MustParseAddr("192.0.2.1")); q != nil || ok {
		t.Error("a third is admitted")
	}
	p.Leave()
	if !p.Enter() {
		t.Error("none is admitted after one has ended")
	}
	p.Leave()
	p.Leave()
	p.release(useConnection)
	if s := table.stats(); s.Known != 0 {
		t.Errorf("%d peers are known at the end", s.Known)
	}
}

// A peer of which nothing is left is forgotten once its rate is over.
func TestPeersAreForgotten(t *testing.T) {
	now := time.Second
	table := peersAt(t, PeerLimits{ConnectionRate: 1}, &now)
	known := func(want int) {
		t.Helper()
		if s := table.stats(); s.Known != want {
			t.Errorf("%d peers are known, want %d", s.Known, want)
		}
	}
	p, _ := table.connectAt("192.0.2.1", now)
	p.release(useConnection)
	known(1)
	if q, refusal := table.connectAt("192.0.2.1", now); q != p || refusal != PeerConnectionRate {
		t.Errorf("another connection right behind: %v", refusal)
	}
	p.release(useConnection)
	now += time.Second
	table.shard(p.prefix).sweep(int64(now))
	known(0)
	p, _ = table.connectAt("192.0.2.1", now)
	now += time.Second
	p.release(useConnection) // its rate is over: it need not wait
	known(0)
}

// A full table forgets peers without connections, and does not limit peers for which it has no room.
func TestFullPeerTable(t *testing.T) {
	now := time.Second
	table := peersAt(t, PeerLimits{ConnectionRate: 1, MaxPeers: peerShards}, &now)
	a := netip.MustParsePrefix("192.0.2.1/32")
	var others []netip.Addr // in the shard of a
	for addr := a.Addr().Next(); len(others) < 2; addr = addr.Next() {
		if table.shard(netip.PrefixFrom(addr, 32)) == table.shard(a) {
			others = append(others, addr)
		}
	}
	p, _ := table.connect(a.Addr(), int64(now))
	if q, refusal := table.connect(others[0], int64(now)); q != nil || refusal != 0 {
		t.Errorf("where there is no room: %v, %v", q, refusal)
	}
	if q, ok := table.enter(others[0]); q != nil || !ok {
		t.Errorf("a request where there is no room: %v, %v", q, ok)
	}
	p.release(useConnection)
	if q, refusal := table.connect(others[1], int64(now)); q == nil || refusal != 0 {
		t.Errorf("in the place of an idle peer: %v, %v", q, refusal)
	}
	if s := table.stats(); s.Known != 1 || s.Unlimited != 2 || s.Evicted != 1 {
		t.Errorf("%+v", s)
	}
}

// Whatever many goroutines do, limits are kept, and at the end nothing is counted.
func TestPeersAtOnce(t *testing.T) {
	const limit = 5
	table, err := newPeerTable(&PeerLimits{Connections: limit, Requests: limit, ConnectionRate: 1e6}, time.Now(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for seed := range uint64(8) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1))
			for range 3000 {
				var raw [4]byte
				binary.BigEndian.PutUint32(raw[:], 0xc0000200|random.Uint32N(4))
				addr := netip.AddrFrom4(raw)
				p, refusal := table.connect(addr, table.clock())
				units := int64(useConnection)
				if refusal != 0 && p.refuse() {
					units += useRefused
				}
				if refusal == 0 && p.Connections() > limit+8 { // eight goroutines may count one more each for a moment
					t.Errorf("%d connections are open", p.Connections())
				}
				if p.Enter() {
					if q, ok := table.enter(addr); ok {
						q.Leave()
					}
					p.Leave()
				}
				p.release(units)
			}
		})
	}
	all.Wait()
	for i := range table.shards {
		for _, p := range table.shards[i].peers {
			if use := p.use.Load(); use != 0 || !p.idle {
				t.Errorf("of %v %#x is left, idle: %v", p.prefix, use, p.idle)
			}
		}
	}
}

// A look-up of a known peer allocates nothing.
func TestPeerLookUpAllocatesNothing(t *testing.T) {
	now := time.Second
	table := peersAt(t, PeerLimits{Connections: 10, ConnectionRate: 1000, Requests: 10}, &now)
	addr := netip.MustParseAddr("2001:db8::1")
	held, _ := table.connect(addr, int64(now))
	if n := testing.AllocsPerRun(100, func() {
		p, _ := table.connect(addr, int64(now))
		_ = p.Enter()
		p.Leave()
		p.release(useConnection)
	}); n > 0 {
		t.Errorf("%.1f allocations", n)
	}
	held.release(useConnection)
}
