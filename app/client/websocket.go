package client

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// SocketRequest asks for a WebSocket to another server. It is not changed, and may be used
// any number of times.
type SocketRequest struct {
	// URL is that of the WebSocket, such as "wss://example.org/feed": ws is HTTP/1.1, wss
	// is TLS, by HTTP/2 or HTTP/1.1 as the server prefers. The schemes of Request.URL are
	// possible too: h2c and h2 are HTTP/2 and nothing else. It is not used if Origin is
	// set.
	URL string
	// Origin, Target and Host are as in Request.
	Origin *Origin
	Target string
	Host   string
	// Fields are sent in order, such as Authorization, or the Origin of a page. Those of
	// the opening handshake are refused. The trace context is added as to a Request.
	Fields app.Fields
	// Endpoint has the callbacks and limits of the socket, and the offered compression.
	Endpoint *websocket.Endpoint
	// State is what Socket.State returns.
	State any
	// Protocols are the subprotocols that are offered, in place of Endpoint.Protocols.
	Protocols []string
	// Timeout is the time until the WebSocket is open. 0 is that of the Client, a negative
	// value no limit.
	Timeout time.Duration
	// UntilRequestEnds closes the socket with 1001 when the request that asked ends, which
	// is when its response is complete or its client has left. Otherwise the end of the
	// request cancels the opening, and nothing else.
	UntilRequestEnds bool
	// Retries and Sensitive are as in Request.
	Retries   int
	Sensitive func(name string) bool
}

// Declined is the reason (Error.Err) of a failure to open a WebSocket that the server has
// answered with another response. Its content is dropped.
type Declined struct {
	Status int
	Fields app.Fields
}

// Error returns a text with the status.
func (d *Declined) Error() string {
	return fmt.Sprintf("the server has declined the WebSocket with status %d", d.Status)
}

// ErrNoTunnels is the reason of a failure to open a WebSocket over HTTP/2: the server's
// SETTINGS do not allow extended CONNECT (RFC 8441 section 3).
var ErrNoTunnels = errors.New("the server takes no WebSockets over HTTP/2")

// WebSocket opens a WebSocket on behalf of r, over HTTP/1.1 (RFC 6455) or HTTP/2 (RFC
// 8441). A server that is asked by wss or https, and takes none over HTTP/2, is asked over
// HTTP/1.1. The future is ready after Endpoint.Open; it fails with an *Error, which is
// UpstreamMalformed, with a *Declined as its reason, if the server has declined. On r's
// loop.
func (c *Client) WebSocket(r *app.Request, s *SocketRequest) app.Future[*websocket.Socket] {
	return c.openSocket(&pendingSocket{asking: r, loop: r.Loop()}, s)
}

// WebSocketOn opens a WebSocket on behalf of no request. On the loop.
func (c *Client) WebSocketOn(loop app.Loop, s *SocketRequest) app.Future[*websocket.Socket] {
	return c.openSocket(&pendingSocket{loop: loop}, s)
}

// pendingSocket is a WebSocket that is being opened or open. It is the Events of its call,
// and as socketTunnel the call of its socket. It belongs to its loop.
type pendingSocket struct {
	retry   Retry
	call    Call
	on      *loop
	promise app.Promise[*websocket.Socket]
	request *SocketRequest
	fields  app.Fields // of request, with the trace context
	origin  *Origin
	asking  *app.Request // nil: a loop asks
	loop    app.Loop
	dialer  spi.Dialer
	sockets spi.SocketDialer
	out     spi.Outgoing
	offer   spi.SocketOffer
	socket  spi.ClientSocket  // of the present try
	opened  *websocket.Socket // nil: Endpoint.Open has not returned
	failure *Error
	ending  ending.Entry
	entry   deadline.Entry // until it is open
	timeout time.Duration  // of entry; 0: no limit
	state   socketState
	settled bool // the promise is settled
	posted  atomic.Bool
}

// new ─→ opening ─Head→ open ─→ over
// new, opening ─(failure)→ over
type socketState uint8

const (
	socketNew socketState = iota
	socketOpening
	socketOpen
	socketOver // the call is released
)

