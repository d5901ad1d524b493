// Package ws is a WebSocket endpoint without input and output: RFC 6455 with
// the permessage-deflate extension of RFC 7692, in both roles.
//
// A Conn starts where the opening handshake ends. Received bytes go into
// [Conn.Next], which answers with one event at a time; commands such as
// [Conn.Send] and [Conn.Close] queue frames, and [Conn.Transmit] hands out what
// is queued. What carries the bytes is the caller's affair: an HTTP/1.1
// connection after its 101 response, or an HTTP/2 stream opened by extended
// CONNECT (RFC 8441). The opening handshake itself is a set of functions on
// header fields: [ParseUpgrade], [ParseConnect], [DeflatePolicy.Answer] and
// their client counterparts.
//
// A Conn and the [Shared] that it was given belong to one goroutine, the loop.
// They read no clock ([Shared.Tick] tells the time), and start no goroutine.
// Only [Prepared] may be used by many loops at once.
package ws
