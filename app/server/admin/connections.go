//go:build linux

package admin

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// connections bounds the open connections of the admin server. Beyond the limit the oldest one that is in no handler
// gives way, so that idle peers, and those that send a head slowly, do not lock an operator out.
type connections struct {
	limit int

	mu   sync.Mutex
	next uint64
	all  map[net.Conn]*connection
}

// connection is an open connection. Its fields belong to the lock of connections.
type connection struct {
	number uint64 // in the order of their arrival
	busy   bool   // a handler runs
}

// connectionKey is the key of the connection in the context of a request.
type connectionKey struct{}

// context is http.Server.ConnContext: it admits a new connection.
func (c *connections) context(ctx context.Context, conn net.Conn) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.all) >= c.limit {
		if oldest := c.oldest(); oldest != nil {
			delete(c.all, oldest)
			_ = oldest.Close()
		} else {
			_ = conn.Close()
			return ctx
		}
	}
	c.next++
	state := &connection{number: c.next}
	c.all[conn] = state
	return context.WithValue(ctx, connectionKey{}, state)
}

// oldest returns the oldest connection that is in no handler; nil if there is none.
func (c *connections) oldest() (conn net.Conn) {
	for candidate, state := range c.all {
		if !state.busy && (conn == nil || state.number < c.all[conn].number) {
			conn = candidate
		}
	}
	return conn
}

// changed is http.Server.ConnState: it forgets a connection that has ended.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if state == http.StateClosed {
		c.mu.Lock()
		delete(c.all, conn)
		c.mu.Unlock()
	}
}

// mark returns a handler that marks its connection while next runs.
func (c *connections) mark(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if state, ok := r.Context().Value(connectionKey{}).(*connection); ok {
			c.set(state, true)
			defer c.set(state, false)
		}
		next.ServeHTTP(w, r)
	})
}

func (c *connections) set(state *connection, busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state.busy = busy
}
