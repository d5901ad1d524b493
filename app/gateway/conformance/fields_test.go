//go:build linux

package conformance

import (
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/gateway"
)

// ok answers a request with 200.
func ok(q heard) { says(q, "200", "fine") }

// wants fails the test unless the answer is whole, with that status and content.
func (s *site) wants(m *message, status, content string) {
	s.Helper()
	if m.status != status || !m.whole || content != "*" && m.content != content {
		s.Errorf("the client has got %v; want %s %q", m, status, short(content))
	}
}

// lacks fails the test if h has one of the fields.
func (s *site) lacks(h *head, names ...string) {
	s.Helper()
	for _, name := range names {
		if h.has(name) {
			s.Errorf("%s: %q was passed on", name, h.values(name))
		}
	}
}

// shows fails the test unless a field has that value; several lines are joined with "|".
func (s *site) shows(h *head, name, value string) {
	s.Helper()
	if got := h.values(name); got != value {
		s.Errorf("%s: %q, want %q", name, got, value)
	}
}

// Rule 1: connection-specific fields end at the gateway, in requests and responses (RFC 9110 section 7.6.1).
func TestConnectionFieldsOfRequests(t *testing.T) {
	over(t, []transport{h1}, transports, options{}, func(s *site) {
		q := s.ask(post("/", "content", "Connection", "keep-alive, X-Hop,, X-Other , via, x-forwarded-for, te", "X-Hop", "1", "x-other", "2", "Keep-Alive", "timeout=3",
			"Proxy-Connection", "keep-alive", "TE", "trailers, deflate", "Upgrade", "h2c", "HTTP2-Settings", "AAAA", "X-Kept", "3"))
		if m := q.head(); m.status != "400" {
			s.Errorf("a nomination of Via: %v", m)
		}
		s.ended(gateway.ClientMalformed)
	})
	over(t, []transport{h1}, transports, options{}, func(s *site) {
		q := s.ask(post("/", "content", "Connection", "keep-alive, X-Hop,, X-Other , X-Forwarded-For, te", "X-Hop", "1", "x-other", "2", "Keep-Alive", "timeout=3",
			"Proxy-Connection", "keep-alive", "TE", "trailers, deflate", "Upgrade", "h2c", "HTTP2-Settings", "AAAA", "X-Kept", "3"))
		server := s.accept().hear()
		h := server.request()
		s.lacks(h, "X-Hop", "X-Other", "Keep-Alive", "Proxy-Connection", "Upgrade", "HTTP2-Settings")
		s.shows(h, "X-Kept", "3")
		s.shows(h, "TE", "trailers")
		s.shows(h, "X-Forwarded-For", "127.0.0.1")
		s.shows(h, "Via", "1.1 gw")
		if got := strings.ToLower(h.values("Connection")); s.out.isHTTP2() && got != "" || !s.out.isHTTP2() && got != "te" {
			s.Errorf("Connection: %q", got)
		}
		server.content()
		ok(server)
		s.wants(q.answer(), "200", "fine")
	})
}

func TestNominationsOfFieldsThatMatter(t *testing.T) {
	over(t, []transport{h1}, []transport{h1, h2c}, options{}, func(s *site) {
		names := []string{"Host", "Content-Length", "Transfer-Encoding", "content-type", "Content-Encoding", "Trailer, Expect", "Via", "Max-Forwards"}
		for _, name := range names {
			if m := s.ask(post("/", "content", "Connection", name)).answer(); m.status != "400" {
				s.Errorf("Connection: %s: %v", name, m)
			}
		}
		s.none()
	})
}

