package nethttp

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// requestContext is the context of a request. Most handlers do not look at it, so what carries its end is made on first
// use. It ends when its parent does, when the peer leaves and when the handler returns. Any goroutine.
type requestContext struct {
	parent context.Context // of the connection
	inner  atomic.Pointer[innerContext]
	mu     sync.Mutex
	ended  bool
}

// innerContext carries the end of a requestContext.
type innerContext struct {
	context.Context
	cancel context.CancelFunc
}

// init prepares a zero context.
func (c *requestContext) init(parent context.Context) { c.parent = parent }

// end ends the context.
func (c *requestContext) end() {
	c.mu.Lock()
	c.ended = true
	in := c.inner.Load()
	c.mu.Unlock()
	if in != nil {
		in.cancel()
	}
}

// live returns the context that carries the end.
func (c *requestContext) live() *innerContext {
	if in := c.inner.Load(); in != nil {
		return in
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if in := c.inner.Load(); in != nil {
		return in
	}
	in := &innerContext{}
	in.Context, in.cancel = context.WithCancel(c.parent)
	if c.ended {
		in.cancel()
	}
	c.inner.Store(in)
	return in
}

// Deadline implements context.Context.
func (c *requestContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} { return c.live().Done() }

// Err implements context.Context.
func (c *requestContext) Err() error { return c.live().Err() }

// Value implements context.Context. The key of package context for a context that can be cancelled leads to the inner
// one, so that contexts made of this one need no goroutine.
func (c *requestContext) Value(key any) any {
	if in := c.inner.Load(); in != nil {
		return in.Value(key)
	}
	return c.parent.Value(key)
}

// String returns a description for logs.
func (c *requestContext) String() string { return "nethttp.request" }
