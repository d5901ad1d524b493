//go:build linux

package main

import (
	"crypto/tls"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// openRoutes returns the gateway that a file describes. Mistakes in it are written to standard error, with their
// lines.
func openRoutes(s *streams, name string, options gateway.Options, log *zap.Logger) (*gateway.Gateway, error) {
	f, _, err := openGateway(s.stderr, name)
	if err != nil {
		return nil, err
	}
	builtIn, err := builtInApplication()
	if err != nil {
		return nil, err
	}
	c := certificatesOf{directory: filepath.Dir(name), log: log}
	return gateway.Open(f.Config, options, gateway.Parts{BuiltIn: builtIn, Certificates: c.open})
}

// builtInApplication returns what target: stands for.
func builtInApplication() (app.Handler, error) {
	return target.New(target.Config{Draining: func() bool { return false }})
}

// certificatesOf opens what the peers of backends are verified with.
type certificatesOf struct {
	directory string // to which names of files are relative
	log       *zap.Logger
}

// open implements gateway.Parts.Certificates.
func (c certificatesOf) open(t *config.TLS) (func(host string, protocols ...string) func() *tls.Config, error) {
	options := certs.ClientOptions{Logger: c.log}
	if t != nil {
		options.Name, options.Insecure = t.Name, t.Verify == config.Off
		if t.CA != "" {
			options.Authorities = []string{c.path(t.CA)}
		}
		if t.Cert != "" {
			options.Certificate = certs.Pair{Certificate: c.path(t.Cert), Key: c.path(t.Key)}
		}
		if t.Min == "1.3" {
			options.MinVersion = tls.VersionTLS13
		}
		if options.Insecure {
			c.log.Warn("the certificates of a backend's servers are not verified: verify: false")
		}
	}
	store, err := certs.OpenClient(options)
	if err != nil {
		return nil, err
	}
	return store.Config, nil
}

func (c certificatesOf) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.directory, name)
}
