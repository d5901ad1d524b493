package ws

import (
	"math/bits"

	"github.com/gatewheel/gatewheel/internal/inflate"
	"github.com/gatewheel/gatewheel/internal/linked"
)

// Decompression. Fragments are inflated as they arrive, so that an incomplete
// message holds a decoder and a window, and nothing of its text. The text is written
// to the loop's buffer, behind the window.

// inflation is a compressed message that is being received.
type inflation struct {
	decoder inflate.Decoder
	window  window // of a message without context takeover
	packed  int64  // bytes received
	plain   int64  // bytes inflated
	tail    []byte // the part of syncTail that is still to be decoded

	linked.Links[inflation] // in Shared.unfinished

	of *Conn
}

// evicted stands in for the inflation of a message that was dropped to make room
// for others.
var evicted inflation

// takeInflation returns an inflation for a message of c. If too many are in use the
// oldest is evicted.
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
	sh.unfinished.Push(f)
	if sh.unfinished.Len() > maxUnfinished {
		oldest := sh.unfinished.First()
		oldest.of.inf = &evicted
		sh.giveInflation(oldest)
	}
	return f
}

// giveInflation makes an inflation idle.
func (sh *Shared) giveInflation(f *inflation) {
	sh.plain.forget(&f.window)
	sh.unfinished.Remove(f)
	f.of = nil
	if len(sh.inflations) < maxInflations {
		sh.inflations = append(sh.inflations, f)
	}
}

// plainBuffer is the buffer into which all connections of a loop inflate. It has the
// text of one window, its owner, and new text is appended to it. The owner's own
// copy is brought up to date when another window needs the buffer.
type plainBuffer struct {
	b     []byte
	owner *window
}

// claim makes w the owner and returns the buffer with room for more text: plainSize
// bytes where a message begins, at least half as many elsewhere.
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

// release copies to the owner the text that its next message may refer to.
func (p *plainBuffer) release() {
	if p.owner != nil {
		p.owner.b = p.owner.b[:0]
		p.owner.add(p.b)
		p.owner = nil
	}
}

// forget drops the text of w if w is the owner.
func (p *plainBuffer) forget(w *window) {
	if p.owner == w {
		p.owner = nil
	}
}

// inflationWindow returns the window of the message being received.
func (c *Conn) inflationWindow() *window {
	if c.context != nil && c.context.in.size > 0 {
		return &c.context.in
	}
	return &c.inf.window
}

// receiveBits returns the size of the peer's window as a power of two. An encoder
// that was asked for 8 bits may use 9, as zlib does.
func (c *Conn) receiveBits() uint8 {
	bits := c.ext.ClientWindowBits
	if c.role == Client {
		bits = c.ext.ServerWindowBits
	}
	return max(bits, minWindowBits+1)
}

// inflate reads the part of a compressed frame's payload that has arrived, and returns the
// text. It consumes less than in when the piece is full or the call has done enough.
// c.reading stays inFinalFrame until the message's last piece is handed out.
func (c *Conn) inflate(in []byte, ev *Event) (n int, err error) {
	switch c.inf {
	case nil:
		c.inf = c.sh.takeInflation(c, 1<<c.receiveBits())
	case &evicted:
		return 0, c.fail(CloseTryAgainLater, "too many unfinished messages")
	}
	plain := c.sh.plain.claim(c.inflationWindow(), c.fresh)
	start, tables := len(plain), c.inf.decoder.Tables()
	// Also without input: the decoder may have stopped for lack of room.
	plain, n, status := c.unmaskInflate(plain, in)
	for status == inflate.NeedInput && n < len(in) {
		var used int
		plain, used, status = c.unmaskInflate(plain, in[n:])
		n += used
	}
	c.left -= int64(n)
	c.inf.packed += int64(n)
	done := false
	if c.left == 0 && c.reading == inFinalFrame && status == inflate.NeedInput {
		plain, status, done = c.inf.finish(plain)
	}
	if done || c.left == 0 && c.reading == inFragment && status == inflate.NeedInput {
		c.reading = atHeader
	}
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

// unmaskInflate decodes the first bytes of in. Unconsumed bytes stay masked.
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

// finish decodes the tail, which the sender has removed, and reports whether the
// message is complete. RFC 7692 section 7.2.2.
func (f *inflation) finish(plain []byte) (_ []byte, status inflate.Status, done bool) {
	if len(f.tail) == len(syncTail) {
		if plain, _, status = f.decoder.Decode(plain, nil); status != inflate.NeedInput {
			return plain, status, false
		}
		if f.packed == 0 || f.decoder.StreamEnded() {
			// Some encoders send nothing for an empty message (RFC 7692 section
			// 7.2.3.6 wants an empty block), and no empty block after a final one
			// (section 7.2.3.4).
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

// checkInflation fails the connection if the message is invalid or too large.
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

// dropInflation ends the inflation of a message, if there is one.
func (c *Conn) dropInflation() {
	if c.inf != nil && c.inf != &evicted {
		c.sh.giveInflation(c.inf)
	}
	c.inf = nil
}
