//go:build linux

package reactor

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
)

// Ten thousand dials to a peer that does not answer leave the descriptors that a loop taken over from stalling code
// needs, and those of clients.
func TestDialsToABlackHole(t *testing.T) {
	const all, free = 10_000, 600
	unanswered := unansweredAddress(t)
	config := brisk()
	config.DescriptorReserve = 100
	release := make(chan struct{})
	defer close(release)
	closed := make(chan error, 1)
	s := serve(t, config, staller(func(*Conn) { <-release }, closed))
	defer enginetest.LeaveDescriptors(t, free)()
	before := openDescriptors()
	s.gate.measure(&s.config)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, b := newDials(t, s.loops[0]), newDials(t, s.loops[1])
	for _, d := range []*dials{a, b} {
		d.failed = make(chan error, all)
		for range all / 2 {
			d.dial(ctx, "tcp", unanswered)
		}
	}
	eventually(t, "all have begun", func() bool { return s.Stats().Dials.Started == all })
	stats := s.Stats().Dials
	if held := openDescriptors() - before; held > free/2 || stats.UnderWay < 100 {
		t.Errorf("%d descriptors are held by %d dials, of %d", held, stats.UnderWay, free)
	}
	if refused := int(stats.Failures[DialDescriptors]); refused != all-stats.UnderWay || refused != len(a.failed)+len(b.failed) {
		t.Errorf("%d failed for lack of descriptors, %d are under way", refused, stats.UnderWay)
	}

	blamed := s.dial()
	blamed.say("run")
	if err := await(t, closed); err != ErrStalled {
		t.Errorf("closed with %v", err)
	}
	for range 8 { // on both loops, most likely
		c := s.dial()
		c.say("echo served")
		c.want("served")
	}
	if s.Stats().Loops[0].Replaced+s.Stats().Loops[1].Replaced == 0 {
		t.Error("no engine was replaced")
	}
	if now := s.Stats().Dials.UnderWay; now != stats.UnderWay {
		t.Errorf("%d dials are under way after the takeover, %d before", now, stats.UnderWay)
	}
	cancel()
	eventually(t, "all are told", func() bool { return len(a.failed)+len(b.failed) == all })
	if n := s.Stats().Dials.Cancelled; int(n) != stats.UnderWay {
		t.Errorf("%d cancelled, want %d", n, stats.UnderWay)
	}
	for range len(a.failed) {
		if err := <-a.failed; !errors.Is(err, syscall.EMFILE) && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
}

// A loop that stalls is taken over while one connection is dialled, another in its handshake, and a third transfers: all
// go on with the next engine.
func TestDialledConnectionsOutliveAStall(t *testing.T) {
	ca := newAuthority(t)
	config := brisk()
	config.Loops = 1
	release := make(chan struct{})
	defer close(release)
	closed := make(chan error, 1)
	s := serve(t, config, staller(func(*Conn) { <-release }, closed))
	l := s.loops[0]
	d := newDials(t, l)

	// The first has no answer to its SYN yet.
	unanswered, wake := delayedListener(t)
	d.dial(t.Context(), "tcp", unanswered)
	// The second has sent its ClientHello.
	greeted, answer := make(chan struct{}, 1), make(chan struct{})
	d.dialAs(t.Context(), DialConfig{Address: delayedTLSPeer(t, ca, greeted, answer), TLS: ca.clientConfig()})
	await(t, greeted)
	// The third waits for an answer.
	request, respond := make(chan struct{}, 1), make(chan struct{})
	talking := peer(t, func(c net.Conn) {
		secure := tls.Server(c, ca.serverConfig())
		in := make([]byte, 100)
		n, err := secure.Read(in)
		if err != nil {
			t.Error(err)
			return
		}
		request <- struct{}{}
		select {
		case <-respond:
		case <-t.Context().Done():
			return
		}
		_, _ = secure.Write(in[:n])
		<-t.Context().Done()
	})
	d.dialAs(t.Context(), DialConfig{Address: talking, TLS: ca.clientConfig()})
	await(t, d.opened)
	await(t, request)

	s.dial().say("run")
	if err := await(t, closed); err != ErrStalled {
		t.Errorf("closed with %v", err)
	}
	for _, next := range []func(){func() { close(respond) }, func() { close(answer) }, wake} {
		next()
		if text := await(t, d.answers); text != "echo over there\n" {
			t.Errorf("answered %q", text)
		}
	}
	if len(d.failed) > 0 || len(d.opened) != 2 {
		t.Errorf("%d opened since, want 2; %d failed", len(d.opened), len(d.failed))
	}
	if stats := l.Stats(); stats.Replaced != 1 {
		t.Errorf("%d engines were replaced, want 1", stats.Replaced)
	}
}

// A socket that was connected in time is opened, although its loop was busy until after the deadline of the dial: long
// after, or only just.
func TestDialConnectedWhileItsLoopIsBusy(t *testing.T) {
	for name, late := range map[string]time.Duration{"long after": time.Hour, "just after": lateness / 10} {
		t.Run(name, func(t *testing.T) { dialConnectedBefore(t, late) })
	}
}

// dialConnectedBefore has a dial's deadline come that much too late, after its socket was connected.
func dialConnectedBefore(t *testing.T, late time.Duration) {
	s := serve(t, Config{Loops: 1}, nil)
	l := s.loops[0]
	d := newDials(t, l)
	address, wake := delayedListener(t)
	d.dialAs(t.Context(), DialConfig{Address: address, Timeout: time.Hour})
	var c *Conn
	entered, leave := make(chan struct{}), make(chan struct{})
	l.Post(func() {
		c = l.conns[0]
		close(entered)
		<-leave
		now := time.Duration(c.deadline) + late
		l.clock.source = func() time.Duration { return now }
	})
	await(t, entered)
	l.Post(l.expire) // before the report of the socket
	wake()
	eventually(t, "the socket is connected", func() bool {
		info, err := unix.GetsockoptTCPInfo(int(c.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		return err == nil && info.State == unix.BPF_TCP_ESTABLISHED
	})
	close(leave)
	if answer := await(t, d.answers); answer != "echo over there\n" {
		t.Errorf("answered %q", answer)
	}
	await(t, d.opened)
	d.wantSilence()
}

// delayedTLSPeer is a TLS server that tells greeted when a ClientHello begins, and answers that after answer was closed. Then it
// answers with what it gets.
func delayedTLSPeer(t *testing.T, ca *authority, greeted chan<- struct{}, answer <-chan struct{}) (address string) {
	t.Helper()
	return peer(t, func(c net.Conn) {
		first := make([]byte, 1)
		if _, err := io.ReadFull(c, first); err != nil {
			return
		}
		greeted <- struct{}{}
		select {
		case <-answer:
		case <-t.Context().Done():
			return
		}
		secure := tls.Server(&prefixed{c, first}, ca.serverConfig())
		_, _ = io.Copy(secure, secure)
	})
}

// prefixed is a connection whose first bytes were read before.
type prefixed struct {
	net.Conn
	first []byte
}

func (c *prefixed) Read(p []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// delayedListener is a unansweredAddress that begins to accept, and to answer with what it gets, once wake is called.
func delayedListener(t *testing.T) (address string, wake func()) {
	t.Helper()
	fd, address := fullListener(t)
	return address, func() {
		dup, err := duplicate(fd)
		if err != nil {
			t.Fatal(err)
		}
		file := os.NewFile(uintptr(dup), "listener")
		defer file.Close()
		ln, err := net.FileListener(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ln.Close() })
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					_, _ = io.Copy(c, c)
				}()
			}
		}()
	}
}
