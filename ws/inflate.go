package ws

import (
	"math/bits"

	"github.com/gatewheel/gatewheel/internal/inflate"
)

// The decompressing half of RFC 7692. Fragments are inflated as they come, so
// that an unfinished message holds a decoder and a window and nothing else. The
// text lies in the loop's buffer, behind the window that it may refer to.

// inflation is a compressed message that is being received.
type inflation struct {
	decoder inflate.Decoder
	window  window // of a message that stands by itself
	packed  int64  // bytes received
	plain   int64  // bytes inflated
	tail    []byte // what is still to be decoded of syncTail

	of             *Conn
	earlier, later *inflation // in Shared.unfinished
}

// evicted stands for the inflation of a message that was given up for others.
var evicted inflation

// errInflate is a fault of compressed data.
type errInflate string

func (e errInflate) Error() string { return string(e) }

// takeInflation returns an idle inflation, or a new one.
func (sh *Shared) takeInflation(c *Conn, windowSize int) *inflation {
	var f *inflation
	if n := len(sh.inflations); n > 0 {
		f = sh.inflations[n-1]
		sh.inflations = sh.inflations[:n-1]
	} else {
		f = new(inflation)
	}
	f.decoder.Reset(windowSize)
	f.window.b, f.window.size = f.window.b[:0], windowSize
	f.packed, f.plain, f.tail = 0, 0, syncTail
	f.of = c
	sh.unfinished.add(f)
	if sh.unfinished.count > maxUnfinished {
		oldest := sh.unfinished.oldest
		oldest.of.inf = &evicted
		sh.giveInflation(oldest)
	}
	return f
}

// inflationList has the inflations in use, the oldest first.
type inflationList struct {
	oldest, newest *inflation
	count          int
}

func (l *inflationList) add(f *inflation) {
	f.earlier = l.newest
	if f.earlier == nil {
		l.oldest = f
	} else {
		f.earlier.later = f
	}
	l.newest = f
	l.count++
}

func (l *inflationList) remove(f *inflation) {
	if f.earlier == nil {
		l.oldest = f.later
	} else {
		f.earlier.later = f.later
	}
	if f.later == nil {
		l.newest = f.earlier
	} else {
		f.later.earlier = f.earlier
	}
	f.earlier, f.later, f.of = nil, nil, nil
	l.count--
}

// giveInflation takes an inflation back.
func (sh *Shared) giveInflation(f *inflation) {
	sh.plain.forget(&f.window)
	sh.unfinished.remove(f)
	if len(sh.inflations) < maxInflations {
		sh.inflations = append(sh.inflations, f)
	}
}

// plainBuffer is the loop's memory for inflated text. It holds the end of one
// connection's window, behind which the next piece is inflated; what the window
// lacks is copied when another connection needs the buffer.
type plainBuffer struct {
	b     []byte
	owner *window
}

// claim returns the buffer with the text of w, and room behind it.
func (p *plainBuffer) claim(w *window, begins bool) []byte {
	if p.owner != w {
		p.release()
		if p.b == nil {
			p.b = make([]byte, 0, 3*plainSize)
		}
		p.b = append(p.b[:0], w.b...)
		p.owner = w
	}
	if begins && len(p.b) > cap(p.b)-plainSize || len(p.b) > cap(p.b)-plainSize/2 {
		p.b = append(p.b[:0], p.b[max(0, len(p.b)-w.size):]...)
	}
	return p.b[:len(p.b):min(cap(p.b), len(p.b)+plainSize)]
}

// release saves the text that its owner may refer to.
func (p *plainBuffer) release() {
	if p.owner != nil {
		p.owner.b = p.owner.b[:0]
		p.owner.add(p.b)
		p.owner = nil
	}
}

// forget drops the text of w, which is not referred to any more.
func (p *plainBuffer) forget(w *window) {
	if p.owner == w {
		p.owner = nil
	}
}

// inflationWindow returns the window of the message being received, and its
// size. An encoder that was asked for 8 bits may use 9, as zlib does.
func (c *Conn) inflationWindow() *window {
	if c.context != nil && c.context.in.size > 0 {
		return &c.context.in
	}
	return &c.inf.window
}

