//go:build linux

package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// Server serves an http.Server's handler on event loops, with its configuration. Make one with NewServer. Its methods are
// those of http.Server. Any goroutine.
type Server struct {
	// Config has what http.Server has no field for. Fields that are set take precedence over those of the http.Server;
	// Handler and those of addresses are set by Serve.
	Config server.Config

	http *http.Server

	mu         sync.Mutex
	running    map[*server.Server]net.Listener
	closed     bool
	onShutdown []func()
}

// NewServer returns a Server for s, which must not be served otherwise.
func NewServer(s *http.Server) *Server { return &Server{http: s} }

// ListenAndServe serves handler on a TCP address over HTTP/1.1 and cleartext HTTP/2, as http.ListenAndServe does.
func ListenAndServe(addr string, handler http.Handler) error {
	return NewServer(&http.Server{Addr: addr, Handler: handler}).ListenAndServe()
}

// ListenAndServeTLS is like ListenAndServe, over TLS.
func ListenAndServeTLS(addr, certFile, keyFile string, handler http.Handler) error {
	return NewServer(&http.Server{Addr: addr, Handler: handler}).ListenAndServeTLS(certFile, keyFile)
}

// ListenAndServe listens on the http.Server's Addr and calls Serve.
func (s *Server) ListenAndServe() error {
	l, err := s.listen(":http")
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// ListenAndServeTLS listens on the http.Server's Addr and calls ServeTLS.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	l, err := s.listen(":https")
	if err != nil {
		return err
	}
	return s.ServeTLS(l, certFile, keyFile)
}

func (s *Server) listen(byDefault string) (net.Listener, error) {
	addr := s.http.Addr
	if addr == "" {
		addr = byDefault
	}
	return net.Listen("tcp", addr)
}

// Serve serves connections of l, a *net.TCPListener or *net.UnixListener, until Shutdown or Close, and returns
// http.ErrServerClosed then. It closes l.
func (s *Server) Serve(l net.Listener) error { return s.serve(l, nil) }

// ServeTLS is like Serve, over TLS. The files may be empty if the http.Server's TLSConfig has certificates.
func (s *Server) ServeTLS(l net.Listener, certFile, keyFile string) error {
	config, err := s.tlsConfig(certFile, keyFile)
	if err != nil {
		l.Close()
		return err
	}
	return s.serve(l, config)
}

// ServeWithTLS is like ServeTLS with config in place of the http.Server's TLSConfig, as http.Server.Serve with a listener
// of tls.NewListener is. Its NextProtos are the protocols that ALPN offers.
func (s *Server) ServeWithTLS(l net.Listener, config *tls.Config) error { return s.serve(l, config) }

// tlsConfig returns the http.Server's TLSConfig with the pair of files.
func (s *Server) tlsConfig(certFile, keyFile string) (*tls.Config, error) {
	config := &tls.Config{}
	if s.http.TLSConfig != nil {
		config = s.http.TLSConfig.Clone()
	}
	if has := len(config.Certificates) > 0 || config.GetCertificate != nil || config.GetConfigForClient != nil; !has || certFile != "" || keyFile != "" {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// serve serves l until the Server is closed.
func (s *Server) serve(l net.Listener, config *tls.Config) error {
	defer l.Close()
	running, err := s.start(l, config)
	if err != nil {
		return err
	}
	_ = running.Wait()
	return http.ErrServerClosed
}

// start starts a server for l.
func (s *Server) start(l net.Listener, config *tls.Config) (*server.Server, error) {
	file, err := fileOf(l)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, http.ErrServerClosed
	}
	c := s.config()
	a := &adapter{server: s.http, listener: l}
	c.Handler = a.serve
	c.Listen, c.ListenTLS, c.RedirectHTTPS, c.TLS = nil, nil, nil, nil
	c.Listeners = []reactor.ListenerConfig{{File: file, TLS: config}}
	running, err := server.New(c)
	if err != nil {
		return nil, err
	}
	if err := running.Start(context.Background()); err != nil {
		return nil, err
	}
	if s.running == nil {
		s.running = map[*server.Server]net.Listener{}
	}
	s.running[running] = l
	return running, nil
}

// fileOf returns the socket of l.
func fileOf(l net.Listener) (*os.File, error) {
	f, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("nethttp: a %T has no socket that event loops could accept from", l)
	}
	return f.File()
}

// RegisterOnShutdown adds a function that Shutdown calls in a goroutine of its own.
func (s *Server) RegisterOnShutdown(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onShutdown = append(s.onShutdown, f)
}

// Shutdown stops accepting, answers the requests that have arrived and ends the connections. When ctx ends first, it
// cuts the remaining connections and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for _, f := range s.onShutdown {
		go f()
	}
	running := s.running
	s.running = nil
	s.mu.Unlock()
	failures := make(chan error, len(running))
	for r, l := range running {
		l.Close()
		go func() { failures <- r.Shutdown(ctx) }()
	}
	var err error
	for range running {
		err = errors.Join(err, <-failures)
	}
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	return err
}

// Close cuts all connections.
func (s *Server) Close() error {
	ctx, cancel := context.WithDeadline(context.Background(), time.Now())
	defer cancel()
	if err := s.Shutdown(ctx); err != ctx.Err() {
		return err
	}
	return nil
}
