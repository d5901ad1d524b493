package overhttp

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// exchange is a request of net/http and its response, as an app.Handler sees them: the spi.Exchange of a fromLoop.
//
// The goroutine of net/http, a goroutine that reads content, and the loop meet under mu, which is held for copies of
// memory.
type exchange struct {
	app.Request
	handler *Handler
	answer  app.Handler
	r       *http.Request
	wake    chan struct{} // something has changed for the goroutine of net/http
	readers sync.WaitGroup

	mu       sync.Mutex
	informs  []inform
	response *app.Response // of the handler
	gone     bool          // the peer has left, or the response has ended

	in       []byte // content that was read ahead
	inMemory []byte
	inErr    error
	reading  bool
	inReady  func()

	out      []byte // content of a stream
	outReady func()
	finished bool // the stream has ended
	outErr   error
	trailers app.Fields
	pulled   bool // pulled content has more

	// The loop's.
	socket   *socket // of a response that accepts a WebSocket
	began    time.Time
	head     time.Duration // from began to the response
	received int64         // content that the handler has read
	sent     int64         // content that was written
}

var _ spi.Exchange = (*exchange)(nil)

// Sizes in bytes of the memory for content that waits: of a request, and of a stream.
const (
	readSize  = 32 << 10
	writeSize = 64 << 10
)

// newExchange returns the exchange of r.
func newExchange(h *Handler, r *http.Request, answer app.Handler) *exchange {
	x := &exchange{handler: h, answer: answer, r: r, wake: make(chan struct{}, 1), began: time.Now()}
	appRequest(&x.Request, r)
	return x
}

// start calls the handler. On the loop.
func (x *exchange) start() {
	spi.Bind(&x.Request, x, connInfo(x.r, x.handler.options.Trust))
	x.Arrived = x.began
	spi.Run(x.answer, &x.Request, x.handler.options.Timeout).Done(x.answered)
}

// answered takes the response of the handler. On the loop.
func (x *exchange) answered(resp *app.Response, err error) {
	x.head = time.Since(x.began)
	if err != nil {
		resp = x.failed(err)
	}
	if other := refused(&x.Request, resp); other != nil {
		resp.Close()
		resp = other
	}
	x.mu.Lock()
	gone := x.gone
	if !gone {
		x.response = resp
		if err == spi.ErrAborted {
			x.response, x.outErr = &app.Response{}, err
		}
		x.signal()
	}
	x.mu.Unlock()
	if gone {
		resp.Close()
	}
}

// failed logs a failure of the handler without a status of its own, and returns the response for it. On the loop.
func (x *exchange) failed(err error) (resp *app.Response) {
	defer func() {
		if v := recover(); v != nil { // of a method of err
			x.logf("http: %s %s: its error panics: %v", x.Method, x.Target, v)
			resp = app.Error(500, "")
		}
	}()
	resp = app.ErrorResponse(err)
	if err != spi.ErrAborted && resp.Status == 500 {
		x.logFailure(err)
	}
	return resp
}

// logFailure logs a failure of the handler, with the stack of a panic. On the loop.
func (x *exchange) logFailure(err error) {
	if p, ok := errors.AsType[*app.PanicError](err); ok {
		x.logf("http: %s %s: panic: %v\n%s", x.Method, x.Target, p.Value, p.Stack)
		return
	}
	x.logf("http: %s %s: %v", x.Method, x.Target, err)
}

// logf writes a line to the log of the http.Server that serves the request.
func (x *exchange) logf(format string, args ...any) {
	s, _ := x.r.Context().Value(http.ServerContextKey).(*http.Server)
	if s == nil || s.ErrorLog == nil {
		log.Printf(format, args...)
		return
	}
	s.ErrorLog.Printf(format, args...)
}

// watchPeer ends the exchange when the context of the request ends. leave ends the watch.
func (x *exchange) watchPeer(ctx context.Context) (leave func()) {
	stop := context.AfterFunc(ctx, func() {
		x.handler.loop.Post(func() { spi.Cancel(&x.Request, app.ErrPeerGone) })
		x.cut()
	})
	return func() { stop() }
}

// cut makes pending operations of the handler fail.
func (x *exchange) cut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gone = true
	x.post(&x.inReady)
	x.post(&x.outReady)
	x.signal()
}

// post posts a callback, if there is one. With x.mu held.
func (x *exchange) post(ready *func()) {
	if f := *ready; f != nil {
		*ready = nil
		x.handler.loop.Post(f)
	}
}

