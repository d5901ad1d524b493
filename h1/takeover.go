package h1

// TakeOver ends HTTP on the connection, for an application that goes on with bytes of its own. What is queued for the
// newest request still leaves: informational heads, the head of a response, and the content that its Source has, without
// the end of it. Then the event is Switched. What Next has not consumed belongs to the application, even if it is content
// of the request; blank is the number of empty lines that were consumed before it.
//
// Errors: ErrGone if the request was answered or is not the newest one, or if input after it was dropped.
func (c *Conn) TakeOver(id uint64) (blank int, err error) {
	ex := c.find(id)
	if ex == nil || ex != c.last || ex.state == torn || ex.refused || c.reading == switched || c.reading == shut && c.spilled {
		return 0, ErrGone
	}
	c.read(takenOver)
	c.scanner = scanner{}
	ex.takeOver, ex.expecting, ex.held = true, false, false
	return int(c.blank), nil
}

// pullTakenOver appends what is left to be sent before the connection leaves HTTP.
func (c *Conn) pullTakenOver(dst []byte, ex *exchange, begin, bound int) []byte {
	if ex.interim > 0 {
		dst = ex.pullInterim(dst)
		ex.held = false
	}
	dst = c.pullHead(dst, ex)
	if ex.state == sending {
		var end outcome
		var err error
		switch dst, end, err = ex.pull(dst, begin, bound); end {
		case full:
			return dst
		case broken:
			c.cutShort(err)
			return dst
		}
	}
	c.pop()
	c.writing.step(turnPulled)
	return dst
}
