package nethttp

import (
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/spi"
)

// exchange is a request and its response. Handlers may keep its parts for as long as they like, so it is not reused;
// only its buffers are.
//
// The handler's goroutine and the loop meet under mu, which is held for copies of memory and never while code of the
// application runs. What one needs from the other is noted there; turn does the loop's part.
type exchange struct {
	adapter  *adapter
	r        *app.Request
	conn     *connection
	writer   http.ResponseWriter // around this exchange: *writer1 or *writer2
	request  *http.Request       // as the handler gets it: made, once makeRequest has returned
	made     http.Request
	values   [6]string // of Header in made, if there are not more
	ctx      requestContext
	url      url.URL
	entry    ending.Entry
	head     app.Promise[*app.Response]
	response app.Response
	task     func() // turn
	answer   answer
	returned atomic.Bool // the handler has returned, or is seen as such

	fullDuplex bool // the handler has called EnableFullDuplex

	mu      sync.Mutex
	posted  bool          // turn is going to run
	ready   *app.Response // for the loop to answer with
	abort   bool          // the loop ends the exchange without an answer
	informs []inform
	gone    error // no more of the response can reach the peer
	notify  chan bool
	content *content // nil until the head of streamed content was passed
	body    *body    // nil if the request has no content
	times   *times   // nil if there are no deadlines

	hijacker *hijackedConn // for the loop to give the connection to
	hijacked bool          // it has
}

// inform is an informational response on its way to the loop.
type inform struct {
	status int
	fields app.Fields
}

// errReturned is the error of writes after the handler has returned.
var errReturned = errors.New("nethttp: the handler has returned")

// newExchange returns the exchange of r. On the loop.
func newExchange(a *adapter, r *app.Request) *exchange {
	var e *exchange
	if r.Protocol == app.HTTP2 {
		w := &writer2{}
		e = &w.exchange
		e.writer, e.answer.room = w, smallest2
	} else {
		w := &writer1{}
		e = &w.exchange
		e.writer, e.answer.room = w, smallest1
	}
	e.adapter, e.r, e.conn = a, r, a.connectionOf(r)
	e.ctx.init(e.conn.ctx)
	e.answer.length = -1
	e.task = e.turn
	core.InitPromise(&e.head, r.Loop())
	return e
}

// run serves the request. In a goroutine of its own.
func (e *exchange) run() {
	completed := false
	defer func() {
		if completed {
			return
		}
		e.failed(recover())
	}()
	if err := e.makeRequest(); err != nil {
		e.refuse(err)
		completed = true
		return
	}
	e.setTimeouts()
	e.adapter.handler(e.request).ServeHTTP(e.writer, e.request)
	e.finish()
	completed = true
}

// setTimeouts sets the deadlines of http.Server.
func (e *exchange) setTimeouts() {
	if d := e.adapter.server.ReadTimeout; d > 0 {
		_ = e.SetReadDeadline(time.Now().Add(d))
	}
	if d := e.adapter.server.WriteTimeout; d > 0 {
		_ = e.SetWriteDeadline(time.Now().Add(d))
	}
}

// failed ends the exchange of a handler that has panicked, with value, or has ended its goroutine.
func (e *exchange) failed(value any) {
	if value != nil && value != http.ErrAbortHandler {
		stack := make([]byte, 64<<10)
		stack = stack[:runtime.Stack(stack, false)]
		e.adapter.logf("http: panic serving %v: %v\n%s", e.conn.remote, value, stack)
	}
	e.returned.Store(true)
	e.ctx.end()
	if !e.answer.hijacked {
		e.mu.Lock()
		e.abort = true
		e.content.fail(spi.ErrAborted)
		e.kick()
		e.mu.Unlock()
	}
	e.release()
}

// finish completes the response after the handler has returned.
func (e *exchange) finish() {
	e.returned.Store(true)
	e.ctx.end()
	e.complete()
	e.release()
	if form := e.request.MultipartForm; form != nil {
		_ = form.RemoveAll()
	}
}

// release ends the use of the exchange by the handler.
func (e *exchange) release() {
	core.Detach(e.r, &e.entry)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.times != nil {
		e.times.read.stop()
		e.times.write.stop()
	}
	if e.body != nil {
		e.body.close()
	}
	freeBuffer(&e.answer.buf)
}

// refuse answers a request that package net/http cannot express.
func (e *exchange) refuse(err error) {
	e.ctx.end()
	e.mu.Lock()
	e.ready = app.Error(400, err.Error())
	e.kick()
	e.mu.Unlock()
	e.release()
}

// kick makes the loop run turn. With e.mu held.
func (e *exchange) kick() {
	if !e.posted {
		e.posted = true
		e.r.Loop().Post(e.task)
	}
}

// turn does what the handler has asked for. On the loop.
func (e *exchange) turn() {
	e.mu.Lock()
	e.posted = false
	informs, response, abort, hijacker := e.informs, e.ready, e.abort, e.hijacker
	if e.hijacked {
		hijacker = nil
	}
	e.informs, e.ready, e.abort = nil, nil, false
	more := e.content.takeReady()
	e.mu.Unlock()
	for i := range informs {
		_ = e.r.Inform(informs[i].status, informs[i].fields)
	}
	if response != nil && e.answer.head.last {
		core.DrainConn(e.r)
	}
	switch {
	case response != nil:
		core.SettleWith(&e.head, response, nil)
	case abort:
		core.SettleWith(&e.head, nil, spi.ErrAborted)
	}
	if more != nil {
		more()
	}
	if hijacker != nil {
		e.handOver(hijacker)
	}
	e.fill()
}

// listener is an exchange that hears about the end of its request. Its methods run on any goroutine.
type listener exchange

// Ended implements ending.Listener.
func (l *listener) Ended(cause error) {
	e := (*exchange)(l)
	e.endContext()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = cause
	if e.hijacker != nil {
		e.hijacker.begin(cause)
	}
	if e.notify != nil {
		select {
		case e.notify <- true:
		default:
		}
	}
	e.wake()
}

// endContext ends the context of the request, unless the connection was hijacked: then it ends when the handler returns.
func (e *exchange) endContext() {
	e.mu.Lock()
	hijacked := e.hijacked
	e.mu.Unlock()
	if !hijacked {
		e.ctx.end()
	}
}

// HalfClosed implements ending.HalfCloseListener. net/http takes it for the end of the peer, too.
func (l *listener) HalfClosed() {
	e := (*exchange)(l)
	e.ctx.end()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.notify != nil {
		select {
		case e.notify <- true:
		default:
		}
	}
}
