//go:build linux

package server

import (
	"slices"
	"time"

	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/reactor"
)

// What connections may hold at each level, in bytes; 0: as configured.
var memoryShares = [memoryLevels]struct {
	output int // that a session is asked for at once, see reactor.Loop.LimitOutput
	stream int // that a producer is ahead of the machine, in place of streamHigh
	unsent int // of whole responses, in place of Config.MaxUnsent
}{
	MemoryAmple:    {0, streamHigh, 0},
	MemoryLow:      {16 << 10, 16 << 10, 64 << 10},
	MemoryScarce:   {4 << 10, 4 << 10, 64 << 10},
	MemoryCritical: {4 << 10, 4 << 10, 64 << 10},
}

const (
	// idleCost is what the end of an idle connection is expected to free, in bytes: about what one over TLS holds. More of
	// them close in the next round if it was less.
	idleCost = 8 << 10
	// connectionCost is what the end of a connection frees besides what it holds: its session, its request, and the kernel's
	// socket, in bytes.
	connectionCost = 6 << 10
	// leastIdle is the time after which a connection counts as idle: the next request may be on its way before.
	leastIdle = time.Second
	// scarceLasts is the time after which connections are reset although memory is only scarce: otherwise peers that
	// neither read nor leave would have all others refused.
	scarceLasts = 5 * time.Second
	// roundConns bounds the connections of a loop that a round closes.
	roundConns = 4096
	// roundEvery is the least time between two rounds.
	roundEvery = 100 * time.Millisecond
)

// relief has the loops give memory back. It belongs to the sampler.
type relief struct {
	rounded     time.Duration // when the last round began; 0: there was none since memory was ample
	scarce      time.Duration // since when memory has been scarce; 0: it is not
	collections uint64        // that had ended then
}

// setLevel tells the loops of a new level.
func (r *relief) setLevel(loops []*loop, level MemoryLevel) {
	for _, l := range loops {
		l.r.Post(func() { l.shrinkTo(level) })
	}
	if level == MemoryAmple {
		*r = relief{}
	}
}

// round closes connections while memory is not ample: idle ones, so many that memory is expected to become ample; and
// while it is critical, or has been scarce for scarceLasts, those that hold the most. The next round follows when a
// collection has seen the effect of the last one.
func (r *relief) round(loops []*loop, g *gauge, use memoryUse, now time.Duration) {
	if g.level < MemoryScarce {
		r.scarce = 0
	} else if r.scarce == 0 {
		r.scarce = max(now, 1)
	}
	// Of two collections, the second one has begun after the last round.
	if g.level == MemoryAmple || r.rounded != 0 && (now-r.rounded < roundEvery || use.collections < r.collections+2) {
		return
	}
	r.rounded, r.collections = max(now, 1), use.collections
	// A stalled loop would do the work of all rounds at its end.
	loops = slices.DeleteFunc(slices.Clone(loops), func(l *loop) bool { return l.r.Stats().Stalled })
	connections, total := openConnections(loops)
	needed := use.needed()
	idle := int64(above(int64(needed), g.bound(memoryBounds[MemoryLow].until)) / idleCost)
	cut := int64(0)
	switch {
	case r.scarce != 0 && now-r.scarce >= scarceLasts:
		cut = int64(above(int64(needed), g.bound(memoryBounds[MemoryScarce].until)))
	case g.level == MemoryCritical:
		cut = int64(above(int64(needed), g.bound(memoryBounds[MemoryCritical].until)))
	}
	for i, l := range loops {
		l.r.Post(l.trim)
		if connections[i] == 0 {
			continue
		}
		share := func(n int64) int64 { return n * connections[i] / total }
		l.closeIdle(int(min(share(idle)+1, roundConns)))
		if cut > 0 {
			l.cutLargest(share(cut) + 1)
		}
	}
}

// openConnections returns the number of open connections of each loop, and their total. The loops open and close more
// meanwhile, so each is read once. Any goroutine.
func openConnections(loops []*loop) (each []int64, total int64) {
	each = make([]int64, len(loops))
	for i, l := range loops {
		each[i] = int64(l.r.Stats().Connections)
		total += each[i]
	}
	return each, total
}

// shrinkTo sets what connections may hold at level. On the loop.
func (l *loop) shrinkTo(level MemoryLevel) {
	share := &memoryShares[level]
	l.r.LimitOutput(share.output)
	l.streamHigh = share.stream
	l.h1.LimitUnsent(share.unsent)
	l.h2.LimitMemory(uint32(share.unsent), level == MemoryAmple)
}

