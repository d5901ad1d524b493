package app

import (
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
	"github.com/gatewheel/gatewheel/app/internal/uri"
)

// Values of Request.Protocol.
const (
	HTTP10 = "HTTP/1.0"
	HTTP11 = "HTTP/1.1"
	HTTP2  = "HTTP/2.0"
)

// Handler answers requests. It runs on the loop that owns the connection and must not
// block: it answers at once, or with a future. Sync makes a Handler of a function that
// always answers at once, Blocking one of a function that blocks.
type Handler func(*Request) Answer

// Middleware wraps a handler.
type Middleware func(Handler) Handler

// Try calls the handler and turns a panic into a failure, as servers do. Middleware that
// acts on the response calls the next handler with Try. On the loop.
func (h Handler) Try(r *Request) Answer { return guarded(r, h) }

// Request is one request. Its exported fields are set before the handler runs;
// middleware may change them before it calls the next handler. Requests are not
// reused: their strings may be kept, and passed to other goroutines. Requests that arrive
// together may share a block of memory, which lives as long as one of them is in use;
// runtime.SetFinalizer does not accept them. Methods are for the request's loop unless they
// say otherwise.
type Request struct {
	// Method is the method as received. Methods are case-sensitive.
	Method string
	// Scheme is "https" on a TLS connection, else "http". Client has the scheme that a
	// trusted proxy names.
	Scheme string
	// Authority is host and port as the client named them (RFC 9110 section 7.2).
	Authority string
	// Target is the request target as received (RFC 9112 section 3.2).
	Target string
	// RawPath is the path of the target, percent-encoded. Path decodes it.
	RawPath string
	// RawQuery is the query of the target without its question mark, encoded.
	RawQuery string
	// Protocol is HTTP10, HTTP11 or HTTP2.
	Protocol string
	// Fields are the field lines of the request, in order.
	Fields Fields
	// ContentLength is the length of the content in bytes; -1 if it is unknown, 0 if
	// there is none.
	ContentLength int64
	// Arrived is the time at which the head was complete.
	Arrived time.Time
	// Body is the content. It is never nil.
	Body *Body

	exchange exchange
	conn     *ConnInfo
	life     atomic.Pointer[lifetime]
	client   atomic.Pointer[forwarded.Client]
	route    *internalapi.Route
	captures []string
	values   atomic.Pointer[value]
	limit    time.Duration // from Arrived to the deadline; 0: none
	head     *headWait     // nil: nothing waits for the response
	endings  ending.List
	body     Body
}

// bind implements spi.Bind.
func (r *Request) bind(x exchange, conn *ConnInfo) {
	r.exchange, r.conn = x, conn
	if r.Arrived.IsZero() {
		r.Arrived = x.Loop().Now()
	}
	r.body.init((*requestBody)(r))
	r.Body = &r.body
}

// shrink implements spi.Shrink.
func (r *Request) shrink(conn *ConnInfo) {
	r.conn = conn
	r.head = nil
	r.Fields = nil
	r.Method, r.Authority = strings.Clone(r.Method), strings.Clone(r.Authority)
	target := strings.Clone(r.Target)
	if rest, ok := strings.CutPrefix(target, r.RawPath); ok && strings.TrimPrefix(rest, "?") == r.RawQuery {
		r.RawPath, r.RawQuery = target[:len(r.RawPath)], target[len(target)-len(r.RawQuery):]
	} else {
		r.RawPath, r.RawQuery = strings.Clone(r.RawPath), strings.Clone(r.RawQuery)
	}
	r.Target = target
}

// enter begins a call that uses the loop's data; leave ends it. enter reports false
// if the loop was taken from the calling goroutine, which then must not use them.
func (r *Request) enter() bool {
	g, ok := r.exchange.(fence)
	return !ok || g.Enter()
}

func (r *Request) leave() {
	if g, ok := r.exchange.(fence); ok {
		g.Leave()
	}
}

// Conn returns the description of the connection. Any goroutine.
func (r *Request) Conn() *ConnInfo { return r.conn }

// Loop returns the loop that runs the handler and the continuations of the request.
// Any goroutine.
func (r *Request) Loop() Loop { return r.exchange.Loop() }

// Pool returns the pool that Offload uses. Any goroutine.
func (r *Request) Pool() Pool { return r.exchange.Pool() }

// Path returns RawPath decoded, or as it is if its encoding is invalid. Any
// goroutine.
func (r *Request) Path() string { return uri.Unescape(r.RawPath) }

// Query returns the parsed query. Pairs with an invalid encoding or a semicolon,
// which net/url refuses, are left out. Any goroutine.
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

// QueryValue returns the first value of that name in the query, or "". It allocates
// only if the value is encoded. Any goroutine.
func (r *Request) QueryValue(name string) string {
	value, _ := r.LookupQuery(name)
	return value
}

// LookupQuery is like QueryValue; ok reports whether the name is in the query. Any
// goroutine.
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

// queryName splits name=value. The value stays encoded. ok is false if the pair is
// to be left out.
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

// IsWebSocket reports whether the request asks for a WebSocket, with a valid handshake
// or not, so that a handler can answer others with a page. A WebSocket handshake over
// HTTP/2 (RFC 8441) reaches handlers as the equivalent GET with Upgrade. Any
// goroutine.
func (r *Request) IsWebSocket() bool {
	return r.Fields.HasToken("Upgrade", "websocket") && r.Fields.HasToken("Connection", "upgrade")
}

// Inform sends an interim response before the final one, such as 103 Early Hints (RFC
// 8297) with Link fields. It fails with a *StatusError if status is not interim or is
// 101, and with ErrPeerGone. On the loop, before the response.
func (r *Request) Inform(status int, fields Fields) error {
	if status < 100 || status > 199 || status == 101 {
		return Statusf(500, "%d is no interim status", status)
	}
	return r.exchange.Inform(status, fields)
}

// Trailers returns the trailer fields of the request, which are known when the body has
// been read to its end. On the loop. Goroutines use BodyReader.Trailers.
func (r *Request) Trailers() Fields { return r.exchange.Trailers() }

// Client returns the client's address, scheme and host: those of the connection
// and of the request, or what trusted proxies say in their place. Any goroutine.
func (r *Request) Client() forwarded.Client {
	if c := r.client.Load(); c != nil {
		return *c
	}
	peer := forwarded.Client{Addr: r.conn.Peer, Scheme: r.Scheme, Host: r.Authority}
	trust := r.conn.Trust
	if trust == nil {
		return peer
	}
	c, ignored := trust.Resolve(peer, r.Fields)
	if r.client.CompareAndSwap(nil, &c) && ignored != "" && trust.OnIgnored != nil {
		trust.OnIgnored(peer, ignored)
	}
	return c
}

// PathValue returns the decoded part of the path that the wildcard of that name in
// the route's pattern has matched, or "". Any goroutine.
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

// Pattern returns the pattern of the route, or "" before a router has chosen one. Any
// goroutine.
func (r *Request) Pattern() string {
	if r.route == nil {
		return ""
	}
	return r.route.Pattern
}
