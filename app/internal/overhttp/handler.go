// Package overhttp serves an app.Handler over net/http: for package nethttp, and as the development server of package
// server on systems without event loops.
package overhttp

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/ws"
)

// Options are what a Handler takes from the server around it. The zero value is for a handler on its own.
type Options struct {
	// State is that of the loop.
	State any
	// Trust is that of each request's connection.
	Trust *forwarded.Trust
	// Timeout is the time from the arrival of a request to the head of its response; 0 is no limit.
	Timeout time.Duration
	// Jobs is the number of jobs of the pool that run at the same time; 0 means 256.
	Jobs int
	// Ended, if not nil, is called on the loop for each request that has ended.
	Ended func(r *app.Request, e Ending)
}

// Ending describes a request that has ended.
type Ending struct {
	// Status is the status of the response; 0 if there was none.
	Status int
	// In and Out are the bytes of content.
	In, Out int64
	// Err is why the response is not complete; nil if it is.
	Err error
	// WebSocket is set if the request became one.
	WebSocket bool
	// Began is when the request arrived, Head how long its response took.
	Began time.Time
	Head  time.Duration
}

// Handler is an app.Handler as an http.Handler. All requests share one loop, a goroutine that exists while there is
// work. Any goroutine.
type Handler struct {
	handler app.Handler
	options Options
	loop    *loop
	pool    pool

	sockets ws.Shared // the loop's
	event   ws.Event  // the loop's

	draining atomic.Bool
	mu       sync.Mutex
	open     map[*exchange]struct{}
	empty    chan struct{} // of Wait; closed when open is empty
}

// New returns an http.Handler that serves h. A goroutine of net/http waits for each response and writes its content. The
// response is aborted like that of a handler which panics with http.ErrAbortHandler if the content fails.
func New(h app.Handler, options Options) *Handler {
	made := &Handler{handler: h, options: options, open: map[*exchange]struct{}{}}
	made.loop = &loop{handler: made}
	made.pool.limit = cmp.Or(options.Jobs, defaultJobs)
	return made
}

// Loop returns the loop of all requests.
func (h *Handler) Loop() app.Loop { return h.loop }

// SetState sets the State of the loop, before the first request.
func (h *Handler) SetState(state any) { h.options.State = state }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve(w, r, h.handler) }

// serve answers r with the response of answer.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, answer app.Handler) {
	x := newExchange(h, r, answer)
	h.add(x)
	defer h.remove(x)
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // an error means that it always is
	h.loop.Post(x.start)
	leave := x.watchPeer(r.Context())
	defer leave()
	err := x.respond(w)
	x.end(err, control)
	if err != nil && r.Context().Err() == nil {
		panic(http.ErrAbortHandler)
	}
}

func (h *Handler) add(x *exchange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open[x] = struct{}{}
}

func (h *Handler) remove(x *exchange) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, x)
	if len(h.open) == 0 && h.empty != nil {
		close(h.empty)
		h.empty = nil
	}
}

// Drain ends event streams, closes WebSockets with 1001, and completes app.Request.Draining, for open requests and later
// ones.
func (h *Handler) Drain() {
	h.draining.Store(true)
	h.mu.Lock()
	defer h.mu.Unlock()
	for x := range h.open {
		h.loop.Post(x.drain)
	}
}

// Wait waits until no request is open. When ctx ends, it cuts the connections of WebSockets and returns ctx's error.
func (h *Handler) Wait(ctx context.Context) error {
	h.mu.Lock()
	if len(h.open) == 0 {
		h.mu.Unlock()
		return nil
	}
	if h.empty == nil {
		h.empty = make(chan struct{})
	}
	empty := h.empty
	h.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for x := range h.open {
		h.loop.Post(x.cutSocket)
	}
	return ctx.Err()
}

// ended calls Options.Ended for x, whose response was written or failed with err. On the loop.
func (h *Handler) ended(x *exchange, err error) {
	if h.options.Ended == nil {
		return
	}
	e := Ending{Err: err, In: x.received, Out: x.sent, Began: x.began, Head: x.head, WebSocket: x.socket != nil}
	switch {
	case e.WebSocket:
		e.Status = 101
	case x.response != nil:
		e.Status = x.response.Status
	}
	h.options.Ended(&x.Request, e)
}

