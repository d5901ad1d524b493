package h2

import (
	"encoding/binary"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// priority has the priority parameters of RFC 9218 section 4.
type priority struct {
	urgency     uint8
	incremental bool
}

// parsePriority parses a Priority Field Value: a Dictionary (RFC 8941 section 3.2) with the members u
// and i. Unknown members, and values out of range or of another type, are ignored (RFC 9218 section 4).
// ok is false if s is evidently no Dictionary.
func parsePriority(s string) (p priority, ok bool) {
	p.urgency = defaultUrgency
	for s != "" {
		var member string
		member, s = cutMember(s)
		if member == "" {
			return priority{urgency: defaultUrgency}, false
		}
		key, value := splitMember(member)
		switch key {
		case "u":
			if len(value) == 1 && value[0] >= '0' && value[0] < '0'+urgencies {
				p.urgency = value[0] - '0'
			}
		case "i":
			switch value {
			case "", "?1":
				p.incremental = true
			case "?0":
				p.incremental = false
			}
		}
	}
	return p, true
}

// cutMember returns the first member of a Dictionary, and the rest behind its comma. Commas in quoted
// strings do not separate members.
func cutMember(s string) (member, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ',' && !quoted:
			return octets.Trim(s[:i]), s[i+1:]
		}
	}
	return octets.Trim(s), ""
}

// splitMember returns the key of a member, and its value without parameters.
func splitMember(m string) (key, value string) {
	end := len(m)
	for i := 0; i < len(m); i++ {
		if m[i] == ';' {
			end = i
			break
		}
	}
	m = m[:end]
	for i := 0; i < len(m); i++ {
		if m[i] == '=' {
			return m[:i], m[i+1:]
		}
	}
	return m, ""
}

// priorityUpdate handles PRIORITY_UPDATE (RFC 9218 section 7.1).
func (c *Conn) priorityUpdate(h frameHeader, payload []byte) *ConnError {
	if h.stream != 0 {
		return c.fail(CodeProtocolError, "PRIORITY_UPDATE on a stream")
	}
	if err := c.spend(PriorityBudget); err != nil {
		return err
	}
	id := StreamID(binary.BigEndian.Uint32(payload) & maxStreamID)
	// RFC 9218 section 7.1: stream 0 has no priority, and a push stream (even) must not be idle,
	// which all of them are here.
	if id&1 == 0 {
		return c.fail(CodeProtocolError, "PRIORITY_UPDATE for no request stream")
	}
	p, ok := parsePriority(string(payload[priorityFieldMin:]))
	if !ok {
		return nil
	}
	if st := c.streams.find(id); st != nil {
		c.prioritize(st, p)
	} else if id > c.history.last {
		// RFC 9218 section 7.1: an update may precede its request. Only the latest is kept, so
		// that updates for streams that never open take no memory.
		c.ahead, c.aheadID = p, id
	}
	return nil
}

// dependency checks PRIORITY, which is obsolete and has no effect (RFC 9113 section 5.3.2).
func (c *machine) dependency(h frameHeader, payload []byte) *ConnError {
	if h.stream == 0 {
		return c.fail(CodeProtocolError, "PRIORITY on stream 0")
	}
	if err := c.spend(PriorityBudget); err != nil {
		return err
	}
	if parseDependency(payload) != h.stream {
		return nil
	}
	// RFC 7540 section 5.3.1: a stream cannot depend on itself.
	if st := c.streams.find(h.stream); st != nil {
		return c.streamError(st, CodeProtocolError, "stream depends on itself")
	}
	return c.fail(CodeProtocolError, "stream depends on itself")
}
