package h2

// StreamID is a stream identifier (RFC 9113 section 5.1.1).
type StreamID uint32

// Field is a field line. It is an alias so that slices of it can pass between packages.
type Field = struct{ Name, Value string }

// Kind is the kind of an Event.
type Kind uint8

const (
	// NeedMore: no event. Call Next with the rest of the input once more has arrived.
	NeedMore Kind = iota
	// Request: a request has arrived; Head is set. End: it has no content.
	Request
	// Data: content of a request or a tunnel. Data is borrowed until the next call of Next, and
	// may be empty with End. Consumed opens the peer's windows again.
	Data
	// Trailers: the request's trailer section; the request has ended.
	Trailers
	// Reset: the stream was reset with Code, by the peer or by the machine, before both sides were
	// complete. CodeNoError: the response is complete, and the rest of the request was cut off
	// (RFC 9113 section 8.1).
	Reset
	// Goaway: the peer has sent GOAWAY with Code. Open streams go on.
	Goaway
	// Refused: the machine has refused a request, with Status or by a reset with Code, for Reason.
	// It needs no action.
	Refused
)

var kindNames = [...]string{"NeedMore", "Request", "Data", "Trailers", "Reset", "Goaway", "Refused"}

// String returns the name of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind?"
}

// Event is an event reported by Next. The caller owns it and passes the same one to every call of Next,
// which sets the fields named for its kind; the others are stale. Data, Head.Fields and Trailers are
// borrowed until the next call and must not be changed. Their strings are never reused.
type Event struct {
	Kind     Kind
	End      bool     // Request, Data: the request ends here
	Code     ErrCode  // Reset, Refused, Goaway
	Stream   StreamID // all but Goaway
	Value    any      // the value that SetValue stored for Stream
	Head     Head     // Request
	Data     []byte   // Data
	Trailers []Field  // Trailers

	// Reset, Refused: the status of the response that the machine has sent by itself, or 0.
	Status int
	// Reset: the status of the application's response that this replaces, or 0.
	Withdrawn int
	// Refused; Reset because of the peer: the reason. Else empty.
	Reason string
}

// Head is the valid header section of a request (RFC 9113 section 8.3.1).
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

// Response is a final response. Respond copies it, except for the content of Bytes, which must not
// change until the stream is gone.
type Response struct {
	Status int     // 200 to 999
	Fields []Field // names in any case; connection-specific ones are dropped; date is added when missing

	// The content is that of Source, else Bytes. A content-length field is added if the length is
	// known and Fields has none. Responses to HEAD, 204 and 304 send no content.
	Bytes  []byte
	Source Source
	Length int64 // with Source: its length, -1 when unknown
}

// Source is content of a response that is pulled as it is sent.
type Source interface {
	// Read fills p with content that is ready. It returns (0, nil) if there is none; the owner
	// calls Conn.Resume when there is more. io.EOF ends the content, also with n > 0; any other
	// error resets the stream. With an empty p, Read returns io.EOF at the end and nil before.
	Read(p []byte) (int, error)
}

// TrailerSource is a Source with trailers. Trailers is called once, after io.EOF.
type TrailerSource interface {
	Source
	Trailers() []Field
}
