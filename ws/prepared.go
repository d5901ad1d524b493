package ws

import "sync/atomic"

// Prepared is a message for many connections: checked once, and compressed once
// for each window size among them. Any number of goroutines may use it at the
// same time.
type Prepared struct {
	op     Opcode
	text   []byte
	plain  *encoded                                      // nil if text has more than copyUpTo bytes
	packed [maxWindowBits + 1]atomic.Pointer[packedForm] // by window bits
}

// encoded is a frame as a server sends it.
type encoded struct {
	frame []byte
	head  int // bytes of the frame's header
}

func encode(first byte, payload []byte) *encoded {
	frame := appendHeader(make([]byte, 0, maxHeader+len(payload)), first, len(payload), 0)
	return &encoded{frame: append(frame, payload...), head: len(frame)}
}

func (e *encoded) payload() []byte { return e.frame[e.head:] }

// packedForm is a compressed message that does not refer to earlier ones. Each frame
// has up to partSize bytes of text and is made when it is needed first.
type packedForm struct {
	worse bool // the message does not shrink and is sent uncompressed
	parts []atomic.Pointer[encoded]
}

// Prepare returns a message that consists of p. p must not change any more: the result
// may refer to it. The errors are ErrOpcode and ErrText.
func Prepare(op Opcode, p []byte) (*Prepared, error) {
	switch {
	case op != Text && op != Binary:
		return nil, ErrOpcode
	case op == Text && !validUTF8(p):
		return nil, ErrText
	}
	prepared := &Prepared{op: op, text: p}
	if len(p) <= copyUpTo {
		prepared.plain = encode(bitFin|byte(op), p)
	}
	return prepared, nil
}

// Len returns the message's length in bytes.
func (p *Prepared) Len() int { return len(p.text) }

// form returns the message compressed for a window. Its first part is made.
func (p *Prepared) form(sh *Shared, bits uint8) *packedForm {
	if f := p.packed[bits].Load(); f != nil {
		return f
	}
	f := &packedForm{parts: make([]atomic.Pointer[encoded], (len(p.text)-1)/partSize+1)}
	t := p.packer(f, bits)
	f.worse = len(t.sharedPart(sh).payload()) >= t.at
	p.packed[bits].Store(f)
	return f
}

func (p *Prepared) packer(f *packedForm, bits uint8) *packer {
	return &packer{text: p.text, first: bitRSV1 | byte(p.op), fin: true, bits: bits, form: f}
}

// SendPrepared queues a prepared message. A server's queue refers to a large one
// without copying it. The errors are ErrClosed and ErrWithinMessage.
func (c *Conn) SendPrepared(p *Prepared) error {
	if err := c.mayBegin(p.op); err != nil {
		return err
	}
	c.used = c.sh.now
	if c.compresses(len(p.text)) {
		// With context takeover the peer adds the text to its window although the
		// message refers to nothing in it.
		if f := p.form(c.sh, c.sendBits()); !f.worse {
			c.remember(p.text)
			if len(f.parts) == 1 {
				c.sendEncoded(f.parts[0].Load())
			} else {
				c.makePart(c.out.pack(p.packer(f, c.sendBits())))
			}
			return nil
		}
	}
	switch {
	case p.plain != nil:
		c.sendEncoded(p.plain)
	case c.role == Server:
		c.out.reserve(c.sh, maxHeader)
		c.out.extended(appendHeader(c.out.tail, bitFin|byte(p.op), len(p.text), 0))
		c.out.refer(p.text)
	default:
		c.frame(bitFin|byte(p.op), p.text)
	}
	return nil
}

// sendEncoded queues a frame that other connections send too.
func (c *Conn) sendEncoded(e *encoded) {
	if c.role == Server && len(e.frame) >= refFrom {
		c.out.refer(e.frame)
		return
	}
	c.frame(e.frame[0], e.payload())
}