// signal wakes the goroutine of net/http.
func (x *exchange) signal() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// Draining implements spi.Drainer.
func (x *exchange) Draining() bool { return x.handler.draining.Load() }

// drain tells the request, or its WebSocket, that the server drains. On the loop.
func (x *exchange) drain() {
	if x.socket != nil {
		x.socket.goAway()
		return
	}
	spi.Drain(&x.Request)
}

// Loop implements spi.Exchange.
func (x *exchange) Loop() app.Loop { return x.handler.loop }

// Pool implements spi.Exchange.
func (x *exchange) Pool() app.Pool { return &x.handler.pool }

// ReadBody implements spi.Exchange.
func (x *exchange) ReadBody(p []byte, ready func()) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.gone:
		return 0, app.ErrPeerGone
	case len(x.in) > 0:
		n := copy(p, x.in)
		x.in = x.in[n:]
		x.received += int64(n)
		return n, nil
	case x.inErr != nil:
		return 0, x.inErr
	case x.ContentLength == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	x.inReady = ready
	if !x.reading {
		x.reading = true
		x.readers.Go(x.read)
	}
	return 0, nil
}

// read reads content once. In a goroutine of its own.
func (x *exchange) read() {
	if x.inMemory == nil {
		x.inMemory = make([]byte, readSize)
	}
	n, err := x.r.Body.Read(x.inMemory)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.reading = false
	x.in = x.inMemory[:n]
	if over, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = app.Statusf(413, "the request's content is larger than %d bytes", over.Limit)
	} else if err != nil && err != io.EOF {
		err = errors.Join(app.ErrPeerGone, err)
	}
	x.inErr = err
	if n == 0 && err == nil {
		x.reading = true
		x.readers.Go(x.read)
		return
	}
	x.post(&x.inReady)
}

// Trailers implements spi.Exchange.
func (x *exchange) Trailers() app.Fields {
	var fields app.Fields
	for _, name := range SortedNames(x.r.Trailer, nil) {
		fields = AppendField(fields, name, x.r.Trailer[name])
	}
	return fields
}

// Inform implements spi.Exchange.
func (x *exchange) Inform(status int, fields app.Fields) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gone {
		return app.ErrPeerGone
	}
	x.informs = append(x.informs, inform{status, fields})
	x.signal()
	return nil
}

// Write implements spi.Exchange.
func (x *exchange) Write(p []byte, ready func()) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.gone {
		return 0, app.ErrPeerGone
	}
	n := min(len(p), writeSize-len(x.out))
	x.out = append(x.out, p[:n]...)
	if n < len(p) {
		x.outReady = ready
	}
	x.signal()
	return n, nil
}

// Finish implements spi.Exchange.
func (x *exchange) Finish(trailers app.Fields, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.finished, x.outErr, x.trailers = true, err, trailers
	x.signal()
}

// respond writes the response. An error means that it is not complete. In the goroutine of net/http.
func (x *exchange) respond(w http.ResponseWriter) error {
	resp, err := x.await(w)
	if err != nil {
		return err
	}
	if u, ok := resp.Content.(*websocket.Upgrade); ok {
		return x.upgrade(w, resp, u)
	}
	startHead(w, resp, x.length())
	if !hasBody(&x.Request, resp) {
		return nil
	}
	out := contentWriter{w: w, x: x, flushes: resp.Content.Length() < 0}
	switch content := resp.Content.(type) {
	case app.Bytes:
		err = out.write(content)
	case *app.Stream:
		x.handler.loop.Post(func() { spi.ServeStream(content, &x.Request) })
		err = x.copyStream(&out)
	case *app.Pull:
		err = x.copyPulled(&out, content.Read, content.Wait)
		if err == nil && content.Trailers != nil {
			x.handler.loop.do(func() { x.trailers = content.Trailers() })
		}
	case spi.Source:
		err = x.copyPulled(&out, content.Read, content.Wait)
		if err == nil {
			x.handler.loop.do(func() { x.trailers = content.Trailers() })
		}
	}
	if err == nil {
		for _, f := range x.trailers {
			w.Header().Add(http.TrailerPrefix+f.Name, f.Value)
		}
	}
	return err
}

// length returns the length of the response that its head states; -1: none.
func (x *exchange) length() int64 {
	resp := x.response
	switch {
	case resp.Status == 205:
		return 0
	case resp.Content != nil:
		return resp.Content.Length()
	case x.Method != "HEAD" && resp.Status != 304:
		return 0
	}
	// RFC 9110 section 8.6: the handler may state the length that the content would have.
	if n, err := strconv.ParseInt(resp.Fields.Get("Content-Length"), 10, 64); err == nil {
		return n
	}
	return -1
}

