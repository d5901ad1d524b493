//go:build linux

// Package enginetest has an engine for tests, whose events come when a test asks for them. Its sockets are real
// descriptors, of a socketpair for example, so that what is written to them can be read.
package enginetest

import (
	"io"
	"net"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/reactor/internal/engine"
)

// Engine is an engine.Engine. The methods that engine.Engine does not have are for the test, on any goroutine.
type Engine struct {
	handler engine.Handler

	mu    sync.Mutex
	work  []func() // to be run on the loop
	more  chan struct{}
	woken bool
	asked bool // to end
	died  bool

	ready chan error
	done  chan struct{}

	// On the loop.
	sockets  []*socket
	arrivals []engine.Arrival
	closing  *socket // in a call of Closed
}

// socket is the content of an engine.Socket.
type socket struct {
	fd     int
	owner  any
	paused bool
}

// NewSocket makes a socket that no engine polls.
func NewSocket(fd int) engine.Socket { return &socket{fd: fd} }

// New makes an engine. engine.Config has nothing for it.
func New(_ engine.Config, handler engine.Handler) *Engine {
	return &Engine{handler: handler, more: make(chan struct{}, 1), ready: make(chan error, 1), done: make(chan struct{})}
}

// Ended makes an engine that has ended without having run.
func Ended(handler engine.Handler) *Engine {
	e := New(engine.Config{}, handler)
	close(e.done)
	return e
}

// Accept has the handler accept a connection from a listening socket. fd is the engine's from then on.
func (e *Engine) Accept(fd, listener int) {
	e.do(func() {
		s := &socket{fd: fd}
		e.sockets = append(e.sockets, s)
		if s.owner = e.handler.Accepted(s, fd, listener); s.owner == nil {
			e.Close(s)
		}
	})
}

// Poll reads once from each socket in which something waits, at most limit bytes, in the order that shuffle makes;
// nil leaves the order alone.
func (e *Engine) Poll(limit int, shuffle func(n int, swap func(i, j int))) {
	e.do(func() {
		round := slices.Clone(e.sockets)
		if shuffle != nil {
			shuffle(len(round), func(i, j int) { round[i], round[j] = round[j], round[i] })
		}
		buf := make([]byte, limit)
		for _, s := range round {
			if slices.Contains(e.sockets, s) {
				e.poll(s, buf)
			}
		}
	})
}

func (e *Engine) poll(s *socket, buf []byte) {
	look := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	if s.paused {
		look[0].Events = 0
	}
	switch n, err := unix.Poll(look, 0); {
	case n == 0 || err != nil:
	case s.paused:
		e.end(s, engine.ErrHungUp)
	default:
		switch n, err := unix.Read(s.fd, buf); {
		case err != nil:
			e.end(s, err)
		case n == 0:
			e.end(s, io.EOF)
		default:
			e.handler.Input(s.owner, buf[:n])
		}
	}
}

// end reports that a socket has ended, and closes it.
func (e *Engine) end(s *socket, err error) {
	e.drop(s)
	e.closing = s
	e.handler.Closed(s.owner, err)
	if e.closing != nil {
		_ = unix.Close(s.fd)
		e.closing = nil
	}
}

// Displace reports for each socket that the engine polls it no more.
func (e *Engine) Displace() {
	e.do(func() {
		for _, s := range slices.Clone(e.sockets) {
			if slices.Contains(e.sockets, s) {
				e.drop(s)
				e.handler.Displaced(s.owner, s.fd)
			}
		}
	})
}

// Die ends the engine as after a failure that it cannot survive, once it has done what it was asked before.
func (e *Engine) Die() {
	e.do(func() {
		e.mu.Lock()
		e.died = true
		e.mu.Unlock()
	})
}

// Wait returns when everything that was asked before is done, or the engine has ended.
func (e *Engine) Wait() {
	over := make(chan struct{})
	e.do(func() { close(over) })
	select {
	case <-over:
	case <-e.done:
	}
}

// do has f run on the loop.
func (e *Engine) do(f func()) {
	e.mu.Lock()
	e.work = append(e.work, f)
	e.mu.Unlock()
	e.signal()
}

