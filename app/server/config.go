//go:build linux

package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/h2"
	"github.com/gatewheel/gatewheel/internal/logqueue"
	"github.com/gatewheel/gatewheel/reactor"
)

// Config says what a Server serves, where, and within which limits. The zero value of every field but
// Handler and Listeners stands for the default named beside it; where a limit can be turned off, a negative
// value does it.
type Config struct {
	// Handler answers every request. Required.
	Handler app.Handler
	// Listeners are the addresses to serve. Required; see ListenerConfig. Their Open is set by New. A TLS
	// configuration without NextProtos offers h2 and http/1.1; one with NextProtos offers those.
	Listeners []reactor.ListenerConfig
	// Hooks run at start-up and shut-down, for the process and for each loop.
	Hooks Hooks
	// Finished is called for each request that is over, for access logs and metrics; nil is not called. It runs on the
	// request's loop as user code, like a handler, and must not block.
	Finished func(r *app.Request, record Record)
	// Logger receives what an operator must know; nil logs nothing. Its core is called on a goroutine of its
	// own, behind a bounded queue: what a blocked or failing log does not take is dropped and counted
	// (Counts.LogDropped). Only its Enabled is called on loops.
	Logger *zap.Logger

	// Loops is the number of event loops; 0 means GOMAXPROCS.
	Loops int
	// MaxConnections bounds the open connections; 0 means what the descriptor limit leaves. A newcomer
	// beyond gets a 503 with Retry-After where its protocol allows one.
	MaxConnections int

	// RequestTimeout is how long a request may wait for the head of its response before it gets a 503;
	// 0 means 60 s, negative no limit. Time in which the handler waits for content that arrives does not count;
	// app.Request.Deadline has the rule.
	RequestTimeout time.Duration
	// HeadTimeout bounds the time from a request's first byte to the end of its head, and how long a new
	// connection may be silent; 0 means 10 s.
	HeadTimeout time.Duration
	// HandshakeTimeout bounds a TLS handshake and a PROXY header together; 0 means 10 s, and there is always a limit.
	HandshakeTimeout time.Duration
	// IdleTimeout closes a connection on which no request is under way; 0 means 120 s.
	IdleTimeout time.Duration
	// BodyTimeout ends a request whose peer sends none of the content that the application waits for; 0 means
	// 60 s. Over HTTP/2 content of unknown length that is being answered already may be silent for longer.
	BodyTimeout time.Duration
	// HalfClosedTimeout closes an HTTP/1 connection whose peer has sent its FIN, when nothing was written to it
	// for so long: a peer that has left looks the same until then. 0 means 5 s. An HTTP/2 peer is sent a PING
	// at its FIN instead, which one that has left answers with a reset.
	HalfClosedTimeout time.Duration
	// WriteTimeout closes a connection whose peer takes nothing of what waits for it, and resets an HTTP/2 stream
	// whose windows stay closed; 0 means 60 s.
	WriteTimeout time.Duration

	// MaxBody bounds the content of one request in bytes, whatever the application would read;
	// 0 means no limit. Beyond it the answer is 413.
	MaxBody int64
	// MessageMemory bounds the bytes of incomplete WebSocket messages of more than 16 KiB that are collected on one
	// loop for applications that take whole messages; 0 means 256 MiB. An HTTP/2 connection may have an eighth
	// of it, or one message of the largest size. A message beyond closes its socket with 1013.
	MessageMemory int64
	// MaxUnsent is how many bytes of responses that were given whole a connection may hold while its peer does not
	// read; above, further requests on it wait. 0 means 8 MiB. HTTP1.Unsent and HTTP2.MaxUnsent go before it.
	MaxUnsent uint32
	// Pool bounds what app.Offload runs.
	Pool PoolConfig
	// NoBalance leaves an HTTP/2 connection on the loop that accepted it. Without, it settles on the one that
	// holds the fewest of them.
	NoBalance bool
	// TrustedProxies are the networks whose Forwarded and X-Forwarded-* fields are believed.
	TrustedProxies []netip.Prefix
	// TrustUnix believes peers on unix sockets in the same way. Whoever is believed must overwrite these fields,
	// or append to them: what it passes on is believed too.
	TrustUnix bool

	// HTTP1 bounds HTTP/1 messages; 0 means the default that h1.Limits names. As much as a head may have is kept
	// for each connection that sends one.
	HTTP1 h1.Limits
	// HTTP2 has the settings and times of HTTP/2.
	HTTP2 HTTP2Config
	// Stall says when a loop counts as stalled, and what is done then.
	Stall StallConfig
}

// StallConfig is the watchdog's; see reactor.Config. 0 means the default named here.
type StallConfig struct {
	// Warn is for how long a handler may keep its loop before that is logged; 0 means 100 ms, negative never.
	Warn time.Duration
	// Timeout is for how long it may before the loop goes on without it, and without its connection; 0 means
	// 10 s, negative for ever.
	Timeout time.Duration
	// Restarts is how often a minute that may happen before Abort; 0 means 8.
	Restarts int
	// Abort ends a process that cannot go on; nil writes the stacks to standard error and exits with 70.
	Abort func(reason string, stacks []byte)
}

