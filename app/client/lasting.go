package client

import (
	"time"

	"github.com/gatewheel/gatewheel/app/internal/deadline"
)

// lasting counts the calls of a pool that hold a stream of an HTTP/2 connection for long:
// tunnels, and responses whose content has taken a round at least. It belongs to the loop.
//
// Calls are counted by the round in which their head has come, so that nothing has to be
// done for one of them when a round ends.
type lasting struct {
	pool   *pool
	round  uint32    // from 1
	since  time.Time // when the round has begun
	recent [2]int    // calls of this round, and of the one before
	long   int       // calls of earlier rounds, and tunnels
	entry  deadline.Entry
}

// tunnelRound is the round of calls that count as long at once. No other has it.
const tunnelRound = ^uint32(0)

// begin counts a call. It returns the value for end.
func (l *lasting) begin(tunnel bool) (round uint32) {
	if tunnel {
		l.long++
		return tunnelRound
	}
	l.advance()
	l.recent[0]++
	return l.round
}

// end is called when a call has ended.
func (l *lasting) end(round uint32) {
	switch {
	case round == tunnelRound:
		l.long--
	case round == l.round:
		l.recent[0]--
	case round+1 == l.round:
		l.recent[1]--
	default:
		l.long--
	}
}

// advance begins another round if the present one is over.
func (l *lasting) advance() {
	now := l.pool.loop.now()
	for n := 0; n < len(l.recent) && now.Sub(l.since) >= lastingRound; n++ {
		l.long += l.recent[1]
		l.recent[1], l.recent[0] = l.recent[0], 0
		l.since = l.since.Add(lastingRound)
		l.round++
	}
	if now.Sub(l.since) >= lastingRound {
		l.since = now
	}
}

// extra returns the number of connections whose streams are used up by calls that last. If
// others may do so soon, the pool grows then.
func (l *lasting) extra() int {
	l.advance()
	if !l.entry.IsSet() && l.recent[0]+l.recent[1] > 0 {
		l.pool.loop.deadlines.Set(&l.entry, l.since.Add(lastingRound), l)
	}
	if l.long == 0 {
		return 0
	}
	streams, conns := 0, 0
	for _, c := range l.pool.http2 {
		if c.isUsable() {
			streams += c.calls
			conns++
		}
	}
	each := max(1, streams/max(1, conns))
	return (l.long + each - 1) / each
}

// Expired implements deadline.Expirer: a round is over.
func (l *lasting) Expired(*deadline.Entry) { l.pool.grow() }