var (
	_ Events         = (*pendingSocket)(nil)
	_ Preparer       = (*pendingSocket)(nil)
	_ spi.SocketCall = (*socketTunnel)(nil)
)

func (c *Client) openSocket(p *pendingSocket, s *SocketRequest) app.Future[*websocket.Socket] {
	core.InitPromise(&p.promise, p.loop)
	f := p.promise.Future()
	d, isDialer := p.loop.(spi.Dialer)
	sockets, opensSockets := p.loop.(spi.SocketDialer)
	if !isDialer || !opensSockets || !d.Enter() {
		p.promise.Fail(&Error{Kind: NoPeer, Safe: true, Err: errNoDialer})
		return f
	}
	defer d.Leave()
	p.dialer, p.sockets, p.request, p.on = d, sockets, s, c.loopOf(d)
	if err := p.start(c); err != nil {
		p.state = socketOver
		p.promise.Fail(err)
	}
	return f
}

// start begins the opening.
func (p *pendingSocket) start(c *Client) *Error {
	s := p.request
	p.fields = s.Fields
	if p.asking != nil && !c.options.NoTrace {
		p.fields = withTrace(p.asking, p.fields)
	}
	p.out = spi.Outgoing{Method: "GET", Target: s.Target, Authority: s.Host, Protocol: "websocket", Sensitive: s.Sensitive}
	if p.origin = s.Origin; p.origin == nil {
		url, target := splitURL(socketURL(s.URL))
		if p.out.Target == "" {
			p.out.Target = target
		}
		o, err := p.on.originOf(c, url)
		if err != nil {
			return asError(err)
		}
		p.origin = o
	}
	if err := p.check(); err != nil {
		return &Error{Kind: ClientMalformed, Safe: true, Err: err}
	}
	if p.asking != nil && !core.Attach(p.asking, &p.ending, (*askingEnd)(p)) {
		return &Error{Kind: ClientGone, Safe: true}
	}
	if p.timeout = c.timeout(s.Timeout); p.timeout > 0 {
		p.on.deadlines.Set(&p.entry, p.on.now().Add(p.timeout), p)
	}
	p.state = socketOpening
	p.retry.Tries = s.Retries
	c.Start(&p.call, p.dialer, &p.out, &p.retry, p)
	return nil
}

// socketURL returns the URL of the request that opens the WebSocket with that URL. RFC 6455
// section 3.
func socketURL(url string) string {
	scheme, rest, _ := strings.Cut(url, ":")
	switch strings.ToLower(scheme) {
	case "ws":
		return "http:" + rest
	case "wss":
		return "https:" + rest
	case "ws+unix":
		return "http+unix:" + rest
	}
	return url
}

var (
	errFragment = errors.New("the URL of a WebSocket has no fragment")
	errEndpoint = errors.New("a WebSocket needs an endpoint")
)

// check returns why the WebSocket must not be asked for.
func (p *pendingSocket) check() error {
	s := p.request
	if s.Endpoint == nil {
		return errEndpoint
	}
	if s.Origin == nil && strings.Contains(s.URL, "#") {
		return errFragment
	}
	for _, f := range s.Fields {
		for _, name := range handshakeFields {
			if octets.EqualFold(f.Name, name) {
				return fmt.Errorf("%s is a field of the opening handshake", name)
			}
		}
	}
	p.offer = spi.SocketOffer{
		Upgrade:   &websocket.Upgrade{Endpoint: s.Endpoint, State: s.State},
		Protocols: s.Protocols,
		Asking:    p.asking,
	}
	if p.offer.Protocols == nil {
		p.offer.Protocols = s.Endpoint.Protocols
	}
	_, err := p.sockets.ClientSocket(&p.offer).Offer(app.HTTP2)
	return err
}

// handshakeFields are those that the opening handshake makes.
var handshakeFields = [...]string{
	"Connection", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Accept",
	"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions",
}

// Origin implements Events: after ErrNoTunnels, the same server is asked over HTTP/1.1.
func (p *pendingSocket) Origin(_ int, failed *Error) *Origin {
	if failed != nil && errors.Is(failed, ErrNoTunnels) {
		return p.origin.HTTP1()
	}
	return p.origin
}

