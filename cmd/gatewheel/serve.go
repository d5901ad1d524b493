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

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/internal/handover"
	"github.com/gatewheel/gatewheel/internal/loglimit"
	"github.com/gatewheel/gatewheel/internal/logqueue"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

// Run serves until a signal ends it.
func (c *serveCommand) Run(s *streams, names variableNames, all settings) error {
	return c.run(s, names, c.application, &operator{settings: all})
}

// addHandler completes the configuration of a server: its handler, and listeners of its own. It returns what to call
// with the server, before the first request.
type addHandler func(config *server.Config, log *zap.Logger) (started func(*server.Server), err error)

// run serves with that handler until a signal ends it.
func (c *serverFlags) run(s *streams, names variableNames, add addHandler, op *operator) error {
	this := thisExecutable()
	if c.RestartParent.wanted() {
		return runAsParent(this)
	}
	// A write to a closed pipe fails instead of ending the process.
	signal.Ignore(syscall.SIGPIPE)
	received := signals{reload: make(chan os.Signal, 1), stop: make(chan os.Signal, 2)}
	signal.Notify(received.reload, syscall.SIGHUP)
	received.reopen = make(chan os.Signal, 1)
	signal.Notify(received.reopen, syscall.SIGUSR1)
	received.restart = make(chan os.Signal, 1)
	signal.Notify(received.restart, syscall.SIGUSR2)

	log, err := c.logger(s.stderr, op)
	if err != nil {
		return usage(err)
	}
	defer logqueue.Flush(log, exitPatience)
	in, err := inherit()
	if err != nil {
		return err
	}
	names.warnUnknown(log, os.Environ())
	sockets := passedSockets()
	access, err := c.accessLogFlags.open(log)
	if err != nil {
		return err
	}
	defer access.close(log)
	certificates, err := c.certificates(c.Enabled, in.secrets, log)
	if err != nil {
		return err
	}
	if certificates != nil {
		defer within(exitPatience, func() { _ = certificates.Close() })
	}
	op.certificates = certificates
	op.notify = newNotify(log)
	if err := op.listen(&c.adminFlags, in, log); err != nil {
		return err
	}
	defer op.close()
	// Until here a file may block, and a signal ends the process at once.
	signal.Notify(received.stop, syscall.SIGINT, syscall.SIGTERM)
	srv, listeners, err := c.open(s, log, access, op, add)
	if err != nil {
		return err
	}
	op.serve(srv, received.stop)
	tuneCollector()
	if err := srv.Start(context.Background()); err != nil {
		return err
	}
	if op.metrics != nil {
		op.metrics.Watch(srv)
	}
	op.started.Store(true)
	restart := &restarter{
		program: this, timeout: time.Duration(c.RestartTimeout), log: log, server: srv, op: op, parent: in.parent,
		replaced: make(chan *handover.Successor, 1),
	}
	inCharge := func() {
		op.notify.ready(srv, time.Duration(c.StallTimeout))
		go restart.serve(received.restart)
	}
	if err := in.ready(op, received.stop, inCharge); err != nil {
		within(exitPatience, func() { _ = srv.Shutdown(context.Background()) })
		return err
	}
	in.parent.watch(received.stop)
	warnUnused(log, sockets, listeners)
	announce(s, log, listeners, srv.Addrs()[:len(listeners)], certificates)
	go op.reloadAt(received.reload)
	go access.reopen(log, received.reopen)
	return c.wait(srv, log, received.stop, restart)
}

// open creates the server and opens the listening sockets. It returns those of --listen and --listen-tls.
func (c *serverFlags) open(s *streams, log *zap.Logger, access *accessLog, op *operator, add addHandler) (*server.Server, []reactor.ListenerConfig, error) {
	config, err := c.config(log)
	if err != nil {
		return nil, nil, usage(err)
	}
	c.MemoryLimit.set(&config, log)
	config.Stall.Abort = access.flushBefore(abort(log, s.stderr, c.LogFormat))
	access.observe(&config)
	var secure *tls.Config
	if op.certificates != nil {
		secure = op.certificates.Config()
	}
	listeners, err := c.listeners(secure)
	if err != nil {
		return nil, nil, usage(err)
	}
	config.Listeners = listeners
	started, err := add(&config, log)
	if err != nil {
		return nil, nil, err
	}
	op.observe(&config)
	op.notify.observe(&config)
	op.measure(&c.metricsFlags, access, &config)
	srv, err := server.New(config)
	if err != nil {
		return nil, nil, err
	}
	started(srv)
	return srv, config.Listeners[:len(listeners)], nil
}

