package ws

// mayBegin tells what stands against a new message.
func (c *Conn) mayBegin(op Opcode) error {
	switch {
	case !c.state.mayClose():
		return ErrClosed
	case c.sending != nothing:
		return ErrWithinMessage
	case op != Text && op != Binary:
		return ErrOpcode
	}
	return nil
}

// Send queues a whole message. p is copied. The errors are misuse: ErrClosed,
// ErrWithinMessage, ErrOpcode and ErrText.
func (c *Conn) Send(op Opcode, p []byte) error {
	if err := c.mayBegin(op); err != nil {
		return err
	}
	if op == Text && !validUTF8(p) {
		return ErrText
	}
	c.used = c.sh.now
	switch {
	case !c.compresses(len(p)):
	case len(p) > partSize:
		if c.packLong(bitRSV1|byte(op), p, true) {
			return nil
		}
	default:
		if packed := c.pack(p); len(packed) < len(p) {
			c.remember(p)
			c.frames(bitRSV1|byte(op), packed)
			return nil
		}
	}
	c.frames(byte(op), p)
	return nil
}

// Begin starts a message that is sent in a stream. Pings, pongs and Close may be
// sent within it, other messages not.
func (c *Conn) Begin(op Opcode) error {
	if err := c.mayBegin(op); err != nil {
		return err
	}
	c.sending, c.sendOp, c.sendText = begun, op, utf8Check{}
	c.sendTight = c.ext.On && c.set.CompressFrom >= 0
	return nil
}

// Write queues the next part of the message that Begin began, as a frame of its
// own, so parts should not be small. A text may be cut anywhere. Misuse, ErrText
// included, leaves the message as it was before.
func (c *Conn) Write(p []byte) error {
	if err := c.mayContinue(); err != nil {
		return err
	}
	text := c.sendText
	if c.sendOp == Text && !text.add(p) {
		return ErrText
	}
	c.sendText = text
	if len(p) == 0 {
		return nil
	}
	c.used = c.sh.now
	first := c.firstByte()
	c.sending = midway
	switch {
	case !c.sendTight:
		c.fragments(first, p)
	case len(p) > partSize:
		c.packLong(first, p, false)
	default:
		packed := c.packPart(p)
		c.remember(p)
		c.fragments(first, packed)
	}
	return nil
}

// End queues the last frame of the message that Begin began. It carries nothing.
func (c *Conn) End() error {
	if err := c.mayContinue(); err != nil {
		return err
	}
	if c.sendOp == Text && !c.sendText.complete() {
		return ErrText
	}
	first := c.firstByte()
	c.sending = nothing
	if c.sendTight {
		c.frame(bitFin|first, emptyBlock)
	} else {
		c.frame(bitFin|first, nil)
	}
	return nil
}

func (c *Conn) mayContinue() error {
	switch {
	case !c.state.mayClose():
		return ErrClosed
	case c.sending == nothing:
		return ErrNoMessage
	}
	return nil
}

// firstByte gives the first byte of the streamed message's next frame, without
// the FIN bit. RFC 6455 section 5.4, RFC 7692 section 6.1.
func (c *Conn) firstByte() byte {
	switch {
	case c.sending == midway:
		return byte(Continuation)
	case c.sendTight:
		return bitRSV1 | byte(c.sendOp)
	}
	return byte(c.sendOp)
}

// Ping queues a ping with up to 125 bytes of payload.
func (c *Conn) Ping(payload []byte) error {
	switch {
	case !c.state.mayClose():
		return ErrClosed
	case len(payload) > maxControl:
		return ErrPayload
	}
	c.frame(bitFin|byte(opPing), payload)
	return nil
}

// frames queues a whole message: in one frame, or in several of the size that
// Settings.Fragment wants.
func (c *Conn) frames(first byte, p []byte) {
	if size := c.set.Fragment; size > 0 && len(p) > size {
		whole := (len(p) - 1) / size * size
		c.fragments(first, p[:whole])
		first, p = byte(Continuation), p[whole:]
	}
	c.frame(bitFin|first, p)
}

// fragments queues a part of a message that is not its end.
func (c *Conn) fragments(first byte, p []byte) {
	size := c.set.Fragment
	if size <= 0 {
		size = len(p)
	}
	for len(p) > 0 {
		n := min(size, len(p))
		c.frame(first, p[:n])
		first, p = byte(Continuation), p[n:]
	}
}

// frame queues one frame.
func (c *Conn) frame(first byte, p []byte) {
	c.out.reserve(c.sh, maxHeader+len(p))
	c.out.extended(c.appendFrame(c.out.tail, first, p))
}

// appendFrame appends a frame to b, masked if we are the client.
func (c *Conn) appendFrame(b []byte, first byte, p []byte) []byte {
	if c.role == Server {
		return append(appendHeader(b, first, len(p), 0), p...)
	}
	key := c.sh.key()
	b = appendHeader(b, first, len(p), bitMask)
	b = append(b, byte(key), byte(key>>8), byte(key>>16), byte(key>>24))
	at := len(b)
	b = append(b, p...)
	mask(b[at:], key)
	return b
}
