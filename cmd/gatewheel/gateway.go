//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	upstream "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/internal/loglimit"
	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

const (
	// maxConnections is the number of HTTP/1 connections to one server.
	maxConnections = 65536
	// waitForConnection is how long a request waits for one, before the answer is 503.
	waitForConnection = 5 * time.Second
)

// Run forwards until a signal ends it.
func (c *gatewayCommand) Run(s *streams, names variableNames, all settings) error {
	op := &operator{settings: all}
	return c.run(s, names, func(config *server.Config, log *zap.Logger) (started func(*server.Server), err error) {
		op.gateway, op.files, err = c.forward(s, config, log)
		return func(*server.Server) {}, err
	}, op)
}

// gatewayFiles are the files that a gateway reads again.
type gatewayFiles struct {
	routes       *routesFile        // of --config, or nil
	certificates *certs.ClientStore // of --to-ca, --to-cert and --to-key, or nil
	log          *zap.Logger
}

// any reports whether there are files to read again.
func (f *gatewayFiles) any() bool {
	return f != nil && (f.routes != nil || f.certificates != nil)
}

// reload reads the files again and returns what is wrong with them.
func (f *gatewayFiles) reload(ctx context.Context) error {
	if f.routes != nil {
		return f.routes.reload(ctx)
	}
	err := f.certificates.Reload()
	if err == nil {
		f.log.Info("certificates for connections to servers loaded again")
	}
	return err
}

// forward makes the gateway the handler.
func (c *gatewayCommand) forward(s *streams, config *server.Config, log *zap.Logger) (g *gateway.Gateway, files *gatewayFiles, err error) {
	if err := c.gatewayFlags.check(); err != nil {
		return nil, nil, usage(err)
	}
	g, files, err = c.gateway(s, log)
	if err != nil {
		return nil, nil, err
	}
	config.Handler = g.Serve
	config.Probes = []string{} // every path is one of the backends'
	config.Hooks.LoopStart = func(loop app.Loop) (any, error) {
		g.LoopStart(loop)
		return nil, nil
	}
	return g, files, nil
}

// gateway returns the gateway of --config, or that of --to.
func (c *gatewayCommand) gateway(s *streams, log *zap.Logger) (*gateway.Gateway, *gatewayFiles, error) {
	options := gateway.Options{
		Via:         c.ViaName,
		Forwarded:   c.Forwarded,
		ProxyStatus: c.ProxyStatus,
		Timeout:     c.RequestTimeout.orNever(),
		Ended:       reportExchanges(log),
		PeerChanged: reportPeers(log),
		Warn:        reportFaults(log),
	}
	if c.gatewayFlags.Config != "" {
		g, routes, err := openRoutes(s, &c.gatewayFlags, options, log)
		if err != nil {
			return nil, nil, err
		}
		return g, &gatewayFiles{routes: routes}, nil
	}
	backend, store, err := c.backend(log)
	if err != nil {
		return nil, nil, err
	}
	files := &gatewayFiles{log: log}
	if c.ToCA != "" || c.ToCert != "" {
		files.certificates = store
	}
	return gateway.New(backend, options), files, nil
}

// check returns the first mistake in flags that belong together.
func (f *gatewayFlags) check() error {
	secure := false
	for _, url := range f.To {
		secure = secure || strings.HasPrefix(url, "https") || strings.HasPrefix(url, "h2:") || strings.HasPrefix(url, "h2+")
	}
	switch {
	case len(f.To) == 0 && f.Config == "":
		return errors.New("--to or --config is missing: where to forward to, such as --to http://127.0.0.1:9000")
	case len(f.To) > 0 && f.Config != "":
		return errors.New("--to and --config exclude each other: the file names the servers")
	case f.Config != "" && (f.ToCA != "" || f.ToName != "" || f.ToCert != "" || f.ToKey != "" || f.ToInsecure):
		return errors.New("--to-ca, --to-name, --to-cert, --to-key and --to-insecure have no effect with --config: write tls in the file")
	case f.Config == "" && f.CookieKeyFile != "":
		return errors.New("--cookie-key-file has no effect without --config")
	case f.ViaName != "" && !octets.IsToken(f.ViaName):
		return fmt.Errorf("--via-name: %q is not a name of letters, digits and hyphens", f.ViaName)
	case (f.ToCert == "") != (f.ToKey == ""):
		return errors.New("--to-cert and --to-key come in pairs")
	case f.ToInsecure && f.ToCA != "":
		return errors.New("--to-ca has no effect with --to-insecure")
	case !secure && (f.ToCA != "" || f.ToName != "" || f.ToCert != "" || f.ToInsecure):
		return errors.New("--to-ca, --to-name, --to-cert and --to-insecure have no effect without a --to with https or h2")
	}
	return nil
}

