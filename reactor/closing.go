//go:build linux

package reactor

import (
	"io"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// Defaults of Config.LingerTime and Config.LingerSilence. After the last response, input is read for a while, so that
// a client that is still sending can read the response (RFC 9112 section 9.6). nginx has the same two bounds of time.
const (
	LingerTimeDefault    = 30 * time.Second
	LingerSilenceDefault = 5 * time.Second
	lingerBytesDefault   = 80 << 20 // a peer that reads while it sends has read the response long before
)

// Close closes the connection at once and drops output that the kernel has not taken. TLS sends close_notify unless
// output is queued or the kernel does not take it at once.
func (c *Conn) Close() { c.closeInOrder(nil) }

// closeInOrder is Close with err for Session.Closed.
func (c *Conn) closeInOrder(err error) {
	if c.filter != nil && c.backlog == nil && !c.Closed() && c.polling != pollMoving {
		if notify := c.filter.appendCloseNotify(nil); len(notify) > 0 {
			_, _ = unix.Write(int(c.fd), notify)
		}
	}
	c.close(err)
}

// Reset closes the connection at once so that the peer sees truncated input: TLS without close_notify, TCP with RST,
// which may discard output in flight. A unix socket is closed as by Close.
func (c *Conn) Reset() {
	if c.Closed() {
		return
	}
	_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	c.close(nil)
}

// CloseFlushed closes the connection once the kernel has taken all output: the queued output, and what the session
// still transmits. The session gets no more input. The deadline remains in force.
func (c *Conn) CloseFlushed() { c.finish(closeFlushedAsked, nil) }

// Linger is CloseFlushed with a lingering close (RFC 9112 section 9.6): it shuts down writing, then reads and discards
// input until FIN, for at most Config.LingerTime and Config.LingerBytes, or until Config.LingerSilence passes without
// input. Closing a socket with unread input would send RST, which may destroy the last output.
func (c *Conn) Linger() { c.finish(lingerAsked, nil) }

// finish starts closing the connection; asked is closeFlushedAsked or lingerAsked. cause, if not nil, will be the error
// of Session.Closed. Repeated calls have no effect.
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

// cause returns the error for Session.Closed, as far as it is known.
func (c *Conn) cause() error {
	if c.rare == nil {
		return nil
	}
	return c.rare.cause
}

// failed reports whether the filter has failed: then only output of the filter itself is written.
func (c *Conn) failed() bool {
	cause := c.cause()
	return cause != nil && cause != io.EOF && cause != ErrTruncated
}

// outputSent continues closing after the kernel has taken all output: close_notify, then close or lingering.
func (c *Conn) outputSent(l *Loop) {
	if !c.notifyClose(l) {
		return
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

// notifyClose sends close_notify, once. It reports false if that waits for the kernel, or an error has closed the
// connection.
func (c *Conn) notifyClose(l *Loop) bool {
	if c.filter == nil || c.ensureRare().closeNotified {
		return true
	}
	c.rare.closeNotified = true
	notify := c.filter.appendCloseNotify(l.wire[:0])
	if len(notify) == 0 {
		return true
	}
	if !c.write(l, notify) {
		return false
	}
	if c.backlog != nil {
		c.arm(l)
		return false
	}
	return true
}

// CloseWrite ends the output: once the kernel has taken all of it, writing is shut down, after close_notify over TLS.
// The session gets input as before, and must not transmit anything more. A reset is noticed by reading only.
func (c *Conn) CloseWrite() {
	c.ensureRare().shutsWrite = true
	c.Touch()
}

// shutWrite does what CloseWrite has asked for.
func (c *Conn) shutWrite(l *Loop) {
	if !c.notifyClose(l) {
		return
	}
	c.rare.shutsWrite = false
	// After the peer's FIN the set would report a hang-up, before the last input was read.
	l.writable.forget(c)
	if err := unix.Shutdown(int(c.fd), unix.SHUT_WR); err != nil {
		c.close(c.cause())
	}
}

// close closes the connection and calls Session.Closed with err. Every connection ends here, once.
func (c *Conn) close(err error) {
	if c.Closed() {
		return
	}
	c.phase = phaseClosed
	l := c.loop.Load()
	l.timers.forget(c)
	l.remove(c)
	l.reactor.table.remove(c)
	l.reactor.halfClosed.remove(c)
	c.takeUnread()
	c.kept, c.backlog = nil, nil
	if c.filter != nil {
		c.filter.closed(err) // before releaseSocket: it may use the peer's address
	}
	c.releaseSocket()
	if c.rare != nil && c.rare.refused {
		l.reactor.refusedOpen.Add(-1)
	}
	c.leavePeer()
	if c.rare != nil && c.rare.notAwaited {
		l.reactor.notAwaited.Add(-1)
	}
	l.reactor.open.Add(-1)
	l.reactor.presentDecreased()
	if s := c.session; s != nil {
		s.Closed(err)
	}
	if d := c.takeDialling(); d != nil {
		d.failed(l, err)
	}
}

// releaseSocket closes the descriptor, by the engine if one polls it.
func (c *Conn) releaseSocket() {
	if s := c.socket; s != nil {
		c.socket = nil
		// Within Handler.Closed this does nothing, and the engine closes the socket afterwards.
		c.loop.Load().engine.Load().Close(s)
	} else if c.fd >= 0 {
		c.closeDescriptor(int(c.fd))
	}
	c.fd = -1
}

// closeDescriptor closes a socket that no engine polls. While an orphan of the connection runs, /dev/null takes the
// number: the orphan may be about to write to it (SendFile), and nobody else may have the number before that.
func (c *Conn) closeDescriptor(fd int) {
	if c.orphan() == nil {
		_ = unix.Close(fd)
		return
	}
	if null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
		_ = unix.Dup3(null, fd, unix.O_CLOEXEC)
		_ = unix.Close(null)
	} else {
		_ = unix.Shutdown(fd, unix.SHUT_RDWR)
	}
	c.AfterStall(func() { _ = unix.Close(fd) })
}

// closeContained is close for callers that are not processing c itself. A panic of the session is contained.
func (c *Conn) closeContained(err error) {
	c.loop.Load().guarded(c, func(c *Conn) { c.close(err) })
}

// peerFinished handles the peer's FIN. The engine closes its descriptor afterwards, unless the connection already has
// one of its own.
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

// tellEOF calls Session.EOF once. ending is io.EOF or ErrTruncated. While the session has input to receive, the call is
// postponed.
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
	r.truncated = ending == ErrTruncated
	keep := c.phase != phaseOpen || c.session.EOF()
	if c.Closed() {
		return
	}
	r.cause = ending
	if !keep {
		c.phase = c.phase.after(closeFlushedAsked)
	}
}

// inputWaits reports whether there is input that the session must receive before Session.EOF.
func (c *Conn) inputWaits() bool {
	return c.input == inputNextTurn || c.departing() || c.Paused() && len(c.kept) > 0
}

// ending returns the end of input that tellEOF has postponed; nil if none.
func (c *Conn) ending() error {
	if c.rare == nil {
		return nil
	}
	return c.rare.ending
}

// streamEnded handles the end of the filter's plaintext: io.EOF or ErrTruncated.
func (c *Conn) streamEnded(ending error) {
	if c.session == nil {
		c.close(ending)
		return
	}
	c.tellEOF(ending)
}

// stayHalfClosed keeps the connection for writing after the peer's FIN, on a duplicate of the descriptor, which the
// engine is about to close.
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
		c.holds.set(heldBySession, false) // there is no more input
	}
	c.fd = int32(fd)
	events := uint32(0) // a reset is reported without any
	if c.Queued() > 0 {
		events = unix.EPOLLOUT
	}
	if err := l.writable.arm(c, events); err != nil {
		c.close(err)
		return
	}
	l.reactor.halfClosed.add(c)
	l.reactor.gate.makeRoom()
}

// peerReset closes the connection after its writability has reported a reset.
func (c *Conn) peerReset() {
	c.watching = watchIdle
	if c.polling == pollConnecting {
		c.connectReported()
		return
	}
	c.close(ErrHungUp)
}
