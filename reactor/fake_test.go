//go:build linux

package reactor

import (
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine"
	"github.com/gatewheel/gatewheel/reactor/internal/engine/enginetest"
)

// faked makes a started Reactor whose engines do what the test says. It has one listener, with the index 0.
func faked(t testing.TB, config Config, open func(*Conn) Session) *Reactor {
	t.Helper()
	if config.Logger == nil {
		config.Logger = quiet()
	}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	r.makeEngine = func(c engine.Config, h engine.Handler) engine.Engine { return enginetest.New(c, h) }
	r.listeners = append(r.listeners, &listener{config: ListenerConfig{Open: open}, early: make([]atomic.Int32, len(r.loops))})
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup((&server{Reactor: r, t: t}).stop)
	return r
}

// fake is the engine of l at present.
func (l *Loop) fake() *enginetest.Engine { return l.engine.Load().Engine.(*enginetest.Engine) }

// unturned gives l an engine that has ended, so that the test takes the turns.
func unturned(l *Loop) *loopEngine {
	e := &loopEngine{loop: l}
	e.Engine = enginetest.Ended(e)
	l.engine.Store(e)
	return e
}

// socketPair gives two ends of a connection, which the test does not close.
func socketPair(t testing.TB) (ours, theirs int) {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pair[1]) })
	return pair[0], pair[1]
}