func (e *Engine) signal() {
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// Run implements engine.Engine.
func (e *Engine) Run() {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.handler.Started()
		e.ready <- nil
		e.handler.Woken()
		for f := e.next(); f != nil; f = e.next() {
			f()
		}
	}()
	<-ended
	e.mu.Lock()
	asked := e.asked
	e.mu.Unlock()
	close(e.done)
	if !asked {
		e.handler.Died(engine.Death{Accepting: true})
	}
}

// next waits for the next work; nil ends the loop.
func (e *Engine) next() func() {
	for {
		e.mu.Lock()
		switch {
		case e.died:
			e.mu.Unlock()
			return nil
		case e.woken:
			e.woken = false
			e.mu.Unlock()
			return e.handler.Woken
		case len(e.work) > 0:
			f := e.work[0]
			e.work = e.work[1:]
			e.mu.Unlock()
			return f
		case e.asked:
			e.mu.Unlock()
			if len(e.sockets) > 0 {
				return func() { e.end(e.sockets[0], engine.ErrEnded) }
			}
			return nil
		}
		e.mu.Unlock()
		<-e.more
	}
}

// Ready implements engine.Engine.
func (e *Engine) Ready() <-chan error { return e.ready }

// Done implements engine.Engine.
func (e *Engine) Done() <-chan struct{} { return e.done }

// Stop implements engine.Engine.
func (e *Engine) Stop() {
	e.mu.Lock()
	e.asked = true
	e.mu.Unlock()
	e.signal()
}

// Wake implements engine.Engine.
func (e *Engine) Wake() {
	e.mu.Lock()
	e.woken = !e.asked
	e.mu.Unlock()
	e.signal()
}

// WakeAfterPoll implements engine.Engine.
func (e *Engine) WakeAfterPoll() { e.Wake() }

// Listen implements engine.Engine.
func (e *Engine) Listen(bool) {}

// CloseListeners implements engine.Engine.
func (e *Engine) CloseListeners() {}

// Descriptors implements engine.Engine.
func (e *Engine) Descriptors() int { return 0 }

// Adopt implements engine.Engine.
func (e *Engine) Adopt(a engine.Arrival) {
	e.arrivals = append(e.arrivals, a)
	e.do(func() {
		if len(e.arrivals) == 0 {
			return
		}
		a := e.arrivals[0]
		e.arrivals = e.arrivals[1:]
		fd := a.Descriptor()
		if fd < 0 {
			return
		}
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			e.handler.Rejected(a, err)
			return
		}
		s := &socket{fd: dup}
		e.sockets = append(e.sockets, s)
		if s.owner = e.handler.Adopted(a, s, dup); s.owner == nil {
			e.Close(s)
		}
	})
}

// Pause implements engine.Engine.
func (e *Engine) Pause(s engine.Socket, on bool) error {
	s.(*socket).paused = on
	return nil
}

// Close implements engine.Engine.
func (e *Engine) Close(s engine.Socket) {
	if e.drop(s.(*socket)) {
		_ = unix.Close(s.(*socket).fd)
	}
}

// drop takes a socket from those that are polled, and reports whether it was one.
func (e *Engine) drop(s *socket) bool {
	before := len(e.sockets)
	e.sockets = slices.DeleteFunc(e.sockets, func(t *socket) bool { return t == s })
	return len(e.sockets) < before
}

// RemoteAddr implements engine.Engine.
func (e *Engine) RemoteAddr(engine.Socket) net.Addr { return nil }

// Release implements engine.Engine.
func (e *Engine) Release(fd int) {
	e.sockets = slices.DeleteFunc(e.sockets, func(s *socket) bool { return s.fd == fd })
	if e.closing != nil && e.closing.fd == fd {
		e.closing = nil
	}
}

// Abandon implements engine.Engine.
func (e *Engine) Abandon() []engine.Arrival {
	if e.closing != nil {
		_ = unix.Close(e.closing.fd)
		e.closing = nil
	}
	left := e.arrivals
	e.arrivals, e.sockets = nil, nil
	return left
}