// backend returns the servers of --to, and what they are verified with.
func (f *gatewayFlags) backend(log *zap.Logger) (*gateway.Backend, *certs.ClientStore, error) {
	store, err := f.certificates(log)
	if err != nil {
		return nil, nil, err
	}
	if f.ToInsecure {
		log.Warn("the certificates of the servers are not verified: --to-insecure")
	}
	// Each WebSocket over HTTP/1.1 has a connection of its own.
	options := upstream.OriginOptions{HTTP1Connections: maxConnections, Wait: waitForConnection, Certificates: store.Config}
	b, err := gateway.OpenBackend(gateway.BackendOptions{Origins: options, PeerChanged: reportPeers(log)}, f.To...)
	if err != nil {
		return nil, nil, usage(fmt.Errorf("--to: %s", strings.TrimPrefix(err.Error(), "gateway: ")))
	}
	return b, store, nil
}

// certificates opens the files for servers over TLS.
func (f *gatewayFlags) certificates(log *zap.Logger) (*certs.ClientStore, error) {
	options := certs.ClientOptions{Name: f.ToName, Insecure: f.ToInsecure, Logger: log}
	if f.ToCA != "" {
		options.Authorities = []string{f.ToCA}
	}
	if f.ToCert != "" {
		options.Certificate = certs.Pair{Certificate: f.ToCert, Key: f.ToKey}
	}
	store, err := certs.OpenClient(options)
	if err != nil {
		return nil, fmt.Errorf("--to-ca, --to-cert and --to-key: %w", err)
	}
	return store, nil
}

// minCookieKey is the length of the shortest key in bytes.
const minCookieKey = 32

// cookieKey returns the key in the file of --cookie-key-file; nil if there is none.
func (f *gatewayFlags) cookieKey() ([]byte, error) {
	if f.CookieKeyFile == "" {
		return nil, nil
	}
	key, err := os.ReadFile(f.CookieKeyFile)
	if err != nil {
		return nil, fmt.Errorf("--cookie-key-file: %w", err)
	}
	if key = bytes.TrimSpace(key); len(key) < minCookieKey {
		return nil, fmt.Errorf("--cookie-key-file: %s has %d bytes, at least %d are needed: openssl rand -hex 32 makes them", f.CookieKeyFile, len(key), minCookieKey)
	}
	return key, nil
}

// reportExchanges returns a function that logs exchanges that a backend has failed: one line at most in each
// loglimit.Interval for each reason.
func reportExchanges(log *zap.Logger) func(r *app.Request, reason gateway.Reason, err error) {
	lines := make([]loglimit.Limit, len(gateway.Reasons()))
	return func(r *app.Request, reason gateway.Reason, err error) {
		if !reason.BackendFailed() {
			return
		}
		unlogged, ok := lines[reason].Allow(time.Now())
		if !ok {
			return
		}
		fields := []zap.Field{zap.String("reason", reason.String()), zap.String("peer", r.Conn().PeerString())}
		if err != nil {
			fields = append(fields, zap.String("error", err.Error()))
		}
		log.Warn("a request was not answered by its server", append(fields, zap.Int("unlogged", unlogged))...)
	}
}

// reportPeers returns a function that logs the changes of peers, one line each.
func reportPeers(log *zap.Logger) func(backend, peer string, event gateway.PeerEvent, err error) {
	return func(backend, peer string, event gateway.PeerEvent, err error) {
		fields := []zap.Field{zap.String("peer", peer), zap.String("change", event.String())}
		if backend != "" {
			fields = append(fields, zap.String("backend", backend))
		}
		if err != nil {
			fields = append(fields, zap.String("error", err.Error()))
		}
		log.Warn("a server of a backend has changed", fields...)
	}
}

// reportFaults returns a function that logs what cannot be read or asked, and that it can be again.
func reportFaults(log *zap.Logger) func(subject string, err error) {
	return func(subject string, err error) {
		if err == nil {
			log.Info("what the gateway's file names works again", zap.String("subject", subject))
			return
		}
		log.Warn("what the gateway's file names cannot be used", zap.String("subject", subject), zap.Error(err))
	}
}

// gatewayCounter adds the counters of a gateway to those of its server.
type gatewayCounter struct {
	counter
	gateway *gateway.Gateway
	routes  *routesFile // nil: there is no file
}

// Counts implements target.Counter.
func (c *gatewayCounter) Counts() target.Counts {
	counts, n := c.counter.Counts(), c.gateway.Counts()
	exchanges := map[string]uint64{}
	for i, count := range n.Exchanges {
		if count > 0 {
			exchanges[gateway.Reason(i).String()] = count
		}
	}
	connections := c.server.Counts().Upstream
	counts.Gateway = &target.GatewayCounts{
		Exchanges: exchanges, Tunnels: n.Tunnels, Active: n.Backend.Active, Waiting: n.Backend.Waiting,
		Connections: n.Backend.Connections, Opened: connections.Opened, Failed: connections.Failed,
		Dials: n.Backend.Dials, Requests: n.Backend.Requests, Reused: n.Backend.Reused, Retries: n.Backend.Retries,
		FailedLookUps: n.FailedLookUps,
		Mirrored:      n.Mirrors.Sent, MirrorFailed: n.Mirrors.Failed, MirrorSkipped: n.Mirrors.Skipped,
	}
	if c.routes != nil {
		counts.Gateway.Reloads = c.routes.reloads.Load()
	}
	return counts
}
