package h2

// StreamID is a stream identifier (RFC 9113 section 5.1.1).
type StreamID uint32

// Field is one field line; the alias makes slices of it pass between packages unchanged.
type Field = struct{ Name, Value string }

// Kind says what an Event tells.
type Kind uint8

const (
	// NeedMore: everything that could be interpreted was consumed. Present the rest again once
	// more bytes stand behind it.
	NeedMore Kind = iota
	// Request: a request's fields have come; Head is set. End: it has no content.
	Request
	// Data: content of a request, or of the tunnel that a CONNECT opened. Data is borrowed until
	// the next call of Next, may be empty with End, and holds the peer's windows closed until
	// Consumed is called for it.
	Data
	// Trailers: the request's trailer section; the request has ended.
	Trailers
	// Reset: the stream is gone before its exchange was complete, by the peer's RST_STREAM or by
	// ours; Code tells why. Commands for it answer ErrStream. Code CodeNoError: the response went
	// out whole, and the rest of the request was cut off (RFC 9113 section 8.1).
	Reset
	// Goaway: the peer is leaving, for the reason Code; streams that are open may be completed.
	Goaway
	// Refused: a request was refused that the application never sees; Reason, Code and Status tell
	// why and how. There is nothing to do.
	Refused
)

var kindNames = [...]string{"NeedMore", "Request", "Data", "Trailers", "Reset", "Goaway", "Refused"}

// String gives the kind's name.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind?"
}

// Event is one thing that the peer did. The caller owns it and hands the same one to every call
// of Next, which overwrites what belongs to the event's kind and leaves the rest stale. The
// slices Head.Fields and Trailers are borrowed until the next call and must not be changed; the
// strings in them are never reused.
type Event struct {
	Kind     Kind
	End      bool     // Request, Data: the request ends here
	Code     ErrCode  // Reset, Refused, Goaway
	Stream   StreamID // all but Goaway
	Value    any      // what SetValue stored for Stream
	Head     Head     // Request
	Data     []byte   // Data
	Trailers []Field  // Trailers

	// Reset, Refused: of the response that the machine gave to a request in its own right, else 0.
	Status int
	// Reset: of the response that the application gave and that Status replaced, else 0.
	Withdrawn int
	// Refused; Reset for a mistake of the peer's or for its closed windows: what is wrong.
	Reason string
}

// Head is a request's head section (RFC 9113 section 8.3.1), found valid.
type Head struct {
	Method    string
	Scheme    string  // empty for CONNECT without Protocol
	Authority string  // :authority, else the host field
	Path      string  // path and query as received; "*" for OPTIONS; empty for CONNECT without Protocol
	Protocol  string  // :protocol of an extended CONNECT (RFC 8441)
	Fields    []Field // regular fields in order; cookie crumbs joined into one (RFC 9113 section 8.2.3)

	ContentLength int64 // -1: unknown. 0 when the request ends with its head
	Urgency       uint8 // 0 (first) to 7; 3 without a signal (RFC 9218 section 4.1)
	Incremental   bool  // RFC 9218 section 4.2
}

// Response is a final response. It is copied by Respond, except for the content in Bytes, which
// must not change until the stream is gone.
type Response struct {
	Status int     // 200 to 999
	Fields []Field // names in any case; connection-specific ones are dropped; date is added when missing

	// Content: Source, or else Bytes, or else none. A content-length field is added when the
	// length is known and the response has none. Neither is looked at for a response without
	// content: to HEAD, 204 and 304.
	Bytes  []byte
	Source Source
	Length int64 // with Source: its length, -1 when unknown
}

// Source gives a response's content as it is pulled.
type Source interface {
	// Read fills p with what is ready. (0, nil): nothing now; Conn.Resume will be called when
	// there is more. io.EOF ends the content (and may come along with n > 0); any other error
	// aborts the response. An empty p asks for the end alone: (0, nil) or io.EOF.
	Read(p []byte) (int, error)
}

// TrailerSource is a Source with a trailer section, for which it is asked once, after io.EOF.
type TrailerSource interface {
	Source
	Trailers() []Field
}
