package h2

import "github.com/gatewheel/gatewheel/internal/octets"

// Respond queues the final response of stream id. The error is ErrStream if the stream is gone,
// ErrAnswered if it has a response, ErrStatus or ErrField; nothing was queued then.
func (c *Conn) Respond(id StreamID, r *Response) error {
	st := c.streams.find(id)
	if st == nil || c.err != nil {
		return ErrStream
	}
	if st.flags&answered != 0 || !st.state.allows(sendHeaders) {
		return ErrAnswered
	}
	if r.Status < 200 || r.Status > 999 {
		return ErrStatus
	}
	length, ends, ok := c.queueHead(st, r)
	if !ok {
		return ErrField
	}
	st.flags |= answered
	if r.Status >= 300 {
		// RFC 9110 section 9.3.6: only a successful answer to CONNECT opens a tunnel.
		st.flags &^= tunnel
	}
	switch {
	case ends:
		c.finished(st)
		_ = c.provoked()
	case r.Source == nil && c.direct(st, len(r.Bytes)):
		c.queueContent(st, r.Bytes)
		_ = c.provoked()
	default:
		st.source, st.left = r.Source, length
		if r.Source == nil {
			st.bytes = r.Bytes
			c.unsent += int64(len(r.Bytes))
		}
		if st.sendWindow <= 0 {
			c.stall(st)
		}
		c.schedule(st)
	}
	return nil
}

// queueHead encodes the HEADERS of a response. It returns the length of the content, -1 if unknown, and
// whether the response ends there.
func (c *Conn) queueHead(st *stream, r *Response) (length int64, ends, ok bool) {
	out, start := c.beginBlock(c.output())
	tableSize := c.flags & tableSizeSent
	out, given, ok := c.appendHead(out, r)
	length = int64(len(r.Bytes))
	if r.Source != nil {
		length = max(r.Length, -1)
	}
	if ok {
		out, length, ok = contentLength(out, st, r, given, length)
	}
	if !ok {
		c.flags = c.flags&^tableSizeSent | tableSize
		c.out = out[:start]
		return 0, false, false
	}
	flags := uint8(0)
	if ends = endsWithHead(st, r, length); ends {
		flags = flagEndStream
	}
	c.out = c.endBlock(out, start, st.id, flags)
	st.headAt, st.headLen, st.status = c.outAt+uint64(start), uint32(len(c.out)-start), uint16(r.Status)
	return length, ends, true
}

// direct reports whether n bytes of content may be encoded immediately.
func (c *machine) direct(st *stream, n int) bool {
	return n <= directContent && c.queue == nil && len(c.out)-c.pulled < directOutput &&
		n <= int(st.sendWindow) && n <= int(c.sendWindow)
}

// queueContent encodes the content of a response that direct has allowed.
func (c *machine) queueContent(st *stream, content []byte) {
	c.out = appendFrameHeader(c.out, frameHeader{uint32(len(content)), frameData, flagEndStream, st.id})
	c.out = append(c.out, content...)
	c.sendWindow -= int32(len(content))
	c.earnUpdates(len(content))
	c.finished(st)
}

// appendHead encodes the status and the fields of a response except content-length, whose value it
// returns, -1 for none.
func (c *Conn) appendHead(out []byte, r *Response) (_ []byte, given int64, ok bool) {
	m := &c.sh.lastHead
	if c.flags&tableSizeSent != 0 && r.Sensitive == nil {
		if known := m.Match(r.Status, r.Fields, c.sh.wall); known != nil {
			return append(out, known...), m.given, true
		}
	}
	sized := c.flags&tableSizeSent != 0
	start := len(out)
	out, given, ok = c.appendHeadFields(c.appendStatus(out, r.Status), r)
	if ok && sized && r.Sensitive == nil && m.Keep(r.Status, r.Fields, c.sh.wall, out[start:]) {
		m.given = given
	}
	return out, given, ok
}

func (c *Conn) appendHeadFields(out []byte, r *Response) (_ []byte, given int64, ok bool) {
	given = -1
	dated := false
	for i := range r.Fields {
		f := &r.Fields[i]
		switch len(f.Name) {
		case len("date"):
			if octets.EqualFold(f.Name, "date") {
				if dated = true; f.Value == "" {
					continue
				}
			}
		case len("upgrade"), len("connection"), len("proxy-connection"), len("transfer-encoding"):
			if connectionSpecific(f.Name) {
				continue
			}
		case len("content-length"):
			if octets.EqualFold(f.Name, "content-length") {
				n := octets.Decimal(f.Value)
				if n < 0 || given >= 0 && n != given {
					return out, 0, false
				}
				given = n
				continue
			}
		}
		start := len(out)
		if out, ok = appendField(out, f); !ok {
			return out, 0, false
		}
		if r.Sensitive != nil && r.Sensitive(f.Name) {
			out[start] |= neverIndexed
		}
	}
	if !dated {
		out = append(out, c.sh.date...)
	}
	return out, given, true
}