// trim gives memory that is kept for reuse to the garbage collector. On the loop.
func (l *loop) trim() {
	l.r.Trim()
	l.h1.Trim()
	l.h2.Trim()
	l.chunks = chunks{}
	l.calls.Drop()
	l.sources.Drop()
	l.observations.Drop()
	l.upstreamRecords.Drop()
}

// idleCloser is a session that can end because it is idle, to free its memory. On the loop.
type idleCloser interface {
	reactor.IdleSession
	// isEnding reports whether the connection ends already.
	isEnding() bool
	endIdle()
}

// closeIdle closes n idle connections, those that have been idle for the longest time first. Any goroutine.
func (l *loop) closeIdle(n int) {
	var latest time.Duration // 0: not read yet
	l.r.VisitLowest(n, func(c *reactor.Conn) (since int64, ok bool) {
		if latest == 0 {
			latest = l.r.Age() - leastIdle
		}
		if s, is := c.Session().(idleCloser); is && !s.isEnding() {
			since = int64(s.IdleSince())
		}
		return since, since != 0 && since <= int64(latest)
	}, func(c *reactor.Conn) {
		if s, is := c.Session().(idleCloser); is && s.IdleSince() != 0 && !s.isEnding() && !c.Waiting() {
			l.refused(MemoryIdle, c, nil)
			s.endIdle()
		}
	})
}

// isEnding implements idleCloser.
func (d *detector) isEnding() bool { return false }

// isEnding implements idleCloser.
func (s *h1Session) isEnding() bool { return s.ending != drainNone }

// isEnding implements idleCloser.
func (s *h2Session) isEnding() bool { return s.machine.Draining() }

// isEnding implements idleCloser.
func (u *upstream) isEnding() bool { return u.Draining() }

// endIdle implements idleCloser.
func (d *detector) endIdle() { d.conn.CloseFlushed() }

// endIdle implements idleCloser.
func (s *h1Session) endIdle() { s.conn.CloseFlushed() }

// endIdle implements idleCloser: the peer is told to open no more streams.
func (s *h2Session) endIdle() { s.drain() }

// endIdle implements idleCloser.
func (u *upstream) endIdle() { u.retire() }

// holder is a session that can tell how much memory its requests hold. On the loop.
type holder interface {
	// heldBytes returns the bytes of content and responses that wait for the application or the peer.
	heldBytes() int64
	// cutOffAll ends all requests because of lack of memory, and resets the connection.
	cutOffAll()
}

// cutLargest resets connections of clients, those that hold the most first, until so many bytes were freed. Any goroutine.
func (l *loop) cutLargest(bytes int64) {
	l.r.VisitLowest(roundConns, func(c *reactor.Conn) (key int64, ok bool) {
		n, ok := heldBy(c)
		return -n, ok
	}, func(c *reactor.Conn) {
		n, ok := heldBy(c)
		if bytes <= 0 || !ok {
			return
		}
		bytes -= n + connectionCost
		l.refused(MemoryCut, c, nil)
		c.Session().(holder).cutOffAll()
	})
}

// heldBy returns the bytes that wait on a client's connection, in either direction. ok is false for a connection that is
// not to be cut off, such as a WebSocket over HTTP/1.
func heldBy(c *reactor.Conn) (bytes int64, ok bool) {
	s, ok := c.Session().(holder)
	if !ok {
		return 0, false
	}
	return s.heldBytes() + int64(c.Queued()+c.Kept()), true
}

// heldBytes returns the bytes of content that the open exchanges hold.
func (c *served) heldBytes() (n int64) {
	for x := c.live; x != nil; x = x.next {
		if x.in != nil {
			n += int64(x.in.kept.len())
		}
		if x.out != nil {
			n += int64(x.out.kept.len())
		}
	}
	return n
}

// heldBytes implements holder.
func (s *h1Session) heldBytes() int64 { return s.served.heldBytes() + s.machine.Unsent() }

// heldBytes implements holder.
func (s *h2Session) heldBytes() int64 { return s.served.heldBytes() + s.machine.Unsent() }

// cutOffAll implements holder.
func (s *h1Session) cutOffAll() { s.served.cutOffAll() }

// cutOffAll implements holder.
func (s *h2Session) cutOffAll() { s.served.cutOffAll() }

func (c *served) cutOffAll() {
	c.endAll(spi.EndedByLimit, MemoryCut.String())
	c.peerGone()
	c.conn.Reset()
}