// receiveBits is the window that the peer compresses with, as a power of two.
func (c *Conn) receiveBits() uint8 {
	bits := c.ext.ClientWindowBits
	if c.role == Client {
		bits = c.ext.ServerWindowBits
	}
	return max(bits, minWindowBits+1)
}

// inflate takes the payload of a compressed frame that is there, and hands out
// what becomes of it. It leaves the rest of the payload when a piece is full or
// the call has done enough; c.inFrame stays set until the message's last piece
// has been handed out.
func (c *Conn) inflate(in []byte, ev *Event) (n int, err error) {
	switch c.inf {
	case nil:
		c.inf = c.sh.takeInflation(c, 1<<c.receiveBits())
	case &evicted:
		return 0, c.fail(CloseTryAgainLater, "too many unfinished messages")
	}
	plain := c.sh.plain.claim(c.inflationWindow(), c.fresh)
	start, tables := len(plain), c.inf.decoder.Tables()
	status := inflate.NeedInput
	for status == inflate.NeedInput && n < len(in) {
		var used int
		plain, used, status = c.unmaskInflate(plain, in[n:])
		n += used
	}
	c.left -= int64(n)
	c.inf.packed += int64(n)
	done := false
	if last := c.fin && c.left == 0; last && status == inflate.NeedInput {
		plain, status, done = c.inf.finish(plain)
	}
	c.inFrame = c.left > 0 || c.fin && !done
	c.sh.plain.b = c.sh.plain.b[:len(plain)]
	p := plain[start:]
	c.inf.plain += int64(len(p))
	c.sh.work += len(p) + tableWork*(c.inf.decoder.Tables()-tables)
	if err := c.checkInflation(status); err != nil {
		return n, err
	}
	if done {
		c.dropInflation()
	}
	switch {
	case len(p) > 0 || done:
		return n, c.deliver(p, done, ev)
	case status != inflate.NeedInput:
		ev.Kind = Busy
	}
	return n, nil
}

// unmaskInflate decodes the first part of in. What it does not use stays masked.
func (c *Conn) unmaskInflate(plain, in []byte) (_ []byte, used int, status inflate.Status) {
	in = in[:min(len(in), unmaskSize)]
	if c.role == Server {
		mask(in, c.key)
	}
	plain, used, status = c.inf.decoder.Decode(plain, in)
	if c.role == Server {
		c.key = bits.RotateLeft32(c.key, -8*used)
		mask(in[used:], c.key)
	}
	return plain, used, status
}

// finish decodes the tail that the sender has left out, and reports whether the
// message is complete.
func (f *inflation) finish(plain []byte) (_ []byte, status inflate.Status, done bool) {
	if len(f.tail) == len(syncTail) {
		if plain, _, status = f.decoder.Decode(plain, nil); status != inflate.NeedInput {
			return plain, status, false
		}
		if f.packed == 0 || f.decoder.StreamEnded() {
			// Some encoders make nothing of an empty message, where RFC 7692
			// section 7.2.3.6 wants the one byte of an empty block; and some end a
			// message with a final block alone, where section 7.2.3.4 wants an
			// empty one behind it.
			return plain, inflate.NeedInput, true
		}
	}
	plain, used, status := f.decoder.Decode(plain, f.tail)
	f.tail = f.tail[used:]
	if status == inflate.NeedInput && !f.decoder.AtBoundary() {
		status = inflate.Corrupt
	}
	return plain, status, status == inflate.NeedInput
}

// checkInflation fails the connection for what came out of a message.
func (c *Conn) checkInflation(status inflate.Status) error {
	f := c.inf
	switch ratio := c.set.ratio(); {
	case status == inflate.Corrupt:
		return c.fail(CloseInvalidPayload, "compressed data is corrupt")
	case f.decoder.Streams() > maxFinalBlocks:
		return c.fail(CloseInvalidPayload, "compressed data in too many streams")
	case f.plain > c.set.message():
		return c.fail(CloseTooBig, "message over the limit once inflated")
	case f.plain > freeInflation && f.plain/ratio > f.packed:
		return c.fail(CloseTooBig, "message inflates to too many times its size")
	}
	return nil
}

// dropInflation ends a compressed message.
func (c *Conn) dropInflation() {
	if c.inf != nil && c.inf != &evicted {
		c.sh.giveInflation(c.inf)
	}
	c.inf = nil
}
