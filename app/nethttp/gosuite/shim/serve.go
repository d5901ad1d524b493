//go:build linux

// Package shim runs the servers that Go's tests configure as http.Server on this tree's server.
package shim

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app/nethttp"
)

// Hooks into net/http that the generated tests set, since only its overlay exports them.
var (
	Serving    func(*http.Server, net.Listener)
	OnShutdown func(*http.Server) []func()
)

// instance is a server on one listener of an http.Server.
type instance struct {
	server *nethttp.Server
	active active
}

// state is what belongs to an http.Server.
type state struct {
	mu        sync.Mutex
	instances []*instance
	stopping  chan struct{} // closed by Shutdown and Close
	stopOnce  sync.Once
	noReuse   atomic.Bool // SetKeepAlivesEnabled(false)
}

var states sync.Map // *http.Server → *state

func stateOf(s *http.Server) *state {
	v, _ := states.LoadOrStore(s, &state{stopping: make(chan struct{})})
	return v.(*state)
}

func (st *state) stopped() bool {
	select {
	case <-st.stopping:
		return true
	default:
		return false
	}
}

// newInstance returns an instance that is not started. It serves a copy of s whose handler is counted.
func (st *state) newInstance(s *http.Server, l net.Listener) *instance {
	in := &instance{}
	config := copyOf(s)
	config.Handler = in.active.count(s, &st.noReuse)
	if s.BaseContext != nil {
		config.BaseContext = func(net.Listener) context.Context { return s.BaseContext(l) }
	}
	in.server = nethttp.NewServer(config)
	in.server.Config.Loops = 2
	st.mu.Lock()
	defer st.mu.Unlock()
	st.instances = append(st.instances, in)
	return in
}

func (st *state) remove(in *instance) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.instances = slices.DeleteFunc(st.instances, func(other *instance) bool { return other == in })
}

// Serve stands in for http.Server.Serve. After l was closed it returns when the requests have been answered, as
// httptest.Server.Close expects of connections.
func Serve(s *http.Server, l net.Listener) error {
	Serving(s, l)
	defer l.Close()
	st := stateOf(s)
	if st.stopped() {
		return http.ErrServerClosed
	}
	raw, config := withoutTLS(l)
	in := st.newInstance(s, l)
	if tcp, ok := raw.(*net.TCPListener); ok {
		return st.serveTCP(in, tcp, config)
	}
	return st.serveBridged(in, raw, config)
}

// closedPoll is the interval in which serveTCP looks whether its listener was closed.
const closedPoll = 5 * time.Millisecond

// serveTCP serves the socket of a listener until the listener is closed.
func (st *state) serveTCP(in *instance, l *net.TCPListener, config *tls.Config) error {
	ended := make(chan error, 1)
	go func() { ended <- in.serve(l, config) }()
	tick := time.NewTicker(closedPoll)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if st.stopped() {
				return http.ErrServerClosed
			}
			return err
		case <-tick.C:
			if isClosed(l) && !st.stopped() {
				in.finish()
				st.remove(in)
				return net.ErrClosed
			}
		}
	}
}

func (in *instance) serve(l net.Listener, config *tls.Config) error {
	if config != nil {
		return in.server.ServeWithTLS(l, config)
	}
	return in.server.Serve(l)
}

// serveBridged serves what a listener that is no TCP socket accepts: it copies each connection to and from a socket of
// its own.
func (st *state) serveBridged(in *instance, l net.Listener, config *tls.Config) error {
	private, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = in.serve(private, config) }()
	var bridges sync.WaitGroup
	defer func() {
		go func() {
			bridges.Wait()
			in.finish()
			st.remove(in)
		}()
	}()
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			bridges.Go(func() { bridge(conn, private.Addr().String()) })
		case st.stopped():
			return http.ErrServerClosed
		default:
			return err
		}
	}
}

// grace is the time that a server without active handlers has for the rest of its responses.
const grace = 200 * time.Millisecond

// finish stops the server after its handlers have returned.
func (in *instance) finish() {
	in.active.wait()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = in.server.Shutdown(ctx)
}

// Shutdown stands in for http.Server.Shutdown.
func Shutdown(s *http.Server, ctx context.Context) error {
	st := stateOf(s)
	st.stopOnce.Do(func() { close(st.stopping) })
	for _, f := range OnShutdown(s) {
		go f()
	}
	return st.each(func(in *instance) error { return in.server.Shutdown(ctx) })
}

// Close stands in for http.Server.Close.
func Close(s *http.Server) error {
	st := stateOf(s)
	st.stopOnce.Do(func() { close(st.stopping) })
	return st.each(func(in *instance) error { return in.server.Close() })
}

// each calls f for each instance at the same time.
func (st *state) each(f func(*instance) error) error {
	st.mu.Lock()
	instances := slices.Clone(st.instances)
	st.mu.Unlock()
	errs := make([]error, len(instances))
	var group sync.WaitGroup
	for i, in := range instances {
		group.Go(func() { errs[i] = f(in) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// SetKeepAlivesEnabled stands in for http.Server.SetKeepAlivesEnabled: responses get "Connection: close".
// httptest.Server.Close calls it after it has closed its listener, which is what ends a server here.
func SetKeepAlivesEnabled(s *http.Server, enabled bool) { stateOf(s).noReuse.Store(!enabled) }
