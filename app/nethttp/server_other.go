//go:build !linux

package nethttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"runtime"
	"sync"

	"github.com/gatewheel/gatewheel/app/server"
)

// Server serves an http.Server's handler. On this system, which has no event loops, the http.Server does it itself. Its
// methods are those of http.Server. Any goroutine.
type Server struct {
	// Config has no effect on this system.
	Config server.Config

	http *http.Server
	said sync.Once
}

// NewServer returns a Server for s, which must not be served otherwise.
func NewServer(s *http.Server) *Server {
	if s.Protocols == nil && s.TLSNextProto == nil {
		// As on event loops, there is HTTP/2 in cleartext too.
		s.Protocols = &http.Protocols{}
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetHTTP2(true)
		s.Protocols.SetUnencryptedHTTP2(true)
	}
	return &Server{http: s}
}

// ListenAndServe serves handler on a TCP address over HTTP/1.1 and cleartext HTTP/2, as http.ListenAndServe does.
func ListenAndServe(addr string, handler http.Handler) error {
	return NewServer(&http.Server{Addr: addr, Handler: handler}).ListenAndServe()
}

// ListenAndServeTLS is like ListenAndServe, over TLS.
func ListenAndServeTLS(addr, certFile, keyFile string, handler http.Handler) error {
	return NewServer(&http.Server{Addr: addr, Handler: handler}).ListenAndServeTLS(certFile, keyFile)
}

// say logs once that there are no event loops.
func (s *Server) say() {
	s.said.Do(func() {
		(&adapter{server: s.http}).logf("nethttp: event loops need Linux: on %s package net/http serves", runtime.GOOS)
	})
}

// ListenAndServe listens on the http.Server's Addr and calls Serve.
func (s *Server) ListenAndServe() error {
	s.say()
	return s.http.ListenAndServe()
}

// ListenAndServeTLS listens on the http.Server's Addr and calls ServeTLS.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	s.say()
	return s.http.ListenAndServeTLS(certFile, keyFile)
}

// Serve serves connections of l until Shutdown or Close, and returns http.ErrServerClosed then. It closes l.
func (s *Server) Serve(l net.Listener) error {
	s.say()
	return s.http.Serve(l)
}

// ServeTLS is like Serve, over TLS. The files may be empty if the http.Server's TLSConfig has certificates.
func (s *Server) ServeTLS(l net.Listener, certFile, keyFile string) error {
	s.say()
	return s.http.ServeTLS(l, certFile, keyFile)
}

// ServeWithTLS is like ServeTLS with config in place of the http.Server's TLSConfig, as http.Server.Serve with a listener
// of tls.NewListener is. Its NextProtos are the protocols that ALPN offers.
func (s *Server) ServeWithTLS(l net.Listener, config *tls.Config) error {
	s.say()
	return s.http.Serve(tls.NewListener(l, config))
}

// RegisterOnShutdown adds a function that Shutdown calls in a goroutine of its own.
func (s *Server) RegisterOnShutdown(f func()) { s.http.RegisterOnShutdown(f) }

// Shutdown stops accepting, answers the requests that have arrived and ends the connections. When ctx ends first, it
// returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// Close cuts all connections.
func (s *Server) Close() error { return s.http.Close() }
