//go:build linux

package reactor

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/testport"
	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
)

// dials makes calls of Dial, and has their results.
type dials struct {
	t       *testing.T
	loop    *Loop
	opened  chan *asking
	failed  chan error
	answers chan string
}

func newDials(t *testing.T, l *Loop) *dials {
	return &dials{t, l, make(chan *asking, 100), make(chan error, 100), make(chan string, 100)}
}

func (d *dials) dial(ctx context.Context, network, addr string) {
	d.dialAs(ctx, DialConfig{Network: network, Address: addr})
}

// dialAs dials with a config that lacks Open and Fail.
func (d *dials) dialAs(ctx context.Context, config DialConfig) {
	d.prepare(&config)
	d.loop.Dial(ctx, config)
}

// prepare sets Open and Fail.
func (d *dials) prepare(config *DialConfig) {
	config.Open = func(c *Conn) Session {
		a := &asking{conn: c, answers: d.answers}
		d.opened <- a
		return a
	}
	config.Fail = func(err error) { d.failed <- err }
}

// wantFailure wants one dial to have failed with err, and no other result.
func (d *dials) wantFailure(want error) {
	d.t.Helper()
	if err := await(d.t, d.failed); !errors.Is(err, want) {
		d.t.Errorf("failed with %v, want %v", err, want)
	}
	d.wantSilence()
}

func (d *dials) wantSilence() {
	d.t.Helper()
	if len(d.opened) > 0 || len(d.failed) > 0 {
		d.t.Errorf("opened %d times more, failed %d times more", len(d.opened), len(d.failed))
	}
}

// asking is a session that sends one line and passes on the answer.
type asking struct {
	conn    *Conn
	asked   bool
	answers chan string
}

func (a *asking) Receive(in []byte) int {
	a.answers <- string(in)
	return len(in)
}

func (a *asking) Transmit(dst []byte, _ int) []byte {
	if !a.asked {
		a.asked = true
		dst = append(dst, "echo over there\n"...)
	}
	return dst
}

func (a *asking) EOF() bool    { return false }
func (a *asking) Timeout()     {}
func (a *asking) Closed(error) {}

// unansweredAddress returns the address of a socket whose queue is full: to dial there takes until it is given up.
func unansweredAddress(t *testing.T) string {
	t.Helper()
	_, address := fullListener(t)
	return address
}

// fullListener returns a listening socket whose queue is full, and its address.
func fullListener(t *testing.T) (listening int, address string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	for range 16 {
		filler, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(filler) })
		_ = unix.Connect(filler, addr)
		// On loopback it is connected at once, or not at all.
		if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(filler), Events: unix.POLLOUT}}, 100); n == 0 {
			return fd, toAddr(addr).String()
		}
	}
	t.Fatal("the queue does not get full")
	return -1, ""
}

