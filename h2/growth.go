package h2

import "time"

// growth measures the path on which content arrives, and has the window for streams whose content is read as it
// arrives. The window grows to twice the product of bandwidth and round-trip time. A PING measures the first round trip: the
// window grows if the application has read half of it when the acknowledgement arrives. It grows again as soon as half of
// the larger window is read within a round trip of its opening. A first growth that brings nothing is taken back.
// Connections without long content have no growth.
type growth struct {
	window   int32   // of a stream; up to Config.MaxWindow
	streams  int32   // open ones whose window is larger than the initial one
	grown    int64   // bytes by which their windows are larger
	reserved int64   // bytes of Shared.grown that are this connection's
	pinged   bool    // the acknowledgement of a PING is awaited
	opened   bool    // the window has grown at since, and less than half of it was read
	misses   uint8   // measurements since the last growth
	since    instant // when that PING was queued, the window has grown, or before which no PING is sent
	pingedAt instant // when that PING was queued
	trip     instant // the last round trip measured; 0: none
	consumed int64   // bytes of content since then
	best     int64   // the highest bandwidth measured, in bytes a second
}

// probeEvery is the time between two PINGs of a connection whose window has stopped growing.
const probeEvery = time.Second

// maxMisses is how many measurements in a row may show no growth before the next waits for probeEvery: content that comes
// in bursts is measured too low now and then.
const maxMisses = 2

// Factors by which a window grows.
const (
	// firstGrowth: the application has read the initial window as it arrived.
	firstGrowth = 4
	// openedGrowth: the window was used up within a round trip. TCP has doubled its window meanwhile, or has a large one
	// already.
	openedGrowth = 8
)

// growStream is called when the application has consumed content of st. It raises the credit of st to the window that
// the connection has learned. Content that fits into the initial window, or whose rest fits into the present one, changes
// nothing.
func (c *machine) growStream(st *stream) {
	if !st.state.allows(recvData) || st.flags&early != 0 {
		return
	}
	size := st.size()
	if st.flags&long == 0 {
		if st.credit < (size+1)/2 {
			return
		}
		st.flags |= long
		if st.credit < size {
			return
		}
	}
	if int64(st.credit) < leastCredit(int64(size))-1 || st.expected >= 0 && st.expected <= int64(st.recvWindow) {
		return
	}
	// An application that leaves half of a window unread does not read as fast as the peer sends.
	slow := st.unconsumed >= size/2
	g := c.growth
	if g == nil {
		if c.sh.cfg.MaxWindow <= uint32(c.recvInitial) {
			return
		}
		g = &growth{window: c.recvInitial}
		c.growth = g
		if c.flags&asClient == 0 {
			if c.measure(); !slow {
				g.grow(firstGrowth, c.sh)
			}
		}
	}
	if slow || size >= g.window {
		return
	}
	got := c.reserve(g.window - size)
	g.window = size + got // less than learned if memory is short
	if got == 0 {
		return
	}
	if st.flags&grown == 0 {
		st.flags |= grown
		g.streams++
	}
	g.grown += int64(got)
	st.credit += got
	c.creditConnection()
}

// shrinkStream takes back what the window of st has grown by if the growth has brought nothing, see unused. The peer has
// that part already: content that the application reads gives no credit until the window is the initial one.
func (c *machine) shrinkStream(st *stream) {
	g := c.growth
	if st.flags&grown == 0 || g.window > c.recvInitial {
		return
	}
	n := min(st.size()-c.recvInitial, st.credit)
	st.credit -= n
	g.grown -= int64(n)
	if st.size() == c.recvInitial {
		st.flags &^= grown
		g.streams--
	}
	c.returnReserved()
}

// size returns the window of st, of which the peer has used a part.
func (st *stream) size() int32 { return st.recvWindow + st.unconsumed + st.credit }

// grow raises the window by factor.
func (g *growth) grow(factor int64, sh *Shared) {
	g.window = int32(min(factor*int64(g.window), int64(sh.cfg.MaxWindow)))
	g.opened, g.since, g.consumed = true, sh.now, 0
}

