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
	// Request: a request has arrived; Head is set. End: it has no content. Only in the server role.
	Request
	// Data: content of a message or a tunnel. Data is borrowed until the next call of Next, and
	// may be empty with End. Consumed opens the peer's windows again.
	Data
	// Trailers: the message's trailer section; the message has ended.
	Trailers
	// Reset: the stream was reset with Code, by the peer or by the machine, before both sides were
	// complete. CodeNoError: the response is complete, and the rest of the request was cut off
	// (RFC 9113 section 8.1).
	// In the client role, End: the response was complete, so that its request alone was cut short;
	// with CodeNoError that is no error (RFC 9113 section 8.1). Unprocessed: the server has surely not
	// processed the request.
	Reset
	// Goaway: the peer has sent GOAWAY with Code. Open streams go on. In the client role, those above
	// Last end with Reset events, and no more requests are possible.
	Goaway
	// Refused: the machine has refused a request, with Status or by a reset with Code, for Reason.
	// It needs no action.
	Refused

	// Interim: a 1xx response has arrived; Response is set.
	Interim
	// Final: the final response has arrived; Response is set. End: it has no content.
	Final
	// Changed: the results of Capacity and ConnectProtocol may have changed.
	Changed
	// Pong: the server has acknowledged the PING of Client.Ping.
	Pong
)

var kindNames = [...]string{"NeedMore", "Request", "Data", "Trailers", "Reset", "Goaway", "Refused", "Interim", "Final", "Changed", "Pong"}

// String returns the name of the kind.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "Kind?"
}

// Event is an event reported by Next. The caller owns it and passes the same one to every call of Next,
// which sets the fields named for its kind; the others are stale. Data, Head.Fields, Response.Fields and
// Trailers are borrowed until the next call and must not be changed. Their strings are never reused.
type Event struct {
	Kind        Kind
	End         bool         // Request, Final, Data: the message ends here. Reset: see there
	Unprocessed bool         // Reset in the client role
	ByPeer      bool         // Reset: by the peer's RST_STREAM
	Code        ErrCode      // Reset, Refused, Goaway
	Stream      StreamID     // all but Goaway, Changed and Pong
	Last        StreamID     // Goaway in the client role: the last stream that the server may process
	Value       any          // the value that SetValue or ClientRequest has stored for Stream
	Head        Head         // Request
	Response    ResponseHead // Interim, Final
	Data        []byte       // Data
	Trailers    []Field      // Trailers

	// Request, Interim, Final, Trailers: the fields that must not be indexed when they are forwarded.
	NeverIndexed NeverIndexed

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

// ResponseHead is the valid header section of a response (RFC 9113 section 8.3.2).
type ResponseHead struct {
	Status int     // 100 to 999 except 101
	Fields []Field // in order, as received

	// ContentLength is the length of the content, -1 if unknown. It is 0 if there is none.
	ContentLength int64
	// Stated is the content-length of a response to HEAD or of a 304: the length that the content
	// would have. Else, or without the field, it is -1.
	Stated int64
}

// Response is a final response. Respond copies it, except for the content of Bytes, which must not
// change until the stream is gone.
type Response struct {
	Status int     // 200 to 999
	Fields []Field // names in any case; connection-specific ones are dropped; date is added when missing, and left out when empty

	// Sensitive, unless nil, names fields that are sent as never indexed (RFC 7541 section 6.2.3).
	Sensitive func(name string) bool

	// The content is that of Source, else Bytes. A content-length field is added if the length is
	// known and Fields has none. Responses to HEAD, 204 and 304 send no content.
	Bytes  []byte
	Source Source
	Length int64 // with Source: its length, -1 when unknown
}

// Source is content of a message that is pulled as it is sent.
type Source interface {
	// Read fills p with content that is ready. It returns (0, nil) if there is none; the owner
	// calls Resume when there is more. io.EOF ends the content, also with n > 0; any other
	// error resets the stream. With an empty p, Read returns io.EOF at the end and nil before.
	Read(p []byte) (int, error)
}

// SensitiveSource is a TrailerSource some of whose trailers must never be indexed (RFC 7541 section 6.2.3).
type SensitiveSource interface {
	TrailerSource
	Sensitive(name string) bool
}

// TrailerSource is a Source with trailers. Trailers is called once, after io.EOF.
type TrailerSource interface {
	Source
	Trailers() []Field
}
