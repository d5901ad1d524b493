package gateway

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	forwarding "github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/spi"
)

// fields returns field lines that are written as "Name: value".
func fields(lines ...string) (fs app.Fields) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		fs.Add(name, value)
	}
	return fs
}

// written is fields the other way round.
func written(fs app.Fields) string {
	var lines []string
	for _, f := range fs {
		lines = append(lines, f.Name+": "+f.Value)
	}
	return strings.Join(lines, "\n")
}

var ownPolicy = policy{pseudonym: "gw", via: newViaLines("gw")}

// onward has a handler see req, and returns the head that is forwarded, or the refusal.
func onward(t testing.TB, req *apptest.Request, p *policy) (h requestHead, refused *refusal) {
	t.Helper()
	seen := false
	apptest.New(func(r *app.Request) app.Answer {
		seen = true
		refused = h.make(r, p, &addresses{})
		return app.Ready(app.Empty(204))
	}).Do(req)
	if !seen {
		t.Fatal("the request did not reach the handler")
	}
	return h, refused
}

// own are the lines that the gateway adds to a request of apptest over HTTP/1.1.
const own = "Via: 1.1 gw\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: example.com"

func joined(lines ...string) string { return strings.Join(lines, "\n") }

func TestFieldsOfARequest(t *testing.T) {
	for _, c := range []struct {
		name   string
		fields app.Fields
		want   string
	}{
		{"what concerns every recipient passes, in order and as spelled",
			fields("accept: */*", "X-A: 1", "Range: bytes=0-1", "If-None-Match: \"a\"", "x-a: 2", "Priority: u=1", "Cookie: a=b", "Early-Data: 1"),
			joined("accept: */*", "X-A: 1", "Range: bytes=0-1", "If-None-Match: \"a\"", "x-a: 2", "Priority: u=1", "Cookie: a=b", "Early-Data: 1", own)},
		{"what concerns this connection ends here, named by Connection or not",
			fields("Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: gzip", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk", "A: 1"),
			joined("A: 1", own)},
		{"framing and Host are made anew",
			fields("Host: example.com", "Content-Length: 0", "Transfer-Encoding: chunked"), own},
		{"what Connection names ends here, in any case, wherever it stands",
			fields("X-SECRET: 1", "Connection: x-secret , ,Close", "A: 1", "connection: B", "b: 2", "X-Secret: 3"),
			joined("A: 1", own)},
		{"naming our own fields does not remove them",
			fields("Connection: x-forwarded-for, X-Forwarded-Proto, x-forwarded-host, forwarded, close", "X-Forwarded-For: 10.0.0.1"), own},
		{"naming a client's credentials removes these",
			fields("Connection: Authorization", "Authorization: Basic eA=="), own},
		{"who is not trusted says nothing about clients",
			fields("X-Forwarded-For: 10.0.0.1", "x-forwarded-proto: https", "X-Forwarded-Host: evil.example", "Forwarded: for=10.0.0.1"), own},
		{"Via is appended to", fields("Via: 1.0 fred, 1.1 gwen (gw, 1.1 gw)"), joined("Via: 1.0 fred, 1.1 gwen (gw, 1.1 gw)", own)},
		{"the wish for trailers is made anew", fields("TE: gzip;q=0.5, trailers", "Connection: TE"), joined(own, "TE: trailers")},
		{"cookie lines are joined where the first stands", fields("Cookie: a=1", "X: y", "cookie: b=2", "Cookie: c=3"), joined("Cookie: a=1; b=2; c=3", "X: y", own)},
		{"a key without an upgrade means nothing", fields("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), own},
		{"an upgrade to what is not forwarded is none", fields("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"), own},
	} {
		h, refused := onward(t, &apptest.Request{Target: "/", Fields: c.fields}, &ownPolicy)
		if refused != nil {
			t.Errorf("%s: refused: %s", c.name, refused.text)
		} else if got := written(h.fields); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
}

func TestRefusedRequests(t *testing.T) {
	manyNames := strings.TrimSuffix(strings.Repeat("a, ", maxNominated+1), ", ")
	for _, c := range []struct {
		name string
		req  apptest.Request
		want int
	}{
		{"Connection names Host", apptest.Request{Fields: fields("Connection: close, host")}, 400},
		{"Connection names Content-Length", apptest.Request{Fields: fields("Connection: CONTENT-LENGTH")}, 400},
		{"Connection names Transfer-Encoding", apptest.Request{Fields: fields("Connection: transfer-encoding")}, 400},
		{"Connection names Content-Type", apptest.Request{Fields: fields("Connection: content-type")}, 400},
		{"Connection hides a loop", apptest.Request{Fields: fields("Connection: via", "Via: 1.1 gw")}, 400},
		{"Connection hides early data", apptest.Request{Fields: fields("Connection: early-data")}, 400},
		{"Connection names very much", apptest.Request{Fields: fields("Connection: " + manyNames)}, 400},
		{"our own pseudonym", apptest.Request{Fields: fields("Via: 1.1 a, HTTP/1.1 gw")}, 508},
		{"our own pseudonym with a comment", apptest.Request{Fields: fields("Via: 1.0 a", "Via: 2 GW (a)")}, 508},
		{"our own pseudonym behind a comment that does not end", apptest.Request{Fields: fields("Via: 1.0 a (, 1.1 gw")}, 508},
		{"CONNECT", apptest.Request{Method: "CONNECT", Target: "example.com:443"}, 405},
		{"an extended CONNECT for another protocol", apptest.Request{Method: "CONNECT", Target: "/", Protocol: app.HTTP2}, 501},
		{"TRACE", apptest.Request{Method: "TRACE", Fields: fields("Max-Forwards: 3")}, 405},
		{"OPTIONS that goes no further", apptest.Request{Method: "OPTIONS", Fields: fields("Max-Forwards: 0")}, 204},
		{"OPTIONS with nonsense in Max-Forwards", apptest.Request{Method: "OPTIONS", Fields: fields("Max-Forwards: +1")}, 400},
		{"OPTIONS with two Max-Forwards", apptest.Request{Method: "OPTIONS", Fields: fields("Max-Forwards: 1", "max-forwards: 2")}, 400},
		{"an expectation that nobody knows", apptest.Request{Method: "POST", Body: "a", Fields: fields("Expect: 200-maybe")}, 417},
		{"a scheme of another world", apptest.Request{Target: "ftp://example.com/"}, 400},
		{"userinfo", apptest.Request{Host: "user@example.com"}, 400},
		{"a port beyond all ports", apptest.Request{Host: "example.com:99999"}, 400},
		{"dot segments", apptest.Request{Target: "/a/../b"}, 400},
		{"encoded dot segments", apptest.Request{Target: "/a/%2E%2e/b"}, 400},
		{"NUL", apptest.Request{Target: "/a%00b"}, 400},
		{"a WebSocket without its key", apptest.Request{Fields: handshake("Sec-WebSocket-Version: 13")}, 400},
		{"a WebSocket with a short key", apptest.Request{Fields: handshake("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j")}, 400},
		{"a WebSocket with two keys", apptest.Request{Fields: handshake("Sec-WebSocket-Version: 13", key, key)}, 400},
		{"a WebSocket of another version", apptest.Request{Fields: handshake("Sec-WebSocket-Version: 8", key)}, 426},
		{"a WebSocket by POST", apptest.Request{Method: "POST", Fields: handshake("Sec-WebSocket-Version: 13", key)}, 400},
		{"a WebSocket with content", apptest.Request{Body: "a", Fields: handshake("Sec-WebSocket-Version: 13", key)}, 400},
	} {
		if c.req.Target == "" {
			c.req.Target = "/"
		}
		_, refused := onward(t, &c.req, &ownPolicy)
		switch {
		case refused == nil:
			t.Errorf("%s: forwarded, want %d", c.name, c.want)
		case refused.status != c.want:
			t.Errorf("%s: %d, want %d", c.name, refused.status, c.want)
		case c.want == 405 && !refused.response().Fields.Has("Allow"):
			t.Errorf("%s: 405 without Allow (RFC 9110 section 15.5.6)", c.name)
		}
	}
}

const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="

func handshake(lines ...string) app.Fields {
	return append(fields("Connection: keep-alive, Upgrade", "Upgrade: websocket"), fields(lines...)...)
}

func TestWebSocketHandshakes(t *testing.T) {
	for _, c := range []struct {
		name string
		req  apptest.Request
		want string
	}{
		{"HTTP/1.1", apptest.Request{Fields: handshake("Sec-WebSocket-Version: 13", key, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate", "Origin: http://example.com")},
			joined("Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate", "Origin: http://example.com", own)},
		{"HTTP/1.1, h2c offered too", apptest.Request{Fields: append(fields("Connection: Upgrade", "Upgrade: h2c, websocket"), fields("Sec-WebSocket-Version: 13", key)...)},
			joined("Sec-WebSocket-Version: 13", own)},
		// RFC 8441 section 5: there is no key, and the version need not be named.
		{"HTTP/2", apptest.Request{Protocol: app.HTTP2, Fields: append(fields("Sec-WebSocket-Protocol: chat"), handshake()...)},
			joined("Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Version: 13", strings.Replace(own, "1.1", "2", 1))},
	} {
		c.req.Target = "/"
		h, refused := onward(t, &c.req, &ownPolicy)
		if refused != nil || !h.websocket {
			t.Errorf("%s: no WebSocket (%+v)", c.name, refused)
		} else if got := written(h.fields); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
	// RFC 9110 section 7.8: HTTP/1.0 has no upgrades.
	old := apptest.Request{Target: "/", Protocol: app.HTTP10, Fields: handshake("Sec-WebSocket-Version: 13", key)}
	if h, refused := onward(t, &old, &ownPolicy); refused != nil || h.websocket {
		t.Errorf("HTTP/1.0: an upgrade (%+v)", refused)
	}
}

func TestTargets(t *testing.T) {
	for _, c := range []struct{ method, target, path, query, want string }{
		{"GET", "/", "/", "", "/"},
		{"GET", "/a?", "/a", "", "/a?"},
		{"GET", "/a%2fb//c%41?x=%20&y;z", "/a%2fb//c%41", "x=%20&y;z", "/a%2fb//c%41?x=%20&y;z"},
		{"GET", "http://example.com", "/", "", "/"},
		{"GET", "HTTP://example.com/a?b", "/a", "b", "/a?b"},
		{"GET", "https://example.com?b", "/", "b", "/?b"},
		{"OPTIONS", "*", "*", "", "*"},
		{"OPTIONS", "http://example.com", "*", "", "*"},
		{"OPTIONS", "http://example.com/", "/", "", "/"},
		{"GET", "/a/b?c", "/b", "c", "/b?c"}, // middleware has taken a prefix away
		{"GET", "/a/b?c", "/b", "", "/b"},
	} {
		apptest.New(func(r *app.Request) app.Answer {
			r.Target, r.RawPath, r.RawQuery = c.target, c.path, c.query
			if got, refused := forwardedTarget(r); refused != nil || got != c.want {
				t.Errorf("%s %s is forwarded as %q (%+v), want %q", c.method, c.target, got, refused, c.want)
			}
			return app.Ready(app.Empty(204))
		}).Do(&apptest.Request{Method: c.method, Target: "/"})
	}
}

func TestPathFaults(t *testing.T) {
	for _, c := range []struct {
		path string
		want PathFault
	}{
		{"/", 0}, {"/a//b/", 0}, {"/a.b/..c/c../...", 0}, {"/%41%20", 0}, {"/%", 0}, {"/%2", 0}, {"/%zz", 0}, {"/;a=..", 0}, {"/a;..", 0},
		{"/.", DotSegments}, {"/..", DotSegments}, {"/./a", DotSegments}, {"/a/..", DotSegments}, {"/a/../", DotSegments},
		{"/%2e", DotSegments}, {"/%2E%2e/a", DotSegments}, {"/.%2e", DotSegments}, {"/%2e./", DotSegments},
		{"/..;/a", DotSegments}, {"/.;a=b", DotSegments}, {"/..%3b/a", DotSegments},
		{"/a%2f..%2fb", DotSegments | EncodedSlash}, {`/a\..\b`, DotSegments | EncodedSlash}, {"/a%5c..%5cb", DotSegments | EncodedSlash},
		{"/a%2Fb", EncodedSlash}, {"/a%5cb", EncodedSlash}, {`/a\b`, EncodedSlash},
		{"/a%00", EncodedNUL}, {"/%00..", EncodedNUL},
		{"/%252e%252e", 0}, // what is decoded twice is not read differently the first time
	} {
		if got := PathFaults(c.path); got != c.want {
			t.Errorf("%s: %03b, want %03b", c.path, got, c.want)
		}
	}
	raw := ownPolicy
	raw.rawPaths = true
	if h, refused := onward(t, apptest.Get("/a/../%00"), &raw); refused != nil || h.target != "/a/../%00" {
		t.Errorf("raw paths: %q (%+v)", h.target, refused)
	}
	if refused := refusePath("/a%2fb", true); refused != refusedEncodedSlash {
		t.Error("an encoded slash where a pattern has to decide is forwarded")
	}
}

func TestExpectations(t *testing.T) {
	for _, c := range []struct {
		req  apptest.Request
		want bool
	}{
		{apptest.Request{Method: "POST", Body: "a", Fields: fields("Expect: 100-Continue")}, true},
		{apptest.Request{Method: "POST", Open: true, Fields: fields("Expect: 100-continue"), Protocol: app.HTTP2}, true},
		{apptest.Request{Method: "POST", Body: "a", Fields: fields("Expect: 100-continue"), Protocol: app.HTTP10}, false},
		{apptest.Request{Method: "POST", Fields: fields("Expect: 100-continue")}, false},
	} {
		c.req.Target = "/"
		h, refused := onward(t, &c.req, &ownPolicy)
		if refused != nil || h.expect != c.want || h.fields.Has("Expect") {
			t.Errorf("%s %+v: expects %v, want %v (%+v)", c.req.Protocol, c.req.Fields, h.expect, c.want, refused)
		}
	}
}

func TestMaxForwards(t *testing.T) {
	for _, c := range []struct{ method, value, want string }{
		{"OPTIONS", "1", "0"},
		{"OPTIONS", "010", "9"},
		{"OPTIONS", "99999999999999999999", "9223372036854775806"},
		{"GET", "0", "0"}, // RFC 9110 section 7.6.2: it concerns OPTIONS and TRACE
		{"GET", "x", "x"},
	} {
		req := apptest.Request{Method: c.method, Target: "/", Fields: fields("A: b", "Connection: a", "Max-Forwards: "+c.value)}
		h, refused := onward(t, &req, &ownPolicy)
		if got := h.fields.Get("Max-Forwards"); refused != nil || got != c.want {
			t.Errorf("%s with Max-Forwards %s: %q (%+v), want %q", c.method, c.value, got, refused, c.want)
		}
	}
}

func TestFieldsAboutTheClient(t *testing.T) {
	trust := forwarding.TrustNetworks(netip.MustParsePrefix("192.0.2.0/24"))
	conn := func(peer string) *app.ConnInfo {
		c := &app.ConnInfo{Local: netip.MustParseAddrPort("192.0.2.2:80"), Trust: trust}
		if peer != "" {
			c.Peer = netip.MustParseAddrPort(peer)
		}
		return c
	}
	said := fields("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example")
	all := ownPolicy
	all.forwarded = true
	for _, c := range []struct {
		name   string
		conn   *app.ConnInfo
		p      *policy
		fields app.Fields
		want   string
	}{
		{"a trusted proxy is appended to", conn("192.0.2.7:1"), &ownPolicy, said,
			joined("Via: 1.1 gw", "X-Forwarded-For: 203.0.113.9, 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example")},
		{"several lines of a trusted proxy become one", conn("192.0.2.7:1"), &ownPolicy, fields("X-Forwarded-For: 1.1.1.1, 203.0.113.9", "a: b", "x-forwarded-for: 192.0.2.9"),
			joined("a: b", "Via: 1.1 gw", "X-Forwarded-For: 1.1.1.1, 203.0.113.9, 192.0.2.9, 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: example.com")},
		{"a trusted proxy that says nothing", conn("192.0.2.7:1"), &ownPolicy, nil,
			joined("Via: 1.1 gw", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: example.com")},
		{"another peer is replaced", conn("198.51.100.1:1"), &ownPolicy, said,
			joined("Via: 1.1 gw", "X-Forwarded-For: 198.51.100.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: example.com")},
		{"a peer without an address", conn(""), &ownPolicy, said,
			joined("Via: 1.1 gw", "X-Forwarded-Proto: http", "X-Forwarded-Host: example.com")},
		{"Forwarded where it is asked for", conn("198.51.100.1:1"), &all, fields("Forwarded: for=1.1.1.1"),
			joined("Via: 1.1 gw", "X-Forwarded-For: 198.51.100.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: example.com", "Forwarded: for=198.51.100.1;host=example.com;proto=http")},
		{"Forwarded of a trusted proxy is appended to", conn("192.0.2.7:1"), &all, fields(`Forwarded: for="[2001:db8::1]";proto=https`),
			joined("Via: 1.1 gw", "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: example.com",
				`Forwarded: for="[2001:db8::1]";proto=https, for=192.0.2.7;host=example.com;proto=http`)},
		{"an IPv6 address", conn("[2001:db8::2%eth0]:1"), &all, nil,
			joined("Via: 1.1 gw", "X-Forwarded-For: 2001:db8::2", "X-Forwarded-Proto: http", "X-Forwarded-Host: example.com", `Forwarded: for="[2001:db8::2]";host=example.com;proto=http`)},
		{"an address of IPv4 in IPv6", conn("[::ffff:198.51.100.1]:1"), &ownPolicy, nil,
			joined("Via: 1.1 gw", "X-Forwarded-For: 198.51.100.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: example.com")},
	} {
		h, refused := onward(t, &apptest.Request{Target: "/", Conn: c.conn, Fields: c.fields}, c.p)
		if refused != nil {
			t.Errorf("%s: refused: %s", c.name, refused.text)
		} else if got := written(h.fields); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
	h, _ := onward(t, &apptest.Request{Target: "/", Host: "example.com:8080"}, &all)
	if got, want := h.fields.Get("Forwarded"), `for=192.0.2.1;host="example.com:8080";proto=http`; got != want {
		t.Errorf("Forwarded: %s, want %s", got, want)
	}
}

// A head is made in memory that the last request has used, and without any of its text.
func TestHeadsAreMadeInPlace(t *testing.T) {
	var h requestHead
	from := &addresses{}
	apptest.New(func(r *app.Request) app.Answer {
		if n := testing.AllocsPerRun(100, func() {
			h.reset()
			if refused := h.make(r, &ownPolicy, from); refused != nil {
				t.Error(refused.text)
			}
		}); n != 0 {
			t.Errorf("%v allocations a head, want none", n)
		}
		return app.Ready(app.Empty(204))
	}).Do(apptest.Get("/a?b", "Accept: */*", "", "User-Agent", "test", "Connection", "keep-alive, x-a", "X-A", "1", "TE", "trailers", "Via", "1.0 fred"))
	h.reset()
	for _, f := range h.fields[:cap(h.fields)] {
		if f != (app.Field{}) {
			t.Errorf("a head that is not used keeps %q", f)
		}
	}
	var dst app.Fields
	in := &spi.Incoming{Status: 200, Fields: fields("Content-Type: text/plain", "Connection: close", "Server: a"), Stated: -1, Protocol: app.HTTP11}
	if n := testing.AllocsPerRun(100, func() { dst = appendResponseFields(dst[:0], in, &ownPolicy) }); n != 0 {
		t.Errorf("%v allocations a response's head, want none", n)
	}
}

func TestFieldsOfAResponse(t *testing.T) {
	status := ownPolicy
	status.proxyStatus = true
	for _, c := range []struct {
		name string
		in   spi.Incoming
		p    *policy
		want string
	}{
		{"what concerns every recipient passes", spi.Incoming{Stated: -1, Fields: fields("Date: Sat, 28 Nov 2026 12:00:00 GMT", "server: backend", "Set-Cookie: a", "Set-Cookie: b", "Trailer: x", "Accept-Ranges: bytes")}, &ownPolicy,
			joined("Date: Sat, 28 Nov 2026 12:00:00 GMT", "server: backend", "Set-Cookie: a", "Set-Cookie: b", "Trailer: x", "Accept-Ranges: bytes", "Via: 1.1 gw")},
		{"what concerns the connection ends here", spi.Incoming{Stated: -1, Fields: fields("X-A: 1", "Connection: x-a, close, Via", "Keep-Alive: timeout=5", "Transfer-Encoding: chunked", "Content-Length: 3", "Upgrade: h2c", "TE: a", "Proxy-Connection: close", "Sec-WebSocket-Accept: x", "Via: 1.0 b")}, &ownPolicy,
			joined("Via: 1.0 b", "Via: 1.1 gw")},
		{"a response to HEAD states its length", spi.Incoming{Stated: 7, Fields: fields("Content-Length: 7")}, &ownPolicy,
			joined("Content-Length: 7", "Via: 1.1 gw")},
		{"HTTP/2", spi.Incoming{Stated: -1, Protocol: app.HTTP2}, &ownPolicy, "Via: 2 gw"},
		{"Proxy-Status where it is asked for", spi.Incoming{Status: 404, Stated: -1, Fields: fields("Proxy-Status: inner")}, &status,
			joined("Proxy-Status: inner", "Via: 1.1 gw", "Proxy-Status: gw; received-status=404")},
	} {
		if got := written(appendResponseFields(nil, &c.in, c.p)); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
}

func TestTrailers(t *testing.T) {
	passes := fields("grpc-status: 0", "Grpc-Message: ", "ETag: \"a\"", "Server-Timing: a", "Content-Digest: sha-256=:AA==:", "x-checksum: 1")
	if got := forwardedTrailers(passes, nil); written(got) != written(passes) {
		t.Errorf("of trailers that may pass:\n%s", written(got))
	}
	drops := fields("Content-Length: 1", "transfer-encoding: chunked", "Host: a", "Trailer: a", "TE: trailers", "Connection: close", "Authorization: a",
		"Set-Cookie: a", "Cookie: a", "X-Forwarded-For: 1.1.1.1", "x-forwarded-user: root", "Forwarded: for=1.1.1.1", "Via: 1.1 gw", ":status: 200",
		"Content-Type: text/html", "Content-Encoding: gzip", "Content-Range: bytes 0-1/2", "Cache-Control: no-store", "Expect: 100-continue", "Max-Forwards: 1",
		"Location: /", "If-Match: a", "Range: bytes=0-1", "WWW-Authenticate: Basic", "Sec-WebSocket-Accept: x", "Date: a", "x-set: 1")
	sets := func(name string) bool { return name == "x-set" }
	mixed := append(append(app.Fields{}, drops...), passes...)
	if got := forwardedTrailers(mixed, sets); written(got) != written(passes) {
		t.Errorf("of trailers that may not pass:\n%s", written(got))
	}
	if n := testing.AllocsPerRun(10, func() { forwardedTrailers(passes, nil) }); n != 0 {
		t.Errorf("%v allocations to pass trailers on, want none", n)
	}
}

// What a client writes into Via costs no more than its length.
func TestCostOfVia(t *testing.T) {
	for _, hostile := range []string{"(", "(,", ",", "a (b,", "(),", "\\(", "((),"} {
		fastest := func(size int) time.Duration {
			via := strings.Repeat(hostile, size/len(hostile))
			best := time.Duration(math.MaxInt64)
			for range 20 {
				start := time.Now()
				if passedBy(via, "gw") {
					t.Errorf("%.10q: passed by gw", via)
				}
				best = min(best, time.Since(start))
			}
			return best
		}
		// Where the time grew with the square of the length it would be 256 times as much.
		if small, large := fastest(1<<12), fastest(1<<16); large > 150*small+time.Millisecond {
			t.Errorf("%q: %v for 4 KiB, %v for 64 KiB", hostile, small, large)
		}
	}
}

func ExamplePathFaults() {
	fmt.Println(PathFaults("/a//b") == 0, PathFaults("/a/%2e%2e/b")&DotSegments != 0)
	// Output: true true
}
