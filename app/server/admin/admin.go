//go:build linux

// Package admin serves what an operator asks of a running server: metrics, loops, connections, requests in flight,
// backends, stalls, profiles, a live page, and a few commands. It runs on goroutines of its own over net/http, so that
// it answers while event loops are stalled.
//
// Every request passes the same checks first: its Host, its Origin, its Sec-Fetch-Site and, if there is one, the token.
// A request of a web page of another origin is refused, whatever its method.
package admin

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Options are what a Server shows and does. A field that is nil takes its endpoint away. The functions are called on
// any goroutine, several at a time, and should return within a second. Those other than Ready are not called while the
// state is StateStarting.
type Options struct {
	// Version is the version of the program.
	Version string
	// Log is the log of the program. Level, if not nil, is its level, which POST /log changes.
	Log   *zap.Logger
	Level *zap.AtomicLevel

	// Ready returns whether the server takes requests; nil means that it does.
	Ready func() State
	// Totals are the counters of the page.
	Totals func() Totals
	// Loops are the event loops, in order.
	Loops func() []Loop
	// Latency has the response times by protocol since the start.
	Latency func() []Histogram
	// Connections are the open connections that a query asks for.
	Connections func(ConnectionQuery) Connections
	// Requests are the requests in flight, oldest first, limit at most. format is a format of the access log in which
	// Line is rendered; with "" there is none. An error is a mistake in format.
	Requests func(limit int, format string) (Requests, error)
	// Backends are the backends of a gateway.
	Backends func() []Backend
	// Stalls are the recent stalls of loops.
	Stalls *Stalls
	// Recent are the recent warnings and errors of the log.
	Recent *Recent
	// Config is the configuration in force without secrets, as encoding/json takes it.
	Config func() any
	// Count is what /count answers, as encoding/json takes it.
	Count func() any
	// Metrics serves /metrics.
	Metrics http.Handler

	// Drain begins the end of the process, as SIGTERM does. It does not wait.
	Drain func()
	// Reload reads files again, and returns what is wrong with them. It may block until ctx ends.
	Reload func(ctx context.Context) error
}

// Times and limits of the admin server.
const (
	headTimeout    = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeadBytes   = 16 << 10
	maxConnections = 64
	maxViewers     = 16
	reloadTimeout  = 25 * time.Second // below writeTimeout
)

// Server answers an operator. Make one with New.
type Server struct {
	options Options
	started time.Time
	guard   *guard
	watch   *watch
	profile sync.Mutex // held while a profile is taken
	http    http.Server
	ended   chan struct{} // closed by Close
	end     sync.Once
}

// New returns a Server that serves on l, which Listen has opened, after a call of Serve.
func New(l *Listener, options Options) *Server {
	if options.Log == nil {
		options.Log = zap.NewNop()
	}
	s := &Server{options: options, started: time.Now(), ended: make(chan struct{})}
	s.guard = &guard{listener: l, log: options.Log}
	s.watch = &watch{compute: s.snapshot, ended: s.ended}
	held := &connections{limit: maxConnections, all: map[net.Conn]*connection{}}
	s.http = http.Server{
		Handler:           held.mark(s.guard.protect(s.onceStarted(s.routes()))),
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeadBytes,
		ErrorLog:          zap.NewStdLog(zap.NewNop()), // what clients do wrong
		ConnState:         held.changed,
		ConnContext:       held.context,
	}
	return s
}

// Serve serves until Close. It returns at once.
func (s *Server) Serve() {
	go func() { _ = s.http.Serve(s.guard.listener) }()
}

// Close closes the listener and all connections.
func (s *Server) Close() {
	s.end.Do(func() {
		close(s.ended)
		_ = s.http.Close()
		_ = s.guard.listener.Close()
	})
}

// Shutdown is Close after the end of the requests in progress, or of ctx.
func (s *Server) Shutdown(ctx context.Context) {
	s.end.Do(func() {
		close(s.ended)
		_ = s.http.Shutdown(ctx)
		_ = s.http.Close()
		_ = s.guard.listener.Close()
	})
}

// State is whether a server takes requests.
type State string

// States of a server.
const (
	StateStarting State = "starting"
	StateReady    State = "ready"
	StateDraining State = "draining"
	StateShort    State = "short of memory" // requests are refused until there is more
)