func TestDial(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	l := s.loops[0]
	d := newDials(t, l)
	d.dial(t.Context(), "tcp", s.addr)
	c := await(t, d.opened).conn
	if answer := await(t, d.answers); answer != "over there\n" {
		t.Errorf("answered %q", answer)
	}
	on(t, l, func() {
		if have := c.RemoteAddr().String(); have != s.addr {
			t.Errorf("peer is %s, want %s", have, s.addr)
		}
		if c.Listener() != nil {
			t.Error("it has a listener")
		}
		accepted := l.conns[1-c.index]
		for name, option := range map[string][2]int{
			"TCP_NODELAY":       {unix.IPPROTO_TCP, unix.TCP_NODELAY},
			"TCP_NOTSENT_LOWAT": {unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT},
			"SO_KEEPALIVE":      {unix.SOL_SOCKET, unix.SO_KEEPALIVE},
			"TCP_KEEPIDLE":      {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
			"TCP_KEEPINTVL":     {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
			"TCP_KEEPCNT":       {unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
		} {
			have, err := unix.GetsockoptInt(int(c.fd), option[0], option[1])
			want, err2 := unix.GetsockoptInt(int(accepted.fd), option[0], option[1])
			if have != want || err != nil || err2 != nil {
				t.Errorf("%s is %d, an accepted connection has %d: %v, %v", name, have, want, err, err2)
			}
		}
		c.Close()
	})
	d.wantSilence()
}

func TestDialUnix(t *testing.T) {
	r := serve(t, Config{Loops: 1}, nil)
	path := filepath.Join(t.TempDir(), "socket")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d := newDials(t, r.loops[0])
	d.dial(t.Context(), "unix", path)
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	have := make([]byte, len("echo over there\n"))
	if _, err := peer.Read(have); err != nil || string(have) != "echo over there\n" {
		t.Errorf("%q, %v", have, err)
	}
	await(t, d.opened)
}

func TestDialFails(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	d := newDials(t, s.loops[0])
	unanswered := unansweredAddress(t)

	d.dial(t.Context(), "tcp", testport.Address(t))
	d.wantFailure(unix.ECONNREFUSED)

	d.dial(t.Context(), "udp", s.addr)
	d.wantFailure(net.UnknownNetworkError("udp"))

	over, cancel := context.WithCancel(t.Context())
	cancel()
	d.dial(over, "tcp", s.addr)
	d.wantFailure(context.Canceled)

	eventually(t, "nobody is present", func() bool { return s.present() == 0 })
	ctx, cancel := context.WithCancel(t.Context())
	d.dial(ctx, "tcp", unanswered)
	if n := s.present(); n != 1 {
		t.Errorf("%d are present while one is dialled", n)
	}
	cancel()
	d.wantFailure(context.Canceled)
	eventually(t, "nobody is present", func() bool { return s.present() == 0 })
}

// A connection that ends before its session is open is a dial that has failed.
func TestDialledConnectionEndsEarly(t *testing.T) {
	l := bare(t)
	t.Cleanup(func() { stopWithoutEngine(l) })
	for _, cause := range []error{nil, ErrHungUp} {
		c, _, _ := homeless(t, l)
		c.session = nil
		var told []error
		c.ensureRare().dialling = &dialling{config: DialConfig{
			Open: func(*Conn) Session { t.Error("opened"); return nil },
			Fail: func(err error) { told = append(told, err) },
		}}
		c.close(cause)
		if cause == nil {
			cause = ErrClosed
		}
		if len(told) != 1 || !errors.Is(told[0], cause) {
			t.Errorf("told %v, want %v", told, cause)
		}
	}
}

// A dial that is under way when the loops end ends with them, and leaves no descriptor open.
func TestStopWhileDialling(t *testing.T) {
	unanswered := unansweredAddress(t)
	before := openDescriptors()
	s := serve(t, Config{Loops: 2}, nil)
	d := newDials(t, s.loops[0])
	for range 10 {
		d.dial(context.Background(), "tcp", unanswered)
	}
	s.stop()
	eventually(t, "descriptors given back", func() bool { return openDescriptors() <= before })
	d.dial(context.Background(), "tcp", unanswered)
	eventually(t, "nobody is present", func() bool { return s.present() == 0 })
	if len(d.opened) > 0 {
		t.Error("opened")
	}
}

func TestDialledConnectionOutlivesItsEngine(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	l := s.loops[0]
	d := newDials(t, l)
	d.dial(t.Context(), "tcp", s.addr)
	a := await(t, d.opened)
	await(t, d.answers)
	replaced := l.engine.Load()
	l.Post(l.replaceEngine)
	await(t, replaced.Done())
	on(t, l, func() {
		a.asked = false
		a.conn.Touch()
	})
	if answer := await(t, d.answers); answer != "over there\n" {
		t.Errorf("answered %q", answer)
	}
	d.wantSilence()
}

// Without descriptors for all, some dials fail and the others open.
func TestDialsBeyondTheDescriptors(t *testing.T) {
	const n = 40
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := serve(t, Config{Loops: 1, Logger: quiet()}, nil)
	d := newDials(t, s.loops[0])
	before := openDescriptors()
	restore := enginetest.LeaveDescriptors(t, n/2)
	for range n {
		d.dial(t.Context(), "tcp", ln.Addr().String())
	}
	eventually(t, "some fail", func() bool { return len(d.failed) > 0 })
	restore()
	eventually(t, "all are told", func() bool { return len(d.opened)+len(d.failed) == n })
	for range len(d.failed) {
		if err := <-d.failed; !errors.Is(err, unix.EMFILE) {
			t.Errorf("failed with %v", err)
		}
	}
	on(t, s.loops[0], func() {
		for len(s.loops[0].conns) > 0 {
			s.loops[0].conns[0].Close()
		}
	})
	eventually(t, "descriptors given back", func() bool { return openDescriptors() <= before })
	c := s.dial()
	c.say("echo here")
	c.want("here")
}
