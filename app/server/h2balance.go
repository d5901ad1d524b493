//go:build linux

package server

import "sync/atomic"

// load counts the HTTP/2 connections of a loop and their open streams. One connection may bring a whole proxy's
// traffic, and the kernel may put two of them on one loop of sixteen. Only the loop writes it; any goroutine reads it.
type load struct {
	connections atomic.Int64
	streams     atomic.Int64
}

// less reports whether a loop with load a is lighter than one with load b: by connections, then by open streams.
func (a *load) less(b *load) bool {
	if n, m := a.connections.Load(), b.connections.Load(); n != m {
		return n < m
	}
	return a.streams.Load() < b.streams.Load()
}

// lightest returns the loop for a new HTTP/2 connection that was accepted on home: the one with the least load, home if
// several have it or Config.NoBalance is set.
func (s *Server) lightest(home *loop) *loop {
	best := home
	if s.config.NoBalance {
		return best
	}
	for _, l := range s.loops() {
		if l.load.less(&best.load) {
			best = l
		}
	}
	return best
}

// moveToLightest moves the connection to the lightest loop and opens its HTTP/2 session there. Input waits meanwhile.
func (d *detector) moveToLightest() {
	to := d.loop.server.lightest(d.loop)
	to.load.connections.Add(1)
	d.movingTo = to
	d.conn.MoveTo(to.r, func(err error) {
		if err != nil && to != d.loop {
			to.load.connections.Add(-1)
			to = d.loop
			to.load.connections.Add(1)
			d.movingTo = to
		}
		if d.conn.Closed() {
			return
		}
		d.loop, d.movingTo = to, nil
		s := newH2Session(newConnection(to, d.conn))
		d.conn.SetSession(s)
		if to.server.draining.Load() {
			to.tick()
			s.drain()
		}
	})
}
