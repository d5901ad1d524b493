package h1

import "github.com/gatewheel/gatewheel/internal/octets"

// parse reads the head that the scanner has found, of which block is a copy: every string
// of h is a part of that. ex is the request.
func (h *ResponseHead) parse(sh *Shared, block string, ex *exchange) *Error {
	const code = len("HTTP/1.1 ")
	w := &sh.words
	*h = ResponseHead{
		Status: int(block[code]-'0')*100 + int(block[code+1]-'0')*10 + int(block[code+2]-'0'),
		Fields: h.Fields[:0],
		Stated: -1,
	}
	if h.Status < 100 {
		return errStatus
	}
	if w.reason > uint32(code+4) {
		h.Reason = block[code+4 : w.reason]
	}
	if w.minor != '0' {
		h.Minor = 1
	}
	var m meaning
	h.Fields = m.read(w, block, h.Fields)
	h.KeepAlive = m.keep && !m.close
	if h.Minor > 0 {
		h.KeepAlive = !m.close
		if m.upgrade {
			h.Upgrade = m.protocols
		}
	}
	return h.setFraming(&m, ex)
}

// setFraming sets how the content ends (RFC 9112 section 6.3). Invalid Content-Length and
// Transfer-Encoding fields are refused also where they have no effect.
func (h *ResponseHead) setFraming(m *meaning, ex *exchange) *Error {
	switch {
	case m.lengths > 1:
		return errLengthTwice
	case m.lengthErr != nil:
		return m.lengthErr
	case m.codings > 0 && h.Minor == 0:
		// RFC 9112 section 6.1: a recipient on the way did not understand it.
		return errCodingOld
	case m.codings > 0:
		if err := m.coding(); err != nil {
			return err
		}
	}
	if m.codings > 0 && m.lengths > 0 {
		// RFC 9112 section 6.3: the sender may be trying to smuggle a response.
		h.dropLength()
		h.KeepAlive = false
	}
	switch {
	case h.Status == 101 && (m.codings > 0 || m.length > 0):
		return errSwitch
	case h.Status < 200, h.Status == 204, ex.connect && h.Status/100 == 2:
		// RFC 9112 section 6.1: they have neither field. A server that sends one may
		// send content, too.
		if m.codings > 0 || m.length > 0 {
			h.KeepAlive = false
		}
	case ex.head || h.Status == 304:
		if m.codings == 0 && m.lengths > 0 {
			h.Stated = m.length
		}
	case m.codings > 0:
		h.framing, h.ContentLength = chunked, -1
	case m.length > 0:
		h.framing, h.ContentLength = sized, m.length
	case m.lengths == 0:
		h.framing, h.ContentLength, h.KeepAlive = untilShut, -1, false
	}
	return nil
}

// dropLength removes the Content-Length from the fields.
func (h *ResponseHead) dropLength() {
	for i := range h.Fields {
		if octets.EqualFold(h.Fields[i].Name, "content-length") {
			h.Fields = append(h.Fields[:i], h.Fields[i+1:]...)
			return
		}
	}
}
