//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/reactor"
)

// defaultListen is the address if no flag names one.
const defaultListen = "127.0.0.1:8080"

// config converts the flags to the configuration of the server, without handler and listeners. Its errors are
// usage errors.
func (c *serverFlags) config(log *zap.Logger) (server.Config, error) {
	config := server.Config{
		Logger:            log,
		Loops:             int(c.Loops),
		MaxConnections:    int(c.MaxConnections),
		MaxBody:           int64(c.MaxBody),
		MaxUnsent:         uint32(c.MaxUnsent),
		NoBalance:         !c.Balance,
		RequestTimeout:    c.RequestTimeout.orNever(),
		HeadTimeout:       c.HeadTimeout.orNever(),
		BodyTimeout:       c.BodyTimeout.orNever(),
		WriteTimeout:      c.WriteTimeout.orNever(),
		MinContentRate:    int(c.MinContentRate),
		MinReadRate:       int(c.MinReadRate),
		RateWindow:        time.Duration(c.RateWindow),
		IdleTimeout:       c.IdleTimeout.orNever(),
		HalfClosedTimeout: c.HalfClosed.orNever(),
		HandshakeTimeout:  time.Duration(c.HandshakeTimeout),
		DrainDelay:        time.Duration(c.DrainDelay),
		Stall: server.StallConfig{
			Warn:     c.StallWarn.orNever(),
			Timeout:  c.StallTimeout.orNever(),
			Restarts: int(c.StallRestarts),
		},
	}
	for _, p := range c.TrustProxy {
		if p.unix {
			config.TrustUnix = true
		} else {
			config.TrustedProxies = append(config.TrustedProxies, p.network)
		}
	}
	config.Peers = c.peerFlags.limits()
	c.http1Flags.set(&config)
	c.http2Flags.set(&config.HTTP2)
	check := config.HTTP2.Config
	return config, check.Validate()
}

// limits returns the limits of a client.
func (f *peerFlags) limits() server.PeerLimits {
	limits := server.PeerLimits{
		Connections:    int(f.PeerConnections),
		ConnectionRate: float64(f.PeerConnectionRate),
		HandshakeRate:  float64(f.PeerHandshakeRate),
		Requests:       int(f.PeerRequests),
		PrefixV4:       int(f.PeerPrefixV4),
		PrefixV6:       int(f.PeerPrefixV6),
	}
	for _, n := range f.PeerExempt {
		limits.Exempt = append(limits.Exempt, n.Prefix)
	}
	return limits
}

// set sets what concerns WebSockets of the application.
func (f *webSocketFlags) set(config *server.Config) error {
	config.MessageMemory = int64(f.Memory)
	for _, origin := range f.Origins {
		if !validOrigin(origin) {
			return fmt.Errorf("--ws-origin: %q is no origin such as https://example.org", origin)
		}
	}
	return nil
}

// validOrigin reports whether pattern is one of websocket.Endpoint.Origins: "*", "null", or an origin, which
// has a scheme and a host, perhaps a port, and no path. The first label of the host may be "*".
func validOrigin(pattern string) bool {
	if pattern == "*" || pattern == "null" {
		return true
	}
	scheme, host, ok := strings.Cut(pattern, "://")
	host = strings.TrimPrefix(host, "*.")
	return ok && scheme != "" && octets.All(scheme, octets.Scheme) && octets.Authority(scheme, host) != "" && !strings.Contains(host, "*")
}

func (f *http1Flags) set(config *server.Config) {
	config.HTTP1.Target = int(f.MaxTarget)
	config.HTTP1.Fields = int(f.MaxHeaders)
	config.HTTP1.FieldSize = int(f.MaxHeaderSize)
}

func (f *http2Flags) set(config *server.HTTP2Config) {
	config.Disabled = !f.Enabled
	config.MaxConcurrentStreams = uint32(f.MaxConcurrentStreams)
	config.InitialWindowSize = uint32(f.InitialWindowSize)
	config.ConnectionWindow = uint32(f.ConnectionWindow)
	config.MaxWindow = uint32(f.MaxWindow)
	config.WindowMemory = uint32(f.WindowMemory)
	config.MaxFrameSize = uint32(f.MaxFrameSize)
	config.MaxHeaderListSize = uint32(f.MaxHeaderListSize)
	config.KeepAlive = time.Duration(f.KeepAlive)
	config.MaxAge = time.Duration(f.MaxAge)
}

// limits returns the limits of the built-in application's WebSockets.
func (f *webSocketFlags) limits() target.SocketLimits {
	return target.SocketLimits{
		MaxMessage:     int64(f.MaxMessage),
		MaxFrame:       int64(f.MaxFrame),
		QueueBytes:     int(f.MaxQueue),
		KeepAlive:      f.PingAfter.orNever(),
		IdleTimeout:    time.Duration(f.Idle),
		MessageTimeout: f.Message.orNever(),
		Origins:        f.Origins,
		NoCompression:  !f.Compress,
	}
}

// listeners returns a configuration for each address of --listen and, with the TLS configuration secure, of
// --listen-tls.
func (c *serverFlags) listeners(secure *tls.Config) ([]reactor.ListenerConfig, error) {
	addresses := c.Listen
	if len(c.Listen)+len(c.ListenTLS) == 0 {
		addresses = []string{defaultListen}
	}
	mode := reactor.ProxyMode(c.ProxyProtocol)
	if mode == reactor.ProxyAccept && len(c.ProxyFrom) == 0 {
		return nil, errors.New("--proxy-protocol accept needs --proxy-from: any peer could choose its address otherwise")
	}
	if mode == reactor.ProxyOff && len(c.ProxyFrom) > 0 {
		return nil, errors.New("--proxy-from has no effect without --proxy-protocol accept or require")
	}
	trusted, err := reactor.TrustNetworks(c.ProxyFrom...)
	if err != nil {
		return nil, err
	}
	like := reactor.ListenerConfig{SocketMode: os.FileMode(c.SocketMode), ProxyProtocol: mode, ProxyTrusted: trusted}
	all, err := server.ParseListeners(addresses, like)
	if err != nil {
		return nil, err
	}
	like.TLS = secure
	overTLS, err := server.ParseListeners(c.ListenTLS, like)
	if err != nil {
		return nil, err
	}
	all = append(all, overTLS...)
	return all, reactor.CheckListeners(all)
}

// proxy is a value of --trust-proxy: a network, a single address, or all peers on unix sockets.
type proxy struct {
	network netip.Prefix
	unix    bool
}

// String returns p as the flag takes it.
func (p proxy) String() string {
	if p.unix {
		return "unix"
	}
	return p.network.String()
}

func (p *proxy) UnmarshalText(text []byte) error {
	if p.unix = string(text) == "unix"; p.unix {
		return nil
	}
	var ok bool
	if p.network, ok = parseNetwork(string(text)); !ok {
		return fmt.Errorf("%q is not a network: write 10.0.0.0/8, an address, or unix", text)
	}
	return nil
}

// network is a value of --peer-exempt.
type network struct{ netip.Prefix }

func (n *network) UnmarshalText(text []byte) error {
	var ok bool
	if n.Prefix, ok = parseNetwork(string(text)); !ok {
		return fmt.Errorf("%q is not a network: write 10.0.0.0/8 or an address", text)
	}
	return nil
}

// parseNetwork parses a prefix, or an address as the network of itself.
func parseNetwork(text string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	prefix, err := netip.ParsePrefix(text)
	return prefix, err == nil
}
