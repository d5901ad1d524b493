package server

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/h2"
	"github.com/gatewheel/gatewheel/reactor"
)

// Config is the configuration of a Server. Required are Handler and an address in Listen, ListenTLS, RedirectHTTPS or
// Listeners; the zero value of any other field is the default named there. A limit that can be turned off is turned off by a negative value.
type Config struct {
	// Handler answers every request. Required.
	Handler app.Handler

	// Listen are addresses to serve without TLS, in the form of the flag --listen: "127.0.0.1:8080", ":8080",
	// "unix:/run/app.sock", "fd:3" and "systemd:name", see reactor.ParseListenAddress. At least one address is required,
	// here or in one of the next three fields.
	Listen []string
	// ListenTLS are addresses to serve over TLS, in the same form.
	ListenTLS []string
	// RedirectHTTPS are addresses on which each request is answered with 308 and its URL under https, in the same form.
	RedirectHTTPS []string
	// Listeners are addresses with options that text does not have: PROXY headers, permissions of unix sockets, a TLS
	// configuration or a handler for one address. A Value of type app.Handler answers in place of Handler; others are
	// errors. New sets Open.
	Listeners []reactor.ListenerConfig
	// TLS is the configuration for ListenTLS, such as that of certs.Store.Config. Without NextProtos it offers h2 and
	// http/1.1.
	TLS *tls.Config
	// HTTPSPort is the port of the URLs to which RedirectHTTPS leads; 0 means that of the first TCP listener with TLS, and
	// 443 if there is none.
	HTTPSPort uint16

	// Hooks are called when the process and each loop start and stop.
	Hooks Hooks
	// Finished, if not nil, is called for each request that has ended and had a complete head, once it has become a
	// WebSocket for one that does. It runs on the request's loop, like a handler, and must not block.
	Finished func(r *app.Request, record Record)
	// Observers are told of every request, for access logs and metrics. They cost less than Finished, and must be
	// trusted.
	Observers []Observer
	// Logger is the log for the operator. Without it and Slog, lines from info level up go to standard error;
	// zap.NewNop() turns the log off. Its core is called by one goroutine, behind a bounded queue: lines that a blocked or
	// failing log does not take are dropped and counted (Counts.LogDropped). Only its Enabled is called on loops. Stacks
	// that it would add to lines are left out.
	Logger *zap.Logger
	// Slog is the log for the operator in place of Logger, and treated in the same way.
	Slog *slog.Logger
	// DrainDelay is the time from the beginning of a shutdown to the drain, for load balancers to learn that the server is
	// not ready: see Server.BeginShutdown. 0 means none.
	DrainDelay time.Duration
	// ShutdownTimeout limits the drain at the end of Run; 0 means 30 s, negative no limit. The remaining connections
	// are cut.
	ShutdownTimeout time.Duration
	// StopOnSignal makes Run shut down at SIGINT or SIGTERM. The next signal ends DrainDelay, if that is not over, and the
	// one after it cuts the remaining connections.
	StopOnSignal bool

	// Loops is the number of event loops; 0 means GOMAXPROCS.
	Loops int
	// MaxConnections limits the open connections; 0 means as many as the descriptor limit allows. A connection beyond
	// gets a 503 with Retry-After where its protocol allows one.
	MaxConnections int
	// Peers limits what one client address or prefix may take.
	Peers PeerLimits

	// RequestTimeout is the time from the arrival of a request to the head of its response, after which the answer is
	// 503; 0 means 60 s, negative no limit. Time in which the handler waits for content that arrives does not count, see
	// app.Request.Deadline.
	RequestTimeout time.Duration
	// HeadTimeout limits the time from the first byte of a request to the end of its head, and the time until the
	// first byte of a new connection; 0 means 10 s.
	HeadTimeout time.Duration
	// HandshakeTimeout limits the TLS handshake and the PROXY header together; 0 means 10 s. It cannot be turned off.
	HandshakeTimeout time.Duration
	// IdleTimeout closes a connection without open requests; 0 means 120 s.
	IdleTimeout time.Duration
	// BodyTimeout ends a request whose application waits for content and whose peer sends none; 0 means 60 s. It does
	// not concern HTTP/2 requests with content of unknown length whose response has begun.
	BodyTimeout time.Duration
	// HalfClosedTimeout closes an HTTP/1 connection after the peer's FIN if nothing was written to it for that time: a
	// peer that has left cannot be told from one that waits. 0 means 5 s. An HTTP/2 peer is sent a PING at its FIN
	// instead, which is answered with a reset if the peer has left.
	HalfClosedTimeout time.Duration
	// WriteTimeout closes a connection whose peer takes no output while output waits, and resets an HTTP/2 stream whose
	// windows stay closed; 0 means 60 s.
	WriteTimeout time.Duration
	// MinContentRate ends a request whose content arrives at fewer bytes a second, on average over RateWindow, while the
	// application waits for it; 0 means no limit. MinReadRate closes a connection whose peer reads fewer while output
	// waits for it, and resets an HTTP/2 stream whose windows allow fewer. The streams of an HTTP/2 connection share
	// either limit: while all of them together reach it, none is ended. Content of unknown length whose response has
	// begun, WebSockets, tunnels, and reading from unix sockets are not limited.
	MinContentRate int
	MinReadRate    int
	// RateWindow is the time of waiting for a peer over which its rate is measured, and which it has in any case; 0 means
	// 10 s.
	RateWindow time.Duration

	// MaxBody limits the content of a request in bytes; 0 means no limit. Beyond it the answer is 413. Applications can
	// set lower limits.
	MaxBody int64
	// MessageMemory limits the bytes of incomplete WebSocket messages of more than 16 KiB that one loop collects for
	// applications that take whole messages; 0 means 256 MiB. An HTTP/2 connection may use an eighth of it, or one
	// message of the largest size. A message beyond closes its socket with 1013.
	MessageMemory int64
	// MaxUnsent limits the bytes of whole responses that a connection holds while its peer does not read. Above it,
	// further requests on the connection wait. 0 means 8 MiB. HTTP1.Unsent and HTTP2.MaxUnsent override it.
	MaxUnsent uint32
	// MemoryLimit is the memory in bytes, of the whole process, near which the server sheds load, so that the process does
	// not die: from 80 percent on, buffers shrink and idle connections are closed, oldest idle first; from 90 percent on,
	// requests are answered with 503 and Retry-After; from 97 percent on, connections that hold the most are reset.
	// Garbage does not count. 0 means no limit. It does not set the limit of the Go runtime, by which the collector works
	// and which should be the same: debug.SetMemoryLimit(-1) returns that of GOMEMLIMIT.
	MemoryLimit int64
	// MemoryElsewhere, if not nil, returns the bytes that count for MemoryLimit and are not of the Go runtime, such as the
	// kernel's in a cgroup. It is called on a goroutine of the server's, up to a hundred times a second.
	MemoryElsewhere func() int64
	// Probes are paths whose requests run even if memory is scarce, so that a probe of a cluster does not take the process
	// for dead. nil means /healthz, /readyz, /livez and the health service of gRPC; an empty list none.
	Probes []string
	// Pool configures the pool of app.Offload.
	Pool PoolConfig
	// NoBalance keeps an HTTP/2 connection on the loop that accepted it. Otherwise it moves to the loop with the
	// fewest of them.
	NoBalance bool
	// TrustedProxies are the networks of proxies whose Forwarded and X-Forwarded-* fields are used.
	TrustedProxies []netip.Prefix
	// TrustUnix trusts peers on unix sockets in the same way. Trusted proxies must overwrite these fields or append to
	// them, since what they pass on is used too.
	TrustUnix bool

	// HTTP1 has the limits of HTTP/1 messages; 0 means the default that h1.Limits names. A connection that sends a head
	// may hold as many bytes as a head may have.
	HTTP1 h1.Limits
	// HTTP2 has the settings and times of HTTP/2.
	HTTP2 HTTP2Config
	// Stall configures the watchdog.
	Stall StallConfig

	redirect *redirector // of RedirectHTTPS
}

