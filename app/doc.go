// Package app is the interface between HTTP applications and the server:
// requests, responses, bodies and futures. It knows neither sockets nor frames.
// Packages router, input, problem, files, websocket, events, middleware, compress
// and forwarded have what only some handlers need. Package apptest tests handlers without a
// server, package server serves them, and package spi is for those who write
// servers.
//
// A [Handler] runs on an event loop and must not block. It returns an [Answer], which is
// a future of a response: one that is [Ready], or the result of a call in a goroutine
// ([Go]), of work in the bounded pool ([Offload]), of a timer ([Sleep]), of a [Promise]
// that any goroutine resolves, or of a combination of these. [Sync] makes a Handler of a
// function that returns a response and an error. A [Blocking] handler runs in a goroutine
// of its own and has an [io.Reader] and an [io.Writer].
//
// Applications may rely on the following:
//
//   - Continuations run on the request's own loop. State that belongs to one
//     connection needs no lock.
//   - Nothing that an application sees is reused. A Request is allocated for one
//     request, and its strings stay valid in any goroutine.
//   - Resolving a promise twice, or after the peer has left, does nothing.
//   - A promise that is never resolved fails at the request's deadline, with 503.
//     The deadline ends with the head of the response.
//   - A panic becomes a 500 and one log line with the stack.
//   - A failure of Go or Offload, and a panic of a continuation, whose result nobody takes
//     is logged.
//   - Content is read into the reader's memory, and content in both directions is
//     subject to backpressure.
//
// # Limitations
//
// Handlers share their loop: one that blocks delays every connection of the loop,
// until the server's watchdog takes the loop away from it and closes its
// connection. A request whose peer pauses in the middle of its content is not told
// that the peer has left until the content is read.
package app
