//go:build linux

package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/h2"
	"github.com/gatewheel/gatewheel/internal/loglimit"
	"github.com/gatewheel/gatewheel/internal/logqueue"
	"github.com/gatewheel/gatewheel/reactor"
)

// Server serves one handler on any number of listeners. Make one with New, then Start it.
type Server struct {
	config   Config
	log      *zap.Logger
	reactor  *reactor.Reactor
	pool     *pool // of app.Offload
	files    *pool // of package files
	calls    calls // of app.Go
	trust    *forwarded.Trust
	loopList atomic.Pointer[[]*loop]     // Start sets it; any goroutine reads it
	lines    [reasons]loglimit.Limit     // of refusals
	refusals refusals                    // by goroutines that belong to no loop
	mistakes loglimit.Limit              // lines about mistakes of the application
	failures [clientKinds]loglimit.Limit // lines about failed calls, by client.Kind
	addrs    []net.Addr
	pressure pressure

	begun    atomic.Bool // Start was called
	starting sync.Mutex  // held by Start while it starts, and by Shutdown
	started  bool        // Hooks.Start has succeeded
	serving  bool        // connections are accepted
	leaving  atomic.Bool // BeginShutdown was called; loops read it for each output
	delay    *drainDelay
	draining atomic.Bool // the drain has begun: connections end
	stop     sync.Once
	stopped  chan struct{}
	failure  error // of Shutdown; read after stopped is closed
}

// New opens the listeners. Connections are accepted after Start. A Server that is not started must be released by
// Shutdown.
func New(config Config) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{config: config, log: config.Logger, delay: newDrainDelay(), stopped: make(chan struct{})}
	if len(config.TrustedProxies) > 0 || config.TrustUnix {
		s.trust = &forwarded.Trust{Networks: config.TrustedProxies, Unix: config.TrustUnix, OnIgnored: s.forwardingIgnored}
	}
	s.pool, s.files = newPool(config.Pool), newPool(config.Pool.forFiles())
	s.calls.init(config.Pool.withDefaults().Calls)
	if s.reactor, err = reactor.New(s.reactorConfig()); err != nil {
		return nil, err
	}
	for _, l := range config.Listeners {
		addr, err := s.listen(l)
		if err != nil {
			return nil, errors.Join(err, s.reactor.Stop(context.Background()))
		}
		s.addrs = append(s.addrs, addr)
	}
	config.redirect.port.Store(uint32(cmp.Or(config.HTTPSPort, httpsPort(config.Listeners, s.addrs))))
	return s, nil
}

// Addrs returns the addresses of the listeners: those of Config.Listeners, Listen, ListenTLS and RedirectHTTPS, in this
// order. Any goroutine.
func (s *Server) Addrs() []net.Addr { return s.addrs }

// Draining reports whether Shutdown or BeginShutdown was called: the server is not ready for new clients. Any goroutine.
func (s *Server) Draining() bool { return s.leaving.Load() }

// Start calls the start hooks and accepts connections. If a hook fails, Start stops what it has started, calls the stop
// hooks and returns the error. A second call does nothing and returns an error.
func (s *Server) Start(ctx context.Context) error {
	if s.begun.Swap(true) {
		return errStarted
	}
	s.starting.Lock()
	err := s.start(ctx)
	s.starting.Unlock()
	if err != nil {
		s.stop.Do(func() {
			s.failure = s.close(ctx)
			close(s.stopped)
		})
	}
	return err
}

var (
	errStarted = errors.New("server: Start was called before")
	errStopped = errors.New("server: Shutdown was called before Start had ended")
)

func (s *Server) start(ctx context.Context) error {
	if s.Draining() {
		return errStopped
	}
	if hook := s.config.Hooks.Start; hook != nil {
		if err := hook(ctx); err != nil {
			return fmt.Errorf("start-up hook: %w", err)
		}
	}
	s.started = true
	for _, r := range s.reactor.Loops() {
		l, err := s.newLoop(r)
		if err != nil {
			return err
		}
		loops := append(s.loops(), l)
		s.loopList.Store(&loops)
		loopOf.Set(r, l)
	}
	if s.Draining() {
		return errStopped
	}
	if err := s.reactor.Start(); err != nil {
		return err
	}
	s.serving = true
	s.warnDescriptorLimit()
	s.pressure.start(s)
	return nil
}

