// Package h1 implements HTTP/1.0 and HTTP/1.1 (RFC 9112, RFC 9110) for both ends of a
// connection, without input and output. A server (Conn) turns the bytes that a client has
// sent into events, and an application's responses into bytes that the caller writes; a client
// (Client) does so with requests and a server's responses. Neither blocks, logs, starts a
// goroutine or reads a clock.
//
// # The model
//
// A Shared holds the state that the connections of one loop share: limits, the
// encoded date, scratch memory and free storage. A Conn or a Client is one connection. All
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
//	Client.Request   queues a request; there is one at a time
//	Client.Next      consumes input and fills one ClientEvent
//	Client.Transmit  appends output to the caller's buffer
//	Client.Proceed, Resume, StopSending, Abort
//	                 steer the content of the request
//	Client.EOF, Drain, Release
//	                 as those of Conn
//	Client.Idle, Done, Wanting
//	                 show whether a request is possible, and what to do with the socket
//	Client.Sent, Received, Err
//	                 show how far a request that failed has come
//
// Call Next until its event is NeedMore, Blocked, Closed or Switched. Bytes that it
// does not consume stay with the caller, who presents them again with what has
// arrived since. Requests to a server may be answered in any order; responses leave in the
// order of the requests.
//
// # Rules
//
//   - An event does not depend on the pieces in which its bytes arrive.
//   - Slices in an event are borrowed until the next call of Next for any connection of the
//     Shared. Strings are never reused. The build tag poison overwrites what was borrowed.
//   - A request that two readers could understand in two ways is refused, and
//     nothing after it is interpreted. The response, with one sentence, is the
//     machine's; it takes the place of one that is queued and has not begun to
//     leave.
//   - A response that two readers could understand in two ways ends the connection, and so
//     do bytes that no request has asked for.
//   - The machine owns the framing and the connection: Content-Length,
//     Transfer-Encoding and Connection of a Response or a ClientRequest are its own, and
//     names, values, methods and targets are checked where they are written.
//   - Memory and work that a peer can cause are bounded by Limits and by the
//     constants in limits.go.
//   - Heads that come again and again are remembered (memo.go), except those with
//     credentials.
//   - An idle connection holds no buffer and no exchange: they are borrowed from
//     Shared.
//
// # Files
//
// state.go has the states of both roles and their tables. Parts that do not depend on the
// role: scan.go (the words of a head), meaning.go (of the fields), incoming.go and chunk.go
// (content that is read), outgoing.go (content that is sent), fieldline.go, exchange.go,
// memo.go, limits.go, date.go. Parts of the server: conn.go (the connection and what it
// reads), content.go, head.go and target.go (requests), response.go and transmit.go (responses),
// refusals.go. Parts of the client: client.go (the connection and what it reads),
// client_head.go (responses), client_request.go (requests), client_event.go.
package h1
