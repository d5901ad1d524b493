package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/filewatch"
	"github.com/gatewheel/gatewheel/internal/logqueue"
)

// Store holds certificates, authorities and ticket keys, and replaces them while connections go on: a reload affects
// the handshakes that begin after it. Its methods may be called on any goroutine.
type Store struct {
	options Options
	logger  *zap.Logger
	config  *tls.Config
	current atomic.Pointer[snapshot]

	signed *tls.Certificate // made in memory; nil: there is none

	loading sync.Mutex // one load at a time; held while files are read, which may block
	pairs   []*loadedPair
	clients authorities

	publishing sync.Mutex // held for the change of tickets and current; never while a file is read
	tickets    ticketKeys

	watch filewatch.Watch
}

// snapshot is the result of one load. It is immutable.
type snapshot struct {
	index nameIndex
	// config is shared by all connections: one for each would cost kilobytes for as long as it lives.
	config *tls.Config
}

// Open loads the files of options and watches them until Close. It fails if any of them cannot be used.
func Open(options Options) (*Store, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	s := &Store{options: options, logger: logqueue.Choose(options.Logger, options.Slog)}
	now := time.Now()
	if err := s.inherit(now); err != nil {
		return nil, err
	}
	if options.SelfSigned && s.signed == nil {
		signed, err := SelfSigned(options.SelfSignedNames...)
		if err != nil {
			return nil, err
		}
		s.signed = signed
	}
	for _, files := range options.Pairs {
		s.pairs = append(s.pairs, &loadedPair{files: files})
	}
	s.config = s.baseConfig()
	if len(s.tickets) == 0 || s.tickets.due(now) <= 0 {
		var err error
		if s.tickets, err = s.tickets.renewed(); err != nil {
			return nil, err
		}
	}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	s.watch = filewatch.Watch{Files: s.files(), Changed: func() { _ = s.Reload() }, First: s.tickets.due(now), Every: ticketRotation, Periodic: s.renew, Failed: watchFailed(s.logger)}
	if err := s.watch.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close stops watching. Connections and Config stay usable.
func (s *Store) Close() error { return s.watch.Close() }

// watchFailed returns a function that logs a failure to watch files.
func watchFailed(log *zap.Logger) func(error) {
	return func(err error) { log.Warn("watching certificate files", zap.Error(err)) }
}

func (s *Store) files() []string {
	files := append([]string(nil), s.options.ClientCAs...)
	for _, pair := range s.options.Pairs {
		files = append(files, pair.Certificate, pair.Key)
	}
	return files
}

// renew does what is due every ticketRotation.
func (s *Store) renew(now time.Time) {
	s.lookAtExpiry(now)
	if err := s.RotateTicketKeys(); err != nil {
		s.logger.Error("session ticket keys not rotated", zap.Error(err))
	}
}

// Config returns the configuration for a TLS server, reactor.ListenerConfig.TLS for example. It is always the same one
// and follows reloads.
func (s *Store) Config() *tls.Config { return s.config }

// baseConfig makes the config that looks up everything that a reload can change.
func (s *Store) baseConfig() *tls.Config {
	return &tls.Config{
		MinVersion:         minVersion(s.options.MinVersion),
		NextProtos:         s.options.Protocols,
		GetConfigForClient: s.configFor,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.current.Load().index.choose(hello), nil
		},
	}
}

func (s *Store) configFor(*tls.ClientHelloInfo) (*tls.Config, error) {
	return s.current.Load().config, nil
}

// Reload reads all files again, as happens by itself when a file changes. For a pair that cannot be used, the one
// loaded before stays in use; the error names each.
func (s *Store) Reload() error {
	s.loading.Lock()
	defer s.loading.Unlock()
	first := s.current.Load() == nil
	var failures []error
	keepOut := func(what string, err error) {
		failures = append(failures, err)
		if !first { // a failed start returns its error instead
			s.logger.Error(what, zap.Error(err), zap.Bool("previous_serves_on", true))
		}
	}
	var loaded []*loadedPair
	for _, pair := range s.pairs {
		fresh, err := pair.load()
		if err != nil {
			keepOut("certificate kept out", err)
			continue
		}
		if fresh {
			loaded = append(loaded, pair)
		}
	}
	fresh, err := s.clients.load("client authorities", s.options.ClientCAs)
	if err != nil {
		keepOut("client authorities kept out", err)
	}
	if first && len(failures) > 0 {
		return errors.Join(failures...)
	}
	if first || fresh || len(loaded) > 0 {
		s.publish()
	}
	for _, pair := range loaded {
		pair.announce(s.logger)
	}
	return errors.Join(failures...)
}

// lookAtExpiry logs each certificate that has expired or soon will, for servers that run for months.
func (s *Store) lookAtExpiry(now time.Time) {
	for _, certificate := range s.current.Load().index.all {
		warnOfExpiry(s.logger, certificate, now)
	}
}

// publish makes new handshakes use the loaded certificates. The caller holds loading.
func (s *Store) publish() {
	var all []*tls.Certificate
	for _, pair := range s.pairs {
		all = append(all, pair.good)
	}
	if s.signed != nil {
		all = append(all, s.signed)
	}
	index := newNameIndex(all)
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.replace(index, s.clients.good)
}

// replace makes new handshakes use certificates, client authorities and the ticket keys. The caller holds publishing.
func (s *Store) replace(index nameIndex, clients *x509.CertPool) {
	config := &tls.Config{
		MinVersion:     minVersion(s.options.MinVersion),
		NextProtos:     s.options.Protocols,
		ClientAuth:     s.options.ClientAuth,
		ClientCAs:      clients,
		GetCertificate: s.config.GetCertificate,
	}
	config.SetSessionTicketKeys(s.tickets.bytes())
	s.current.Store(&snapshot{index, config})
}