// bodyless reports whether the response has no content by its status or method (RFC 9110 section
// 6.4.1).
func bodyless(st *stream, status int) bool {
	return st.flags&headRequest != 0 || status == 204 || status == 304
}

// endsWithHead reports whether the response is complete with its HEADERS.
func endsWithHead(st *stream, r *Response, length int64) bool {
	if bodyless(st, r.Status) {
		return true
	}
	if length != 0 {
		return false
	}
	_, trailers := r.Source.(TrailerSource)
	return !trailers
}

// contentLength appends content-length, if it is given or known. It returns the length of the content.
func contentLength(out []byte, st *stream, r *Response, given, length int64) (_ []byte, _ int64, ok bool) {
	none := bodyless(st, r.Status)
	switch {
	case r.Status == 204 || st.flags&tunnel != 0 && r.Status < 300:
		// RFC 9110 section 8.6: neither 204 nor a successful answer to CONNECT has the field.
		given = -1
	case given >= 0 && none:
	case given >= 0:
		if length >= 0 && given != length {
			return out, 0, false
		}
		length = given
	case length > 0 || length == 0 && !none:
		given = length
	}
	if given >= 0 {
		out = appendContentLength(out, given)
	}
	return out, length, true
}

// connectionSpecific reports whether RFC 9113 section 8.2.2 forbids a field.
func connectionSpecific(name string) bool {
	switch len(name) {
	case len("upgrade"):
		return octets.EqualFold(name, "upgrade")
	case len("connection"):
		return octets.EqualFold(name, "connection") || octets.EqualFold(name, "keep-alive")
	case len("proxy-connection"):
		return octets.EqualFold(name, "proxy-connection")
	case len("transfer-encoding"):
		return octets.EqualFold(name, "transfer-encoding")
	}
	return false
}

// Inform queues an interim response, any 1xx except 101 (RFC 9113 section 8.6). The error is ErrStream,
// ErrAnswered after the final response, ErrStatus or ErrField; nothing was queued then.
func (c *Conn) Inform(id StreamID, status int, fields []Field) error {
	st := c.streams.find(id)
	if st == nil || c.err != nil {
		return ErrStream
	}
	if st.flags&answered != 0 {
		return ErrAnswered
	}
	if status < 100 || status > 199 || status == 101 {
		return ErrStatus
	}
	out, start := c.beginBlock(c.output())
	tableSize := c.flags & tableSizeSent
	out, ok := appendFields(c.appendStatus(out, status), fields, nil)
	if !ok {
		c.flags = c.flags&^tableSizeSent | tableSize
		c.out = out[:start]
		return ErrField
	}
	c.out = c.endBlock(out, start, id, 0)
	return nil
}

// appendFields encodes the fields of an interim response or of trailers, without connection-specific
// fields and content-length.
func appendFields(out []byte, fields []Field, sensitive func(string) bool) (_ []byte, ok bool) {
	for i := range fields {
		f := &fields[i]
		if connectionSpecific(f.Name) || octets.EqualFold(f.Name, "content-length") {
			continue
		}
		start := len(out)
		if out, ok = appendField(out, f); !ok {
			return out, false
		}
		if sensitive != nil && sensitive(f.Name) {
			out[start] |= neverIndexed
		}
	}
	return out, true
}

// Resume announces that the Source of stream id has more. It does nothing if the stream is gone.
func (c *machine) Resume(id StreamID) {
	if st := c.streams.find(id); st != nil && c.err == nil {
		st.flags &^= dry
		if c.schedule(st); st.list == nil && st.source != nil && st.state.allows(sendData) {
			// The window is closed, but the end of content needs none.
			c.ends.push(st)
		}
	}
}

// Reset resets stream id with code. No event follows. It does nothing if the stream is gone.
func (c *machine) Reset(id StreamID, code ErrCode) {
	if st := c.streams.find(id); st != nil && c.err == nil {
		c.queueReset(st, code)
	}
}
