//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// defaultListen is served when no address is given at all.
const defaultListen = "127.0.0.1:8080"

// config turns the flags into the server's options, all but handler and listeners. Errors are the
// user's mistakes.
func (c *serveCommand) config(log *zap.Logger) (server.Config, error) {
	config := server.Config{
		Logger:         log,
		Loops:          int(c.Loops),
		MaxConnections: int(c.MaxConnections),
		MaxBody:        int64(c.MaxBody),
		NoBalance:      !c.Balance,
	}
	for _, n := range c.TrustProxy {
		config.TrustedProxies = append(config.TrustedProxies, netip.Prefix(n))
	}
	for _, t := range []struct {
		flag string
		from time.Duration
		to   *time.Duration
	}{
		{"request-timeout", c.RequestTimeout, &config.RequestTimeout},
		{"head-timeout", c.HeadTimeout, &config.HeadTimeout},
		{"body-timeout", c.BodyTimeout, &config.BodyTimeout},
		{"write-timeout", c.WriteTimeout, &config.WriteTimeout},
		{"idle-timeout", c.IdleTimeout, &config.IdleTimeout},
		{"stall-warn", c.StallWarn, &config.Stall.Warn},
		{"stall-timeout", c.StallTimeout, &config.Stall.Timeout},
	} {
		var err error
		if *t.to, err = off(t.flag, t.from); err != nil {
			return config, err
		}
	}
	if c.StallRestarts == 0 {
		return config, errors.New("--stall-restarts 0 is out of range: at least 1")
	}
	config.Stall.Restarts = int(c.StallRestarts)
	if c.ShutdownTimeout < 0 {
		return config, fmt.Errorf("--shutdown-timeout %v is negative", c.ShutdownTimeout)
	}
	return config, c.http2(&config.HTTP2)
}

func (f *http2Flags) http2(config *server.HTTP2Config) error {
	config.Disabled = !f.Enabled
	config.MaxConcurrentStreams = f.MaxConcurrentStreams
	config.KeepAlive = f.KeepAlive
	config.MaxAge = f.MaxAge
	if f.MaxConcurrentStreams == 0 {
		return errors.New("--h2-max-concurrent-streams 0 is out of range: at least 1")
	}
	for _, s := range []struct {
		flag string
		from byteSize
		to   *uint32
	}{
		{"h2-initial-window-size", f.InitialWindowSize, &config.InitialWindowSize},
		{"h2-connection-window", f.ConnectionWindow, &config.ConnectionWindow},
		{"h2-max-frame-size", f.MaxFrameSize, &config.MaxFrameSize},
		{"h2-max-header-list-size", f.MaxHeaderListSize, &config.MaxHeaderListSize},
	} {
		var err error
		if *s.to, err = word32(s.flag, s.from); err != nil {
			return err
		}
	}
	check := config.Config
	return check.Validate()
}

// listeners are the sockets that the flags ask for; secure is what those of --listen-tls serve.
func (c *serveCommand) listeners(secure *tls.Config) ([]reactor.ListenerConfig, error) {
	addresses := c.Listen
	if len(c.Listen)+len(c.ListenTLS) == 0 {
		addresses = []string{defaultListen}
	}
	mode := reactor.ProxyMode(c.ProxyProtocol)
	if mode == reactor.ProxyAccept && len(c.ProxyFrom) == 0 {
		return nil, errors.New("--proxy-protocol accept needs --proxy-from: anybody could choose an address otherwise")
	}
	if mode == reactor.ProxyOff && len(c.ProxyFrom) > 0 {
		return nil, errors.New("--proxy-from is of no use without --proxy-protocol accept or require")
	}
	trusted, err := reactor.TrustNetworks(c.ProxyFrom...)
	if err != nil {
		return nil, err
	}
	var all []reactor.ListenerConfig
	add := func(addresses []string, secure *tls.Config) error {
		for _, text := range addresses {
			parsed, err := reactor.ParseListenAddress(text)
			if err != nil {
				return err
			}
			for _, l := range parsed {
				l.TLS, l.SocketMode = secure, os.FileMode(c.SocketMode)
				l.ProxyProtocol, l.ProxyTrusted = mode, trusted
				all = append(all, l)
			}
		}
		return nil
	}
	if err := add(addresses, nil); err != nil {
		return nil, err
	}
	return all, add(c.ListenTLS, secure)
}

// network is a CIDR prefix; a single address is the network of itself.
type network netip.Prefix

func (n *network) UnmarshalText(text []byte) error {
	if a, err := netip.ParseAddr(string(text)); err == nil {
		*n = network(netip.PrefixFrom(a, a.BitLen()))
		return nil
	}
	p, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a network: write 10.0.0.0/8 or an address", text)
	}
	*n = network(p)
	return nil
}
