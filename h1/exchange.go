package h1

// exchange is a request and its response, until the response has been pulled. The
// exchanges of a connection form a list in the order of requests; free ones are in a
// list of Shared.
type exchange struct {
	next     *exchange
	value    any
	heads    []byte // heads to be pulled: informational ones, then the final one without its last lines
	outgoing        // the content of the response, or of a client's request
	protocol string // what a client's request asks for by Upgrade
	facts
}

// facts are the fields of an exchange without pointers.
type facts struct {
	id      uint64
	interim int32  // bytes of informational heads at the start of heads
	weight  uint32 // bytes of the response in Conn.unsent
	state   answering

	minor     uint8 // of the request's version
	head      bool  // HEAD
	connect   bool
	upgrade   bool // Head.Upgrade was set
	turn      bool // another protocol may follow: not decided yet
	expecting bool // waits for 100 (Continue)
	continues bool // 100 (Continue) is among heads
	held      bool // the final head waits, since an informational one has just left
	refused   bool // the response is the machine's own, to a malformed request

	status    uint16 // of the response
	withdrawn uint16 // of the one that a refusal has replaced

	close    bool // the connection ends after this response
	last     bool // the head, which has been pulled, has Connection: close
	out      bool // the final head has been pulled
	switches bool // the response is 101, or 2xx to CONNECT
	offers   bool // the response has an Upgrade field
	takeOver bool // the connection leaves HTTP after what is queued, see Conn.TakeOver
}

// push adds an exchange for a new request.
func (c *Conn) push() *exchange {
	ex := c.sh.take()
	c.requests++
	ex.id, ex.state = c.requests, unanswered
	if c.last == nil {
		c.first = ex
	} else {
		c.last.next = ex
	}
	c.last = ex
	c.pending++
	return ex
}

// find returns the exchange of a request that is not answered whole, or nil.
func (c *Conn) find(id uint64) *exchange {
	// Most requests are answered before the next one is read.
	if ex := c.last; ex != nil && ex.id == id {
		return ex
	}
	for ex := c.first; ex != nil; ex = ex.next {
		if ex.id == id {
			return ex
		}
	}
	return nil
}

// dropAfter removes the exchanges after ex.
func (c *Conn) dropAfter(ex *exchange) {
	for next := ex.next; next != nil; {
		gone := next
		next = gone.next
		c.pending--
		c.unsent -= gone.weight
		c.sh.give(gone)
	}
	ex.next = nil
	c.last = ex
}

// dropAll removes all exchanges.
func (c *Conn) dropAll() {
	if c.first != nil {
		c.dropAfter(c.first)
		c.pop()
	}
}

// pop removes the first exchange.
func (c *Conn) pop() {
	ex := c.first
	c.first = ex.next
	if c.first == nil {
		c.last = nil
	}
	c.pending--
	c.unsent -= ex.weight
	c.sh.give(ex)
}

// Answered returns the id up to which all responses have been pulled whole or
// dropped: the Source of such a request is not read any more.
func (c *Conn) Answered() uint64 {
	if c.first != nil {
		return c.first.id - 1
	}
	return c.requests
}

// Unsent returns the bytes of responses given whole that have not been pulled, in full KiB.
func (c *Conn) Unsent() int64 { return int64(c.unsent) << 10 }

// SetValue attaches a value to a request until its response has been pulled to its end.
func (c *Conn) SetValue(id uint64, v any) {
	if ex := c.find(id); ex != nil {
		ex.value = v
	}
}

// Value returns the value of SetValue, or nil.
func (c *Conn) Value(id uint64) any {
	if ex := c.find(id); ex != nil {
		return ex.value
	}
	return nil
}

// take returns an empty exchange, which may have a buffer.
func (sh *Shared) take() *exchange {
	ex := sh.free
	if ex == nil {
		return new(exchange)
	}
	sh.free = ex.next
	sh.kept--
	ex.next = nil
	return ex
}

// give returns an exchange for reuse.
func (sh *Shared) give(ex *exchange) {
	poisonBytes(ex.heads[:cap(ex.heads)])
	heads := ex.heads[:0]
	if cap(heads) > maxKeptHead {
		heads = nil
	}
	ex.next, ex.value, ex.heads, ex.protocol, ex.facts = nil, nil, heads, "", facts{}
	ex.drop()
	if sh.kept < maxFree {
		ex.next = sh.free
		sh.free = ex
		sh.kept++
	}
}
