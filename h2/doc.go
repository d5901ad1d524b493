// Package h2 implements both roles of HTTP/2 (RFC 9113) without input and output. It turns the
// bytes that a peer has sent into events, and an application's commands into bytes that the caller
// writes. It never blocks, sleeps, logs, starts a goroutine or reads a clock.
//
// # The model
//
// A Shared holds the state that the connections of one loop share: the configuration, the time, free
// storage and counters. A Conn is a connection of a server, a Client one of a client. All belong to the
// loop's goroutine: no method may be called on another one.
//
//	Shared.Tick      sets the time, once a turn
//	Next             consumes input and fills one Event
//	Conn.Respond, Inform, Refuse
//	                 are the commands of a server; they queue output
//	Client.Request, Proceed, Ping
//	                 are the commands of a client
//	Resume, Reset, Consumed
//	                 are the commands of both
//	Transmit         appends output to the caller's buffer
//	Deadline         is the time at which Expire is due
//	EOF, Drain, Close
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
// it, and a Refused event reports it. A malformed response is a Reset event. After a connection error a
// client gets no events: the caller ends its requests by Each, and Unprocessed reports which of them
// the server has not seen. A mistake of the caller's is an ordinary error, such as
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
// machine.go has what both roles share, and the interface role for what they do not. Further shared parts:
// frame.go and settings.go (framing), headers.go, fields.go, hpack.go, huffman.go, statictable.go and
// encode.go (field sections), flow.go (windows), schedule.go and priority.go (whose turn it is),
// table.go and state.go (streams), history.go, budget.go, life.go (how far a connection has come),
// transmit.go. Parts of the server: conn.go, server.go (its role), request.go, respond.go, refuse.go,
// early.go (answers before the end of a request), drain.go, eof.go. Parts of the client: client.go,
// client_request.go, client_encode.go and encoder.go (requests), client_response.go (its role).
package h2
