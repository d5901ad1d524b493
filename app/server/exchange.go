//go:build linux

package server

import (
	"errors"
	"fmt"
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/reactor"
)

// exchange is a request and its response over HTTP/1 or HTTP/2: the stream of their content, and the heads around it.
// It implements spi.Exchange for the application, receiver and producer for its stream. It belongs to the loop. The application
// sees the embedded Request. An exchange is not reused.
type exchange struct {
	app.Request
	stream

	// Neighbours in the list of the connection's open exchanges.
	previous, next *exchange

	response *app.Response // while its content is being sent
	source   *sourceReader // of a spi.Source in response
	inline   [2]app.Field  // the request's field lines, if there are at most two
	peer     *reactor.Peer // for which the request is counted; nil: none
	seen     *observation  // for observers; nil: there are none, or they were told of the end
	status   uint16        // of the response; 0: none was sent
	outcome  Outcome
	answered bool            // the machine has taken the head of the response
	ended    bool            // the machine has taken all of the response
	finished bool            // finish has ended the exchange
	extended bool            // an extended CONNECT for a WebSocket, which the application sees as the equivalent GET
	subject  reactor.Subject // for the watchdog
}

var (
	_ receiver = (*exchange)(nil)
	_ producer = (*exchange)(nil)
)

// session is a client's connection as its exchanges see it: h1Session or h2Session. On the loop, owned.
type session interface {
	transport
	// unlink removes x from the open exchanges. It does nothing if x is not among them.
	unlink(x *exchange)
	// respond passes the head and the content to the machine. On an error nothing was queued.
	respond(x *exchange, status int, fields app.Fields, c content) error
	// inform passes an interim response to the machine.
	inform(x *exchange, status int, fields app.Fields) error
	// upgrade accepts a WebSocket and returns it. On an error nothing was queued.
	upgrade(x *exchange, fields app.Fields) (*socket, error)
	// tunnel accepts a WebSocket whose bytes go through x. On an error nothing was queued.
	tunnel(x *exchange, fields app.Fields) error
	// agedOut reports whether the connection drains because of its age. Any goroutine.
	agedOut() bool
}

// server returns the session of the exchange.
func (x *exchange) server() session {
	switch s := x.session.(type) {
	case *h1Session:
		return s
	case *h2Session:
		return s
	default:
		return s.(*h1Tunnel)
	}
}

// content is the content of a response in the form that both machines accept: bytes, or a source of length bytes.
type content struct {
	bytes  []byte
	source io.Reader
	length int64 // of source; -1: unknown
	// sensitive is app.Response.Sensitive.
	sensitive func(name string) bool
}

// String returns method, target and peer of the request, for the log and the watchdog's report.
func (x *exchange) String() string {
	return x.subject.String() + " from " + x.info.PeerString()
}

// serve calls the handler, and answers if its future is ready. On the loop, owned.
func (x *exchange) serve() {
	x.loop.r.Charge(unitsPerCall)
	x.loop.r.Lend(x.conn, &x.subject)
	f, pending := spi.RunFor(x.handler(), &x.Request, x.loop.server.config.RequestTimeout, (*answerer)(x))
	x.loop.r.Reclaim()
	if !pending {
		x.answer(f.Result())
	}
}

// answerer is an exchange whose handler's future was pending.
type answerer exchange

// Answered implements spi.Answerer.
func (a *answerer) Answered(r *app.Response, err error) {
	x := (*exchange)(a)
	if !x.enter() {
		return
	}
	defer x.leave()
	x.answer(r, err)
}

// Enter implements spi.Guard. It enters for no connection: pending operations fail on one that was closed for a stall
// as on any other.
func (x *exchange) Enter() bool { return x.loop.r.Enter(nil) }

// Leave implements spi.Guard.
func (x *exchange) Leave() { x.loop.r.Leave() }

// answer passes the response, or the response for err, to the machine. It closes r without use if the head was sent
// already or the exchange was cut.
func (x *exchange) answer(r *app.Response, err error) {
	if x.answered || x.gone {
		if err != nil && err != spi.ErrAborted {
			x.loop.report(x, err)
		}
		x.discard(r)
		return
	}
	// The loop may have been idle before this turn.
	x.loop.tickTurn()
	if err == spi.ErrAborted {
		x.fail(err)
		return
	}
	if err != nil {
		if err == app.ErrDeadline && x.isOverdue() {
			x.endsFor(RequestTimeout)
			x.loop.server.refusedRequest(RequestTimeout, x, nil)
		}
		r = x.failed(err).response
	}
	switch err = x.respond(r); {
	case err == nil:
		return
	case errors.Is(err, app.ErrPeerGone):
		x.discard(r)
		x.cut(err)
		return
	}
	x.failed(fmt.Errorf("response refused: %w", err))
	x.discard(r)
	x.out = nil
	if err = x.respond(app.ErrorResponse(err)); err != nil {
		x.fail(err)
	}
}

