package app

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"time"

	"github.com/gatewheel/gatewheel/app/forwarded"
)

// Loop is an event loop of the server. Loops are compared with ==.
type Loop interface {
	// Index returns the number of the loop, from 0. Any goroutine.
	Index() int
	// Now returns the time at which the loop's current turn began. On the loop.
	Now() time.Time
	// Post runs task on the loop as user code, after what runs there now. Any
	// goroutine. The task runs even if the request for which it was posted has
	// ended; only a loop that has stopped drops it. A panic of the task is logged.
	Post(task func())
	// After posts task when d has passed. Any goroutine.
	After(d time.Duration, task func()) Timer
	// State returns the value that the server's hook LoopStart returned for this
	// loop. Any goroutine.
	State() any
}

// Timer is a pending After.
type Timer interface {
	// Stop cancels the task. It reports false if the task has been run, has been
	// posted, or was canceled before. Any goroutine.
	Stop() bool
}

// Pool runs blocking work in a bounded number of goroutines.
type Pool interface {
	// Submit queues work. It returns ErrPoolFull when the queue is at its limit, and
	// never blocks. Any goroutine.
	Submit(work func()) error
}

// Package spi documents these interfaces: exchange is spi.Exchange, fence is spi.Guard,
// spawner is spi.Spawner, drainer is spi.Drainer, caller is spi.Caller, reporter is
// spi.Reporter and located is spi.Located. This package cannot import spi, which imports
// it.
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
	caller  interface {
		Call(work func()) error
		FilePool() Pool
	}
	reporter interface {
		ForRequest() *Request
		Report(err error)
		Warn(text string)
	}
	located interface{ OnLoop() bool }
)

// ConnInfo describes a connection. All requests of the connection share it, and it
// does not change.
type ConnInfo struct {
	// Peer and Local are the addresses of the two ends. They are invalid for a unix
	// socket.
	Peer, Local netip.AddrPort
	// PeerName describes a peer that has no IP address.
	PeerName string
	// TLS is nil for a cleartext connection.
	TLS *tls.ConnectionState
	// Trust names the proxies that may speak for the client; nil trusts none.
	Trust *forwarded.Trust
}

// ClientCertificate returns the certificate of the client, verified against the
// listener's authorities, or nil if the client has shown none. Any goroutine.
func (c *ConnInfo) ClientCertificate() *x509.Certificate {
	if c.TLS == nil || len(c.TLS.VerifiedChains) == 0 {
		return nil
	}
	return c.TLS.PeerCertificates[0]
}

// PeerString returns the address of the peer as text, for logs. Any goroutine.
func (c *ConnInfo) PeerString() string {
	if c.Peer.IsValid() {
		return c.Peer.String()
	}
	return c.PeerName
}
