//go:build linux

package reactor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDialAddresses(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	d := newDials(t, s.loops[0])
	_, port, _ := net.SplitHostPort(s.addr)
	for _, c := range []struct {
		network, address string
		stage            DialStage
		want             string // of the error; empty: it opens
	}{
		{"", "127.0.0.1:" + port, 0, ""},
		{"tcp4", "[::ffff:127.0.0.1]:" + port, 0, ""},
		{"tcp", ":" + port, 0, ""},
		{"tcp", "localhost:" + port, 0, ""},
		{"tcp4", "localhost:" + port, 0, ""},
		{"tcp6", "127.0.0.1:" + port, DialResolve, "no suitable address"},
		{"tcp4", "[::1]:" + port, DialResolve, "no suitable address"},
		{"tcp", "127.0.0.1", DialResolve, "missing port"},
		{"tcp", "127.0.0.1:65536", DialResolve, "invalid port"},
		{"tcp", "127.0.0.1:no-such-service", DialResolve, "unknown port"},
		{"tcp", "no-such-host.invalid:80", DialResolve, "cannot resolve no-such-host.invalid:80: "},
		{"udp", "127.0.0.1:" + port, DialResolve, "unknown network udp"},
		{"unix", filepath.Join(t.TempDir(), "missing"), DialConnect, "no such file or directory"},
		{"unix", strings.Repeat("x", 200), DialConnect, "invalid argument"},
		{"tcp", "127.0.0.1:1", DialConnect, "cannot connect to 127.0.0.1:1: connection refused"},
	} {
		d.dial(t.Context(), c.network, c.address)
		select {
		case <-d.opened:
			await(t, d.answers)
			if c.want != "" {
				t.Errorf("%s %s: opened, want %q", c.network, c.address, c.want)
			}
		case err := <-d.failed:
			if c.want == "" || !strings.Contains(err.Error(), c.want) || err.(*DialError).Stage != c.stage {
				t.Errorf("%s %s: %v at %v, want %q at %v", c.network, c.address, err, err.(*DialError).Stage, c.want, c.stage)
			}
		case <-time.After(patience):
			t.Fatalf("%s %s: neither opened nor failed", c.network, c.address)
		}
	}
	if stats := s.Stats().Dials; stats.UnderWay != 0 || stats.Started != 15 || stats.Opened != 5 || stats.Failures[DialResolve] != 7 || stats.Failures[DialConnect] != 3 {
		t.Errorf("%+v", stats)
	}
}

// tryAll begins a dial to a name with these addresses.
func (d *dials) tryAll(timeout time.Duration, addresses ...string) (c *Conn, k *dialling) {
	config := DialConfig{Network: "tcp", Address: "name:80", Timeout: timeout}
	d.prepare(&config)
	k = &dialling{config: config, ctx: context.Background()}
	for _, a := range addresses {
		tcp := addrOf(a).(*net.TCPAddr).AddrPort()
		k.targets = append(k.targets, targetTo(tcp.Addr(), tcp.Port(), 0))
	}
	on(d.t, d.loop, func() {
		c = d.loop.newConn(nil, -1, nil)
		c.polling = pollConnecting
		c.ensureRare().dialling = k
		d.loop.reactor.dials.underWay.Add(1)
		c.limitDial(k)
		c.connect(k)
	})
	return c, k
}

