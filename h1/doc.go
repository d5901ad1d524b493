// Package h1 implements the server role of HTTP/1.0 and HTTP/1.1 (RFC 9112, RFC
// 9110) without input and output. It turns the bytes that a peer has sent into
// events, and an application's answers into bytes that the caller writes. It never
// blocks, logs, starts a goroutine or reads a clock.
//
// # The model
//
// A Shared holds the state that the connections of one loop share: limits, the
// encoded date, scratch memory and free storage. A Conn is one connection. Both
// belong to one goroutine at a time: no method is safe for concurrent use.
//
//	Shared.Tick      sets the time, once a turn
//	Conn.Next        consumes input and fills one Event
//	Conn.Respond, Inform, Continue, Resume, Abort, Refuse
//	                 are the commands; they queue output
//	Conn.Transmit    appends output to the caller's buffer
//	Conn.EOF, Drain, Release
//	                 report the peer's FIN, start a graceful end, and return storage
//	Conn.Done, Phase, Wanting, Held
//	                 show what to do with the socket and what to wait for
//
// Call Next until its event is NeedMore, Blocked, Closed or Switched. Bytes that it
// does not consume stay with the caller, who presents them again with what has
// arrived since. Requests may be answered in any order; answers leave in the order
// of the requests.
//
// # Rules
//
//   - An event does not depend on the pieces in which its bytes arrive.
//   - Slices in an Event are borrowed until the next call of Next. Strings are never
//     reused. The build tag poison overwrites what was borrowed.
//   - A request that two readers could understand in two ways is refused, and
//     nothing after it is interpreted. The answer, with one sentence, is the
//     machine's; it takes the place of one that is queued and has not begun to
//     leave.
//   - The machine owns the framing and the connection: Content-Length,
//     Transfer-Encoding and Connection of a Response are its own.
//   - Memory and work that a peer can cause are bounded by Limits and by the
//     constants in limits.go.
//   - Heads that come again and again are remembered (memo.go), except those with
//     credentials.
//   - An idle connection holds no buffer and no exchange: they are borrowed from
//     Shared.
//
// # Files
//
// conn.go has the connection and what it reads, state.go its states and their
// tables. Parts that do not depend on the role: scan.go (the words of a head),
// chunk.go and content.go (message content), exchange.go, limits.go, date.go.
// Parts of the server: head.go and target.go (requests), response.go and
// transmit.go (answers), refusals.go, memo.go.
package h1