// Prepare implements Preparer.
func (p *pendingSocket) Prepare(protocol string, out *spi.Outgoing) {
	p.socket = p.sockets.ClientSocket(&p.offer)
	fields, _ := p.socket.Offer(protocol) // check has seen to it
	out.Fields = append(p.fields.Clone(len(fields)), fields...)
	out.Content = p.socket
}

// Interim implements Events.
func (p *pendingSocket) Interim(int, app.Fields) {}

// Head implements Events.
func (p *pendingSocket) Head(in *spi.Incoming) {
	p.on.deadlines.Clear(&p.entry)
	if !p.call.Tunnel() {
		declined := &Declined{Status: in.Status, Fields: in.Fields.Clone(0)}
		p.release()
		p.fail(&Error{Kind: UpstreamMalformed, Sent: true, Err: declined})
		return
	}
	// The loop may be taken from Endpoint.Open: then Ended follows.
	p.state = socketOpen
	if p.asking != nil && !p.request.UntilRequestEnds {
		core.Detach(p.asking, &p.ending)
	}
	opened, err := p.socket.Open(in, (*socketTunnel)(p))
	if err != nil {
		p.release()
		p.fail(asError(err))
		return
	}
	p.opened = opened
	p.dialer.Run(p.settle)
}

// Ended implements Events.
func (p *pendingSocket) Ended(err *Error) {
	switch p.state {
	case socketOpening:
		p.release()
		p.fail(err)
	case socketOpen:
		if p.opened == nil && !p.settled {
			p.failure = err.at(p.origin, &p.out)
			p.dialer.Run(p.settle)
		}
		if err != nil {
			p.socket.CallEnded(err)
		} else {
			p.socket.CallEnded(nil)
		}
	}
}

// fail makes the future fail.
func (p *pendingSocket) fail(err *Error) {
	p.failure = err.at(p.origin, &p.out)
	p.dialer.Run(p.settle)
}

// settle settles the promise, as user code.
func (p *pendingSocket) settle() {
	if p.settled {
		return
	}
	p.settled = true
	if p.failure != nil {
		core.SettleWith(&p.promise, nil, p.failure)
		return
	}
	core.SettleWith(&p.promise, p.opened, nil)
}

// Expired implements deadline.Expirer.
func (p *pendingSocket) Expired(*deadline.Entry) {
	p.cancel(&Error{Kind: HeadTimeout, Err: noHead("WebSocket", p.timeout)})
}

// cancel ends the opening with err.
func (p *pendingSocket) cancel(err *Error) {
	if p.state == socketOpening {
		err.Sent = p.call.Started()
		err.Safe = !err.Sent
		p.release()
		p.fail(err)
	}
}

// askingEnd is a pendingSocket as the listener for the end of the request that asks.
type askingEnd pendingSocket

// Ended implements ending.Listener. Any goroutine.
func (e *askingEnd) Ended(cause error) {
	if !e.posted.CompareAndSwap(false, true) {
		return
	}
	p := (*pendingSocket)(e)
	p.on.post(func() {
		if p.state == socketOpen {
			p.socket.GoAway()
			return
		}
		p.cancel(&Error{Kind: ClientGone, Err: cause})
	})
}

// release ends the use of the call.
func (p *pendingSocket) release() {
	if p.state == socketOver {
		return
	}
	p.state = socketOver
	p.on.deadlines.Clear(&p.entry)
	if p.asking != nil {
		core.Detach(p.asking, &p.ending)
	}
	p.call.Release()
}

// socketTunnel is the call of an open socket.
type socketTunnel pendingSocket

// ReadBody implements spi.SocketCall.
func (t *socketTunnel) ReadBody(p []byte, ready func()) (int, error) {
	return t.call.ReadBody(p, ready)
}

// Tunnel implements spi.SocketCall.
func (t *socketTunnel) Tunnel() bool { return t.call.Tunnel() }

// Release implements spi.SocketCall.
func (t *socketTunnel) Release() { (*pendingSocket)(t).release() }
