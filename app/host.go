package app

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"time"

	"github.com/gatewheel/gatewheel/app/forwarded"
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
	// State is what the server's hook LoopStart returned for this loop. Any goroutine.
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

// exchange is spi.Exchange, fence spi.Guard, spawner spi.Spawner and drainer
// spi.Drainer: package spi, which says what they mean, imports this one.
type (
	exchange = interface {
		Loop() Loop
		Pool() Pool
		ReadBody(p []byte, ready func()) (n int, err error)
		Trailers() Fields
		Inform(status int, fields Fields) error
		Write(p []byte, ready func()) (n int, err error)
		Finish(trailers Fields, err error)
	}
	fence interface {
		Enter() bool
		Leave()
	}
	spawner interface {
		Go(f func())
		Park()
		Unpark()
	}
	drainer interface{ Draining() bool }
)

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
	Trust *forwarded.Trust
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
