// Package app is what applications are written against: requests, responses,
// bodies and futures. It knows neither sockets nor frames. What some handlers use
// besides is in the packages router, files, websocket, events, middleware, compress
// and forwarded; package apptest tests handlers without a server, and package server
// serves them. Servers see the other side of this package in package spi.
//
// A [Handler] runs on an event loop and must not block. It answers at once with
// [Ready], or later with a future: a [Promise] resolved from any goroutine, work
// on the bounded pool ([Offload]), a timer ([Sleep]), a combination of these.
// Those who prefer to block write a [Blocking] handler and get a goroutine, an
// [io.Reader] and an [io.Writer].
//
// What an application may rely on:
//
//   - Continuations run on the request's own loop. State that is tied to one
//     connection needs no lock.
//   - Nothing an application can see is recycled. A Request is fresh and its
//     strings stay valid for ever, in any goroutine.
//   - Resolving a promise twice, or after the peer has left, is inert.
//   - A promise that is never resolved meets the request's deadline, with 503.
//     The deadline ends with the response's head.
//   - A panic becomes a 500 and one log line with the stack.
//   - Body bytes are read into the reader's memory, and bodies flow under
//     backpressure in both directions.
package app
