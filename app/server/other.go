//go:build !linux

package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/internal/overhttp"
	"github.com/gatewheel/gatewheel/internal/logqueue"
	"github.com/gatewheel/gatewheel/reactor"
)

// Server is the development server of systems other than Linux: it serves a handler by package net/http, with one loop
// that is a goroutine. It runs the programs that are written for Linux, and says in the log that it is not made for
// production. WebSockets need HTTP/1.1. There are no watchdog, no limits of connections, no PROXY headers, no inherited
// sockets, no requests to other servers by package client, and no hijacking. Make one with New.
type Server struct {
	config Config
	log    *zap.Logger
	server *overhttp.Server

	observers []LoopObserver
	started   bool        // Hooks.Start has succeeded
	looped    bool        // Hooks.LoopStart has succeeded
	serving   atomic.Bool // connections are accepted
	leaving   atomic.Bool // BeginShutdown was called
	delay     *drainDelay
	stop      sync.Once
	stopped   chan struct{}
	failure   error // of Shutdown; read after stopped is closed
}

// New opens the listeners. Connections are accepted after Start. A Server that is not started must be released by
// Shutdown.
func New(config Config) (*Server, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{config: config, log: config.Logger, delay: newDrainDelay(), stopped: make(chan struct{})}
	listeners, err := s.listeners()
	if err != nil {
		return nil, err
	}
	errorLog, err := zap.NewStdLogAt(s.log, zap.ErrorLevel)
	if err != nil {
		return nil, err
	}
	s.server, err = overhttp.NewServer(overhttp.ServerConfig{
		Handler: config.Handler, Listeners: listeners, Options: s.options(), Protocols: protocols(&config.HTTP2),
		HeadTimeout: config.HeadTimeout, IdleTimeout: config.IdleTimeout,
		MaxHeaderBytes: config.HTTP1.FieldSize, MaxBody: config.MaxBody, Log: errorLog,
	})
	if err != nil {
		return nil, err
	}
	config.redirect.port.Store(uint32(cmp.Or(config.HTTPSPort, httpsPort(config.Listeners, s.Addrs()))))
	return s, nil
}

// listeners returns the listeners for package net. It fails for what they cannot do.
func (s *Server) listeners() (all []overhttp.Listener, err error) {
	for _, l := range s.config.Listeners {
		switch {
		case l.File != nil:
			return nil, errors.New("server: inherited sockets need Linux")
		case l.ProxyProtocol != reactor.ProxyOff:
			return nil, errors.New("server: PROXY headers need Linux")
		case l.Network == "unix" && strings.HasPrefix(l.Address, "@"):
			return nil, fmt.Errorf("server: the abstract socket %q needs Linux", l.Address)
		}
		h, _ := l.Value.(app.Handler)
		all = append(all, overhttp.Listener{Network: cmp.Or(l.Network, "tcp"), Address: l.Address, TLS: l.TLS, Handler: h})
	}
	return all, nil
}

func (s *Server) options() overhttp.Options {
	options := overhttp.Options{Timeout: s.config.RequestTimeout, Jobs: s.config.Pool.Workers, Ended: s.ended}
	if len(s.config.TrustedProxies) > 0 || s.config.TrustUnix {
		options.Trust = &forwarded.Trust{Networks: s.config.TrustedProxies, Unix: s.config.TrustUnix}
	}
	return options
}

// ended tells Config.Finished and the observers of a request. On the loop.
func (s *Server) ended(r *app.Request, e overhttp.Ending) {
	conn := r.Conn()
	record := Record{
		Status: e.Status, Target: r.Target, In: e.In, Out: e.Out, Wait: e.Head, Total: time.Since(e.Began), Route: r.Pattern(),
		Conn: &ConnRecord{Local: conn.Local, Peer: conn.Peer, PeerName: conn.PeerName, TLS: conn.TLS, KeepAlive: '+'},
	}
	switch {
	case e.WebSocket:
		record.Outcome = Upgraded
	case errors.Is(e.Err, app.ErrPeerGone):
		record.Outcome = PeerGone
	case e.Err != nil:
		record.Outcome = Aborted
	}
	for _, o := range s.observers {
		o.Finished(r, &record)
	}
	if s.config.Finished != nil {
		s.config.Finished(r, record)
	}
}

