package h1

import (
	"bytes"
	"slices"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Response is a final response. The machine owns framing and connection
// fields: Content-Length, Transfer-Encoding and Connection in Fields are not
// copied, except that "close" in Connection is honoured and that the
// Content-Length of a response to HEAD, or of a 304, is kept. A Date is added
// if there is none. Content that the request or the status rules out is
// neither sent nor read.
type Response struct {
	Status int     // 200 to 999, or 101
	Fields []Field // copied by Respond; Date is added when missing, and left out when empty
	Bytes  []byte  // the whole content, if Source is nil. Borrowed until it has been pulled: must not change
	Source Source
	Length int64 // of Source, in bytes; -1: unknown: chunked, or up to the end of the connection after Transfer-Encoding: identity
	Close  bool  // close the connection after this response
}

// Respond answers a request. Requests may be answered in any order; responses
// leave in the order of the requests. Only Bytes and Source are kept, the rest
// is copied. 101 needs a request with Head.Upgrade whose content has been read,
// and Fields must name the protocol in Upgrade; the Connection field is added.
// With Close, requests after this one are dropped.
//
// If the peer still waits for 100 (Continue): a 2xx with a Source is assumed to
// be produced from the content, and a 100 is sent before it. Any other response
// is the connection's last, since the peer may or may not send the content (RFC
// 9110 section 10.1.1). To avoid both, call Continue before Respond.
//
// Errors: ErrGone, ErrStatus, ErrField.
func (c *Conn) Respond(id uint64, r *Response) error {
	ex := c.find(id)
	if ex == nil || ex.state != unanswered {
		return ErrGone
	}
	if r.Status > 999 || r.Status < 200 && !(r.Status == 101 && ex.upgrade && c.maySwitch(ex)) {
		return ErrStatus
	}
	return c.answer(ex, r)
}

// maySwitch reports whether the next bytes to be read are those after the content of
// ex's request.
func (c *Conn) maySwitch(ex *exchange) bool {
	return ex == c.last && !c.reading.content() && c.reading != shut
}

// answer queues a final response.
func (c *Conn) answer(ex *exchange, r *Response) error {
	before, queued := ex.facts, len(ex.heads)
	if ex.expecting && r.Source != nil && r.Status/100 == 2 {
		c.Continue(ex.id)
	}
	ex.switches = r.Status == 101 || ex.connect && r.Status/100 == 2
	ex.setFraming(r)
	seen, err := ex.appendHead(c.sh, r)
	if err != nil {
		ex.facts, ex.heads = before, ex.heads[:queued]
		ex.drop()
		return err
	}
	ex.state.step(responded)
	ex.status, ex.ready = uint16(r.Status), true
	ex.weight = uint32((len(ex.bytes) + 1<<10 - 1) >> 10)
	c.unsent += ex.weight
	ex.offers = seen.upgrade
	ex.close = r.Close || seen.close || ex.framing == untilShut || c.leavesContent(ex)
	ex.close = ex.close && !ex.switches
	if ex.close {
		c.closeAfter(ex)
	}
	if ex.turn && !ex.switches {
		ex.turn = false
		if c.reading == atTurn && ex == c.last {
			c.read(turnDeclined)
		}
	}
	return nil
}

// leavesContent reports whether a response makes it unsafe or too expensive to read
// the request's content to its end.
func (c *Conn) leavesContent(ex *exchange) bool {
	if ex != c.last || !c.reading.content() {
		return false
	}
	// RFC 9110 section 10.1.1: the peer may take the response as permission to send
	// another request in place of the content.
	if ex.expecting {
		return true
	}
	return ex.framing <= whole && c.reading == inLength && c.left > c.sh.limits.Discard
}

// closeAfter makes ex the last one that is answered. RFC 9112 section 9.6:
// requests after a close are not processed. The content of its own request is
// still read.
func (c *Conn) closeAfter(ex *exchange) {
	c.ending = true
	if ex != c.last || c.reading == inHead {
		c.spilled = c.spilled || ex != c.last || c.scanner.pos > 0
		c.dropAfter(ex)
		c.stop()
	}
}

// answerRefusal queues the response to a request that was refused, in place of one
// that was queued before.
func (c *Conn) answerRefusal(ex *exchange, e *Error) {
	c.unsent -= ex.weight
	ex.heads, ex.bytes, ex.source = ex.heads[:ex.interim], nil, nil
	ex.expecting, ex.switches, ex.refused = false, false, true
	err := c.answer(ex, &Response{
		Status: e.Status,
		Fields: []Field{{"Content-Type", "text/plain; charset=utf-8"}},
		Bytes:  []byte(e.Reason + "\n"),
		Close:  true,
	})
	if err != nil {
		c.cutShort(err)
	}
}

// setFraming sets how the end of the content is shown (RFC 9112 section 6.3, RFC 9110
// section 6.4.1).
func (ex *exchange) setFraming(r *Response) {
	switch {
	case ex.head || ex.switches || r.Status == 204 || r.Status == 205 || r.Status == 304:
		ex.framing = empty
	case r.Source == nil:
		ex.framing, ex.bytes = whole, r.Bytes
	case r.Length >= 0:
		ex.framing, ex.source, ex.left = sized, r.Source, r.Length
	case ex.minor > 0 && !isIdentity(r.Fields):
		ex.framing, ex.source = chunked, r.Source
	default:
		ex.framing, ex.source = untilShut, r.Source
	}
}

// isIdentity reports whether the application asks for content that is not chunked, by the coding
// identity, which RFC 9112 does not have any more.
func isIdentity(fields []Field) bool {
	for i := range fields {
		if len(fields[i].Name) == len("transfer-encoding") && octets.EqualFold(fields[i].Name, "transfer-encoding") {
			return octets.EqualFold(fields[i].Value, "identity")
		}
	}
	return false
}

// noted are the fields of an application that concern the machine.
type noted struct{ date, upgrade, close, length bool }

// appendHead appends the final head but for the Connection field and the empty
// line, which are written when it leaves.
func (ex *exchange) appendHead(sh *Shared, r *Response) (noted, error) {
	// RFC 9110 section 8.6: HEAD and 304 may have the length that the content
	// would have.
	stated := ex.head && !ex.switches && r.Status != 204 && r.Status != 205 || r.Status == 304
	var seen noted
	dst := ex.heads
	var known []byte
	if !stated {
		known = sh.answer.Match(r.Status, r.Fields, sh.date.second)
	}
	if known != nil {
		dst = append(dst, known...)
	} else {
		var err error
		if dst, seen, err = sh.appendLines(dst, r, stated); err != nil {
			return seen, err
		}
		if !stated && !seen.upgrade && !seen.close {
			sh.answer.Keep(r.Status, r.Fields, sh.date.second, dst[len(ex.heads):])
		}
	}
	switch {
	case ex.framing == whole:
		dst = appendLength(dst, int64(len(r.Bytes)))
	case ex.framing == sized:
		dst = appendLength(dst, ex.left)
	case ex.framing == chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case r.Status == 205:
		// RFC 9110 section 15.3.6: a 205 has no content and states that.
		dst = appendLength(dst, 0)
	case stated && !seen.length:
		dst = appendStatedLength(dst, r)
	}
	ex.heads = dst
	return seen, nil
}

// appendLines appends the status line, the application's fields, and Date.
func (sh *Shared) appendLines(dst []byte, r *Response, stated bool) ([]byte, noted, error) {
	dst, seen, err := appendFields(octets.AppendStatusLine(dst, r.Status), r.Fields, stated)
	if err == nil && r.Status == 101 && !seen.upgrade {
		err = &FieldError{"Upgrade", "a 101 must name the protocol"}
	}
	if !seen.date {
		dst = append(dst, sh.date.line...)
	}
	return dst, seen, err
}

// appendStatedLength appends the length of content that is not sent, if there is
// any to know the length of.
func appendStatedLength(dst []byte, r *Response) []byte {
	switch {
	case r.Source != nil && r.Length >= 0:
		return appendLength(dst, r.Length)
	case r.Source == nil && (len(r.Bytes) > 0 || r.Bytes != nil && r.Status != 304):
		return appendLength(dst, int64(len(r.Bytes)))
	}
	return dst
}

// appendFields checks and appends an application's fields, without those that
// the machine owns. stated keeps Content-Length.
func appendFields(dst []byte, fields []Field, stated bool) ([]byte, noted, error) {
	var seen noted
	for i := range fields {
		f := &fields[i]
		own, err := seen.note(f, stated)
		if err != nil {
			return dst, seen, err
		}
		line, err := appendLine(dst, f.Name, f.Value)
		if err != nil {
			return dst, seen, err
		}
		if !own {
			dst = line
		}
	}
	return dst, seen, nil
}

// note reports whether f is one of the fields that the machine writes itself.
func (seen *noted) note(f *Field, stated bool) (own bool, err error) {
	switch len(f.Name) {
	case len("date"):
		if octets.EqualFold(f.Name, "date") {
			seen.date = true
			return f.Value == "", nil
		}
	case len("upgrade"):
		seen.upgrade = seen.upgrade || octets.EqualFold(f.Name, "upgrade")
	case len("connection"):
		if !octets.EqualFold(f.Name, "connection") {
			return false, nil
		}
		seen.close = seen.close || octets.ListHas(f.Value, "close")
		return true, nil
	case len("content-length"):
		if !octets.EqualFold(f.Name, "content-length") {
			return false, nil
		}
		if !stated {
			return true, nil
		}
		if _, bad := decimal(f.Value); bad != nil || seen.length {
			return false, &FieldError{f.Name, "not one decimal number"}
		}
		seen.length = true
	case len("transfer-encoding"):
		return octets.EqualFold(f.Name, "transfer-encoding"), nil
	}
	return false, nil
}

// Inform sends an informational response (1xx but 101) ahead of the final one.
// Use Continue for 100. Nothing is sent to HTTP/1.0 peers. Errors: ErrGone, ErrStatus, ErrField.
func (c *Conn) Inform(id uint64, status int, fields []Field) error {
	ex := c.find(id)
	if ex == nil || !ex.state.step(informed) {
		return ErrGone
	}
	if status < 100 || status > 199 || status == 101 {
		return ErrStatus
	}
	if status == 100 {
		c.Continue(id)
		return nil
	}
	// RFC 9110 section 15.2: HTTP/1.0 does not know them.
	if ex.minor == 0 {
		return nil
	}
	dst := octets.AppendStatusLine(ex.heads, status)
	dst, _, err := appendFields(dst, fields, false)
	if err != nil {
		return err
	}
	ex.queueInterim(dst)
	return nil
}

// queueInterim ends an informational head, which was appended to heads, with its
// empty line.
func (ex *exchange) queueInterim(heads []byte) {
	ex.heads = append(heads, "\r\n"...)
	ex.interim = int32(len(ex.heads))
}

// Continue queues 100 (Continue) if the request expects it, and if no content,
// no earlier 100 and no final response came first. Else it does nothing.
func (c *Conn) Continue(id uint64) {
	ex := c.find(id)
	if ex == nil || ex.state != unanswered || !ex.expecting {
		return
	}
	ex.expecting, ex.continues = false, true
	ex.queueInterim(octets.AppendStatusLine(ex.heads, 100))
}

// arrived notes that content of the request, or its end, has arrived: a 100 (Continue)
// is not needed any more (RFC 9110 section 10.1.1), and a held head may leave.
func (ex *exchange) arrived() {
	ex.expecting, ex.held = false, false
	if !ex.continues {
		return
	}
	ex.continues = false
	var room [64]byte
	head := append(octets.AppendStatusLine(room[:0], 100), "\r\n"...)
	if i := bytes.Index(ex.heads[:ex.interim], head); i >= 0 {
		ex.heads = slices.Delete(ex.heads, i, i+len(head))
		ex.interim -= int32(len(head))
	}
}
