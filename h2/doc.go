// Package h2 implements the server role of HTTP/2 (RFC 9113) without input and output. It turns the
// bytes that a peer has sent into events, and an application's commands into bytes that the caller
// writes. It never blocks, sleeps, logs, starts a goroutine or reads a clock.
//
// # The model
//
// A Shared holds the state that the connections of one loop share: the configuration, the time, free
// storage and counters. A Conn is one connection. Both belong to the loop's goroutine: no method may
// be called on another one.
//
//	Shared.Tick      sets the time, once a turn
//	Conn.Next        consumes input and fills one Event
//	Conn.Respond, Inform, Resume, Refuse, Reset, Consumed
//	                 are the commands; they queue output
//	Conn.Transmit    appends output to the caller's buffer
//	Conn.Deadline    is the time at which Expire is due
//	Conn.EOF, Drain, Close
//	                 handle the peer's FIN, start a drain, and return storage
//
// The caller writes what Transmit returns and calls it again when the socket takes more. So flow
// control, priorities (RFC 9218) and fairness between streams are decided as late as possible, and
// content is pulled from a Source straight into the caller's buffer.
//
// # Errors
//
// A stream error (RFC 9113 section 5.4.2) is a Reset event: the stream is gone, its RST_STREAM is
// queued. A connection error (section 5.4.1) is a *ConnError from Next or Expire, which is sticky: its
// GOAWAY is queued, and the caller pulls Transmit once more and closes. A malformed request is answered
// with a 400 or 431 of the machine's own where that is still possible; the application does not see
// it, and a Refused event reports it. A mistake of the caller's is an ordinary error, such as
// ErrStream, and sends nothing.
//
// # Rules
//
//   - Bytes and slices in an Event are borrowed until the next call of Next. Strings are never reused.
//     The build tag poison overwrites what was borrowed.
//   - A stream is named by its identifier, which is never used again: a command for a stream that is
//     gone returns ErrStream or does nothing.
//   - Flow-control windows open as the application calls Consumed.
//   - Memory and work that a peer can cause are bounded: by Config, by the constants in limits.go,
//     and by a Budget for each behaviour that is harmless in small numbers only.
//   - An idle connection holds no stream, no output buffer and no schedule: they are borrowed from
//     Shared.
//
// # Files
//
// Parts that do not depend on the role: frame.go and settings.go (framing), hpack.go, huffman.go,
// statictable.go and encode.go (header blocks), flow.go (windows), schedule.go and priority.go (whose
// turn it is), table.go and state.go (streams), history.go, budget.go, life.go (how far a connection
// has come), transmit.go. Parts of the server: headers.go and fields.go (requests), respond.go,
// refuse.go, early.go (answers before the end of a request), drain.go, eof.go.
package h2