// protocols returns the protocols that are served.
func protocols(c *HTTP2Config) *http.Protocols {
	p := &http.Protocols{}
	p.SetHTTP1(!c.Only)
	p.SetHTTP2(!c.Disabled)
	p.SetUnencryptedHTTP2(!c.Disabled && !c.TLSOnly)
	return p
}

// Addrs returns the addresses of the listeners: those of Config.Listeners, Listen, ListenTLS and RedirectHTTPS, in this
// order. Any goroutine.
func (s *Server) Addrs() []net.Addr { return s.server.Addrs() }

// Draining reports whether Shutdown or BeginShutdown was called: the server is not ready for new clients. Any goroutine.
func (s *Server) Draining() bool { return s.leaving.Load() }

// Start calls the start hooks and accepts connections. If a hook fails, Start stops what it has started, calls the stop
// hooks and returns the error.
func (s *Server) Start(ctx context.Context) error {
	err := s.start(ctx)
	if err != nil {
		_ = s.Shutdown(ctx)
	}
	return err
}

func (s *Server) start(ctx context.Context) error {
	if hook := s.config.Hooks.Start; hook != nil {
		if err := hook(ctx); err != nil {
			return fmt.Errorf("start-up hook: %w", err)
		}
	}
	s.started = true
	if hook := s.config.Hooks.LoopStart; hook != nil {
		state, err := hook(s.server.Loop())
		if err != nil {
			return fmt.Errorf("start-up hook of loop 0: %w", err)
		}
		s.server.SetState(state)
	}
	s.looped = true
	for _, o := range s.config.Observers {
		s.observers = append(s.observers, o.Loop(0))
	}
	s.log.Warn("this is the development server: event loops, and what they are for, need Linux", zap.String("system", runtime.GOOS))
	s.server.Start()
	s.serving.Store(true)
	return nil
}

// BeginShutdown announces the end of the server and returns after Config.DrainDelay, or when ctx ends before; Shutdown
// does the rest. From the call on, Draining reports true. Clients are answered, and told not to use their connections
// again: with Connection: close, or GOAWAY. Without a DrainDelay, or before Start has returned, it returns at once. Further
// calls wait for the same time, and the end of any ctx ends it for all. Any goroutine.
func (s *Server) BeginShutdown(ctx context.Context) {
	s.leaving.Store(true)
	s.delay.begin.Do(func() {
		if hook := s.config.Hooks.Drain; hook != nil && s.serving.Load() {
			hook()
		}
		if s.config.DrainDelay == 0 || !s.serving.Load() {
			s.delay.end()
			return
		}
		s.server.Leave()
		time.AfterFunc(s.config.DrainDelay, s.delay.end)
	})
	s.delay.wait(ctx)
}

// Shutdown begins the shutdown like BeginShutdown and waits for Config.DrainDelay. Then it stops accepting connections, answers the requests that have arrived, ends event streams, and closes
// WebSockets with 1001. When ctx ends, it cuts the remaining connections. Stop hooks are called after the last request.
// It returns when the server has stopped, with ctx's error if connections were cut. Later calls return the same error.
// Any goroutine.
func (s *Server) Shutdown(ctx context.Context) error {
	s.BeginShutdown(ctx)
	s.stop.Do(func() {
		s.failure = s.close(ctx)
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

func (s *Server) close(ctx context.Context) error {
	defer logqueue.Flush(s.log, 500*time.Millisecond)
	err := s.server.Shutdown(ctx)
	if hook := s.config.Hooks.LoopStop; hook != nil && s.looped {
		hook(s.server.Loop())
	}
	if hook := s.config.Hooks.Stop; hook != nil && s.started {
		err = errors.Join(err, hook(ctx))
	}
	return err
}