// appRequest fills in an app.Request.
func appRequest(made *app.Request, r *http.Request) {
	made.Method, made.Authority, made.Target, made.Protocol = r.Method, r.Host, r.RequestURI, r.Proto
	made.Scheme = "http"
	if r.TLS != nil {
		made.Scheme = "https"
	}
	if made.Target == "" {
		made.Target = r.URL.RequestURI() // a request that a test has made as a client's
	}
	path := made.Target
	if i := strings.Index(path, "://"); i > 0 && path[0] != '/' {
		// RFC 9112 section 3.2.2: absolute-form.
		rest := path[i+3:]
		path = "/"
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			path = rest[i:]
		}
	}
	made.RawPath, made.RawQuery, _ = strings.Cut(path, "?")
	made.ContentLength = r.ContentLength
	if r.Body == nil || r.Body == http.NoBody {
		made.ContentLength = 0
	}
	made.Fields = appFields(r)
}

// appFields returns the fields of r, with those that net/http keeps elsewhere. The lines of a name keep their order;
// names are sorted.
func appFields(r *http.Request) app.Fields {
	var fields app.Fields
	if r.ProtoMajor == 1 && r.Host != "" {
		fields.Add("Host", r.Host)
	}
	for _, name := range SortedNames(r.Header, nil) {
		for _, value := range r.Header[name] {
			fields.Add(name, value)
		}
	}
	if len(r.TransferEncoding) > 0 {
		fields.Add("Transfer-Encoding", strings.Join(r.TransferEncoding, ", "))
	}
	if len(r.Trailer) > 0 {
		fields.Add("Trailer", strings.Join(SortedNames(r.Trailer, nil), ", "))
	}
	return fields
}

// connInfo returns the description of the connection of r.
func connInfo(r *http.Request, trust *forwarded.Trust) *app.ConnInfo {
	info := &app.ConnInfo{TLS: r.TLS, Trust: trust}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		info.Peer = peer
	} else {
		info.PeerName = r.RemoteAddr
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		info.Local, _ = netip.ParseAddrPort(local.String())
	}
	return info
}

// setFields adds field lines to h. Those that net/http makes itself are left out, and it adds none of its own but Date.
func setFields(h http.Header, fields app.Fields) {
	for _, f := range fields {
		switch name := http.CanonicalHeaderKey(f.Name); name {
		case "Content-Length", "Transfer-Encoding":
		case "Date":
			if h[name] = nil; f.Value != "" { // an empty one means none
				h[name] = []string{f.Value}
			}
		default:
			h[name] = append(h[name], f.Value)
		}
	}
}

// startHead sets the head of a response in w, with the length of its content; -1: unknown.
func startHead(w http.ResponseWriter, resp *app.Response, length int64) {
	h := w.Header()
	setFields(h, resp.Fields)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // net/http guesses none
	}
	if length >= 0 && (AllowsContent(resp.Status) || resp.Status == 304) {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	w.WriteHeader(resp.Status)
}

// refused returns the response in place of one that has no equivalent here; nil if it has.
func refused(r *app.Request, resp *app.Response) *app.Response {
	switch resp.Content.(type) {
	case nil, app.Bytes, *app.Pull, *app.Stream:
	case spi.Tunnel:
		return app.Error(501, "there are no tunnels here")
	case *websocket.Upgrade:
		if r.Protocol != app.HTTP11 {
			return app.Error(501, "here a WebSocket needs HTTP/1.1")
		}
	case spi.Source:
	default:
		return app.Error(501, "this content cannot be sent here")
	}
	if r.Method == "CONNECT" && resp.Status < 300 {
		return app.Error(501, "there are no tunnels here")
	}
	return nil
}

// hasBody reports whether a response to r has content.
func hasBody(r *app.Request, resp *app.Response) bool {
	return r.Method != "HEAD" && AllowsContent(resp.Status) && resp.Status != 205 && resp.Content != nil
}
