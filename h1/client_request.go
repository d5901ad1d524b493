package h1

import (
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// ClientRequest is a request to a server. The machine owns the framing and the connection:
// Host, Connection, Keep-Alive, Proxy-Connection, TE, Transfer-Encoding, Content-Length,
// Upgrade and Expect in Fields are checked and not copied.
type ClientRequest struct {
	Method    string
	Target    string  // as in the request line (RFC 9112 section 3.2)
	Authority string  // of the Host field: host and port. Empty only for a target without one
	Fields    []Field // copied by Request
	Bytes     []byte  // the whole content, if Source is nil. Borrowed until it has been pulled: must not change
	Source    Source
	Length    int64  // of Source, in bytes: the last one is sent when Source has returned io.EOF; -1: unknown, sent in chunks
	Upgrade   string // the protocol to switch to, or empty
	Expect    bool   // content waits for a 100 (Continue) or Proceed
	Trailers  bool   // trailers are welcome in the response (TE: trailers)
	Close     bool   // the connection ends after the response
}

// Request queues a request. Only Bytes and Source are kept, the rest is copied. On an error
// nothing is queued: ErrBusy, ErrClosed, ErrMethod, ErrTarget, ErrAuthority, ErrContent,
// ErrField.
func (c *Client) Request(r *ClientRequest) error {
	if c.last || c.reading == shut || c.reading == switched {
		return ErrClosed
	}
	if c.ex != nil {
		return ErrBusy
	}
	ex := c.sh.take()
	if err := ex.setRequest(r); err != nil {
		c.sh.give(ex)
		return err
	}
	c.ex = ex
	c.last = r.Close
	c.sent, c.received, c.interims = false, false, 0
	c.scanner = scanner{}
	c.moveRequest(requestQueued)
	c.read(requested)
	return nil
}

// setRequest checks a request and encodes its head.
func (ex *exchange) setRequest(r *ClientRequest) error {
	if !octets.IsToken(r.Method) || len(r.Method) > maxMethod {
		return ErrMethod
	}
	if err := checkTarget(r); err != nil {
		return err
	}
	ex.head, ex.connect = r.Method == "HEAD", r.Method == "CONNECT"
	if err := ex.frameRequest(r); err != nil {
		return err
	}
	ex.expecting = r.Expect && ex.framing != empty
	ex.protocol, ex.ready = r.Upgrade, true
	heads, err := ex.appendRequest(ex.heads, r)
	if err != nil {
		return err
	}
	ex.heads = heads
	return nil
}

// checkTarget checks target and authority where they are written. Checks made before, by
// another protocol's rules, do not count.
func checkTarget(r *ClientRequest) error {
	if r.Target == "" || !octets.All(r.Target, octets.Target) {
		return ErrTarget
	}
	if !octets.ValidAuthority(r.Authority) {
		return ErrAuthority
	}
	if r.Target[0] == '/' && r.Method != "CONNECT" {
		return nil
	}
	h := Head{Method: r.Method, Target: r.Target}
	if err := h.setTarget(); err != nil {
		return ErrTarget
	}
	// RFC 9112 section 3.2: Host is identical to the authority of the target.
	if h.Form != AsteriskForm && h.Authority != r.Authority {
		return ErrAuthority
	}
	return nil
}

// frameRequest sets how the content ends (RFC 9112 section 6.3), and refuses content of
// methods that have none (RFC 9110 sections 9.3.6 and 9.3.8).
func (ex *exchange) frameRequest(r *ClientRequest) error {
	switch {
	case r.Source == nil && len(r.Bytes) == 0, r.Source != nil && r.Length == 0:
		return nil
	case r.Method == "CONNECT", r.Method == "TRACE":
		return ErrContent
	case r.Source == nil:
		ex.framing, ex.bytes = whole, r.Bytes
	case r.Length > 0:
		// A server must not take content that is longer than its length for complete.
		ex.framing, ex.source, ex.left, ex.exact = sized, r.Source, r.Length, true
	default:
		ex.framing, ex.source = chunked, r.Source
	}
	return nil
}

// appendRequest appends the head of a request (RFC 9112 section 3).
func (ex *exchange) appendRequest(dst []byte, r *ClientRequest) ([]byte, error) {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.Target...)
	// RFC 9110 section 7.2: Host comes first.
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, r.Authority...)
	dst = append(dst, "\r\n"...)
	for i := range r.Fields {
		f := &r.Fields[i]
		line, err := appendLine(dst, f.Name, f.Value)
		if err != nil {
			return dst, err
		}
		if !inRequest(f.Name) {
			continue
		}
		dst = line
	}
	switch {
	case ex.framing == whole:
		dst = appendLength(dst, int64(len(ex.bytes)))
	case ex.framing == sized:
		dst = appendLength(dst, ex.left)
	case ex.framing == chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case r.Method == "POST", r.Method == "PUT", r.Method == "PATCH":
		// RFC 9110 section 8.6: a method that anticipates content has a length of 0.
		dst = appendLength(dst, 0)
	}
	if ex.expecting {
		dst = append(dst, "Expect: 100-continue\r\n"...)
	}
	if r.Trailers {
		dst = append(dst, "TE: trailers\r\n"...)
	}
	if r.Upgrade != "" {
		if name, version, _ := strings.Cut(r.Upgrade, "/"); !octets.IsToken(name) || version != "" && !octets.IsToken(version) {
			return dst, &FieldError{"Upgrade", "not a protocol"}
		}
		dst = append(dst, "Upgrade: "...)
		dst = append(dst, r.Upgrade...)
		dst = append(dst, "\r\n"...)
	}
	return append(appendOptions(dst, r), "\r\n"...), nil
}