// HTTP2Config has the settings and times of HTTP/2 connections; 0 means the default that h2.Config names, but
// HeadTimeout for BlockTimeout, and WriteTimeout for StallTimeout.
type HTTP2Config struct {
	// Disabled serves HTTP/1 only.
	Disabled bool
	h2.Config
}

const (
	defaultRequestTimeout = 60 * time.Second
	defaultHeadTimeout    = 10 * time.Second
	defaultIdleTimeout    = 120 * time.Second
	defaultBodyTimeout    = 60 * time.Second
	defaultWriteTimeout   = 60 * time.Second
	defaultHalfClosed     = 5 * time.Second
	defaultMessageMemory  = 256 << 20
)

func (c Config) withDefaults() (Config, error) {
	if c.Handler == nil {
		return c, errors.New("server: Config.Handler is missing")
	}
	if len(c.Listeners) == 0 {
		return c, errors.New("server: Config.Listeners is empty")
	}
	if c.Loops < 0 {
		return c, fmt.Errorf("server: %d loops: it takes at least 1", c.Loops)
	}
	if c.HandshakeTimeout < 0 {
		return c, fmt.Errorf("server: a handshake timeout of %v: it takes a limit", c.HandshakeTimeout)
	}
	http2 := c.HTTP2.Config // what is filled in, each loop fills in for itself
	if err := http2.Validate(); err != nil {
		return c, err
	}
	if c.Logger == nil {
		c.Logger = zap.NewNop()
	}
	c.Logger = logqueue.Wrap(c.Logger)
	c.RequestTimeout = timeout(c.RequestTimeout, defaultRequestTimeout)
	c.HeadTimeout = timeout(c.HeadTimeout, defaultHeadTimeout)
	c.IdleTimeout = timeout(c.IdleTimeout, defaultIdleTimeout)
	c.BodyTimeout = timeout(c.BodyTimeout, defaultBodyTimeout)
	c.WriteTimeout = timeout(c.WriteTimeout, defaultWriteTimeout)
	c.HalfClosedTimeout = timeout(c.HalfClosedTimeout, defaultHalfClosed)
	c.MessageMemory = cmp.Or(max(c.MessageMemory, 0), defaultMessageMemory)
	c.HTTP2.follow(&c)
	return c, nil
}

// follow gives HTTP/2 the times of all protocols where it has none of its own.
func (h *HTTP2Config) follow(c *Config) {
	if h.BlockTimeout == 0 {
		h.BlockTimeout = cmp.Or(c.HeadTimeout, unlimited)
	}
	if h.StallTimeout == 0 {
		h.StallTimeout = cmp.Or(c.WriteTimeout, unlimited)
	}
	h.MaxUnsent = cmp.Or(h.MaxUnsent, c.MaxUnsent)
	// RFC 8441: a handler decides whether there is a WebSocket, as over HTTP/1.1.
	h.EnableConnectProtocol = true
}

// unlimited is what no connection lives to see, for machines that know no absence of a limit.
const unlimited = 100 * 365 * 24 * time.Hour

// timeout resolves a configured duration: 0 is the default, negative is none.
func timeout(d, byDefault time.Duration) time.Duration {
	switch {
	case d == 0:
		return byDefault
	case d < 0:
		return 0
	}
	return d
}

// http1 is what HTTP/1 connections are made with: a body too large is refused by the machine already.
func (c *Config) http1() h1.Limits {
	limits := c.HTTP1
	if limits.Content == 0 {
		limits.Content = c.MaxBody
	}
	limits.Unsent = cmp.Or(limits.Unsent, int(c.MaxUnsent))
	return limits
}

// maxKept bounds the input that a session may leave for later: a head of HTTP/1 and a frame of HTTP/2 have to
// fit.
func (s *Server) maxKept() int {
	head := s.config.HTTP1.Target + s.config.HTTP1.FieldSize
	return max(1<<20, 2*head, 2*int(s.config.HTTP2.MaxFrameSize))
}

// reactorConfig is what the reactor is made with. Its own defaults fill in what is 0.
func (s *Server) reactorConfig() reactor.Config {
	c := &s.config
	return reactor.Config{
		Loops:            c.Loops,
		Logger:           c.Logger,
		MaxConnections:   c.MaxConnections,
		Refuse:           s.turnAway,
		HandshakeTimeout: c.HandshakeTimeout,
		StallWarn:        c.Stall.Warn,
		StallTimeout:     c.Stall.Timeout,
		StallRestarts:    c.Stall.Restarts,
		Abort:            c.Stall.Abort,
		MaxKept:          s.maxKept(),
		Renew:            func(r *reactor.Loop) { loopOf.Get(r).renew() },
	}
}
