//go:build linux

package server

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/pace"
)

// contentPace measures how fast the content of a request arrives while the application waits for it. A window is
// Config.RateWindow of waiting. It exists from the first wait on, if Config.MinContentRate is set.
type contentPace struct {
	pace.Wait
	from int64 // content of the connection, or of its only request, at the start of the window, in bytes
}

// await records that the application waits for content. total is the content that has arrived so far.
func (b *inbound) await(now instant, total int64) {
	if b.pace == nil {
		b.pace = &contentPace{from: total}
	}
	b.pace.Set(true, time.Duration(now))
}

// by returns when the window ends if the application still waits then; 0 if it does not wait now. p may be nil.
func (p *contentPace) by(now instant, c *Config) instant {
	if p == nil || !p.Waiting() {
		return 0
	}
	return now.after(max(c.RateWindow-p.Time(time.Duration(now)), 1))
}

// tooSlow reports whether a window has ended in which content came below the limit. p may be nil.
func (p *contentPace) tooSlow(now instant, total int64, c *Config) bool {
	if p == nil {
		return false
	}
	waited := p.Time(time.Duration(now))
	if waited < c.RateWindow {
		return false
	}
	slow := pace.Below(total-p.from, waited, c.MinContentRate)
	p.restart(now, total)
	return slow
}

// restart begins a new window.
func (p *contentPace) restart(now instant, total int64) {
	p.Reset(time.Duration(now))
	p.from = total
}

// conversation reports whether content of unknown length arrives for a response that has begun, as it does for gRPC: it
// may pause for hours.
func (x *exchange) conversation() bool { return x.answered && x.ContentLength < 0 }

// ratesPerWindow is the number of looks at a peer's reading within Config.RateWindow.
const ratesPerWindow = 4

// readingBy returns the time of the next look at whether the peer of c reads; 0 if no output can be waiting.
func (c *connection) readingBy(p *progress) instant {
	now, config := c.loop.instant(), &c.loop.server.config
	by := p.by(c.conn, now, config.WriteTimeout)
	if config.MinReadRate > 0 {
		by = earlier(by, p.look(c.conn, now, config.RateWindow/ratesPerWindow))
	}
	return by
}

// notReading looks at how the peer of c reads, and returns the limit that it misses, if any.
func (c *connection) notReading(p *progress) (reason Reason, misses bool) {
	config := &c.loop.server.config
	switch {
	case p.stuck(c.conn, c.loop.instant(), config.WriteTimeout):
		return WriteTimeout, true
	case config.MinReadRate > 0 && c.conn.ReadsBelow(config.MinReadRate, config.RateWindow):
		return SlowReading, true
	}
	return 0, false
}