// loops returns the loops whose hooks have run, in order. Any goroutine.
func (s *Server) loops() []*loop {
	if list := s.loopList.Load(); list != nil {
		return *list
	}
	return nil
}

func (s *Server) newLoop(r *reactor.Loop) (*loop, error) {
	shared, err := h2.NewShared(s.config.HTTP2.Config)
	if err != nil {
		return nil, err
	}
	l := &loop{r: r, server: s, h1: h1.NewShared(s.config.http1()), h2: shared}
	l.streamHigh = streamHigh
	l.messages.limit.Store(s.config.MessageMemory)
	l.events.run = l.notify
	l.renew()
	for _, observer := range s.config.Observers {
		l.observers = append(l.observers, observer.Loop(r.Index()))
		if o, ok := observer.(FieldObserver); ok {
			l.responseFields = append(l.responseFields, o.ResponseFields()...)
		}
	}
	l.observed = len(l.observers) > 0 || s.config.Finished != nil
	if hook := s.config.Hooks.LoopStart; hook != nil {
		if l.state, err = hook(l); err != nil {
			return nil, fmt.Errorf("start-up hook of loop %d: %w", r.Index(), err)
		}
	}
	return l, nil
}

// drainer is a session that can drain: it ends after the requests that have arrived, at once if there are none, and by
// Loop.DrainBy if one may be on its way. On the loop.
type drainer interface{ drain() }

// Shutdown begins the shutdown like BeginShutdown and waits for Config.DrainDelay. Then it drains: it stops accepting connections, answers the requests that have arrived, ends event streams, closes WebSockets
// with 1001, and closes connections without requests: those that were silent for two seconds at once, others after
// reactor.DrainGrace, so that requests on their way are answered. It does not wait for hijacked connections, and cuts
// them when the last other connection has ended. When ctx ends, it cuts the remaining connections. Stop hooks are called
// after the last request. It returns when the server has stopped, with ctx's error if connections were cut that it has
// waited for. Later calls return the same error. While Start runs it waits for the hook that Start has called; then Start
// fails. Any goroutine.
func (s *Server) Shutdown(ctx context.Context) error {
	s.BeginShutdown(ctx)
	s.stop.Do(func() {
		s.draining.Store(true)
		s.starting.Lock()
		defer s.starting.Unlock()
		s.failure = s.shutdown(ctx)
		close(s.stopped)
	})
	<-s.stopped
	return s.failure
}

// Wait waits until Shutdown has completed and returns its error. Any goroutine.
func (s *Server) Wait() error {
	<-s.stopped
	return s.failure
}

func (s *Server) shutdown(ctx context.Context) error {
	s.reactor.StopAccepting(ctx)
	s.reactor.Drain(func(c *reactor.Conn) {
		if d, ok := c.Session().(drainer); ok {
			d.drain()
		}
	})
	for _, l := range s.loops() {
		l.r.Post(l.drainClientSockets)
	}
	return s.close(ctx)
}

// flushTimeout is how long Shutdown waits for a log that takes nothing.
const flushTimeout = 500 * time.Millisecond

// close stops the loops, and what was started before them in reverse order.
func (s *Server) close(ctx context.Context) error {
	err := s.reactor.Stop(ctx)
	s.pressure.stop()
	defer logqueue.Flush(s.log, flushTimeout)
	s.awaitWork(time.Second)
	for _, l := range s.loops() {
		l.workers.close()
	}
	if hook := s.config.Hooks.LoopStop; hook != nil {
		for _, l := range s.loops() {
			hook(l)
		}
	}
	if hook := s.config.Hooks.Stop; hook != nil && s.started {
		err = errors.Join(err, hook(ctx))
	}
	return err
}

// forwardingIgnored counts a forwarding field of an untrusted peer, or an invalid one of a trusted proxy. Any goroutine.
func (s *Server) forwardingIgnored(peer forwarded.Client, field string) {
	reason, sender := UntrustedForwarding, "unix"
	if s.trust.Trusts(peer.Addr) {
		reason = MalformedForwarding
	}
	if peer.Addr.IsValid() {
		sender = peer.Addr.String()
	}
	s.refused(reason, sender, fmt.Errorf("the field %q is ignored", field))
}
