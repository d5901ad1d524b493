package app

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"time"
)

// Loop is one event loop, as a server supplies it. Values are compared with ==,
// so an implementation is a pointer.
type Loop interface {
	// Index is the loop's number, from 0.
	Index() int
	// Now is the time at the begin of the current turn. On the loop.
	Now() time.Time
	// Post runs task on the loop as user code, after what runs there now. Any
	// goroutine. A task runs even when the request that it serves is over; only
	// a loop that has stopped for good drops it. The server recovers a panic of
	// the task and logs it.
	Post(task func())
	// After posts task when d has passed. Any goroutine.
	After(d time.Duration, task func()) Timer
	// State is what the hook LoopStart returned for this loop. Any goroutine.
	State() any
}

// Timer is a pending After.
type Timer interface {
	// Stop keeps the task from being run and tells whether it still could. Any
	// goroutine.
	Stop() bool
}

// Pool runs work that blocks, in a bounded number of goroutines.
type Pool interface {
	// Submit queues work, or fails with ErrPoolFull when the queue's limit is
	// reached. It never blocks. Any goroutine.
	Submit(work func()) error
}

// Exchange is the server's side of one request and its response. All methods
// are called on the loop, from user code, unless they say otherwise.
//
// A callback named ready runs on the loop as user code, at most once for each
// call that announced it, and never from inside a method of Exchange. It is
// also run when the exchange has failed meanwhile; the further call then gives
// the error.
type Exchange interface {
	// Loop is the loop that owns the connection. Any goroutine.
	Loop() Loop
	// Pool is where Offload runs its work. Any goroutine.
	Pool() Pool
	// ReadBody copies what has arrived of the request's content into p. (0, nil)
	// says that nothing is there yet: ready is called when a further call would
	// give something. io.EOF is the end and may come along with n > 0. Not
	// reading stops the peer.
	ReadBody(p []byte, ready func()) (n int, err error)
	// Trailers are the request's trailer fields, known after io.EOF.
	Trailers() Fields
	// Inform sends an interim response (1xx, RFC 9110 section 15.2).
	Inform(status int, fields Fields) error
	// Write takes as much of p as there is room for; the bytes are copied. With
	// n < len(p) and no error, ready is called when there is room again.
	Write(p []byte, ready func()) (n int, err error)
	// Finish ends a streamed response; with err != nil it is aborted, in a way
	// that the peer can tell from a complete one.
	Finish(trailers Fields, err error)
}

// Spawner is an Exchange that wants to know the goroutines of blocking handlers,
// to count them or to wait for them. Any goroutine.
type Spawner interface {
	// Go runs f in a goroutine.
	Go(f func())
	// Park says that one of these goroutines begins to wait for the loop, Unpark
	// that the loop has set it going again.
	Park()
	Unpark()
}

// Drainer is an Exchange whose server can be about to stop. Any goroutine.
type Drainer interface {
	// Draining says that the server is about to stop. It does not become false
	// again, and is true before the server calls Request.Drain.
	Draining() bool
}

// ConnInfo describes a connection. It is shared by all its requests and never
// changes.
type ConnInfo struct {
	// Peer and Local are the two addresses; not valid for a unix socket.
	Peer, Local netip.AddrPort
	// PeerName is the peer's description where it has no IP address.
	PeerName string
	// TLS is nil on a cleartext connection.
	TLS *tls.ConnectionState
	// Trust says which proxies may speak for the client. nil: none may.
	Trust *ProxyTrust
}

// ClientCertificate is what the client has proved to hold, verified against the listener's authorities; nil
// when it has shown none.
func (c *ConnInfo) ClientCertificate() *x509.Certificate {
	if c.TLS == nil || len(c.TLS.VerifiedChains) == 0 {
		return nil
	}
	return c.TLS.PeerCertificates[0]
}

// PeerString is the peer's address as text, for logs.
func (c *ConnInfo) PeerString() string {
	if c.Peer.IsValid() {
		return c.Peer.String()
	}
	return c.PeerName
}
