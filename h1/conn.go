// Package h1 is the server's side of HTTP/1.0 and HTTP/1.1 (RFC 9112, RFC 9110)
// as a machine without input or output: bytes go in and events come out of
// Conn.Next; answers go in by Conn.Respond, and their bytes are pulled by
// Conn.Transmit. It never blocks, starts goroutines or reads a clock.
//
// A connection's life:
//
//	var c h1.Conn
//	c.Init(shared)
//	for {
//		n, err := c.Next(in, &ev) // until NeedMore, Blocked, Closed or Switched, also with no input left
//		in = in[n:]
//		...
//	}
//	c.Respond(id, &response)
//	out = c.Transmit(out[:0], 64<<10)
//
// Nothing here is safe for concurrent use: a Conn, and the Shared it was
// initialised with, belong to one goroutine at a time.
package h1

// Conn is one connection. It is small and holds no buffer: bytes that Next
// does not consume stay with the caller.
type Conn struct {
	sh *Shared
}

// Phase tells what a connection waits for from its peer, so that the caller
// can choose a timeout.
type Phase uint8

const (
	Between   Phase = iota // the next request; nothing of it has come
	InHead                 // the rest of a head
	InContent              // the rest of a request's content
	Waiting                // nothing: a request that may switch protocols has no answer yet
	Over                   // nothing any more: Closed or Switched
)

// Source gives a response's content as it is pulled.
type Source interface {
	// Read fills p with what is ready. (0, nil): nothing now; Conn.Resume is
	// called when there is more. io.EOF ends the content and may come along
	// with n > 0; any other error aborts the response and the connection.
	// p may be longer than what is left of Response.Length.
	Read(p []byte) (int, error)
}

// TrailerSource is a Source that has trailers. It is asked once, after io.EOF,
// and only if the response is chunked.
type TrailerSource interface {
	Source
	Trailers() []Field
}

// Response is a final response. The machine owns framing and connection
// fields: Content-Length, Transfer-Encoding and Connection in Fields are not
// copied, except that "close" in Connection is honoured and that the
// Content-Length of an answer to HEAD, or of a 304, is kept. A Date is added
// if there is none. Content that the request or the status rules out is
// neither sent nor read.
type Response struct {
	Status int     // 200 to 999, or 101
	Fields []Field // copied by Respond
	Bytes  []byte  // the whole content, if Source is nil. Borrowed until it has been pulled: must not change
	Source Source
	Length int64 // of Source, in bytes; -1: unknown
	Close  bool  // close the connection behind this response
}

// Init begins a connection.
func (c *Conn) Init(sh *Shared) { *c = Conn{sh: sh} }

// Next reads on in the peer's bytes: in holds all that was not consumed
// before, and what came since. It consumes n bytes and fills one event. Call it
// until the event is NeedMore, Blocked, Closed or Switched, also when no input
// is left: an End needs none. An error is a *Error; it is returned once, then
// the event is Closed.
func (c *Conn) Next(in []byte, ev *Event) (n int, err error) { panic("h1: not yet") }

// Respond answers a request. Requests may be answered in any order; answers
// leave in the order of the requests. Only Bytes and Source are kept, the rest
// is copied. 101 needs a request with Head.Upgrade, and Fields must name the
// protocol in Upgrade; the Connection field is added.
//
// A request that expects 100 (Continue), got none and sent no content yet makes
// this the connection's last answer, as the peer may or may not send the
// content (RFC 9110 section 10.1.1). Call Continue before Respond if the
// content is going to be read.
//
// Errors: ErrGone, ErrStatus, ErrField.
func (c *Conn) Respond(id uint64, r *Response) error { panic("h1: not yet") }

// Inform sends an informational response (1xx but 101) ahead of the final one.
// Nothing is sent to HTTP/1.0 peers. Errors: ErrGone, ErrStatus, ErrField.
func (c *Conn) Inform(id uint64, status int, fields []Field) error { panic("h1: not yet") }

// Continue queues 100 (Continue) if the request expects it, and if no content,
// no earlier 100 and no final answer came first. Else it does nothing.
func (c *Conn) Continue(id uint64) { panic("h1: not yet") }

// Resume says that the Source of a response has more, or has ended.
func (c *Conn) Resume(id uint64) { panic("h1: not yet") }

// Abort says that a response cannot be given or completed. Answers of earlier
// requests still leave, then the connection is to be closed in such a way that
// the peer can tell. Err returns ErrAborted.
func (c *Conn) Abort(id uint64) { panic("h1: not yet") }

// Drain lets the connection end behind the requests that have come, one that
// has come in part included. The last answer says "close" if it has not left.
func (c *Conn) Drain() { panic("h1: not yet") }

// EOF says that the peer will send no more. Call it when Next has said
// NeedMore about everything that came before. The error is a *Error if a
// request is incomplete. Answers still leave.
func (c *Conn) EOF() error { panic("h1: not yet") }

// Pending returns how many requests have come whose answers have not been
// pulled whole, one that was refused by the machine included.
func (c *Conn) Pending() int { panic("h1: not yet") }

// Answered returns the id up to which all answers have been pulled whole: the
// Source of such a request is not read any more.
func (c *Conn) Answered() uint64 { panic("h1: not yet") }

// Wanting reports whether Transmit would give something.
func (c *Conn) Wanting() bool { panic("h1: not yet") }

// Transmit appends what is to be sent to dst, about room bytes: a head or a
// chunk's frame may exceed it. If dst comes back unchanged there is nothing to
// send now. Sources are read from here.
func (c *Conn) Transmit(dst []byte, room int) []byte { panic("h1: not yet") }

// Done reports whether all output has been pulled and the connection is to be
// closed. linger: the peer may still be sending, so shut down writing and
// discard input for a while, lest a reset destroys the last answer (RFC 9112
// section 9.6). If Err is not nil the response was cut: close at once.
func (c *Conn) Done() (done, linger bool) { panic("h1: not yet") }

// Err returns why a response was cut: the error of its Source, ErrLength,
// ErrField for trailers, or ErrAborted.
func (c *Conn) Err() error { panic("h1: not yet") }

// Phase tells what the connection waits for.
func (c *Conn) Phase() Phase { panic("h1: not yet") }

// SetValue keeps a value with a request until it is answered whole.
func (c *Conn) SetValue(id uint64, v any) { panic("h1: not yet") }

// Value returns what SetValue kept, or nil.
func (c *Conn) Value(id uint64) any { panic("h1: not yet") }

// Release gives everything back when the connection is closed.
func (c *Conn) Release() { panic("h1: not yet") }
