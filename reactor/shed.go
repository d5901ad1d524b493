//go:build linux

package reactor

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// ErrShed closes a connection because a Loop whose engine was replaced lacks descriptors.
var ErrShed = errors.New("reactor: connection closed to free a descriptor")

// IdleSession is a Session that reports whether it is idle. Idle connections are closed first when descriptors are lacking.
type IdleSession interface {
	Session
	// IdleSince returns the time since which the session has had nothing to do, in the unit of Loop.Age; 0: it is not
	// idle. It must not run application code.
	IdleSince() time.Duration
}

// shedToStart is the number of connections that are closed when no engine can be started: about as many as an engine
// needs descriptors.
const shedToStart = 8

// shortage is the time for which a lack of descriptors has lasted.
type shortage struct {
	since time.Duration
	begun bool
}

// lasts reports whether the lack has lasted for longer than patience, in the unit of Loop.Age. It begins a new period
// then, and with the first call.
func (s *shortage) lasts(now, patience time.Duration) bool {
	switch {
	case !s.begun:
		*s = shortage{now, true}
	case now-s.since > patience:
		s.since = now
		return true
	}
	return false
}

func (s *shortage) over() { s.begun = false }

// shedSurplus closes half-closed and idle connections of all Loops, so that enough descriptors are free for the next
// engine of l. A takeover takes descriptors, and new connections are accepted only when there are fewer. It does not wait.
func (l *Loop) shedSurplus() {
	r := l.reactor
	if n := r.halfClosed.evict(r.gate.surplus()); n > 0 {
		r.shedIdle(n, r.loops[(l.index+1)%len(r.loops)], len(r.loops))
	}
}

// shedIdle closes n idle connections of l; if that has fewer, others of the next of so many Loops. A stalled Loop is left
// out unless it is the last.
func (r *Reactor) shedIdle(n int64, l *Loop, loops int) {
	next := r.loops[(l.index+1)%len(r.loops)]
	if loops > 1 && l.stalled.Load() {
		r.shedIdle(n, next, loops-1)
		return
	}
	l.Post(func() {
		n := min(n, r.gate.surplus())
		for _, c := range l.sheddable(int(max(n, 0)), shedIdle) {
			if !c.Waiting() {
				l.guarded(c, (*Conn).shed)
				n--
			}
		}
		if n > 0 && loops > 1 {
			r.shedIdle(n, next, loops-1)
		}
	})
}

// shed closes n connections of the Loop, idle ones first. On the loop.
func (l *Loop) shed(n int) {
	for _, c := range l.sheddable(n, shedBusy) {
		l.guarded(c, (*Conn).shed)
	}
}

func (c *Conn) shed() {
	if !c.Closed() {
		c.loop.Load().reactor.countShed(1)
		c.closeInOrder(ErrShed)
	}
}

// shedUnpolled closes the sockets of n connections of a Loop without an engine, idle ones first. The first turn of the
// next engine does the rest. The caller must have exclusive access.
func (l *Loop) shedUnpolled(n int) {
	victims := l.sheddable(n, shedBusy)
	if len(victims) == 0 {
		return
	}
	for _, c := range victims {
		l.writable.forget(c)
		_ = unix.Close(int(c.fd))
		c.fd = -1
	}
	l.reactor.countShed(len(victims))
	// After identify, which is the first.
	l.firstTasks = slices.Insert(l.firstTasks, 1, func() {
		for _, c := range victims {
			c.closeContained(ErrShed)
		}
	})
}

// countShed counts n connections that are closed with ErrShed, and logs that at most once per loglimit.Interval. On any
// goroutine.
func (r *Reactor) countShed(n int) {
	r.shed.Add(int64(n))
	if suppressed, ok := r.shedLines.Allow(time.Now()); ok {
		r.log.Warn("connections are closed to free descriptors", zap.String("reason", "descriptor-shed"),
			zap.Int64("connections", r.present()), zap.Int("unlogged", suppressed))
	}
}

// shedRank is the order in which connections are closed to free their descriptors.
type shedRank uint8

const (
	shedHalfClosed shedRank = iota
	shedIdle
	shedOpening // without a session
	shedBusy
)

// candidate is a connection that may be closed to free its descriptor.
type candidate struct {
	conn *Conn
	rank shedRank
	idle time.Duration // with shedIdle, since when, in the unit of Loop.Age
}

// candidate returns c with its rank. The caller owns the Loop or has exclusive access.
func (c *Conn) candidate() candidate {
	switch s := c.session.(type) {
	case nil:
		return candidate{conn: c, rank: shedOpening}
	case IdleSession:
		if idle := s.IdleSince(); idle != 0 {
			return candidate{c, shedIdle, idle}
		}
	}
	if c.polling == pollHalfClosed {
		return candidate{conn: c, rank: shedHalfClosed}
	}
	return candidate{conn: c, rank: shedBusy}
}

// compare returns a negative number if a is closed before b.
func (a candidate) compare(b candidate) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.idle, b.idle))
}

// sheddable returns up to n connections of the Loop, in the order in which they are to be closed for lack of descriptors,
// and none of a rank beyond last. The caller owns the Loop or has exclusive access.
func (l *Loop) sheddable(n int, last shedRank) (conns []*Conn) {
	var first []candidate // in order, at most n
	for _, c := range l.conns {
		if c.fd < 0 || c.blamed {
			continue
		}
		one := c.candidate()
		at, _ := slices.BinarySearchFunc(first, one, candidate.compare)
		if one.rank <= last && at < n {
			first = slices.Insert(first[:min(len(first), n-1)], at, one)
		}
	}
	for _, one := range first {
		conns = append(conns, one.conn)
	}
	return conns
}