// appendOptions appends the Connection field. RFC 9110 sections 7.8 and 10.1.4: it lists
// Upgrade and TE.
func appendOptions(dst []byte, r *ClientRequest) []byte {
	if !r.Close && !r.Trailers && r.Upgrade == "" {
		return dst
	}
	dst = append(dst, "Connection: "...)
	begin := len(dst)
	option := func(wanted bool, name string) {
		if !wanted {
			return
		}
		if len(dst) > begin {
			dst = append(dst, ", "...)
		}
		dst = append(dst, name...)
	}
	option(r.Close, "close")
	option(r.Trailers, "TE")
	option(r.Upgrade != "", "upgrade")
	return append(dst, "\r\n"...)
}

// inRequest reports whether a field of the caller is written: the others are the machine's.
func inRequest(name string) bool {
	switch len(name) {
	case len("trailer"):
		return !octets.EqualFold(name, "upgrade")
	case len("proxy-connection"):
		return !octets.EqualFold(name, "proxy-connection")
	}
	return inTrailer(name)
}

// Transmit appends output to dst, about room bytes: a head or a chunk's frame may exceed
// it. If dst comes back unchanged there is nothing to send now. A Source is read from here.
func (c *Client) Transmit(dst []byte, room int) []byte {
	ex := c.ex
	if ex == nil || room <= 0 {
		return dst
	}
	begin, bound := len(dst), len(dst)+room
	if c.requesting == headQueued {
		dst = append(dst, ex.heads...)
		ex.heads = ex.heads[:0]
		c.sent = true
		if ex.expecting {
			c.moveRequest(requestHeadPulledHeld)
		} else {
			c.moveRequest(requestHeadPulled)
		}
	}
	if c.requesting != contentSending {
		return dst
	}
	dst, end, err := ex.pull(dst, begin, bound)
	switch end {
	case over:
		c.moveRequest(requestPulled)
		c.finish()
	case broken:
		c.cutShort(err)
	}
	return dst
}

// Wanting reports whether Transmit has output.
func (c *Client) Wanting() bool {
	return c.ex != nil && (c.requesting == headQueued || c.requesting == contentSending && c.ex.ready)
}

// Resume announces that the Source of the request has more content, or has ended.
func (c *Client) Resume() {
	if c.ex != nil {
		c.ex.ready = true
	}
}

// Proceed sends content that waits for a 100 (Continue).
func (c *Client) Proceed() {
	switch {
	case c.requesting == contentHeld:
		c.moveRequest(contentAllowed)
	case c.requesting == headQueued:
		c.ex.expecting = false
	}
}

// StopSending sends no more content, after a final response that came before its end (RFC
// 9112 section 9.5). The connection is not used again. It does nothing if the head has not
// been pulled, or if the request is complete.
func (c *Client) StopSending() {
	if c.requesting != contentSending && c.requesting != contentHeld {
		return
	}
	c.last = true
	c.moveRequest(requestGivenUp)
	c.ex.outgoing.drop()
	c.finish()
}