// StallConfig configures the watchdog, see reactor.Config. 0 means the default named here.
type StallConfig struct {
	// Warn is the time after which a handler that blocks its loop is logged; 0 means 100 ms, negative never.
	Warn time.Duration
	// Timeout is the time after which the loop is taken from the handler and its connection is closed; 0 means 10 s,
	// negative never.
	Timeout time.Duration
	// Restarts is the number of times a minute that this may happen before Abort; 0 means 8.
	Restarts int
	// Reported, if not nil, is called for each stall that is logged, on a goroutine of the watchdog's, which it may block
	// for a moment.
	Reported func(reactor.StallReport)
	// Abort ends a process that cannot continue; nil writes the stacks to standard error and exits with 70.
	Abort func(reason string, stacks []byte)
}

// HTTP2Config has the settings and times of HTTP/2 connections. 0 means the default that h2.Config names, except that
// BlockTimeout is HeadTimeout and StallTimeout is WriteTimeout.
type HTTP2Config struct {
	// Disabled serves HTTP/1 only.
	Disabled bool
	// NoConnectProtocol does not announce WebSockets over HTTP/2 (RFC 8441), for handlers that have none: clients then
	// use an HTTP/1.1 connection.
	NoConnectProtocol bool
	// TLSOnly serves HTTP/2 over TLS only. A cleartext connection speaks HTTP/1, whatever its first bytes are.
	TLSOnly bool
	// Only serves HTTP/2 only: a connection that speaks HTTP/1 is closed.
	Only bool
	h2.Config
}