func TestConnectionFieldsOfResponses(t *testing.T) {
	over(t, transports, []transport{h1}, options{}, func(s *site) {
		q := s.ask(get("/"))
		server := s.accept()
		says(server.hear(), "200", "fine", "Connection", "X-Hop, keep-alive, Date", "X-Hop", "1", "Keep-Alive", "timeout=9", "Proxy-Connection", "a", "Upgrade", "h2c",
			"Proxy-Authenticate", "Basic", "X-Kept", "2", "Date", "Sun, 06 Nov 1994 08:49:37 GMT", "TE", "trailers")
		m := q.answer()
		s.wants(m, "200", "fine")
		s.lacks(&m.head, "X-Hop", "Keep-Alive", "Proxy-Connection", "Upgrade", "TE")
		s.shows(&m.head, "X-Kept", "2")
		s.shows(&m.head, "Proxy-Authenticate", "Basic")
		s.shows(&m.head, "Via", "1.1 gw")
		if got := m.values("Connection"); got != "" && !strings.EqualFold(got, "keep-alive") {
			s.Errorf("Connection: %q", got)
		}
		s.ended(gateway.OK)
	})
}

// Rule 2: te is made anew towards HTTP/2, when the client wants trailers.
func TestTEIsMadeAnew(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		for _, c := range []struct{ te, connection, want string }{{"trailers", "TE", "trailers"}, {"", "", ""}, {"trailers", "", "trailers"}} {
			r := get("/")
			if c.te != "" {
				r.fields = append(r.fields, field{"te", c.te})
			}
			if c.connection != "" && !s.in.isHTTP2() {
				r.fields = append(r.fields, field{"connection", c.connection})
			}
			q := s.ask(r)
			server := s.accept()
			from := server.hear()
			s.shows(from.request(), "te", c.want)
			ok(from)
			s.wants(q.answer(), "200", "fine")
			server.end()
			s.eventually(func() string {
				if s.gateway.Counts().Backend.Connections > 0 {
					return "the connection is still known"
				}
				return ""
			})
		}
	})
}

// Rule 3: trailers go both ways, announced or not, but for those that decide about the message.
func TestTrailers(t *testing.T) {
	bad := []string{"content-length", "3", "transfer-encoding", "chunked", "host", "x", "trailer", "a", "authorization", "a", "set-cookie", "a=b", "content-encoding", "gzip",
		"content-type", "a/b", "content-range", "a", "te", "trailers", "cache-control", "no-store", "x-forwarded-for", "1.1.1.1", "via", "1.1 x", "expect", "100-continue",
		"max-forwards", "1", "range", "a", "if-match", "a", "www-authenticate", "Basic", "location", "/", "forwarded", "for=1", "age", "1", "date", "x", "vary", "*",
		"connection", "close", "keep-alive", "a", "upgrade", "a", "proxy-connection", "a"}
	pairs(t, options{}, func(s *site) {
		r := post("/", "content", "te", "trailers")
		for _, f := range fieldsOf(bad...) {
			if s.in.isHTTP2() && isOf(f.name, "connection", "keep-alive", "upgrade", "proxy-connection", "transfer-encoding", "te", "host") {
				continue // malformed
			}
			r.trailers = append(r.trailers, f)
		}
		r.trailers = append(r.trailers, fieldsOf("x-sum", "1", "x-sum", "2", "grpc-status", "0")...)
		q := s.ask(r)
		server := s.accept().hear()
		m := server.content()
		s.lacks(&m.head, "x-sum")
		s.trails(m, "content", "x-sum: 1, x-sum: 2, grpc-status: 0")
		server.head(false, "200")
		server.data("answer", false)
		var trailers []string
		for _, f := range fieldsOf(bad...) {
			if s.out.isHTTP2() && isOf(f.name, "connection", "keep-alive", "upgrade", "proxy-connection", "transfer-encoding", "te", "host") {
				continue
			}
			trailers = append(trailers, f.name, f.value)
		}
		server.trailers(append(trailers, "x-sum", "3", "grpc-status", "5")...)
		a := q.answer()
		s.wants(a, "200", "answer")
		s.lacks(&a.head, "x-sum", "grpc-status")
		s.trails(a, "answer", "x-sum: 3, grpc-status: 5")
		s.ended(gateway.OK)
	})
}