// application makes the built-in application the handler.
func (c *serveCommand) application(config *server.Config, log *zap.Logger) (started func(*server.Server), err error) {
	if err := c.webSocketFlags.set(config); err != nil {
		return nil, usage(err)
	}
	var count counter // its server is set below, before the first request
	config.Handler, err = target.New(target.Config{
		Root:          c.Root,
		OnFileError:   reportFiles(log),
		AllowStall:    c.AllowStall,
		AllowBackends: c.AllowBackends,
		Draining:      func() bool { return count.server.Draining() },
		ShortOfMemory: func() bool { return count.server.Memory().Level >= server.MemoryScarce },
		Counter:       &count,
		WebSocket:     c.webSocketFlags.limits(),
	})
	if err != nil {
		return nil, fmt.Errorf("--root: %w", err) // the only error of New
	}
	return func(srv *server.Server) { count.server = srv }, nil
}

// announce prints and logs the addresses of the listeners and the fingerprint of a self-signed certificate.
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
	within(exitPatience, func() { fmt.Fprint(s.stdout, words) })
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

// signals are the channels on which the process gets its signals.
type signals struct {
	reload  chan os.Signal // SIGHUP
	reopen  chan os.Signal // SIGUSR1
	restart chan os.Signal // SIGUSR2
	stop    chan os.Signal // SIGINT and SIGTERM
}

// wait shuts the server down at the first signal: it waits for --drain-delay, which the next signal ends, and drains. It
// cuts what is left at the signal after that. When another process has replaced this one, it drains at once. The end of the
// process that this one was to replace is an error: nobody serves, and a supervisor is to start another process.
func (c *serverFlags) wait(srv *server.Server, log *zap.Logger, stop <-chan os.Signal, restart *restarter) error {
	var next *handover.Successor // nil: none serves in the place of this process
	told := false                // by a signal to stop
	var first os.Signal
	select {
	case first = <-stop:
		told = true
		if restart.exclude() {
			log.Info("stopping", zap.Stringer("signal", first), zap.String("at_most", limitText(c.ShutdownTimeout)))
			restart.op.notify.stopping(c.limitOfEnd())
			c.delayDrain(srv, log, stop)
			break
		}
		next = <-restart.replaced
		forwardStop(first, next)
	case next = <-restart.replaced:
	}
	defer within(attemptEndTime, restart.attempts.Wait)
	if next != nil {
		log.Info("stopping, since another process serves", zap.Int("pid", os.Getpid()), zap.Int("new_pid", next.PID()), zap.String("at_most", limitText(c.ShutdownTimeout)))
		skipDelay(srv)
		go restart.op.leave()
	}
	grace, cut := context.WithCancel(context.Background())
	defer cut()
	if c.ShutdownTimeout > 0 {
		var end context.CancelFunc
		grace, end = context.WithTimeout(grace, time.Duration(c.ShutdownTimeout))
		defer end()
	}
	go func() {
		if !told {
			first := <-stop
			log.Info("already stopping; another signal closes all connections", zap.Stringer("signal", first), zap.Int("pid", os.Getpid()))
		}
		second := <-stop
		log.Warn("stopping at once", zap.Stringer("signal", second))
		cut()
	}()
	err := srv.Shutdown(grace)
	switch {
	case err == nil:
		log.Info("stopped", zap.Int("pid", os.Getpid()))
		if first == (predecessorEnded{}) {
			return errPredecessorEnded
		}
		return endOf(next)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("connections were still busy after %v and have been closed", time.Duration(c.ShutdownTimeout))
	case errors.Is(err, context.Canceled):
		return errors.New("another signal came, and busy connections have been closed")
	}
	return err
}

// limitOfEnd returns how long the connections may take to end after the first signal; 0 means that there is no limit.
func (c *serverFlags) limitOfEnd() time.Duration {
	if c.ShutdownTimeout == 0 {
		return 0
	}
	return time.Duration(c.DrainDelay) + time.Duration(c.ShutdownTimeout)
}

// endOf returns an error if the process that has replaced this one has failed already.
func endOf(next *handover.Successor) error {
	if next == nil {
		return nil
	}
	select {
	case <-next.Ended():
		if err := next.Err(); err != nil {
			return fmt.Errorf("the new process has failed, while this one stopped: %w", err)
		}
	default:
	}
	return nil
}

// limitText formats a time limit.
func limitText(d period) string {
	if d == 0 {
		return "no limit"
	}
	return time.Duration(d).String()
}

// reportFiles returns a function that logs files of --root that exist and cannot be served.
func reportFiles(log *zap.Logger) func(r *app.Request, name string, err error) {
	var limit loglimit.Limit
	return func(r *app.Request, name string, err error) {
		if unlogged, ok := limit.Allow(time.Now()); ok {
			log.Warn("a file of --root cannot be served", zap.String("name", name), zap.Error(err),
				zap.String("peer", r.Conn().PeerString()), zap.Int("unlogged", unlogged))
		}
	}
}
