//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// upstreamCertificates has what the servers of a gateway's file are verified with, by what the file says. Stores are
// kept until the end: they are few, and connections of backends that have gone may use them.
type upstreamCertificates struct {
	directory string // to which names of files are relative
	log       *zap.Logger
	mu        sync.Mutex
	stores    map[string]*certs.ClientStore
}

// open implements gateway.Parts.Certificates.
func (c *upstreamCertificates) open(t *config.TLS) (func(host string, protocols ...string) func() *tls.Config, error) {
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
	store, err := c.store(options)
	if err != nil {
		return nil, err
	}
	return store.Config, nil
}

// store returns the store with these options, whose files it reads.
func (c *upstreamCertificates) store(options certs.ClientOptions) (*certs.ClientStore, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprintf("%q %q %q %t %d", options.Authorities, options.Certificate, options.Name, options.Insecure, options.MinVersion)
	if store := c.stores[key]; store != nil {
		return store, store.Reload()
	}
	store, err := certs.OpenClient(options)
	if err != nil {
		return nil, err
	}
	if c.stores == nil {
		c.stores = map[string]*certs.ClientStore{}
	}
	c.stores[key] = store
	return store, nil
}

// reload reads all files again. Those that cannot be used are logged, and what was read before stays in use.
func (c *upstreamCertificates) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []error
	for _, store := range c.stores {
		all = append(all, store.Reload())
	}
	return errors.Join(all...)
}

func (c *upstreamCertificates) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.directory, name)
}