// await waits for the response of the handler, and sends informational ones.
func (x *exchange) await(w http.ResponseWriter) (*app.Response, error) {
	for range x.wake {
		x.mu.Lock()
		informs, resp, gone, err := x.informs, x.response, x.gone, x.outErr
		x.informs = nil
		x.mu.Unlock()
		for _, interim := range informs {
			setFields(w.Header(), interim.fields)
			w.WriteHeader(interim.status)
			clear(w.Header())
		}
		switch {
		case err != nil:
			return nil, err
		case resp != nil:
			return resp, nil
		case gone:
			return nil, app.ErrPeerGone
		}
	}
	return nil, app.ErrPeerGone
}

// contentWriter writes content of a response.
type contentWriter struct {
	w       http.ResponseWriter
	x       *exchange
	flushes bool // the peer gets each piece at once
}

// write writes and flushes p.
func (out *contentWriter) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	n, err := out.w.Write(p)
	out.x.sent += int64(n)
	if err != nil {
		return err
	}
	if out.flushes {
		_ = http.NewResponseController(out.w).Flush() // or the next Write fails
	}
	return nil
}

// copyStream writes what the handler has written.
func (x *exchange) copyStream(out *contentWriter) error {
	var spare []byte
	for range x.wake {
		x.mu.Lock()
		p := x.out
		x.out = spare[:0]
		finished, gone, err := x.finished, x.gone, x.outErr
		x.post(&x.outReady)
		x.mu.Unlock()
		if err := out.write(p); err != nil {
			return err
		}
		spare = p
		switch {
		case finished:
			return err
		case gone:
			return app.ErrPeerGone
		}
	}
	return nil
}

// copyPulled writes what read returns on the loop, up to io.EOF.
func (x *exchange) copyPulled(out *contentWriter, read func([]byte) (int, error), wait func(func())) error {
	p := make([]byte, readSize)
	left := x.response.Content.Length()
	for {
		n, err := 0, io.ErrUnexpectedEOF // of a read that has panicked
		x.handler.loop.do(func() {
			n, err = read(p)
			switch {
			case n > 0 || err != nil:
			case wait == nil:
				err = io.ErrNoProgress
			default:
				x.awaitPull(wait)
			}
		})
		if err := out.write(p[:n]); err != nil {
			return err
		}
		if left >= 0 {
			if left -= int64(n); left == 0 {
				return nil
			}
		}
		switch {
		case err == io.EOF && left > 0:
			return io.ErrUnexpectedEOF
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if x.pullEnded(n == 0) {
			return app.ErrPeerGone
		}
	}
}

// awaitPull calls wait, which tells when pulled content has more. On the loop.
func (x *exchange) awaitPull(wait func(ready func())) {
	x.mu.Lock()
	x.pulled = false
	x.mu.Unlock()
	wait(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.pulled = true
		x.signal()
	})
}

// pullEnded reports whether the peer has left. If waits is set, it waits until then, or until pulled content has more.
func (x *exchange) pullEnded(waits bool) bool {
	for {
		x.mu.Lock()
		pulled, gone := x.pulled, x.gone
		x.mu.Unlock()
		if gone || pulled || !waits {
			return gone
		}
		<-x.wake
	}
}

// end ends the exchange: the response was written, or failed with err. The request is not used afterwards.
func (x *exchange) end(err error, control *http.ResponseController) {
	x.cut()
	x.handler.loop.do(func() {
		x.mu.Lock()
		resp := x.response
		x.mu.Unlock()
		resp.Close()
		if err != nil {
			spi.Cancel(&x.Request, app.ErrPeerGone)
		}
		spi.Cancel(&x.Request, nil)
		x.handler.ended(x, err)
	})
	if err != nil && err != spi.ErrAborted && !errors.Is(err, app.ErrPeerGone) && x.r.Context().Err() == nil {
		x.logf("http: %s %s: response aborted: %v", x.Method, x.Target, err)
	}
	x.mu.Lock()
	reading := x.reading
	x.mu.Unlock()
	if !reading {
		return
	}
	// Either ends the Read.
	if control.SetReadDeadline(time.Unix(1, 0)) != nil {
		_ = x.r.Body.Close()
	}
	x.readers.Wait()
}

// inform is an informational response on its way to the peer.
type inform struct {
	status int
	fields app.Fields
}
