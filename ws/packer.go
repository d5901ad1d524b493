package ws

import "bytes"

// packer compresses a long text in parts of partSize bytes, each when it has become
// the first in the output queue. A part becomes one frame, or several of
// Settings.Fragment bytes.
type packer struct {
	text  []byte      // must not change
	at    int         // where the next part begins
	first byte        // of the first part's frame, without the FIN bit
	fin   bool        // the message ends with the text
	bits  uint8       // the window
	form  *packedForm // parts shared with other connections; nil if there are none
}

// isDone reports whether every part was made.
func (t *packer) isDone() bool { return t.at == len(t.text) }

// nextByte returns the first byte of the next part's frame.
func (t *packer) nextByte() byte {
	first := t.first
	if t.at > 0 {
		first = byte(Continuation)
	}
	if t.fin && len(t.text)-t.at <= partSize {
		first |= bitFin
	}
	return first
}

// part compresses the next part. The result is borrowed until the next compression on
// the loop.
func (t *packer) part(sh *Shared) []byte {
	begin := t.at
	t.at = min(begin+partSize, len(t.text))
	p := sh.compress(t.text[begin:t.at], t.text[max(0, begin-historySize(t.bits)):begin], t.bits)
	if t.fin && t.isDone() {
		p = bytes.TrimSuffix(p, syncTail)
	}
	return p
}

// sharedPart returns the frame of the form's next part, and makes it if no connection
// has. Two loops may make the same part at the same time.
func (t *packer) sharedPart(sh *Shared) *encoded {
	part := &t.form.parts[t.at/partSize]
	e := part.Load()
	if e == nil {
		first := t.nextByte()
		e = encode(first, t.part(sh))
		part.Store(e)
		return e
	}
	t.at = min(t.at+partSize, len(t.text))
	return e
}

// packLong queues a text of more than partSize bytes, of which it keeps a copy.
// It reports false, and queues nothing, if the text is a whole message and does
// not shrink.
func (c *Conn) packLong(first byte, p []byte, whole bool) bool {
	t := &packer{text: p, first: first, fin: whole, bits: c.sendBits()}
	first = t.nextByte()
	packed := t.part(c.sh)
	if whole && len(packed) >= t.at {
		return false
	}
	t.text = bytes.Clone(p)
	last := c.out.pack(t)
	last.b = c.appendFrames(first, packed)
	c.out.made(t.at, len(last.b))
	c.remember(p)
	return true
}

// makePart makes the next part of a piece of the queue.
func (c *Conn) makePart(p *piece) {
	t := p.packer
	before := t.at
	switch {
	case t.form == nil:
		first := t.nextByte()
		p.b = c.appendFrames(first, t.part(c.sh))
	case c.role == Client:
		e := t.sharedPart(c.sh)
		p.b = c.appendFrame(c.sh.take(maxHeader+len(e.frame)), e.frame[0], e.payload())
	default:
		p.b, p.ref = t.sharedPart(c.sh).frame, true
	}
	c.out.made(t.at-before, len(p.b))
}

// appendFrames returns p in frames of the size that Settings.Fragment wants.
func (c *Conn) appendFrames(first byte, p []byte) []byte {
	size := c.set.Fragment
	if size <= 0 {
		size = max(len(p), 1)
	}
	b := c.sh.take(len(p) + (len(p)/size+1)*maxHeader)
	for fin := first & bitFin; ; first = byte(Continuation) {
		n := min(size, len(p))
		if n == len(p) {
			return c.appendFrame(b, first|fin, p)
		}
		b = c.appendFrame(b, first&^bitFin, p[:n])
		p = p[n:]
	}
}
