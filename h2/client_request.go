package h2

import (
	"github.com/gatewheel/gatewheel/internal/octets"
)

// ClientRequest is a request. Client.Request copies it, except for the content of Bytes, which must not change
// until the stream is gone.
type ClientRequest struct {
	Method    string // also CONNECT, which takes Authority alone, or Protocol
	Scheme    string
	Authority string
	Path      string // path and query, or "*" with OPTIONS
	Protocol  string // of an extended CONNECT (RFC 8441)

	// Fields are sent in order, with names in lower case. Left out are connection-specific ones, host,
	// content-length, expect, and te unless it is "trailers". A priority field also decides when the content is
	// sent (RFC 9218).
	Fields []Field
	// Sensitive, unless nil, names fields that are sent as never indexed (RFC 7541 section 6.2.3), in addition to
	// authorization, proxy-authorization and short cookies. It is asked about ":path", too.
	Sensitive func(name string) bool

	// The content is that of Source, else Bytes. content-length is added if the length is known, unless there is
	// no content and the method does not suggest any. A Source that differs from Length resets the stream.
	Bytes  []byte
	Source Source
	Length int64 // with Source: its length, -1 when unknown

	// The content of a tunnel waits until the server has opened it by a 2xx. It is dropped after another response.

	// Expect adds "expect: 100-continue" and holds the content back until a 100 (Continue) has arrived or Proceed
	// is called.
	Expect bool
	// Value is what events of the stream will carry.
	Value any
}

// Request queues a request and returns its stream. The error is ErrDraining, ErrCapacity, ErrTarget, ErrField,
// ErrTooLarge or ErrConnectProtocol; nothing was queued then.
func (c *Client) Request(r *ClientRequest) (StreamID, error) {
	switch {
	case c.Draining():
		return 0, ErrDraining
	case c.Capacity() == 0:
		return 0, ErrCapacity
	case r.Protocol != "" && c.known&connectAccepted == 0:
		return 0, ErrConnectProtocol
	}
	size, err := checkRequest(r)
	if err != nil {
		return 0, err
	}
	if size > int64(c.peerHead) {
		return 0, ErrTooLarge
	}
	c.start()
	st := c.openStream(c.next, sendHeaders)
	c.history.open(st.id)
	c.useID()
	c.sh.ClientStats.Streams++
	st.value = r.Value
	c.queueRequest(st, r)
	return st.id, nil
}

// useID moves on to the next stream identifier.
func (c *Client) useID() {
	if c.next += 2; c.next > maxStreamID {
		// RFC 9113 section 5.1.1: identifiers cannot be used again.
		c.known |= idsConsumed
	}
}

// contentLength returns the length of the content, -1 if unknown.
func (r *ClientRequest) contentLength() int64 {
	if r.Source == nil {
		return int64(len(r.Bytes))
	}
	return max(r.Length, -1)
}

// queueRequest encodes HEADERS and queues the content.
func (c *Client) queueRequest(st *stream, r *ClientRequest) {
	switch r.Method {
	case "HEAD":
		st.flags |= headRequest
	case "CONNECT":
		st.flags |= tunnel
	}
	length := r.contentLength()
	_, trailers := r.Source.(TrailerSource)
	ends := length == 0 && !trailers && st.flags&tunnel == 0
	flags := uint8(0)
	switch {
	case ends:
		flags = flagEndStream
	case r.Expect || st.flags&tunnel != 0:
		st.flags |= held
	}
	out, start := c.beginBlock(c.output())
	out = c.appendRequest(out, st, r, length)
	c.out = c.endBlock(out, start, st.id, flags)
	st.headAt = c.outAt + uint64(start)
	st.flags |= answered
	switch {
	case ends:
		c.finished(st)
	case r.Source == nil && st.flags&(held|tunnel) == 0 && c.direct(st, len(r.Bytes)):
		c.queueContent(st, r.Bytes)
	default:
		c.queueLater(st, r, length)
	}
}

// queueLater keeps the content until its turn comes.
func (c *Client) queueLater(st *stream, r *ClientRequest, length int64) {
	st.source, st.left = r.Source, length
	switch {
	case st.flags&tunnel != 0:
		st.left = -1
		if r.Source == nil {
			st.source = noContent{}
		}
	case r.Source == nil:
		st.bytes = r.Bytes
		c.unsent += int64(len(r.Bytes))
	}
	if st.sendWindow <= 0 && st.flags&held == 0 {
		c.stall(st)
	}
	c.schedule(st)
}

// noContent is the Source of a tunnel without one.
type noContent struct{}

func (noContent) Read([]byte) (int, error) { return 0, nil }

// checkRequest returns the size of the field section as RFC 9113 section 6.5.2 counts it, or why the request is
// invalid. What another protocol has let through must not end a line or a target early (section 10.3).
func checkRequest(r *ClientRequest) (size int64, err error) {
	if !validTarget(r) {
		return 0, ErrTarget
	}
	size = int64(len(":method:scheme:authority:path") + 4*entryOverhead)
	size += int64(len(r.Method) + len(r.Scheme) + len(r.Authority) + len(r.Path))
	if r.Protocol != "" {
		size += int64(len(":protocol") + len(r.Protocol) + entryOverhead)
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		if !octets.IsToken(f.Name) || !octets.IsText(f.Value) {
			return 0, ErrField
		}
		size += int64(len(f.Name) + len(f.Value) + entryOverhead)
	}
	if r.contentLength() >= 0 {
		size += int64(len("content-length") + 19 + entryOverhead)
	}
	return size, nil
}

// validTarget checks what the pseudo-fields will have (RFC 9113 sections 8.3.1 and 8.5, RFC 8441 section 4).
func validTarget(r *ClientRequest) bool {
	if !octets.IsToken(r.Method) || !octets.ValidAuthority(r.Authority) {
		return false
	}
	if r.Method == "CONNECT" && r.Protocol == "" {
		return r.Authority != "" && r.Scheme == "" && r.Path == ""
	}
	if r.Protocol != "" && (r.Method != "CONNECT" || !octets.IsToken(r.Protocol)) {
		return false
	}
	if r.Scheme == "" || !octets.IsLetter(r.Scheme[0]) || !octets.All(r.Scheme, octets.Scheme) ||
		r.Path == "" || !octets.All(r.Path, octets.Target) || isWeb(r.Scheme) && r.Authority == "" {
		return false
	}
	return !isWeb(r.Scheme) || r.Path[0] == '/' || r.Path == "*" && r.Method == "OPTIONS"
}