// isOverdue reports whether the deadline of the request has passed. A handler may fail with app.ErrDeadline before, for
// example that of an outcome of app.Collect.
func (x *exchange) isOverdue() bool {
	deadline := x.Deadline()
	return !deadline.IsZero() && !x.Loop().Now().Before(deadline)
}

// failed reports a failure of the handler, or of the content of its response, and records it as the end of the request
// unless the error has a status of its own.
func (x *exchange) failed(err error) failure {
	f := x.loop.report(x, err)
	switch {
	case x.seen == nil:
	case f.panicked:
		x.ends(spi.EndedByPanic, "")
	case f.unexpected:
		x.ends(spi.EndedByHandler, "")
	case errors.Is(err, app.ErrPoolFull):
		x.endsFor(PoolFull)
	default:
		if own, ok := errors.AsType[*app.StatusError](err); ok && own.Status == 413 {
			x.ends(spi.EndedByLimit, bodyLimit)
		}
	}
	return f
}

// respond passes r to the machine and starts the producer of a stream. On an error nothing was queued.
func (x *exchange) respond(r *app.Response) error {
	if u, ok := r.Content.(*websocket.Upgrade); ok {
		return x.upgrade(r, u)
	}
	if t, ok := r.Content.(spi.Tunnel); ok {
		return x.openTunnel(r, t)
	}
	if r.Status < 300 && (x.extended || x.Method == "CONNECT") {
		// RFC 9110 section 9.3.6: a 2xx would open the tunnel.
		x.discard(r)
		r = x.refuseTunnel()
	}
	c := content{sensitive: r.Sensitive}
	status := r.Status
	switch kind := r.Content.(type) {
	case nil:
	case app.Bytes:
		c.bytes = kind
	case *app.Pull:
		source := &pullSource{x: x, pull: kind, left: kind.Size}
		c.source, c.length = source, kind.Size
		if kind.Trailers != nil {
			c.source = &trailedSource{source}
		}
	case *app.Stream:
		x.out = &outbound{owner: x}
		c.source, c.length = (*producedSource)(&x.stream), kind.Size
	case spi.Source:
		x.source = x.loop.sourceReader(x, kind)
		c.source, c.length = x.source, x.source.left
	default:
		return fmt.Errorf("content of the unknown kind %T", kind)
	}
	if status == 205 {
		// RFC 9110 section 15.3.6: a 205 has no content.
		c = content{sensitive: r.Sensitive}
	}
	if err := x.server().respond(x, status, r.Fields, c); err != nil {
		x.freeSource()
		return err
	}
	x.headTaken(status, r.Fields)
	x.loop.count.response(x.Protocol, status)
	x.response = r
	// RFC 9110 section 6.4.1: these have no content.
	if c.source == nil || x.Method == "HEAD" || status == 204 || status == 304 {
		if x.Method != "HEAD" {
			x.sent = int64(len(c.bytes))
		}
		x.endResponse()
		return nil
	}
	if x.seen != nil {
		x.waited()
		if isEventStream(r) {
			x.begun()
		}
	}
	if s, ok := r.Content.(*app.Stream); ok {
		x.loop.run(x, func() { spi.ServeStream(s, &x.Request) })
	}
	return nil
}

// refuseTunnel returns the response in place of a 2xx to a CONNECT.
func (x *exchange) refuseTunnel() *app.Response {
	if x.extended {
		return app.Error(400, "there is no WebSocket here")
	}
	return app.Error(501, "there are no tunnels here")
}

// headTaken records that the machine has taken the head of the response.
func (x *exchange) headTaken(status int, fields app.Fields) {
	x.answered, x.status = true, uint16(status)
	if x.seen != nil {
		x.seen.sentFields = sizeOfHead(fields)
		if names := x.loop.responseFields; names != nil {
			x.seen.keepFields(fields, names)
		}
	}
	if x.in != nil {
		x.in.expects = false
	}
}

// endResponse records that the machine has taken all of the response, or will take no more, and closes it.
func (x *exchange) endResponse() {
	if x.ended {
		return
	}
	x.ended = true
	x.freeSource()
	x.discard(x.response)
	x.response = nil
	x.finish()
}

