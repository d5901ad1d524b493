package nethttp

import (
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	AllowAnyStatus(resp *app.Response)
	Captures(r *app.Request) (names, values []string)
	Attach(r *app.Request, e *ending.Entry, listener ending.Listener) bool
	Detach(r *app.Request, e *ending.Entry) bool
	ConnValue(r *app.Request) *any
	DrainConn(r *app.Request)
	Exchange(r *app.Request) any
	InitPromise(p any, loop app.Loop)
	SettleWith(p any, v any, err error)
	Spawn(r *app.Request, f func())
	TakeBody(r *app.Request, p []byte, ready func()) (int, error)
})

// Handler returns an app.Handler that serves h, a nil h meaning http.DefaultServeMux.
func Handler(h http.Handler) app.Handler { return HandlerFor(&http.Server{Handler: h}) }

// HandlerFor returns an app.Handler that serves s.Handler. Of s it uses ErrorLog, BaseContext, ConnContext,
// DisableGeneralOptionsHandler, ReadTimeout and WriteTimeout; s is the value of http.ServerContextKey. BaseContext and
// ConnContext get a net.Listener and a net.Conn that know their addresses only.
func HandlerFor(s *http.Server) app.Handler { return (&adapter{server: s}).serve }

// adapter serves the requests of one http.Server. Any goroutine.
type adapter struct {
	server   *http.Server
	listener net.Listener // for BaseContext; nil: one that has an address only

	listening sync.Once
	base      context.Context // of BaseContext
}

// serve is the app.Handler. On the request's loop.
func (a *adapter) serve(r *app.Request) app.Future[*app.Response] {
	if r.Protocol == app.HTTP2 && r.IsWebSocket() {
		// http.Handlers take over a connection of HTTP/1.1 for a WebSocket, and know no other way.
		return app.Ready(app.Error(501, "there are no WebSockets over HTTP/2 here"))
	}
	e := newExchange(a, r)
	f := e.head.Future()
	core.Attach(r, &e.entry, (*listener)(e))
	e.readAhead()
	core.Spawn(r, e.run)
	return f
}

// handler returns the handler of a request, by the rules of http.Server.
func (a *adapter) handler(r *http.Request) http.Handler {
	h := a.server.Handler
	if h == nil {
		h = http.DefaultServeMux
	}
	if !a.server.DisableGeneralOptionsHandler && r.RequestURI == "*" && r.Method == "OPTIONS" {
		return http.HandlerFunc(answerOptions)
	}
	return h
}

// answerOptions answers OPTIONS *, which concerns the server as a whole (RFC 9110 section 9.3.7).
func answerOptions(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "0")
	if r.ContentLength != 0 {
		_, _ = r.Body.Read(make([]byte, 4<<10))
	}
}

// baseContext returns the context of all connections. The listener's address is the local one of the first connection.
func (a *adapter) baseContext(local net.Addr) context.Context {
	a.listening.Do(func() {
		ctx := context.Background()
		if f := a.server.BaseContext; f != nil {
			if ctx = f(a.listenerFor(local)); ctx == nil {
				panic("nethttp: BaseContext returned a nil context")
			}
		}
		a.base = context.WithValue(ctx, http.ServerContextKey, a.server)
	})
	return a.base
}

// listenerFor returns the listener of BaseContext.
func (a *adapter) listenerFor(local net.Addr) net.Listener {
	if a.listener != nil {
		return a.listener
	}
	return addressOnly{local: local}
}

// logf writes a line to the server's ErrorLog.
func (a *adapter) logf(format string, args ...any) {
	if l := a.server.ErrorLog; l != nil {
		l.Printf(format, args...)
		return
	}
	standardLog().Printf(format, args...)
}
