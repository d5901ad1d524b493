package h2

// The server's part of the machine; see role.

func (c *Conn) frame(h frameHeader, payload []byte, ev *Event) *ConnError {
	switch h.typ {
	case frameGoaway:
		return c.goaway(h, payload, ev)
	case framePriorityUpdate:
		return c.priorityUpdate(h, payload)
	default:
		// RFC 9113 section 8.4: a client cannot push.
		return c.fail(CodeProtocolError, "PUSH_PROMISE from a client")
	}
}

func (c *Conn) reset(*stream, *Event) *ConnError { return c.spend(ResetBudget) }

// setting implements role. Settings that limit requests have no meaning for a server.
func (c *Conn) setting(setting, bool) *ConnError { return nil }

func (c *Conn) settingsApplied() {}

func (c *Conn) resetQueued() {}

func (c *Conn) failing() {}

func (c *Conn) maxHead() uint32 { return c.sh.cfg.MaxHeaderListSize }

func (c *Conn) pong(opaque uint64) (known bool) {
	if opaque != pingDrain || c.life != draining {
		return false
	}
	c.finishDrain()
	return true
}

func (c *Conn) outputEnded(st *stream) {
	if st.flags&tunnel == 0 {
		c.awaitEnd(st)
	}
}

func (c *Conn) expire(timer int, at instant) *ConnError {
	switch timer {
	case earlyTimer:
		c.cutOffLate(at)
	case drainTimer:
		c.finishDrain()
	case ageTimer:
		return c.age()
	}
	return nil
}