// The addresses of a name are tried one after the other, each for its share of the time.
func TestDialTriesAllAddresses(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	l := s.loops[0]
	d := newDials(t, l)
	unanswered := unansweredAddress(t)
	const refused = "127.0.0.1:1"
	d.tryAll(time.Hour, refused, s.addr)
	await(t, d.opened)
	await(t, d.answers)

	c, k := d.tryAll(time.Hour, unanswered, refused, s.addr)
	on(t, l, func() {
		if share := c.attemptTime(4); share > 15*time.Minute || share < 14*time.Minute {
			t.Errorf("one of four addresses gets %v of an hour", share)
		}
		c.attemptOverdue(k)
	})
	await(t, d.opened)
	await(t, d.answers)

	c, k = d.tryAll(0, unanswered, refused)
	on(t, l, func() { c.attemptOverdue(k) })
	if err := await(t, d.failed).(*DialError); !errors.Is(err, unix.ECONNREFUSED) || err.Error() != "cannot connect to name:80: 127.0.0.1:1: connection refused" {
		t.Errorf("failed with %v", err)
	}

	d.tryAll(100*time.Millisecond, refused, unanswered)
	if err := await(t, d.failed).(*DialError); !err.Timeout() || err.Stage != DialConnect {
		t.Errorf("failed with %v at %v", err, err.Stage)
	}
	d.wantSilence()
}

// Dials whose peer does not answer take no goroutine each, and look-ups a bounded number.
func TestWaitingDialsTakeNoGoroutines(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	d := newDials(t, s.loops[0])
	d.failed = make(chan error, 1000)
	unanswered := unansweredAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := runtime.NumGoroutine()
	for range 500 {
		d.dial(ctx, "tcp", unanswered)
		d.dialAs(t.Context(), DialConfig{Address: unanswered, Timeout: time.Hour})
	}
	eventually(t, "they have begun", func() bool { return s.Stats().Dials.Started == 1000 })
	on(t, s.loops[0], func() {})
	if more := runtime.NumGoroutine() - before; more > 10 {
		t.Errorf("%d goroutines more", more)
	}
	cancel()
	for range 500 {
		if err := await(t, d.failed); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

func TestLookupsAreBounded(t *testing.T) {
	var s lookups
	release, ran := make(chan struct{}), make(chan struct{}, 200)
	begin := func() *lookup {
		ctx, cancel := context.WithCancel(context.Background())
		k := &lookup{ctx: ctx, cancel: cancel, network: "tcp", host: "127.0.0.1", service: "80", of: &s}
		k.over = func([]target, error) { ran <- struct{}{}; <-release }
		s.start(k)
		return k
	}
	for range maxLookups {
		begin()
	}
	for range maxLookups {
		await(t, ran)
	}
	last, cancelled := begin(), begin()
	(&dialling{lookup: cancelled}).endLookup()
	if n := s.running.Load(); n != maxLookups || !last.waiting || cancelled.waiting {
		t.Errorf("%d run, the last waits: %v", n, last.waiting)
	}
	close(release)
	await(t, ran)
	eventually(t, "none runs", func() bool { return s.running.Load() == 0 })
	if len(ran) > 0 {
		t.Error("one that was cancelled has run")
	}
}

// A unix socket whose queue is full is tried until there is room.
func TestDialUnixWaitsForTheQueue(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	path := filepath.Join(t.TempDir(), "socket")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	first, second := newWaiter(), newDials(t, s.loops[0])
	first.reach(t, s.loops[0], DialConfig{Network: "unix", Address: path})
	second.dialAs(t.Context(), DialConfig{Network: "unix", Address: path, Timeout: 50 * time.Millisecond})
	if err := await(t, second.failed).(*DialError); !err.Timeout() {
		t.Errorf("failed with %v", err)
	}
	second.dialAs(t.Context(), DialConfig{Network: "unix", Address: path})
	eventually(t, "it has begun", func() bool { return s.Stats().Dials.Started == 3 })
	accepted, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(accepted)
	await(t, second.opened)
}

// A dial to a local port at which nobody listens may get that very port as its own, and TCP connects it to itself.
func TestSocketConnectedToItself(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(fd, own); err != nil {
		t.Fatal(err)
	}
	c := &Conn{fd: int32(fd)}
	address := toAddrPort(toAddr(own))
	for ip, want := range map[string]bool{"127.0.0.1": true, "0.0.0.0": true, "127.0.0.2": false, "192.0.2.1": false} {
		to := targetTo(netip.MustParseAddr(ip), address.Port(), 0)
		if have := c.toItself(&to); have != want {
			t.Errorf("a dial to %s: %v", ip, have)
		}
	}
}
