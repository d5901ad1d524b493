package h1

// Kind is the kind of an Event or a ClientEvent.
type Kind uint8

const (
	// NeedMore: no event until more bytes arrive. Present what Next did not consume
	// again, followed by the new bytes.
	NeedMore Kind = iota
	// Request: a head is complete; Event.ID and Event.Head are set. Data and End
	// follow if, and only if, Head.ContentLength is not zero.
	Request
	// Data: a piece of the request's content is in Event.Data, which is borrowed
	// until the next call and from the bytes given to Next.
	Data
	// End: the request's content is complete; Event.Trailers holds the trailer
	// fields of chunked content.
	End
	// Blocked: as many requests as Limits.Pipelined wait for their responses, or
	// one that may switch protocols does, or responses of Limits.Unsent bytes have
	// not been pulled. Nothing was consumed. Call again
	// when Transmit has sent a response.
	Blocked
	// Closed: no further input is interpreted. All bytes were consumed, as all
	// further ones will be.
	Closed
	// Switched: the response 101, or 2xx to CONNECT, has been pulled. Nothing
	// was consumed: the bytes belong to another protocol.
	Switched

	// Interim: an interim response (1xx but 101) is in ClientEvent.Head.
	Interim
	// Final: the head of the final response, or a 101, is in ClientEvent.Head. Data and
	// End follow if, and only if, Head.ContentLength is not zero. Switched follows a 101
	// and a 2xx to CONNECT.
	Final
)

// Event is filled by Next. The caller owns it and may use it for any number of
// connections. The next call overwrites the slices Head.Fields and Trailers; the
// strings in them stay valid.
type Event struct {
	Kind     Kind
	ID       uint64 // of the request to which Request, Data and End belong; the first of a connection is 1
	Head     Head
	Data     []byte
	Trailers []Field
}

// Field is one field line (RFC 9110 section 5).
type Field = struct{ Name, Value string }

// TargetForm is one of the four forms of a request target (RFC 9112 section 3.2).
type TargetForm uint8

const (
	OriginForm    TargetForm = iota // /path?query
	AbsoluteForm                    // http://host/path?query
	AuthorityForm                   // host:port, CONNECT only
	AsteriskForm                    // *, OPTIONS only
)

// Head is the head of a request. All its strings are parts of one block of
// memory that is never used again for anything else; equal heads may share it.
type Head struct {
	Method string // a token, as received
	Target string // as received
	Form   TargetForm

	Scheme    string // in absolute-form, as received; else empty
	Authority string // of the target if it has one, else the Host field
	Path      string // still escaped; "/" for an absolute-form without one, "*" for OPTIONS of a whole server
	Query     string // still escaped, without the question mark

	Minor  uint8   // of the version: 0 or 1. A higher one is treated as 1 (RFC 9110 section 2.5)
	Fields []Field // all field lines in order, names as received

	ContentLength  int64  // bytes; 0: no content; -1: chunked
	ExpectContinue bool   // the peer waits for Conn.Continue before it sends content
	KeepAlive      bool   // the peer allows further requests on the connection
	Upgrade        string // the Upgrade fields if Connection lists "upgrade", in HTTP/1.1 only; several are joined by ", "
}
