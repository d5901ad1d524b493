package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/filewatch"
	"github.com/gatewheel/gatewheel/internal/logqueue"
)

// ClientOptions configure a ClientStore. The zero value verifies servers against the authorities of the system.
type ClientOptions struct {
	// Authorities are PEM files with the authorities that servers are verified against; none: those of the system.
	Authorities []string
	// Certificate is shown to servers that ask for one; the zero Pair: none is.
	Certificate Pair
	// Name is the name that servers are asked for (SNI) and that their certificates must have, in place of the host
	// of the connection.
	Name string
	// Insecure accepts every certificate of a server.
	Insecure bool
	// MinVersion is the oldest version used; zero means TLS 1.2.
	MinVersion uint16
	// Logger gets a line for each loaded file and for each that cannot be used. Without it and Slog, they go to standard error;
	// zap.NewNop() turns the log off.
	Logger *zap.Logger
	// Slog gets the lines if Logger is nil.
	Slog *slog.Logger
}

func (o *ClientOptions) check() error {
	switch {
	case o.Certificate.Certificate == "" && o.Certificate.Key != "":
		return fmt.Errorf("client key %s needs a certificate", o.Certificate.Key)
	case o.Certificate.Certificate != "" && o.Certificate.Key == "":
		return fmt.Errorf("client certificate %s needs a key", o.Certificate.Certificate)
	case o.Insecure && len(o.Authorities) > 0:
		return errors.New("authorities are of no use if every certificate of a server is accepted")
	}
	return checkMinVersion(o.MinVersion)
}

// ClientStore holds what a TLS client needs, and replaces it when its files change: a reload affects the handshakes that
// begin after it. Its methods may be called on any goroutine.
type ClientStore struct {
	options ClientOptions
	logger  *zap.Logger
	current atomic.Pointer[clientSnapshot]

	loading sync.Mutex // one load at a time
	pair    *loadedPair
	roots   authorities

	watch filewatch.Watch
}

// clientSnapshot is the result of one load. It is immutable.
type clientSnapshot struct {
	roots        *x509.CertPool // nil: those of the system
	certificates []tls.Certificate
}

// OpenClient loads the files of options and watches them until Close. It fails if any of them cannot be used.
func OpenClient(options ClientOptions) (*ClientStore, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	s := &ClientStore{options: options, logger: logqueue.Choose(options.Logger, options.Slog)}
	if options.Certificate != (Pair{}) {
		s.pair = &loadedPair{files: options.Certificate}
	}
	if err := s.Reload(); err != nil {
		return nil, err
	}
	s.watch = filewatch.Watch{Files: s.files(), Changed: func() { _ = s.Reload() }, Every: expiryInterval, Periodic: s.lookAtExpiry, Failed: watchFailed(s.logger)}
	if len(s.watch.Files) == 0 {
		return s, nil
	}
	if err := s.watch.Start(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close stops watching. Functions that Config has returned stay usable.
func (s *ClientStore) Close() error {
	return s.watch.Close()
}

func (s *ClientStore) files() []string {
	files := append([]string(nil), s.options.Authorities...)
	if s.pair != nil {
		files = append(files, s.pair.files.Certificate, s.pair.files.Key)
	}
	return files
}

// expiryInterval is the time between two looks at the expiry of a client certificate.
const expiryInterval = 12 * time.Hour

// lookAtExpiry logs that the certificate has expired or soon will.
func (s *ClientStore) lookAtExpiry(now time.Time) {
	for i := range s.current.Load().certificates {
		warnOfExpiry(s.logger, &s.current.Load().certificates[i], now)
	}
}

// Reload reads all files again, as happens by itself when a file changes. Where one cannot be used, what was loaded before
// stays in use; the error names each.
func (s *ClientStore) Reload() error {
	s.loading.Lock()
	defer s.loading.Unlock()
	first := s.current.Load() == nil
	roots, rootsErr := s.roots.load("authorities", s.options.Authorities)
	pair, pairErr := false, error(nil)
	if s.pair != nil {
		pair, pairErr = s.pair.load()
	}
	err := errors.Join(rootsErr, pairErr)
	if first && err != nil {
		return err
	}
	if first || roots || pair {
		s.publish()
	}
	if pair {
		s.pair.announce(s.logger)
	}
	for _, err := range []error{rootsErr, pairErr} {
		if err != nil {
			s.logger.Error("file for connections to other servers kept out", zap.Error(err), zap.Bool("previous_serves_on", true))
		}
	}
	return err
}

// publish makes new handshakes use the loaded files.
func (s *ClientStore) publish() {
	snapshot := &clientSnapshot{roots: s.roots.good}
	if s.pair != nil {
		snapshot.certificates = []tls.Certificate{*s.pair.good}
	}
	s.current.Store(snapshot)
}

// Config returns a function that returns the configuration for connections to host, for reactor.DialConfig.TLS for example:
// the same one until a reload. protocols are offered by ALPN, the preferred one first. The function may be called on any
// goroutine. Its connections resume sessions among each other, and none from before a reload; so it is best made once
// for each address that is dialled.
func (s *ClientStore) Config(host string, protocols ...string) func() *tls.Config {
	if s.options.Name != "" {
		host = s.options.Name
	}
	c := &clientConfigs{store: s, host: host, protocols: protocols}
	return c.get
}

// clientConfigs has the configuration for one host. Safe for concurrent use.
type clientConfigs struct {
	store     *ClientStore
	host      string
	protocols []string
	made      atomic.Pointer[clientConfig]
}

// clientConfig is a configuration and what it was made from.
type clientConfig struct {
	from   *clientSnapshot
	config *tls.Config
}

func (c *clientConfigs) get() *tls.Config {
	made, from := c.made.Load(), c.store.current.Load()
	if made != nil && made.from == from {
		return made.config
	}
	next := &clientConfig{from: from, config: c.make(from)}
	if c.made.CompareAndSwap(made, next) {
		return next.config
	}
	return c.get()
}

// sessionsKept is the number of sessions that a configuration keeps: its connections all have the same name.
const sessionsKept = 1

func (c *clientConfigs) make(from *clientSnapshot) *tls.Config {
	return &tls.Config{
		ServerName:         c.host,
		RootCAs:            from.roots,
		Certificates:       from.certificates,
		InsecureSkipVerify: c.store.options.Insecure,
		MinVersion:         minVersion(c.store.options.MinVersion),
		NextProtos:         c.protocols,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessionsKept),
	}
}