// consume counts n bytes that the application has read. initial is the window of a new stream.
func (g *growth) consume(n int, initial int32, sh *Shared) {
	g.consumed += int64(n)
	if !g.opened || g.trip == 0 || g.consumed < int64(g.window)/2*int64(max(g.streams, 1)) {
		return
	}
	took := max(sh.now-g.since, 1)
	rate := g.consumed * int64(time.Second) / int64(took)
	if took <= g.trip+g.trip/2 && rate >= g.best+g.best/8 {
		g.best, g.misses = rate, 0
		g.grow(openedGrowth, sh)
		return
	}
	g.unused(initial)
}

// unused ends the measurement of a window that was opened, and was not used up in time. After the first growth, which no
// measurement has preceded, streams have the initial window again: the peer is near.
func (g *growth) unused(initial int32) {
	if g.opened = false; g.best == 0 {
		g.window = initial
	}
}

// measure is called for a DATA frame of long content. It sends a PING unless one is on its way, or the window
// has stopped growing.
func (c *machine) measure() {
	g := c.growth
	if g == nil || g.pinged || c.sh.now < g.since || g.window >= int32(c.sh.cfg.MaxWindow) {
		return
	}
	if g.opened && g.trip != 0 {
		if c.sh.now < g.since+2*g.trip {
			return // content by the larger window is yet to come
		}
		g.unused(c.recvInitial)
	}
	g.pinged, g.pingedAt, g.since, g.consumed = true, c.sh.now, c.sh.now, 0
	c.out = appendPing(c.output(), 0, pingGrowth)
}

// measured reports whether an acknowledgement answers a PING of measure. If the content that was read since fills half
// of the window, at a bandwidth that is an eighth above the best one, the window grows.
func (c *machine) measured(opaque uint64) bool {
	g := c.growth
	if opaque != pingGrowth || g == nil || !g.pinged {
		return false
	}
	g.pinged = false
	g.trip = max(c.sh.now-g.pingedAt, 1)
	rate := g.consumed * int64(time.Second) / int64(max(c.sh.now-g.since, 1))
	switch {
	case g.consumed >= int64(g.window)/2 && rate >= g.best+g.best/8:
		g.best, g.misses = rate, 0
		g.grow(firstGrowth, c.sh)
	case g.opened:
		// Content by the larger window arrives a round trip after it was opened.
	case g.misses < maxMisses:
		g.misses++
		g.since = c.sh.now + g.trip
	default:
		g.best -= g.best / 4 // the path may change
		g.since = c.sh.now + instant(probeEvery)
	}
	return true
}

// connection returns the connection's window: several streams may fill theirs at the same time.
func (g *growth) connection(cfg *Config) int64 {
	return max(int64(cfg.ConnectionWindow), min(4*int64(g.window), int64(cfg.MaxWindow)))
}

// reserve takes up to n bytes of the memory that the windows of the loop's connections may grow by, at most a quarter of
// what is left, and returns how many it has taken.
func (c *machine) reserve(n int32) int32 {
	got := int32(min(int64(n), max(int64(c.sh.cfg.WindowMemory)-c.sh.grown, 0)/4))
	c.growth.reserved += int64(got)
	c.sh.grown += int64(got)
	return got
}

// grownStreamEnded is called when the content of a stream with a larger window has ended.
func (c *machine) grownStreamEnded(st *stream) {
	st.flags &^= grown
	c.growth.streams--
	c.growth.grown -= int64(st.size() - c.recvInitial)
	c.returnReserved()
}

// returnReserved gives back what is reserved beyond the growth of open streams and of the connection's window: the peer
// may still use that.
func (c *machine) returnReserved() {
	g := c.growth
	if g == nil || g.reserved == g.grown {
		return
	}
	needed := max(g.grown, int64(c.recvWindow)-int64(c.sh.cfg.ConnectionWindow))
	if surplus := g.reserved - needed; surplus > 0 {
		g.reserved -= surplus
		c.sh.grown -= surplus
	}
}