// freeSource ends the use of x.source.
func (x *exchange) freeSource() {
	if x.source != nil {
		x.source.free()
		x.source = nil
	}
}

// call implements receiver.
func (x *exchange) call(ready func()) { x.loop.run(x, ready) }

// callLater implements producer.
func (x *exchange) callLater(ready func()) { x.loop.post(x, ready) }

// inputEnded implements receiver.
func (x *exchange) inputEnded() { x.finish() }

// outputEnded implements producer.
func (x *exchange) outputEnded(err error) {
	if err != nil {
		if err != spi.ErrAborted {
			x.failed(fmt.Errorf("response aborted: %w", err))
		}
		x.ends(spi.EndedByHandler, "")
		x.outcome = Aborted
	}
	x.endResponse()
}

// discard closes a response, in a task if its Close is user code, which must not run while a machine is pulling.
func (x *exchange) discard(r *app.Response) {
	if r == nil {
		return
	}
	switch content := r.Content.(type) {
	case spi.Source:
		_ = content.Close()
	case *app.Pull:
		if content.OnClose != nil {
			x.loop.r.Post(func() { x.loop.run(x, r.Close) })
		}
	case io.Closer:
		x.loop.r.Post(func() { x.loop.run(x, r.Close) })
	}
}

// fail ends a response that cannot be completed.
func (x *exchange) fail(err error) {
	if err != spi.ErrAborted {
		x.failed(err)
	}
	x.ends(spi.EndedByHandler, "")
	x.answered, x.outcome = true, Aborted
	x.session.abort(&x.stream)
	x.cut(app.ErrPeerGone)
}

// cut ends both directions before they are complete: the context ends with cause, pending reads and writes fail, and a
// later response is dropped. cause is app.ErrPeerGone, or the error of a malformed or late request. Later calls do
// nothing.
func (x *exchange) cut(cause error) {
	if x.gone {
		return
	}
	x.gone = true
	x.endsForCause(cause)
	if x.outcome == Complete && !x.ended {
		x.outcome = outcomeOf(cause)
	}
	spi.Cancel(&x.Request, cause)
	x.endResponse()
	x.cutContent(cause)
}

// unread reports whether nobody will read content of the request that arrives from now on. The directions of a tunnel
// end by themselves.
func (x *exchange) unread() bool {
	return x.gone || x.ended && x.outcome != Upgraded && x.outcome != Hijacked
}

// over reports whether both directions have ended.
func (x *exchange) over() bool { return x.ended && x.inputOver() }

// finish ends the exchange if both directions have ended. It is the only place where exchanges end. Later calls do
// nothing: a reader that is told of the end of content may answer before inputEnded is called.
func (x *exchange) finish() {
	if x.finished || !x.over() {
		return
	}
	x.finished = true
	x.leavePeer()
	x.server().unlink(x)
	x.loop.finished(x)
	spi.Cancel(&x.Request, nil)
	if x.conn.Orphaned() != &x.subject {
		spi.DropWait(&x.Request)
	}
}

// Loop implements spi.Exchange.
func (x *exchange) Loop() app.Loop { return (*exchangeLoop)(x) }

// Pool implements spi.Exchange.
func (x *exchange) Pool() app.Pool { return (*exchangePool)(x) }

// exchangePool is the app.Pool of a request. It counts jobs that the pool refuses.
type exchangePool exchange

// Submit implements app.Pool.
func (x *exchangePool) Submit(work func()) error {
	s := x.loop.server
	err := s.pool.Submit(work)
	if err != nil {
		s.refusedRequest(PoolFull, (*exchange)(x), errPoolFull)
	}
	return err
}

// ConnValue implements spi.ConnValuer.
func (x *exchange) ConnValue() *any { return x.conn.Value() }

// DrainConn implements spi.ConnDrainer.
func (x *exchange) DrainConn() {
	if s, ok := x.session.(*h2Session); ok && !x.gone {
		s.drainAlone()
	}
}

// Draining implements spi.Drainer.
func (x *exchange) Draining() bool { return x.loop.server.draining.Load() || x.server().agedOut() }

// Trailers implements spi.Exchange.
func (x *exchange) Trailers() app.Fields { return x.stream.Trailers() }

// Inform implements spi.Exchange.
func (x *exchange) Inform(status int, fields app.Fields) error {
	if !x.enter() {
		return app.ErrPeerGone
	}
	defer x.leave()
	if x.gone {
		return app.ErrPeerGone
	}
	return x.server().inform(x, status, fields)
}
