package app

import (
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/unexported"
	"github.com/gatewheel/gatewheel/app/internal/uri"
)

// Protocols, as Request.Protocol names them.
const (
	HTTP10 = "HTTP/1.0"
	HTTP11 = "HTTP/1.1"
	HTTP2  = "HTTP/2.0"
)

// Handler answers requests. It runs on the loop that owns the connection and
// must not block; what takes time is answered by a future.
type Handler func(*Request) Future[*Response]

// Middleware makes a handler that does something around another.
type Middleware func(Handler) Handler

// Try calls the handler as a server does: a panic is a failure. Middleware that
// has something to do when the response is there calls the next handler by it.
func (h Handler) Try(r *Request) Future[*Response] { return guarded(r, h) }

// Request is one request. Its exported fields are set before the handler runs;
// middleware may change them before it calls the next handler. Nothing of it is
// ever recycled: its strings may be kept and may cross goroutines. Methods are
// for the loop unless they say otherwise.
type Request struct {
	// Method is the method, as received: methods are case-sensitive.
	Method string
	// Scheme is "https" on a TLS connection, else "http". Client tells what a
	// trusted proxy says about it.
	Scheme string
	// Authority is host and port as the client named them (RFC 9110 section 7.2).
	Authority string
	// Target is the request target as received (RFC 9112 section 3.2).
	Target string
	// RawPath is the target's path, still escaped. Path unescapes it.
	RawPath string
	// RawQuery is what follows the question mark, still escaped.
	RawQuery string
	// Protocol is HTTP10, HTTP11 or HTTP2.
	Protocol string
	// Fields are the request's field lines in order.
	Fields Fields
	// ContentLength is the content's length in bytes, -1 when it is not known
	// beforehand, 0 when there is none.
	ContentLength int64
	// Arrived is when the request's head was complete.
	Arrived time.Time
	// Body is the request's content. It is never nil.
	Body *Body

	x        exchange
	conn     *ConnInfo
	life     atomic.Pointer[lifetime]
	client   atomic.Pointer[forwarded.Client]
	route    *unexported.Route
	captures []string
	values   []value
	limit    time.Duration // from Arrived to the deadline; 0: none
	guard    *guard
	endings  ending.List
	body     Body
}

type value struct{ key, value any }

// bind connects a request with the server's side of it. A server embeds Request
// by value in its exchange, sets the fields and calls spi.Bind once, on the loop,
// before the handler.
func (r *Request) bind(x exchange, conn *ConnInfo) {
	r.x, r.conn = x, conn
	if r.Arrived.IsZero() {
		r.Arrived = x.Loop().Now()
	}
	r.body.r, r.body.left = r, -1
	r.Body = &r.body
}

// enter takes the loop for a call that touches what belongs to it, until leave. It
// is false when the calling goroutine has lost the loop: then nothing may be
// touched.
func (r *Request) enter() bool {
	g, ok := r.x.(fence)
	return !ok || g.Enter()
}

func (r *Request) leave() {
	if g, ok := r.x.(fence); ok {
		g.Leave()
	}
}

// Conn describes the connection. Any goroutine.
func (r *Request) Conn() *ConnInfo { return r.conn }

// Loop is the loop that runs this request's handler and continuations. Any
// goroutine.
func (r *Request) Loop() Loop { return r.x.Loop() }

// Pool is where Offload runs its work. Any goroutine.
func (r *Request) Pool() Pool { return r.x.Pool() }

// Path is RawPath unescaped. A path with an invalid escape is returned as it
// is. Any goroutine.
func (r *Request) Path() string { return uri.Unescape(r.RawPath) }

// Query parses the query. Pairs that net/url refuses, with an invalid escape or a
// semicolon, are left out. Any goroutine.
func (r *Request) Query() url.Values {
	values := url.Values{}
	for rest := r.RawQuery; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, raw, ok := queryName(pair)
		if !ok {
			continue
		}
		if value, ok := unescapeQuery(raw); ok {
			values[name] = append(values[name], value)
		}
	}
	return values
}

