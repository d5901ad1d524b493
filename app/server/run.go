package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
)

// ErrServerClosed is the error of ListenAndServe after a shutdown without failures.
var ErrServerClosed = errors.New("server: closed")

// Run serves until ctx ends or, with Config.StopOnSignal, until SIGINT or SIGTERM, and shuts down within
// Config.DrainDelay and Config.ShutdownTimeout. After that it returns nil, or the error of what has failed. The next signal
// ends the delay, if it lasts, and the one after it cuts the remaining connections. Any goroutine.
func Run(ctx context.Context, config Config) error {
	s, err := New(config)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// ListenAndServe serves handler over HTTP/1.1 and HTTP/2 without TLS on one address, in the form of Config.Listen, until
// ctx ends, and shuts down within 30 seconds. Its error is never nil, like that of http.ListenAndServe: after a shutdown
// without failures it is ErrServerClosed. Run returns nil instead, and shuts down at signals.
func ListenAndServe(ctx context.Context, address string, handler app.Handler) error {
	if err := Run(ctx, Config{Handler: handler, Listen: []string{address}}); err != nil {
		return err
	}
	return ErrServerClosed
}

// Run starts the server, logs its addresses, and serves like the function Run. It also returns after Shutdown, with the
// error of that. Any goroutine.
func (s *Server) Run(ctx context.Context) error {
	signals := make(chan os.Signal, 2)
	if s.config.StopOnSignal {
		signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
		defer signal.Stop(signals)
	}
	if err := s.Start(ctx); err != nil {
		return err
	}
	s.logAddresses()
	select {
	case <-s.stopped:
		return s.failure
	case <-ctx.Done():
		s.log.Info("stopping", zap.NamedError("because", context.Cause(ctx)))
	case received := <-signals:
		s.log.Info("stopping", zap.Stringer("signal", received))
	}
	s.delayDrain(ctx, signals)
	return s.shutDownWithin(ctx, s.config.ShutdownTimeout, signals)
}

// delayDrain begins the shutdown and waits for Config.DrainDelay, or the next signal.
func (s *Server) delayDrain(ctx context.Context, signals <-chan os.Signal) {
	if s.config.DrainDelay == 0 {
		return
	}
	wait, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	over := make(chan struct{})
	go func() {
		s.BeginShutdown(wait)
		close(over)
	}()
	select {
	case <-signals:
		end()
		<-over
	case <-over:
	}
	s.log.Info("draining")
}

// shutDownWithin shuts down. When limit has passed, or at a signal, it cuts what is left; 0 is no limit.
func (s *Server) shutDownWithin(ctx context.Context, limit time.Duration, signals <-chan os.Signal) error {
	grace, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	if limit > 0 {
		var end context.CancelFunc
		grace, end = context.WithTimeout(grace, limit)
		defer end()
	}
	go func() {
		select {
		case <-signals:
			cut()
		case <-s.stopped:
		}
	}()
	err := s.Shutdown(grace)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("server: connections were still busy after %v and were closed: %w", limit, err)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("server: busy connections were closed at a second signal: %w", err)
	}
	return err
}

// logAddresses logs the addresses of the listeners as URLs.
func (s *Server) logAddresses() {
	var urls []string
	for i, a := range s.Addrs() {
		url := "http://"
		if s.config.Listeners[i].TLS != nil {
			url = "https://"
		}
		if a.Network() == "unix" {
			url = url[:len(url)-len("://")] + "+unix:"
		}
		urls = append(urls, url+a.String())
	}
	s.log.Info("listening", zap.Strings("addresses", urls))
}
