package ws

import (
	"bytes"

	"github.com/klauspost/compress/flate"
)

// The compressing half of RFC 7692. Messages are compressed with
// flate.StatelessDeflate, which keeps no memory between calls and takes the text
// that precedes as an argument. A window smaller than 32 KiB is kept by
// construction: the compressor never sees more than a window at a time.

// syncTail is the empty stored block that ends a compressed message and is not
// sent. RFC 7692 section 7.2.1.
var syncTail = []byte{0x00, 0x00, 0xFF, 0xFF}

// emptyBlock is the payload that, followed by syncTail, adds nothing to a
// message. RFC 7692 section 7.2.3.6.
var emptyBlock = []byte{0x00}

// sink collects what the compressor writes.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// deflate appends p, compressed behind the plain text in history, to s.
// No reference reaches back further than 1<<bits bytes. The result ends with
// syncTail.
func (s *sink) deflate(p, history []byte, bits uint8) {
	if bits == maxWindowBits {
		// The compressor itself keeps to the largest window. It reports no errors
		// but the sink's, which has none.
		_ = flate.StatelessDeflate(s, p, false, history)
		return
	}
	window := 1 << bits
	for len(p) > 0 {
		n := min(len(p), window-len(history))
		_ = flate.StatelessDeflate(s, p[:n], false, history)
		history = p[max(0, n-historySize(bits)):n]
		p = p[n:]
	}
}

// historySize is the plain text that is worth remembering for a window: the
// compressor sees it along with new text in one window.
func historySize(bits uint8) int { return min(maxHistory, 1<<bits/4) }

// compresses tells whether a message of so many bytes is worth compressing.
func (c *Conn) compresses(size int) bool {
	return c.ext.On && c.set.compresses(size)
}

// sendBits is the window that the peer inflates with.
func (c *Conn) sendBits() uint8 {
	if c.role == Server {
		return c.ext.ServerWindowBits
	}
	return c.ext.ClientWindowBits
}

// pack compresses a message, without its tail. The result is borrowed until the
// next compression of the loop.
func (c *Conn) pack(p []byte) []byte {
	return bytes.TrimSuffix(c.packPart(p), syncTail)
}

// packPart compresses a part of a message, which may be followed by others.
func (c *Conn) packPart(p []byte) []byte {
	return c.sh.compress(p, c.context.sent(), c.sendBits())
}

// compress compresses p behind the plain text in history. The result ends with
// syncTail, and is borrowed until the next call.
func (sh *Shared) compress(p, history []byte, bits uint8) []byte {
	s := &sh.packed
	if cap(s.b) > maxPackedScratch {
		s.b = nil
	}
	s.b = s.b[:0]
	s.deflate(p, history, bits)
	sh.work += deflateWork * len(p)
	return s.b
}

// remember adds a message that was sent compressed to what later ones refer to.
func (c *Conn) remember(p []byte) {
	if c.context != nil {
		c.context.out.add(p)
	}
}

// context is what a connection with context takeover keeps between messages.
type context struct{ in, out window }

// newContext gives nil if neither direction takes its context over.
func newContext(role Role, ext Deflate) *context {
	if !ext.On || ext.ServerNoContext && ext.ClientNoContext {
		return nil
	}
	ctx := &context{}
	server, client := &ctx.out, &ctx.in
	if role == Client {
		server, client = client, server
	}
	if !ext.ServerNoContext {
		server.size = 1 << ext.ServerWindowBits
	}
	if !ext.ClientNoContext {
		client.size = 1 << ext.ClientWindowBits
	}
	// An encoder that was asked for 8 bits may use 9, as zlib does.
	ctx.in.size = max(ctx.in.size, min(ctx.in.size*2, 1<<9))
	ctx.out.size = min(ctx.out.size/4, maxHistory)
	return ctx
}

func (ctx *context) sent() []byte {
	if ctx == nil {
		return nil
	}
	return ctx.out.b
}

// dropContext forgets what later messages could refer to.
func (c *Conn) dropContext() {
	if c.context != nil {
		c.sh.plain.forget(&c.context.in)
		c.context = nil
	}
}

// window keeps the last size bytes of a text.
type window struct {
	b    []byte
	size int
}

func (w *window) add(p []byte) {
	if over := len(p) - w.size; over > 0 {
		p = p[over:]
	}
	total := len(w.b) + len(p)
	kept := w.b[max(0, total-w.size):]
	if cap(w.b) < min(total, w.size) {
		w.b = make([]byte, 0, min(w.size, max(total, 2*cap(w.b))))
	}
	w.b = append(append(w.b[:0], kept...), p...)
}
