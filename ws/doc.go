// Package ws implements the WebSocket protocol (RFC 6455) with the
// permessage-deflate extension (RFC 7692), in both roles and without I/O.
//
// # Model
//
// A [Conn] is one end of a connection after its opening handshake. The caller
// moves the bytes:
//
//	transport ──▶ Conn.Next ──▶ events: Data, Ping, Pong, Close, ...
//	transport ◀── Conn.Transmit ◀── commands: Send, Begin, Ping, Close, ...
//
// The transport is an HTTP/1.1 connection after its 101 response, or an HTTP/2
// stream opened by extended CONNECT (RFC 8441). The opening handshake is a set of
// functions on header fields: [ParseUpgrade], [ParseConnect], [ChooseProtocol],
// [DeflatePolicy.Answer] and [AnswerFields] for servers; [NewKey],
// [DeflatePolicy.Offer], [OfferFields] and [CheckAnswer] for clients.
//
// # Rules for the caller
//
//   - Present to Next every byte that it has not consumed, and only those. Call it
//     again, without further input too, until the event is NeedMore or Closed.
//   - Event.Data is borrowed until the next call on any connection of the same
//     [Shared]. The build tag poison overwrites it then, so that a test finds the
//     caller who keeps it.
//   - After Next, Expire or a command, pull the output with Transmit.
//   - An error of Next or Expire is an [*Error] and ends the connection. Its Close
//     frame is queued already: send the output, then end the transport. Errors of
//     commands are misuse; they change nothing.
//   - Call Expire at Deadline. Time is what [Shared.Tick] was told: the package
//     reads no clock.
//   - When the transport ends, call EOF. It also returns the memory of a message
//     in progress to the Shared.
//
// A Shared is the state that the connections of one goroutine share; it and its
// connections must not be used concurrently. Only [Prepared] may be shared
// between goroutines. The package starts no goroutine and never blocks.
//
// # Roles
//
// Both roles have the same table of states. A client masks each frame with a key of its
// own, made of random bytes of its loop, and refuses masked frames; a server refuses
// unmasked ones. After both Close frames a client waits for the server to end the
// transport (see [Conn.Done]).
//
// # Bounds
//
// One call of Next or Transmit does a bounded amount of work, whatever the input:
// it inflates or compresses at most 64 KiB. [Shared.TakeWork] returns how much that
// was, for callers that share a loop fairly. A message in progress holds at most 40
// KiB, whatever its size; collecting whole messages is left to the caller. All limits
// are in limits.go and [Settings], with their reasons.
package ws