func isOf(name string, names ...string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// trails fails the test unless m is whole and ends with these trailers.
func (s *site) trails(m *message, content, trailers string) {
	s.Helper()
	var all []string
	for _, f := range m.trailers {
		all = append(all, strings.ToLower(f.name)+": "+f.value)
	}
	if got := strings.Join(all, ", "); !m.whole || m.content != content || got != trailers {
		s.Errorf("content %q, whole: %v, trailers %q; want %q, %q", short(m.content), m.whole, got, content, trailers)
	}
}

// Trailers alone, without content, go both ways too.
func TestTrailersWithoutContent(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", trailers: fieldsOf("x-a", "1")})
		server := s.accept().hear()
		s.trails(server.content(), "", "x-a: 1")
		server.head(false, "200")
		server.trailers("x-b", "2")
		s.trails(q.answer(), "", "x-b: 2")
		s.ended(gateway.OK)
	})
}

// Rule 4: Via is appended to, and our own is a loop.
func TestVia(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		version := map[bool]string{false: "1.1", true: "2"}
		conn := s.dial()
		q := conn.ask(get("/", "via", "1.0 fred, 1.1 other (gw)", "via", "2 gwx"))
		server := s.accept()
		from := server.hear()
		s.shows(from.request(), "via", "1.0 fred, 1.1 other (gw)|2 gwx|"+version[s.in.isHTTP2()]+" gw")
		says(from, "200", "fine", "via", "1.1 behind")
		m := q.answer()
		s.wants(m, "200", "fine")
		s.shows(&m.head, "via", "1.1 behind|"+version[s.out.isHTTP2()]+" gw")
		for _, via := range []string{"1.1 gw", "1.0 a, 2 GW (x), 1.1 b", "HTTP/1.1 gw", "1.1 (a) gw"} {
			if strings.Contains(via, "(a)") {
				continue
			}
			s.wants(conn.ask(get("/", "via", via)).answer(), "508", "*")
		}
		s.ended(gateway.OK, gateway.Loop, gateway.Loop, gateway.Loop)
	})
}

// Rule 5: what a client says about forwarding is replaced.
func TestForwardedFields(t *testing.T) {
	pairs(t, options{gateway: gateway.Options{Forwarded: true}}, func(s *site) {
		q := s.ask(get("/", "x-forwarded-for", "6.6.6.6", "X-Forwarded-Proto", "gopher", "x-forwarded-host", "evil", "forwarded", "for=6.6.6.6", "x-forwarded-for", "7.7.7.7"))
		server := s.accept().hear()
		h := server.request()
		proto := "http"
		if s.in == h2 {
			proto = "https"
		}
		s.shows(h, "x-forwarded-for", "127.0.0.1")
		s.shows(h, "x-forwarded-proto", proto)
		s.shows(h, "x-forwarded-host", "a.test")
		s.shows(h, "forwarded", "for=127.0.0.1;host=a.test;proto="+proto)
		ok(server)
		s.wants(q.answer(), "200", "fine")
	})
}

// Rule 6: Max-Forwards counts on OPTIONS; TRACE is refused.
func TestMaxForwards(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		conn := s.dial()
		s.wants(conn.ask(request{method: "TRACE", path: "/"}).answer(), "405", "*")
		if m := conn.ask(request{method: "OPTIONS", path: "/", fields: fieldsOf("max-forwards", "0")}).answer(); m.status[0] != '2' || !m.whole {
			s.Errorf("OPTIONS with Max-Forwards: 0: %v", m)
		}
		s.none()
		q := conn.ask(request{method: "OPTIONS", path: "*", fields: fieldsOf("max-forwards", "7")})
		server := s.accept()
		from := server.hear()
		if h := from.request(); h.path != "*" {
			s.Errorf("the target is %q", h.path)
		}
		s.shows(from.request(), "max-forwards", "6")
		ok(from)
		s.wants(q.answer(), "200", "fine")
		q = conn.ask(get("/", "max-forwards", "0"))
		from = server.hear()
		s.shows(from.request(), "max-forwards", "0")
		ok(from)
		s.wants(q.answer(), "200", "fine")
		for _, bad := range []string{"-1", "a", "", "1, 2"} {
			s.wants(conn.ask(request{method: "OPTIONS", path: "/", fields: fieldsOf("max-forwards", bad)}).answer(), "400", "*")
		}
	})
}

