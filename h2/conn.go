// Package h2 is HTTP/2 (RFC 9113) without input and output: bytes that a peer sent become
// events, commands become bytes that a caller pulls. It never blocks, sleeps, logs, starts a
// goroutine or reads a clock.
//
// A Conn belongs to one goroutine at a time, as does the Shared that the connections of a loop
// have in common.
package h2

import "time"

// Conn is one connection in the server role. It is meant to be embedded by value in a session
// and must not be copied after Init.
type Conn struct {
	sh *Shared
}

// Init makes c ready for the client's preface and queues ours. jitter in [0, 1) is this
// connection's place within the span Config.MaxAgeJitter.
func (c *Conn) Init(sh *Shared, jitter float64) { c.sh = sh }

// Next interprets what the peer sent: it consumes the first n bytes of in and fills ev with the
// one event that they amount to. The caller keeps the rest and calls again, with the rest alone
// while events come, and with more bytes behind it after NeedMore. in may be empty: what Transmit
// and Expire did to streams is told first, so call Next after them while Noticed is true.
//
// A *ConnError is sticky. A stream error is a Reset event.
func (c *Conn) Next(in []byte, ev *Event) (n int, err error) { ev.Kind = NeedMore; return 0, nil }

// Noticed reports whether Next has an event that needs no input.
func (c *Conn) Noticed() bool { return false }

// SetValue stores v for the events of stream id. It does nothing for a stream that is gone.
func (c *Conn) SetValue(id StreamID, v any) {}

// Value gives what SetValue stored, nil for a stream that is gone.
func (c *Conn) Value(id StreamID) any { return nil }

// Respond queues the final response to the request of stream id. After an error nothing was
// queued.
func (c *Conn) Respond(id StreamID, r *Response) error { return nil }

// Inform queues an interim response: any 1xx but 101 (RFC 9113 section 8.6).
func (c *Conn) Inform(id StreamID, status int, fields []Field) error { return nil }

// Resume tells that the Source of stream id has more.
func (c *Conn) Resume(id StreamID) {}

// Consumed tells that the application has taken n bytes of content that Data events of stream id
// brought: windows open.
func (c *Conn) Consumed(id StreamID, n int) {}

// Reset abandons stream id with RST_STREAM. No event follows.
func (c *Conn) Reset(id StreamID, code ErrCode) {}

// Transmit appends to dst what may be sent now, about room bytes at most (it may exceed them by a
// header block). dst comes back unchanged when there is nothing to send.
func (c *Conn) Transmit(dst []byte, room int) []byte { return dst }

// Wanting reports whether Transmit would append something.
func (c *Conn) Wanting() bool { return false }

// Drain asks the peer to leave: a GOAWAY that refuses nothing and a PING, then, after its round
// trip or DrainTimeout, a GOAWAY with the last stream that is served (RFC 9113 section 6.8).
func (c *Conn) Drain(now time.Time) {}

// Deadline is when Expire wants to be called, zero for never.
func (c *Conn) Deadline() time.Time { return time.Time{} }

// Expire acts on all that is due at now. An error ends the connection like one of Next.
func (c *Conn) Expire(now time.Time) error { return nil }

// Streams is the number of open streams, those with a response to be pulled included.
func (c *Conn) Streams() int { return 0 }

// Done reports that all output was pulled and the connection is to be closed: after an error, or
// when a drain has completed.
func (c *Conn) Done() bool { return false }
