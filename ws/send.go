package ws

// mayBegin returns the error of starting a message of that kind now.
func (c *Conn) mayBegin(op Opcode) error {
	switch {
	case !c.state.mayClose():
		return ErrClosed
	case c.sending != sendingNone:
		return ErrWithinMessage
	case op != Text && op != Binary:
		return ErrOpcode
	}
	return nil
}

// Send queues a whole message. p is copied. The errors are ErrClosed,
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

// Begin starts a message that is sent in parts by Write and ended by End. Until then
// Ping and Close are possible, other messages are not. The errors are those of Send,
// without ErrText.
func (c *Conn) Begin(op Opcode) error {
	if err := c.mayBegin(op); err != nil {
		return err
	}
	c.sending, c.sendOp, c.sendText = sendingFirst, op, utf8Check{}
	c.sendPacked = c.ext.On && c.set.CompressFrom >= 0
	return nil
}

// Write queues the next part of the message that Begin started, as a frame of its
// own; so parts should not be small. p is copied. A text may be divided anywhere. The
// errors are ErrClosed, ErrNoMessage and ErrText.
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
	c.sending = sendingRest
	switch {
	case !c.sendPacked:
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

// End queues the last frame of the message that Begin started. It carries nothing.
// The errors are ErrClosed, ErrNoMessage, and ErrText if the text ends within a
// character.
func (c *Conn) End() error {
	if err := c.mayContinue(); err != nil {
		return err
	}
	if c.sendOp == Text && !c.sendText.complete() {
		return ErrText
	}
	first := c.firstByte()
	c.sending = sendingNone
	if c.sendPacked {
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
	case c.sending == sendingNone:
		return ErrNoMessage
	}
	return nil
}

// firstByte returns the first byte, without the FIN bit, of the next frame of a
// message that is sent in parts. RFC 6455 section 5.4, RFC 7692 section 6.1.
func (c *Conn) firstByte() byte {
	switch {
	case c.sending == sendingRest:
		return byte(Continuation)
	case c.sendPacked:
		return bitRSV1 | byte(c.sendOp)
	}
	return byte(c.sendOp)
}

// Ping queues a ping with up to 125 bytes of payload. The errors are ErrClosed and
// ErrPayload.
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

// frames queues a whole message, in frames of Settings.Fragment bytes. The first one
// begins with first.
func (c *Conn) frames(first byte, p []byte) {
	if size := c.set.Fragment; size > 0 && len(p) > size {
		whole := (len(p) - 1) / size * size
		c.fragments(first, p[:whole])
		first, p = byte(Continuation), p[whole:]
	}
	c.frame(bitFin|first, p)
}

// fragments queues a part of a message that more follows.
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

// appendFrame appends a frame to b, masked in the client role.
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
