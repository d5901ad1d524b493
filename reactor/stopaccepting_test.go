//go:build linux

package reactor

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
)

// held keeps all loops busy until release is called.
func (s *server) held() (release func()) {
	s.t.Helper()
	leave := make(chan struct{})
	for _, l := range s.loops {
		entered := make(chan struct{})
		l.Post(func() { close(entered); <-leave })
		await(s.t, entered)
	}
	return sync.OnceFunc(func() { close(leave) })
}

// The end of accepting takes the connections that wait, within the limit of connections and the time of its context.
func TestStopAcceptingIsBounded(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		limit int
		ctx   context.Context
		want  int64
	}{
		"all":                  {100, context.Background(), 10},
		"limit of connections": {4, context.Background(), 4},
		"context that is over": {100, over, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Config{Loops: 1, MaxConnections: c.limit}, nil)
			release := s.held()
			defer release()
			for range 10 {
				s.dial()
			}
			s.StopAccepting(c.ctx)
			if n := s.present(); n != c.want {
				t.Errorf("%d of 10 are present, want %d", n, c.want)
			}
		})
	}
}

// Clients that go on connecting do not keep the end of accepting from coming.
func TestStopAcceptingEndsWhileClientsConnect(t *testing.T) {
	s := serve(t, Config{Loops: 2, MaxConnections: 200}, nil)
	release := s.held()
	defer release()
	var clients sync.WaitGroup
	over := make(chan struct{})
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if c, err := net.DialTimeout("tcp", s.addr, patience); err == nil {
					_ = c.Close()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { s.StopAccepting(context.Background()); close(done) }()
	await(t, done)
	close(over)
	clients.Wait()
}

// Dials leave half of the reserve alone, and those whose peers do not answer half of the rest. Beyond, they fail at once.
func TestDialsLeaveDescriptors(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	d := newDials(t, s.loops[0])
	s.gate.room.Store(4)
	s.gate.reserve.Store(8)
	ctx, cancel := context.WithCancel(t.Context())
	unanswered := unansweredAddress(t)
	for range 6 {
		d.dial(ctx, "tcp", unanswered)
	}
	// Of eight descriptors, four are for dials.
	for range 2 {
		if err := await(t, d.failed); !errors.Is(err, errDialDescriptors) || err.(*DialError).Stage != DialDescriptors {
			t.Errorf("failed with %v", err)
		}
	}
	cancel()
	for range 4 {
		await(t, d.failed)
	}
	d.wantSilence()
	eventually(t, "nobody is present", func() bool { return s.present() == 0 })
	d.dial(t.Context(), "tcp", s.addr)
	await(t, d.opened)
}
