//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// Run serves until a signal ends it.
func (c *serveCommand) Run(s *streams) error {
	log, err := c.logger(s.stderr)
	if err != nil {
		return usage(err)
	}
	// From here on a signal means: end in good order.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)

	certificates, err := c.certificates(c.Enabled, log)
	if err != nil {
		return err
	}
	if certificates != nil {
		defer certificates.Close()
	}
	srv, listeners, err := c.open(log, certificates)
	if err != nil {
		return err
	}
	tuneCollector()
	if err := srv.Start(context.Background()); err != nil {
		return err
	}
	announce(s, log, listeners, srv.Addrs(), certificates)
	return c.wait(srv, certificates, log, signals)
}

// open makes the server with its application and opens its sockets.
func (c *serveCommand) open(log *zap.Logger, certificates *certs.Store) (*server.Server, []reactor.ListenerConfig, error) {
	config, err := c.config(log)
	if err != nil {
		return nil, nil, usage(err)
	}
	var secure *tls.Config
	if certificates != nil {
		secure = certificates.Config()
	}
	if config.Listeners, err = c.listeners(secure); err != nil {
		return nil, nil, usage(err)
	}
	var count counter // its server is set before the first request
	config.Handler, err = target.New(target.Config{
		Root:       c.Root,
		AllowStall: c.AllowStall,
		Draining:   func() bool { return count.server.Draining() },
		Counter:    &count,
		WebSocket:  c.webSocketFlags.limits(),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("--root: %w", err) // nothing else can fail
	}
	count.server, err = server.New(config)
	return count.server, config.Listeners, err
}

// announce says where the server listens, and which certificate it has made: once for a person, once for the log.
func announce(s *streams, log *zap.Logger, listeners []reactor.ListenerConfig, addresses []net.Addr, certificates *certs.Store) {
	var urls []string
	for i, a := range addresses {
		scheme := "http"
		if listeners[i].TLS != nil {
			scheme = "https"
		}
		urls = append(urls, url(scheme, a))
	}
	words := fmt.Sprintf("gatewheel %s listens on %s\n", programVersion(), strings.Join(urls, " and "))
	fields := []zap.Field{zap.Strings("addresses", urls), zap.String("version", programVersion()), zap.Int("pid", os.Getpid())}
	if fingerprint := fingerprint(certificates); fingerprint != "" {
		words += "its self-signed certificate has the SHA-256 fingerprint " + fingerprint + "\n"
		fields = append(fields, zap.String("self_signed_sha256", fingerprint))
	}
	// In one write: the end of a reader that wants one line only would end the server at the second.
	fmt.Fprint(s.stdout, words)
	log.Info("listening", fields...)
}

func fingerprint(certificates *certs.Store) string {
	if certificates == nil {
		return ""
	}
	return certificates.SelfSignedFingerprint()
}

func url(scheme string, a net.Addr) string {
	if a.Network() == "unix" {
		return scheme + "+unix:" + a.String()
	}
	return scheme + "://" + a.String()
}

// wait acts on signals: SIGHUP loads certificates again, the first other one drains, the second cuts.
func (c *serveCommand) wait(srv *server.Server, certificates *certs.Store, log *zap.Logger, signals <-chan os.Signal) error {
	for received := range signals {
		if received != syscall.SIGHUP {
			log.Info("stopping", zap.Stringer("signal", received), zap.Duration("at_most", time.Duration(c.ShutdownTimeout)))
			break
		}
		if certificates == nil {
			log.Info("nothing to load again: no TLS listener")
		} else if err := certificates.Reload(); err == nil {
			log.Info("certificates loaded again")
		}
	}
	grace, cut := context.WithCancel(context.Background())
	defer cut()
	if c.ShutdownTimeout > 0 {
		var end context.CancelFunc
		grace, end = context.WithTimeout(grace, time.Duration(c.ShutdownTimeout))
		defer end()
	}
	go func() {
		for received := range signals {
			if received != syscall.SIGHUP {
				log.Warn("stopping at once", zap.Stringer("signal", received))
				cut()
				return
			}
		}
	}()
	err := srv.Shutdown(grace)
	switch {
	case err == nil:
		log.Info("stopped")
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("connections were still busy after %v and have been cut", time.Duration(c.ShutdownTimeout))
	case errors.Is(err, context.Canceled):
		return errors.New("a second signal came, and busy connections have been cut")
	}
	return err
}
