package h1

// ClientEvent is filled by Client.Next. Its Kind is NeedMore, Interim, Final, Data, End,
// Switched or Closed. The caller owns it and may use it for any number of connections. The
// next call overwrites the slices Head.Fields and Trailers; the strings in them stay valid.
type ClientEvent struct {
	Kind     Kind
	Head     ResponseHead // of Interim and Final
	Data     []byte       // of Data; borrowed until the next call, from the bytes given to Next or from Shared
	Trailers []Field      // of End
}

// ResponseHead is the head of a response. All its strings are parts of one block of memory
// that is never used again for anything else; equal heads may share it.
type ResponseHead struct {
	Status int    // 100 to 999
	Reason string // as received, often empty
	Minor  uint8  // of the version: 0 or 1. A higher one is treated as 1 (RFC 9110 section 2.5)
	// Fields has all field lines in order, names as received. A Content-Length that a
	// Transfer-Encoding overrides is left out.
	Fields []Field

	ContentLength int64  // bytes; 0: no content; -1: unknown
	Stated        int64  // the Content-Length of a response to HEAD or of a 304, which have no content; -1: none
	KeepAlive     bool   // the server allows further requests on the connection
	Upgrade       string // the Upgrade fields if Connection lists "upgrade", in HTTP/1.1 only; several are joined by ", "

	framing framing
}
