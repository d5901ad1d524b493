//go:build linux

package server

import (
	"slices"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// scarceMessage and scarceRetryAfter are the answer to requests while memory is scarce.
const (
	scarceMessage    = "short of memory, try again in a while"
	scarceRetryAfter = "2" // seconds
)

var errMemoryScarce = &app.StatusError{
	Status: 503, Message: scarceMessage, Fields: app.Fields{{Name: "Retry-After", Value: scarceRetryAfter}},
}

// scarceHTTP1 answers a connection whose first request is not read, like busyHTTP1.
const scarceHTTP1 = "HTTP/1.1 503 Service Unavailable\r\n" +
	"Retry-After: " + scarceRetryAfter + "\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"Content-Length: 37\r\n" +
	"Connection: close\r\n\r\n" +
	scarceMessage

// scarceHeadTimeout is the time until the first byte of a new connection while memory is scarce.
const scarceHeadTimeout = time.Second

// admitted reports whether the request may run: memory is not scarce, or it is one of Config.Probes. Otherwise it answers
// with 503, over HTTP/1 as the last response of the connection.
func (x *exchange) admitted() bool {
	s := x.loop.server
	if s.memoryLevel() < MemoryScarce || slices.Contains(s.config.Probes, x.RawPath) {
		return true
	}
	x.loop.refused(MemoryScarcity, x.conn, nil)
	x.endsFor(MemoryScarcity)
	if h, ok := x.session.(*h1Session); ok {
		h.machine.Drain()
	}
	x.answer(nil, errMemoryScarce)
	return false
}

// refusesFirst reports whether a new connection of HTTP/1 that begins with in is refused before its request is read: memory
// is scarce, and the target is none of Config.Probes.
func (s *Server) refusesFirst(in []byte) bool {
	return s.memoryLevel() >= MemoryScarce && !s.beginsProbe(in)
}

// beginsProbe reports whether in begins with, or is the beginning of, a request of Config.Probes.
func (s *Server) beginsProbe(in []byte) bool {
	for _, path := range s.config.Probes {
		for _, method := range [...]string{"GET ", "HEAD "} {
			if line := method + path; len(in) <= len(line) {
				if string(in) == line[:len(in)] {
					return true
				}
			} else if next := in[len(line)]; string(in[:len(line)]) == line && (next == ' ' || next == '?') {
				return true
			}
		}
	}
	return false
}
