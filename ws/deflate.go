package ws

import (
	"bytes"

	"github.com/klauspost/compress/flate"
)

// Compression. flate.StatelessDeflate keeps no memory between calls and takes the
// preceding text as an argument. It only knows windows of 32 KiB; for a smaller one
// it is given no more than a window of text at a time.

// syncTail ends a compressed message and is removed before it is sent: an empty
// stored block without its header bits. RFC 7692 section 7.2.1.
var syncTail = []byte{0x00, 0x00, 0xFF, 0xFF}

// emptyBlock is the payload of an empty message or an empty last frame.
// RFC 7692 section 7.2.3.6.
var emptyBlock = []byte{0x00}

// sink collects the output of the compressor.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// deflate compresses p, which follows the text in history, and appends the result to
// s. It ends with syncTail. No reference reaches back further than 1<<bits bytes.
func (s *sink) deflate(p, history []byte, bits uint8) {
	if bits == maxWindowBits {
		// The only errors would be those of Write.
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

// historySize returns the number of bytes of earlier text that the compressor is
// given. A small window has to have room for new text too.
func historySize(bits uint8) int { return min(maxHistory, 1<<bits/4) }

// compresses reports whether a message of size bytes is to be compressed.
func (c *Conn) compresses(size int) bool {
	return c.ext.On && c.set.compresses(size)
}

// sendBits returns the size of the peer's window for decompression as a power of two.
func (c *Conn) sendBits() uint8 {
	if c.role == Server {
		return c.ext.ServerWindowBits
	}
	return c.ext.ClientWindowBits
}

// pack compresses a whole message. The result is borrowed until the next compression
// on the loop.
func (c *Conn) pack(p []byte) []byte {
	return bytes.TrimSuffix(c.packPart(p), syncTail)
}

// packPart compresses a part of a message that more follows. The result is borrowed
// like that of pack.
func (c *Conn) packPart(p []byte) []byte {
	return c.sh.compress(p, c.context.sent(), c.sendBits())
}

// compress compresses p, which follows the text in history. The result ends with
// syncTail and is borrowed until the next call.
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

// remember adds text that was sent compressed to the window of later messages.
func (c *Conn) remember(p []byte) {
	if c.context != nil {
		c.context.out.add(p)
	}
}

// context has the windows that a connection with context takeover keeps between
// messages.
type context struct{ in, out window }

// newContext returns nil if no direction has context takeover.
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

// dropContext releases the windows.
func (c *Conn) dropContext() {
	if c.context != nil {
		c.sh.plain.forget(&c.context.in)
		c.context = nil
	}
}

// window is the last size bytes of a text.
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