const (
	defaultRequestTimeout = 60 * time.Second
	defaultHeadTimeout    = 10 * time.Second
	defaultIdleTimeout    = 120 * time.Second
	defaultBodyTimeout    = 60 * time.Second
	defaultWriteTimeout   = 60 * time.Second
	defaultHalfClosed     = 5 * time.Second
	defaultRateWindow     = 10 * time.Second
	defaultShutdown       = 30 * time.Second
	defaultMessageMemory  = 256 << 20
)

// defaultProbes is the default of Config.Probes.
var defaultProbes = []string{"/healthz", "/readyz", "/livez", "/grpc.health.v1.Health/Check"}

func (c Config) withDefaults() (Config, error) {
	if c.Handler == nil {
		return c, errors.New("server: Config.Handler is missing")
	}
	if err := c.gatherListeners(); err != nil {
		return c, err
	}
	if c.Loops < 0 {
		return c, fmt.Errorf("server: %d loops: the number must not be negative", c.Loops)
	}
	if c.HandshakeTimeout < 0 {
		return c, fmt.Errorf("server: a handshake timeout of %v: it must not be negative", c.HandshakeTimeout)
	}
	if c.DrainDelay < 0 {
		return c, fmt.Errorf("server: a drain delay of %v: it must not be negative", c.DrainDelay)
	}
	if c.MinContentRate < 0 || c.MinReadRate < 0 || c.RateWindow < 0 {
		return c, fmt.Errorf("server: a minimum rate of %d or %d bytes a second over %v: none must be negative", c.MinContentRate, c.MinReadRate, c.RateWindow)
	}
	http2 := c.HTTP2.Config // Validate fills in defaults, which follow must not see
	if err := http2.Validate(); err != nil {
		return c, err
	}
	if c.Logger != nil && c.Slog != nil {
		return c, errors.New("server: Config.Logger and Config.Slog are both set")
	}
	c.Logger = c.logger()
	c.RequestTimeout = timeout(c.RequestTimeout, defaultRequestTimeout)
	c.HeadTimeout = timeout(c.HeadTimeout, defaultHeadTimeout)
	c.IdleTimeout = timeout(c.IdleTimeout, defaultIdleTimeout)
	c.BodyTimeout = timeout(c.BodyTimeout, defaultBodyTimeout)
	c.WriteTimeout = timeout(c.WriteTimeout, defaultWriteTimeout)
	c.HalfClosedTimeout = timeout(c.HalfClosedTimeout, defaultHalfClosed)
	c.RateWindow = cmp.Or(c.RateWindow, defaultRateWindow)
	c.ShutdownTimeout = timeout(c.ShutdownTimeout, defaultShutdown)
	c.MessageMemory = cmp.Or(max(c.MessageMemory, 0), defaultMessageMemory)
	if c.Probes == nil {
		c.Probes = defaultProbes
	}
	c.HTTP2.follow(&c)
	return c, nil
}

// follow sets times and limits of HTTP/2 that are 0 to those of all protocols.
func (h *HTTP2Config) follow(c *Config) {
	if h.BlockTimeout == 0 {
		h.BlockTimeout = cmp.Or(c.HeadTimeout, effectivelyNever)
	}
	if h.StallTimeout == 0 {
		h.StallTimeout = cmp.Or(c.WriteTimeout, effectivelyNever)
	}
	h.MaxUnsent = cmp.Or(h.MaxUnsent, c.MaxUnsent)
	// RFC 8441: a handler decides whether there is a WebSocket, as over HTTP/1.1.
	h.EnableConnectProtocol = !h.NoConnectProtocol
}

// effectivelyNever is the limit for options of h2 that cannot be turned off: 100 years.
const effectivelyNever = 100 * 365 * 24 * time.Hour

// timeout returns a configured duration with its default for 0, and 0, which is no limit, for a negative one.
func timeout(d, byDefault time.Duration) time.Duration {
	switch {
	case d == 0:
		return byDefault
	case d < 0:
		return 0
	}
	return d
}
