package apptest

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Backend is a server that handlers under test ask by a client.Client: the loops of a Host
// connect to it without sockets. Its fields may be changed between calls of methods of the
// host.
type Backend struct {
	// Refuse makes connecting fail, Hang makes it never complete.
	Refuse, Hang bool
	// Protocol is what a TLS handshake selects. The default is app.HTTP2.
	Protocol string
	// Streams limits the requests under way on an HTTP/2 connection. 0 is 100.
	Streams int
	// NoTunnels makes HTTP/2 connections take no WebSockets.
	NoTunnels bool
	// Mute leaves PINGs of HTTP/2 connections unanswered.
	Mute bool
	// Fault, if not nil, returns what happens to the nth request, from 1.
	Fault func(n int) Fault
	// Dials is the number of attempts to connect so far, Requests that of requests.
	Dials, Requests int
	// Calls are the requests that the handler has got.
	Calls []*Call

	host    *Host
	handler app.Handler
	conns   []*BackendConn
}

// Fault is what happens to a request.
type Fault uint8

const (
	// NoFault lets the handler answer.
	NoFault Fault = iota
	// RefuseStream refuses the request with REFUSED_STREAM. The handler does not get it.
	RefuseStream
	// NeverSent closes the connection before anything of the request was sent.
	NeverSent
	// EOFBeforeHead closes the connection after the handler got the request.
	EOFBeforeHead
	// ResetBeforeHead resets the stream, or over HTTP/1 the connection, after the handler
	// got the request.
	ResetBeforeHead
	// ResetAfterHead does so after the head of the response.
	ResetAfterHead
	// CutShort ends the response after some bytes of its head.
	CutShort
)

// Answer makes a backend at that address, which is host:port or the path of a unix socket,
// whose requests h answers.
func (h *Host) Answer(address string, handler app.Handler) *Backend {
	b := &Backend{host: h, handler: handler}
	h.backends[address] = b
	return b
}

// Conns returns the open connections.
func (b *Backend) Conns() []*BackendConn { return append([]*BackendConn(nil), b.conns...) }

var (
	errRefused = errors.New("apptest: connection refused")
	errHangs   = errors.New("apptest: no answer in time")
)

// Enter and Leave implement spi.Guard.
func (l *Loop) Enter() bool { return true }

// Leave implements spi.Guard.
func (l *Loop) Leave() {}

// Home implements spi.Dialer.
func (l *Loop) Home() app.Loop { return l }

// Run implements spi.Dialer.
func (l *Loop) Run(task func()) {
	defer func() {
		if v := recover(); v != nil {
			l.host.mu.Lock()
			defer l.host.mu.Unlock()
			l.host.panics = append(l.host.panics, v)
		}
	}()
	task()
}

// Dial implements spi.Dialer: it connects to a Backend.
func (l *Loop) Dial(d *spi.Dial, o spi.ConnOwner) {
	b := l.host.backends[d.Address]
	if b != nil {
		b.Dials++
	}
	switch {
	case b == nil || b.Refuse:
		l.Post(func() { o.Closed(&client.Error{Kind: client.ConnectFail, Safe: true, Err: errRefused}) })
	case b.Hang:
		if d.Timeout > 0 {
			l.After(d.Timeout, func() {
				o.Closed(&client.Error{Kind: client.ConnectTimeout, Safe: true, Err: errHangs})
			})
		}
	default:
		c := &BackendConn{backend: b, loop: l, owner: o, protocol: d.Protocol, Prologue: string(d.Prologue)}
		if d.TLS != nil {
			c.protocol = or(b.Protocol, app.HTTP2)
			selected := "h2"
			if c.protocol == app.HTTP11 {
				selected = "http/1.1"
			}
			c.info.TLS = &tls.ConnectionState{NegotiatedProtocol: selected}
		}
		c.info.Peer = netip.MustParseAddrPort("192.0.2.3:80")
		c.info.Local = netip.MustParseAddrPort("192.0.2.2:1234")
		b.conns = append(b.conns, c)
		l.Post(func() {
			if !c.closed {
				o.Opened(c)
			}
		})
	}
}

// Delay returns a handler that answers with h after d.
func Delay(d time.Duration, h app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		return app.Then(app.Sleep(r, d), func(app.Done) app.Answer { return h(r) })
	}
}
