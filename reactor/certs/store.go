package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/logqueue"
)

// Store holds certificates, authorities and ticket keys, and replaces them while connections go on: a reload affects
// the handshakes that begin after it. Its methods may be called on any goroutine.
type Store struct {
	options Options
	logger  *zap.Logger
	config  *tls.Config
	current atomic.Pointer[snapshot]

	loading sync.Mutex // one load at a time
	tickets ticketKeys
	pairs   []*loadedPair
	signed  *tls.Certificate
	clients clientAuthorities

	watch fileWatch
}

// snapshot is the result of one load. It is immutable.
type snapshot struct {
	index nameIndex
	// config is shared by all connections: one for each would cost kilobytes for as long as it lives.
	config *tls.Config
}

// loadedPair is a pair of files and the last good certificate in them.
type loadedPair struct {
	files   Pair
	content []byte // both files, to see whether anything changed
	good    *tls.Certificate
}

type clientAuthorities struct {
	content []byte
	good    *x509.CertPool
}

// Open loads the files of options and watches them until Close. It fails if any of them cannot be used.
func Open(options Options) (*Store, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	s := &Store{options: options, logger: options.Logger}
	if s.logger == nil {
		s.logger = zap.NewNop()
	}
	s.logger = logqueue.Wrap(s.logger)
	if options.SelfSigned {
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
	var err error
	if s.tickets, err = s.tickets.renewed(); err != nil {
		return nil, err
	}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	if err := s.startWatching(); err != nil {
		return nil, err
	}
	return s, nil
}

// Config returns the configuration for a TLS server, reactor.ListenerConfig.TLS for example. It is always the same one
// and follows reloads.
func (s *Store) Config() *tls.Config { return s.config }

// baseConfig makes the config that looks up everything that a reload can change.
func (s *Store) baseConfig() *tls.Config {
	return &tls.Config{
		MinVersion:         s.minVersion(),
		NextProtos:         s.options.Protocols,
		GetConfigForClient: s.configFor,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return s.current.Load().index.choose(hello), nil
		},
	}
}

func (s *Store) minVersion() uint16 {
	if s.options.MinVersion == 0 {
		return tls.VersionTLS12
	}
	return s.options.MinVersion
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
	fresh, err := s.clients.load(s.options.ClientCAs)
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
		s.announce(pair)
	}
	return errors.Join(failures...)
}

func (s *Store) announce(pair *loadedPair) {
	leaf := pair.good.Leaf
	s.logger.Info("certificate loaded", zap.String("file", pair.files.Certificate),
		zap.Strings("names", leafNames(leaf)), zap.Time("expires", leaf.NotAfter))
	s.warnOfExpiry(pair.good, time.Now())
}

// expirySoon is how long before its end a certificate is reported, or a sixth of its life where that is less:
// renewals that work come earlier.
const expirySoon = 7 * 24 * time.Hour

func (s *Store) warnOfExpiry(certificate *tls.Certificate, now time.Time) {
	leaf, says := certificate.Leaf, "certificate expires soon"
	switch left := leaf.NotAfter.Sub(now); {
	case now.Before(leaf.NotBefore):
		s.logger.Warn("certificate is not valid yet", zap.Strings("names", leafNames(leaf)), zap.Time("begins", leaf.NotBefore))
		return
	case left > min(expirySoon, leaf.NotAfter.Sub(leaf.NotBefore)/6):
		return
	case left < 0:
		says = "certificate has expired"
	}
	s.logger.Warn(says, zap.Strings("names", leafNames(leaf)), zap.Time("expires", leaf.NotAfter))
}

// lookAtExpiry logs each certificate that has expired or soon will, for servers that run for months.
func (s *Store) lookAtExpiry(now time.Time) {
	for _, certificate := range s.current.Load().index.all {
		s.warnOfExpiry(certificate, now)
	}
}

// publish makes new handshakes use the loaded certificates.
func (s *Store) publish() {
	var all []*tls.Certificate
	for _, pair := range s.pairs {
		all = append(all, pair.good)
	}
	if s.signed != nil {
		all = append(all, s.signed)
	}
	state := &snapshot{index: newNameIndex(all)}
	state.config = &tls.Config{
		MinVersion:     s.minVersion(),
		NextProtos:     s.options.Protocols,
		ClientAuth:     s.options.ClientAuth,
		ClientCAs:      s.clients.good,
		GetCertificate: s.config.GetCertificate,
	}
	state.config.SetSessionTicketKeys(s.tickets)
	s.current.Store(state)
}

// load reads the pair and reports whether it differs from the one in use.
func (p *loadedPair) load() (fresh bool, err error) {
	certificate, err := os.ReadFile(p.files.Certificate)
	if err != nil {
		return false, err
	}
	key, err := os.ReadFile(p.files.Key)
	if err != nil {
		return false, err
	}
	content := slices.Concat(certificate, key)
	if p.good != nil && bytes.Equal(content, p.content) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil && encrypted(key) {
		err = errors.New("the key is encrypted, and there is nobody to ask for its passphrase")
	}
	if err != nil {
		return false, fmt.Errorf("certificate %s with key %s: %w", p.files.Certificate, p.files.Key, err)
	}
	p.content, p.good = content, &pair
	return true, nil
}

// encrypted reports whether a PEM file has a key with a passphrase, in the form of PKCS #8 or of RFC 1421.
func encrypted(file []byte) bool {
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return true
		}
	}
	return false
}

// load reads the authorities and reports whether they differ from those in use.
func (c *clientAuthorities) load(files []string) (fresh bool, err error) {
	var content []byte
	pool := x509.NewCertPool()
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil {
			return false, err
		}
		if !pool.AppendCertsFromPEM(pem) {
			return false, fmt.Errorf("client authorities %s: no certificate in it", file)
		}
		content = append(content, pem...)
	}
	if len(files) == 0 || bytes.Equal(content, c.content) {
		return false, nil
	}
	c.content, c.good = content, pool
	return true, nil
}
