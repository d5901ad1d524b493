package server

import (
	"crypto/tls"
	"net/netip"

	"github.com/gatewheel/gatewheel/app"
)

// Observer is told of the requests of a Server, see Config.Observers: access logs and metrics. It is trusted code: the
// watchdog does not take a loop from it, so one that blocks stalls the loop. With an observer that does nothing, a request
// costs about 45 ns more.
type Observer interface {
	// Loop returns the observer of the loop with that index. It is called once for each loop, before it runs.
	Loop(index int) LoopObserver
}

// LoopObserver is told of the requests of one loop. Its methods are called on the loop, owned, and not within user
// code: they must not block, run user code, or call methods of r that are for handlers. r.Client, r.Conn, r.Path and
// others that may be called on any goroutine are allowed. rec, and what it points to, is borrowed until the method
// returns. The strings of r may be kept; r itself and its Fields may not.
type LoopObserver interface {
	// Opened is called when a WebSocket, a tunnel, an event stream or a hijacked connection has begun, with EventOpen. The
	// request lasts as long. To save memory, the Fields of WebSockets and tunnels are dropped afterwards: observers take
	// what they need of them now. Method, Authority, Target, RawPath, RawQuery, Protocol, Scheme and Client stay.
	Opened(r *app.Request, rec *Record)
	// Finished is called once for each request that has ended, after the output of the turn in which it has. A response of
	// app.Bytes has ended when the connection has it, though the client may not have taken it all. The head of
	// a request that was refused counts as a request: r has what was understood, Method and Target may be empty.
	Finished(r *app.Request, rec *Record)
}

// FieldObserver is an optional interface of an Observer that uses fields of responses.
type FieldObserver interface {
	// ResponseFields returns the names of the fields whose lines Record.Fields has. It is called once for each loop.
	ResponseFields() []string
}

// Event is what a Record describes.
type Event uint8

const (
	// EventNone is a request and its response.
	EventNone Event = iota
	// EventOpen is the beginning of a WebSocket, a tunnel, an event stream or a hijacked connection.
	EventOpen
	// EventClose is its end.
	EventClose
)

var eventNames = [...]string{"", "open", "close"}

// String returns "open", "close" or "".
func (e Event) String() string {
	if int(e) < len(eventNames) {
		return eventNames[e]
	}
	return ""
}

// ConnRecord describes the connection of a request.
type ConnRecord struct {
	// Number is the number of the connection. No two connections of the process have the same one.
	Number uint64
	// Requests is the number of requests that had arrived on the connection, up to this one.
	Requests uint64
	// Loop is the index of the connection's loop.
	Loop int
	// Local and Peer are the addresses of the ends. They are invalid for a unix socket; PeerName describes its peer.
	Local, Peer netip.AddrPort
	PeerName    string
	// TLS is nil in cleartext.
	TLS *tls.ConnectionState
	// KeepAlive is '+' if the connection takes further requests, '-' if it ends after this one, and 'X' if the response
	// was not completed.
	KeepAlive byte
}
