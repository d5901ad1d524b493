//go:build linux

package server

import "sync/atomic"

// load is what a loop carries of HTTP/2. One such connection may bring a whole proxy's traffic, and the
// kernel may well put two of them on one loop of sixteen. Loops write their own and read each other's.
type load struct {
	connections atomic.Int64
	streams     atomic.Int64
}

// less orders loops by their connections; streams in flight break ties.
func (a *load) less(b *load) bool {
	if n, m := a.connections.Load(), b.connections.Load(); n != m {
		return n < m
	}
	return a.streams.Load() < b.streams.Load()
}

// lightest is the loop on which a new HTTP/2 connection that arrived on home settles.
func (s *Server) lightest(home *loop) *loop {
	best := home
	if s.config.NoBalance {
		return best
	}
	for _, l := range s.loops {
		if l.load.less(&best.load) {
			best = l
		}
	}
	return best
}

// settle gives the connection its HTTP/2 session, on the loop that carries least. Input waits meanwhile.
func (d *detector) settle() {
	to := d.loop.server.lightest(d.loop)
	to.load.connections.Add(1)
	d.settling = to
	d.conn.MoveTo(to.r, func(err error) {
		if err != nil && to != d.loop {
			to.load.connections.Add(-1)
			to = d.loop
			to.load.connections.Add(1)
			d.settling = to
		}
		if d.conn.Closed() {
			return
		}
		d.loop, d.settling = to, nil
		s := newH2Session(newPeer(to, d.conn))
		d.conn.SetSession(s)
		if to.server.Draining() {
			to.tick()
			s.drain()
		}
	})
}
