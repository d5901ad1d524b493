package ws

import (
	"bytes"
	"sync/atomic"
)

// Prepared is a message that is sent to many connections: encoded once, and
// compressed once for each window size among them. It may be used by any number
// of loops at the same time.
type Prepared struct {
	op     Opcode
	plain  encoded
	packed [maxWindowBits + 1]atomic.Pointer[encoded] // by window bits
}

// encoded is a message in one frame, as a server sends it.
type encoded struct {
	frame []byte
	head  int // bytes of the frame's header
}

func encode(first byte, payload []byte) encoded {
	frame := appendHeader(make([]byte, 0, maxHeader+len(payload)), bitFin|first, len(payload), 0)
	head := len(frame)
	return encoded{frame: append(frame, payload...), head: head}
}

func (e *encoded) payload() []byte { return e.frame[e.head:] }

// Prepare encodes a message. p is copied. The errors are ErrOpcode and ErrText.
func Prepare(op Opcode, p []byte) (*Prepared, error) {
	switch {
	case op != Text && op != Binary:
		return nil, ErrOpcode
	case op == Text && !validUTF8(p):
		return nil, ErrText
	}
	return &Prepared{op: op, plain: encode(byte(op), p)}, nil
}

// Len gives the message's length in bytes.
func (p *Prepared) Len() int { return len(p.plain.payload()) }

// compressed gives the message compressed for a window, or plain if it gains
// nothing. Loops that need the same form at the same time may both make it.
func (p *Prepared) compressed(bits uint8) *encoded {
	if e := p.packed[bits].Load(); e != nil {
		return e
	}
	var s sink
	s.deflate(p.plain.payload(), nil, bits)
	e := &p.plain
	if packed := bytes.TrimSuffix(s.b, syncTail); len(packed) < p.Len() {
		shorter := encode(bitRSV1|byte(p.op), packed)
		e = &shorter
	}
	p.packed[bits].Store(e)
	return e
}

// SendPrepared queues a prepared message, in one frame. A server's queue refers
// to a large one without copying it.
func (c *Conn) SendPrepared(p *Prepared) error {
	if err := c.mayBegin(p.op); err != nil {
		return err
	}
	c.used = c.sh.now
	e := &p.plain
	if c.compresses(p.Len()) {
		// Compressed without a view of earlier messages, it suits connections
		// with context takeover too, whose peers add it to their windows.
		if e = p.compressed(c.sendBits()); e != &p.plain {
			c.remember(p.plain.payload())
		}
	}
	if c.role == Server && len(e.frame) >= refFrom {
		c.out.refer(e.frame)
		return nil
	}
	c.frame(e.frame[0], e.payload())
	return nil
}