// QueryValue returns the first value of that name in the query, or "". It leaves out
// what Query does, and allocates only to unescape. Any goroutine.
func (r *Request) QueryValue(name string) string {
	value, _ := r.LookupQuery(name)
	return value
}

// LookupQuery is QueryValue that tells whether the name is there at all.
func (r *Request) LookupQuery(name string) (value string, ok bool) {
	for rest := r.RawQuery; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		found, raw, ok := queryName(pair)
		if !ok || found != name {
			continue
		}
		if value, ok := unescapeQuery(raw); ok {
			return value, true
		}
	}
	return "", false
}

// queryName takes name=value apart, the value still escaped; ok is false for what
// is none.
func queryName(pair string) (name, rawValue string, ok bool) {
	if pair == "" || strings.IndexByte(pair, ';') >= 0 {
		return "", "", false
	}
	name, rawValue, _ = strings.Cut(pair, "=")
	name, ok = unescapeQuery(name)
	return name, rawValue, ok
}

func unescapeQuery(raw string) (string, bool) {
	if strings.IndexByte(raw, '%') < 0 && strings.IndexByte(raw, '+') < 0 {
		return raw, true
	}
	text, err := url.QueryUnescape(raw)
	return text, err == nil
}

// IsWebSocket tells whether the request asks for a WebSocket, properly or not:
// for handlers that answer others with a page. An extended CONNECT of HTTP/2
// (RFC 8441) reaches handlers as the GET with Upgrade that it stands for. Any
// goroutine.
func (r *Request) IsWebSocket() bool {
	return r.Fields.HasToken("Upgrade", "websocket") && r.Fields.HasToken("Connection", "upgrade")
}

// SetValue attaches a value, for the handlers that come after a middleware. Use
// a key type of your own, as with context.WithValue. On the loop.
func (r *Request) SetValue(key, v any) {
	if !r.enter() {
		return
	}
	defer r.leave()
	for i := range r.values {
		if r.values[i].key == key {
			r.values[i].value = v
			return
		}
	}
	r.values = append(r.values, value{key, v})
}

// Value returns what SetValue attached, or nil.
func (r *Request) Value(key any) any {
	for i := range r.values {
		if r.values[i].key == key {
			return r.values[i].value
		}
	}
	return nil
}

// Inform sends an interim response, such as 103 Early Hints (RFC 8297) with
// Link fields, ahead of the response. On the loop, before the response.
func (r *Request) Inform(status int, fields Fields) error {
	if status < 100 || status > 199 || status == 101 {
		return Statusf(500, "%d is no interim status", status)
	}
	return r.x.Inform(status, fields)
}

// Trailers are the request's trailer fields, known when the body has been read
// to its end.
func (r *Request) Trailers() Fields { return r.x.Trailers() }

// Client returns the client's address, scheme and host: those of the connection
// and of the request, or what trusted proxies say in their place. Any goroutine.
func (r *Request) Client() forwarded.Client {
	peer := forwarded.Client{Addr: r.conn.Peer, Scheme: r.Scheme, Host: r.Authority}
	trust := r.conn.Trust
	if trust == nil {
		return peer
	}
	if c := r.client.Load(); c != nil {
		return *c
	}
	c, ignored := trust.Resolve(peer, r.Fields)
	if r.client.CompareAndSwap(nil, &c) && ignored != "" && trust.OnIgnored != nil {
		trust.OnIgnored(peer, ignored)
	}
	return c
}

// PathValue is what the pattern's wildcard of that name has matched, unescaped;
// "" when there is none. Any goroutine.
func (r *Request) PathValue(name string) string {
	if r.route != nil && name != "" {
		for i, n := range r.route.Names {
			if n == name {
				return r.captures[i]
			}
		}
	}
	return ""
}

// Pattern is the pattern that the router has matched, "" before that. Any
// goroutine.
func (r *Request) Pattern() string {
	if r.route == nil {
		return ""
	}
	return r.route.Pattern
}
