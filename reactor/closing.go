//go:build linux

package reactor

import (
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// RFC 9112 section 9.6 wants input read for a while after the last answer, so that a client which still sends
// can read that answer. Time bounds it: how much is on its way the client alone knows. nginx has the same
// two bounds.
const (
	LingerTimeDefault    = 30 * time.Second
	LingerSilenceDefault = 5 * time.Second
)

// Close closes the connection at once. Output that the kernel has not taken is lost. TLS ends with close_notify
// if no output is queued and the kernel takes it at once.
func (c *Conn) Close() {
	if c.filter != nil && c.backlog == nil && !c.Closed() && c.polling != pollMoving {
		if bye := c.filter.goodbye(nil); len(bye) > 0 {
			_, _ = unix.Write(int(c.fd), bye)
		}
	}
	c.close(nil)
}

// Reset closes the connection at once and tells the peer that its input is incomplete: TLS ends without
// close_notify, TCP with a reset, which may destroy output on its way. Unix sockets have no resets.
func (c *Conn) Reset() {
	if c.Closed() {
		return
	}
	_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	c.close(nil)
}

// CloseFlushed closes the connection once the kernel has taken all output: what is queued, and what the session
// still transmits. Input is not presented any more. The deadline stays in force.
func (c *Conn) CloseFlushed() { c.finish(closeFlushedAsked, nil) }

// Linger closes as CloseFlushed does, but shuts down writing first, and then reads and throws away what
// comes for at most Config.LingerTime, or until the peer sends its FIN or nothing for
// Config.LingerSilence: so the last output is not destroyed by a reset that the peer's unread bytes would
// cause (RFC 9112 section 9.6).
func (c *Conn) Linger() { c.finish(lingerAsked, nil) }

// finish begins to close the connection. cause, if not nil, is what Session.Closed will be told. A session may
// repeat its request each time it is asked for output.
func (c *Conn) finish(asked phaseEvent, cause error) {
	next := c.phase.after(asked)
	if c.phase >= phaseDiscarding || c.phase == next && cause == nil {
		return
	}
	if cause != nil {
		c.ensureRare().cause = cause
	}
	c.phase = next
	c.Touch()
}

// cause returns what Session.Closed will be told.
func (c *Conn) cause() error {
	if c.rare == nil {
		return nil
	}
	return c.rare.cause
}

// failed reports whether the filter has failed, so that only its own output is written.
func (c *Conn) failed() bool {
	cause := c.cause()
	return cause != nil && cause != io.EOF && cause != ErrTruncated
}

// outputSent is called when the kernel has taken all output of a connection that is closing.
func (c *Conn) outputSent(l *Loop) {
	if c.filter != nil && !c.ensureRare().saidGoodbye {
		c.rare.saidGoodbye = true
		if bye := c.filter.goodbye(l.wire[:0]); len(bye) > 0 {
			if !c.write(l, bye) {
				return
			}
			if c.backlog != nil {
				c.arm(l)
				return
			}
		}
	}
	if c.phase.after(outputOut) == phaseClosed || c.socket == nil && c.polling != pollMoving {
		c.close(c.cause())
		return
	}
	if err := unix.Shutdown(int(c.fd), unix.SHUT_WR); err != nil {
		c.close(c.cause())
		return
	}
	c.phase = c.phase.after(outputOut)
	c.dropKept()
	r := c.ensureRare()
	r.lingerFrom = int64(l.Age())
	r.lingerBy = moment.After(r.lingerFrom, l.reactor.config.LingerTime)
	c.extendLinger(l)
}

// close ends the connection. Every way to end one leads here. err is for Session.Closed.
func (c *Conn) close(err error) {
	if c.Closed() {
		return
	}
	c.phase = phaseClosed
	l := c.loop.Load()
	l.timers.forget(c)
	l.remove(c)
	l.reactor.table.leave(c)
	l.reactor.halfClosed.remove(c)
	c.takeUnread()
	c.kept, c.backlog = nil, nil
	if c.filter != nil {
		c.filter.closed(err) // which may ask for the peer's address
	}
	c.releaseSocket()
	if c.rare != nil && c.rare.refused {
		l.reactor.refusedOpen.Add(-1)
	}
	l.reactor.open.Add(-1)
	l.reactor.left()
	if s := c.session; s != nil {
		s.Closed(err)
	}
	if d := c.takeDialling(); d != nil {
		if err == nil {
			err = ErrClosed
		}
		d.fail(err)
	}
}

// releaseSocket closes the descriptor.
func (c *Conn) releaseSocket() {
	if s := c.socket; s != nil {
		c.socket = nil
		// Within the engine's report that the socket has ended, the engine closes it.
		c.loop.Load().engine.Load().Close(s)
	} else if c.fd >= 0 {
		_ = unix.Close(int(c.fd))
	}
	c.fd = -1
}

// closeContained is close for callers outside of the connection's own path: a panic of its session is contained.
func (c *Conn) closeContained(err error) {
	c.loop.Load().guarded(c, func(c *Conn) { c.close(err) })
}

// peerFinished is called when the peer's FIN has come: while the engine closes its descriptor, or with the
// connection already on a descriptor of its own.
func (c *Conn) peerFinished() {
	if c.phase.after(peerFIN) == phaseClosed {
		c.close(c.cause())
		return
	}
	ending := io.EOF
	if c.filter != nil {
		later, err := c.filter.eof()
		if err != nil {
			ending = err
		}
		if later {
			if c.socket != nil {
				c.stayHalfClosed()
			}
			return
		}
	}
	if c.session == nil {
		c.close(ending)
		return
	}
	if c.tellEOF(ending); c.Closed() {
		return
	}
	c.phase = c.phase.after(peerFIN)
	c.transmit()
	if !c.Closed() && c.socket != nil {
		c.stayHalfClosed()
	}
}

// tellEOF tells the session, once, that the peer has sent its last byte. ending is io.EOF or ErrTruncated. A session
// that has yielded is told when it has had its input.
func (c *Conn) tellEOF(ending error) {
	if cause := c.cause(); cause == io.EOF || cause == ErrTruncated {
		return
	}
	r := c.ensureRare()
	if c.inputWaits() {
		r.ending = ending
		return
	}
	r.ending = nil
	keep := c.phase != phaseOpen || c.session.EOF()
	if c.Closed() {
		return
	}
	r.cause = ending
	if !keep {
		c.phase = c.phase.after(closeFlushedAsked)
	}
}

// inputWaits reports whether the session has more input to come before it may be told of the end.
func (c *Conn) inputWaits() bool {
	return c.input == inputNextTurn || c.departing() || c.Paused() && len(c.kept) > 0
}

// ending returns what tellEOF has postponed; nil if nothing.
func (c *Conn) ending() error {
	if c.rare == nil {
		return nil
	}
	return c.rare.ending
}

// streamEnded is called when the filter has reached the end of the stream.
func (c *Conn) streamEnded(ending error) {
	if c.session == nil {
		c.close(ending)
		return
	}
	c.tellEOF(ending)
}

// stayHalfClosed keeps the connection for writing, on a duplicate of the descriptor that the engine is about to
// close.
func (c *Conn) stayHalfClosed() {
	l := c.loop.Load()
	r := c.ensureRare()
	if r.remote == nil {
		r.remote = c.RemoteAddr()
	}
	fd, err := duplicate(int(c.fd))
	if err != nil {
		c.close(err)
		return
	}
	l.writable.forget(c)
	c.socket, c.polling = nil, pollHalfClosed
	if len(c.kept) == 0 {
		c.holds.set(heldBySession, false) // nothing comes any more
	}
	c.fd = int32(fd)
	events := uint32(0) // a reset is reported without any
	if c.backlog != nil {
		events = unix.EPOLLOUT
	}
	if err := l.writable.arm(c, events); err != nil {
		c.close(err)
		return
	}
	l.reactor.halfClosed.add(c)
	l.reactor.gate.makeRoom()
}

// peerReset is called when the set of writability reports a reset.
func (c *Conn) peerReset() {
	c.watching = watchIdle
	c.close(ErrHungUp)
}
