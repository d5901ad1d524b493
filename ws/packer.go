package ws

import "bytes"

// packer compresses a long text in parts, each when the output queue has come to
// it: no call compresses more than partSize bytes. A part becomes one frame, or
// several where Settings.Fragment wants that.
type packer struct {
	text  []byte      // must not change
	at    int         // where the next part begins
	first byte        // of the first part's frame, without the FIN bit
	fin   bool        // the message ends with the text
	bits  uint8       // the window
	form  *packedForm // parts that other connections send too; nil: there are none
}

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

// part compresses the next part. The result is borrowed until the loop
// compresses again.
func (t *packer) part(sh *Shared) []byte {
	begin := t.at
	t.at = min(begin+partSize, len(t.text))
	p := sh.compress(t.text[begin:t.at], t.text[max(0, begin-historySize(t.bits)):begin], t.bits)
	if t.fin && t.isDone() {
		p = bytes.TrimSuffix(p, syncTail)
	}
	return p
}

// sharedPart returns the next part of a form, which it makes if nobody has. Loops
// that need the same one at the same time may both make it.
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
