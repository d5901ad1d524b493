//go:build linux

package reactor

import (
	"cmp"
	"slices"
)

// VisitLowest calls visit for the n connections of the Loop with the lowest keys, in the order of their keys, and
// returns at once. key returns the key of a connection; ok is false for one that is not to be visited. Both run on the
// loop, owned, and key must not run application code. Many connections take several turns, and a connection that is
// closing or moves meanwhile is left out. On any goroutine.
func (l *Loop) VisitLowest(n int, key func(*Conn) (key int64, ok bool), visit func(*Conn)) {
	if n <= 0 {
		return
	}
	chosen := lowest{limit: n}
	// A connection that moves is visited on its new loop, where chosen must not be touched.
	l.EachConn(func(c *Conn) {
		if c.loop.Load() != l || c.phase != phaseOpen {
			return
		}
		if k, ok := key(c); ok {
			chosen.add(keyed{c, k})
		}
	}, func() {
		l.visit(chosen.conns(), func(c *Conn) {
			if c.loop.Load() == l && c.phase == phaseOpen {
				visit(c)
			}
		}, func() {})
	})
}

// keyed is a connection with its key.
type keyed struct {
	conn *Conn
	key  int64
}

func (a keyed) compare(b keyed) int { return cmp.Compare(a.key, b.key) }

// lowest collects the connections with the lowest keys, at most limit.
type lowest struct {
	limit int
	list  []keyed // at most twice limit; the first ones may be sorted
}

// add adds one. It sorts the list once for each limit additions, so that one costs the logarithm of limit.
func (o *lowest) add(one keyed) {
	if len(o.list) >= 2*o.limit {
		o.cut()
	}
	o.list = append(o.list, one)
}

// cut sorts the list and shortens it to limit.
func (o *lowest) cut() {
	slices.SortFunc(o.list, keyed.compare)
	o.list = o.list[:min(len(o.list), o.limit)]
}

// conns returns the connections in the order of their keys.
func (o *lowest) conns() (conns []*Conn) {
	o.cut()
	for _, one := range o.list {
		conns = append(conns, one.conn)
	}
	return conns
}

// LimitOutput sets the number of bytes that a session is asked for at once, and about the most that waits in memory for
// each connection; it does not exceed Config.WriteHigh, and 0 means that. On the loop.
func (l *Loop) LimitOutput(high int) {
	config := &l.reactor.config
	l.writeHigh, l.writeLow = config.WriteHigh, config.WriteLow
	if high > 0 && high < config.WriteHigh {
		l.writeHigh, l.writeLow = high, min(high/4, config.WriteLow)
	}
}

// Trim gives the free buffers of the Loop to the garbage collector. On the loop, between two sessions' calls: a session
// may be appending to one of them otherwise. Post a task that calls it.
func (l *Loop) Trim() {
	l.in = inputs{}
	l.out, l.wire = nil, nil
	l.buffers = buffers{}
}