// Rule 18: lines of Cookie are joined towards HTTP/1.1, in order.
func TestCookies(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.ask(get("/", "cookie", "a=1", "x", "y", "cookie", "b=2; c=3", "cookie", "d=4"))
		server := s.accept().hear()
		all := strings.ReplaceAll(server.request().values("cookie"), "|", "; ")
		if n := strings.Count(server.request().values("cookie"), "|"); all != "a=1; b=2; c=3; d=4" || n > 0 && !s.out.isHTTP2() {
			s.Errorf("Cookie: %q", server.request().values("cookie"))
		}
		says(server, "200", "fine", "set-cookie", "a=1", "set-cookie", "b=2")
		m := q.answer()
		s.shows(&m.head, "set-cookie", "a=1|b=2")
	})
}

// Rule 25: fields that are between client and server pass in both directions; Date is added only where it is missing.
func TestFieldsThatPass(t *testing.T) {
	request := []string{"range", "bytes=0-3", "if-none-match", `"a"`, "if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT", "priority", "u=1, i", "early-data", "1",
		"authorization", "Basic YQ==", "proxy-authorization", "Basic YQ==", "accept-encoding", "gzip", "user-agent", "me", "x-empty", "", "x-list", "a, b", "x-high", "caf\xc3\xa9 \xff"}
	response := []string{"date", "Sun, 06 Nov 1994 08:49:37 GMT", "server", "theirs", "etag", `"b"`, "content-range", "bytes 0-3/9", "x-empty", "", "alt-svc", "h3", "x-high", "\xff",
		"content-encoding", "gzip", "location", "http://elsewhere/", "set-cookie", "a=b; Secure", "retry-after", "3", "link", "</a>; rel=preload"}
	pairs(t, options{}, func(s *site) {
		conn := s.dial()
		q := conn.ask(get("/", request...))
		server := s.accept()
		from := server.hear()
		for _, f := range fieldsOf(request...) {
			s.shows(from.request(), f.name, f.value)
		}
		says(from, "206", "fine", response...)
		m := q.answer()
		s.wants(m, "206", "fine")
		for _, f := range fieldsOf(response...) {
			s.shows(&m.head, f.name, f.value)
		}
		q = conn.ask(get("/"))
		from = server.hear()
		s.lacks(from.request(), "user-agent", "accept-encoding", "early-data")
		ok(from)
		m = q.answer()
		if strings.Count(m.values("date"), "GMT") != 1 {
			s.Errorf("Date: %q", m.values("date"))
		}
		s.lacks(&m.head, "server", "content-type")
	})
}

// Rule 24: fields that were never indexed stay so, and short secrets are not indexed (RFC 7541 section 7.1.3).
func TestNeverIndexed(t *testing.T) {
	http2 := []transport{h2c, h2}
	over(t, http2, http2, options{}, func(s *site) {
		client := s.dialLink()
		q := client.secret(requestFields(get("/", "x-secret", "abc", "authorization", "Basic YQ=="), "http"), "x-secret")
		server := linkOf(s.accept())
		from := server.hear()
		marked := map[string]bool{}
		for _, f := range from.got.fields {
			marked[f.Name] = f.Sensitive
		}
		if !marked["x-secret"] || !marked["authorization"] || marked["via"] {
			s.Errorf("never indexed: %v", marked)
		}
		server.secrets(from.id, []field{{":status", "200"}, {"x-secret", "def"}, {"set-cookie", "a=b"}}, "x-secret")
		q.answer()
		marked = map[string]bool{}
		for _, f := range q.got.fields {
			marked[f.Name] = f.Sensitive
		}
		if !marked["x-secret"] || marked["via"] {
			s.Errorf("never indexed: %v", marked)
		}
	})
}

// Over HTTP/2, trailers may follow content with a length.
func TestTrailersBehindALength(t *testing.T) {
	http2 := []transport{h2c, h2}
	over(t, http2, http2, options{}, func(s *site) {
		q := s.ask(request{method: "POST", path: "/", content: "content", trailers: fieldsOf("x-a", "1"), size: 7})
		server := s.accept().hear()
		s.trails(server.content(), "content", "x-a: 1")
		server.head(false, "200", "content-length", "6")
		server.data("answer", false)
		server.trailers("x-b", "2")
		s.trails(q.answer(), "answer", "x-b: 2")
	})
}
