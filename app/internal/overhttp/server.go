package overhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Listener is an address that a Server serves.
type Listener struct {
	Network, Address string
	TLS              *tls.Config // nil: cleartext
	Handler          app.Handler // nil: that of the ServerConfig
}

// ServerConfig is the configuration of a Server. Times and sizes of 0 are no limit.
type ServerConfig struct {
	Handler        app.Handler
	Listeners      []Listener
	Options        Options
	Protocols      *http.Protocols
	HeadTimeout    time.Duration
	IdleTimeout    time.Duration
	MaxHeaderBytes int
	MaxBody        int64
	Log            *log.Logger
}

// Server serves a Handler on sockets of package net. Make one with NewServer. Any goroutine.
type Server struct {
	*Handler
	servers   []*http.Server
	listeners []net.Listener
	serving   sync.WaitGroup
	maxBody   int64
	leaving   atomic.Bool
}

// NewServer opens the listeners.
func NewServer(c ServerConfig) (*Server, error) {
	s := &Server{Handler: New(c.Handler, c.Options), maxBody: c.MaxBody}
	for _, at := range c.Listeners {
		l, err := net.Listen(at.Network, at.Address)
		if err != nil {
			s.close()
			return nil, err
		}
		h := s.Handler.handler
		if at.Handler != nil {
			h = at.Handler
		}
		s.listeners = append(s.listeners, l)
		s.servers = append(s.servers, &http.Server{
			Handler: s.limited(h), TLSConfig: at.TLS, Protocols: c.Protocols, ReadHeaderTimeout: c.HeadTimeout,
			IdleTimeout: c.IdleTimeout, MaxHeaderBytes: c.MaxHeaderBytes, ErrorLog: c.Log,
		})
	}
	return s, nil
}

// limited returns an http.Handler that serves h and refuses content beyond MaxBody with 413.
func (s *Server) limited(h app.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.leaving.Load() {
			w.Header().Set("Connection", "close") // over HTTP/2 it makes net/http send GOAWAY
		}
		if s.maxBody > 0 && r.Body != nil && r.Body != http.NoBody {
			if r.ContentLength > s.maxBody {
				const status = http.StatusRequestEntityTooLarge
				http.Error(w, octets.StatusText(status), status)
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, s.maxBody)
		}
		s.serve(w, r, h)
	})
}

// Addrs returns the addresses of the listeners, in their order.
func (s *Server) Addrs() (all []net.Addr) {
	for _, l := range s.listeners {
		all = append(all, l.Addr())
	}
	return all
}

// Start accepts connections.
func (s *Server) Start() {
	for i, l := range s.listeners {
		s.serving.Go(func() {
			if s.servers[i].TLSConfig != nil {
				_ = s.servers[i].ServeTLS(l, "", "")
			} else {
				_ = s.servers[i].Serve(l)
			}
		})
	}
}

// Leave ends each connection after its next response, and tells its client. Connections are still accepted.
func (s *Server) Leave() { s.leaving.Store(true) }

// Shutdown stops accepting, drains, and waits until all requests and WebSockets have ended. When ctx ends, it cuts the
// remaining connections and returns ctx's error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.close()
	s.Drain()
	failures := make(chan error, len(s.servers)+1)
	for _, server := range s.servers {
		go func() { failures <- server.Shutdown(ctx) }()
	}
	go func() { failures <- s.Wait(ctx) }()
	var err error
	for range cap(failures) {
		err = errors.Join(err, <-failures)
	}
	for _, server := range s.servers {
		_ = server.Close()
	}
	s.serving.Wait()
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// close closes the listeners.
func (s *Server) close() {
	for _, l := range s.listeners {
		_ = l.Close()
	}
}
