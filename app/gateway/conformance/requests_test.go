//go:build linux

package conformance

import (
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/gateway"
)

// requestOf returns the fields of a GET over HTTP/2, with one pseudo-field changed and others added.
func requestOf(change string, value string, more ...string) []field {
	fields := fieldsOf(":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", "/x")
	for i := range fields {
		if fields[i].name == change {
			fields[i].value = value
		}
	}
	return append(fields, fieldsOf(more...)...)
}

// without returns fields without one name.
func without(fields []field, name string) (kept []field) {
	for _, f := range fields {
		if f.name != name {
			kept = append(kept, f)
		}
	}
	return kept
}

// Rule 16: malformed requests over HTTP/2 do not reach a server: it sees the requests before and after them alone.
func TestMalformedRequests(t *testing.T) {
	for _, c := range []struct {
		name   string
		fields []field
	}{
		{"no method", without(requestOf("", ""), ":method")},
		{"no scheme", without(requestOf("", ""), ":scheme")},
		{"no path", without(requestOf("", ""), ":path")},
		{"no authority and no host", without(requestOf("", ""), ":authority")},
		{"two paths", append(fieldsOf(":path", "/y"), requestOf("", "")...)},
		{"an unknown pseudo-field", append(fieldsOf(":a", "b"), requestOf("", "")...)},
		{":status", append(fieldsOf(":status", "200"), requestOf("", "")...)},
		{"a pseudo-field behind a field", append(fieldsOf("a", "b"), requestOf("", "")...)},
		{":protocol with GET", append(fieldsOf(":protocol", "websocket"), requestOf("", "")...)},
		{"an empty method", requestOf(":method", "")},
		{"a method with CRLF", requestOf(":method", "GET /smuggled HTTP/1.1\r\nx:")},
		{"a method with a space", requestOf(":method", "GET /smuggled")},
		{"a method with a NUL", requestOf(":method", "GE\x00T")},
		{"a method with a colon", requestOf(":method", "GET:")},
		{"an empty path", requestOf(":path", "")},
		{"a path with CRLF", requestOf(":path", "/x HTTP/1.1\r\nHost: b\r\n\r\nGET /smuggled")},
		{"a path with a space", requestOf(":path", "/x HTTP/1.1")},
		{"a path with a tab", requestOf(":path", "/x\ty")},
		{"a path with a NUL", requestOf(":path", "/x\x00")},
		{"a path with DEL", requestOf(":path", "/x\x7f")},
		{"a path with #", requestOf(":path", "/x#y")},
		{"a path with bytes above ASCII", requestOf(":path", "/\xff")},
		{"a path without a slash", requestOf(":path", "x")},
		{"an absolute path", requestOf(":path", "http://b.test/x")},
		{"an asterisk with GET", requestOf(":path", "*")},
		{"a path with dot segments", requestOf(":path", "/a/../x")},
		{"a path with encoded dot segments", requestOf(":path", "/a/%2e%2E/x")},
		{"a path with an encoded NUL", requestOf(":path", "/x%00")},
		{"an authority with CRLF", requestOf(":authority", "a.test\r\nx: y")},
		{"an authority with a space", requestOf(":authority", "a.test b")},
		{"an authority with userinfo", requestOf(":authority", "user@a.test")},
		{"an authority with a slash", requestOf(":authority", "a.test/x")},
		{"an authority with a query", requestOf(":authority", "a.test?x")},
		{"an authority with a NUL", requestOf(":authority", "a\x00b")},
		{"an authority with two ports", requestOf(":authority", "a:1:2")},
		{"an authority with a bad port", requestOf(":authority", "a:http")},
		{"a host that differs", requestOf("", "", "host", "b.test")},
		{"two hosts", without(requestOf("", "", "host", "a.test", "host", "b.test"), ":authority")},
		{"a scheme with CRLF", requestOf(":scheme", "http\r\nx: y")},
		{"connection", requestOf("", "", "connection", "close")},
		{"keep-alive", requestOf("", "", "keep-alive", "timeout=3")},
		{"proxy-connection", requestOf("", "", "proxy-connection", "close")},
		{"transfer-encoding", requestOf("", "", "transfer-encoding", "chunked")},
		{"upgrade", requestOf("", "", "upgrade", "h2c")},
		{"te with another value", requestOf("", "", "te", "gzip")},
		{"te with a list", requestOf("", "", "te", "trailers, gzip")},
		{"an upper case name", requestOf("", "", "X-A", "b")},
		{"an empty name", requestOf("", "", "", "b")},
		{"a name with CRLF", requestOf("", "", "x: y\r\nz", "b")},
		{"a name with a colon", requestOf("", "", "transfer-encoding: chunked\r\n", "b")},
		{"a name with a space", requestOf("", "", "x y", "b")},
		{"a name with a space at its end", requestOf("", "", "transfer-encoding ", "chunked")},
		{"a name with a NUL", requestOf("", "", "x\x00", "b")},
		{"a name with bytes above ASCII", requestOf("", "", "x\xff", "b")},
		{"a value with CRLF", requestOf("", "", "x", "a\r\nTransfer-Encoding: chunked")},
		{"a value with LF", requestOf("", "", "x", "a\nTransfer-Encoding: chunked")},
		{"a value with CR", requestOf("", "", "x", "a\rb")},
		{"a value with NUL", requestOf("", "", "x", "a\x00b")},
		{"a cookie with CRLF", requestOf("", "", "cookie", "a=b\r\nx: y")},
		{"a bad length", requestOf("", "", "content-length", "+1")},
		{"a length without content", requestOf("", "", "content-length", "5")},
		{"two lengths", requestOf("", "", "content-length", "0", "content-length", "5")},
		{"a list of lengths", requestOf("", "", "content-length", "0, 5")},
		{"CONNECT", fieldsOf(":method", "CONNECT", ":authority", "a.test:443")},
		{"CONNECT with a path", requestOf(":method", "CONNECT")},
	} {
		t.Run(c.name, func(t *testing.T) {
			over(t, []transport{h2c, h2}, []transport{h1, h2c}, options{}, func(s *site) {
				client := s.dialLink()
				q := client.ask(get("/before"))
				server := s.accept()
				ok(server.hear())
				s.wants(q.answer(), "200", "fine")
				bad := client.asks(c.fields, true)
				m := bad.answer()
				if m.end == "" && (m.status < "400" || m.status > "505" || !m.whole) || m.status == "200" {
					s.Errorf("the client has got %v", m)
				}
				if s.closed(client) {
					return
				}
				q = client.ask(get("/after"))
				from := server.hear()
				if from.request().path != "/after" {
					s.Errorf("the server hears %v", from.request())
				}
				ok(from)
				s.wants(q.answer(), "200", "fine")
				s.none()
			})
		})
	}
}

// closed reports whether the gateway has ended the connection of a client.
func (s *site) closed(l *link) bool {
	select {
	case f := <-l.frames:
		l.frames <- f
		return f.err != nil || f.stream == 0
	default:
		return false
	}
}

// What is unusual and not malformed passes, and is framed anew for the server.
func TestUnusualRequests(t *testing.T) {
	for _, c := range []struct {
		name        string
		fields      []field
		path, host  string
		name1, want string // a field, and its value
	}{
		{"host in place of :authority", append(without(requestOf("", ""), ":authority"), field{"host", "b.test"}), "/x", "b.test", "", ""},
		{"the same host twice", requestOf("", "", "host", "a.test"), "/x", "a.test", "", ""},
		{"te: trailers", requestOf("", "", "te", "trailers"), "/x", "a.test", "te", "trailers"},
		{"another method", requestOf(":method", "M-SEARCH"), "/x", "a.test", "", ""},
		{"a path with all that is allowed", requestOf(":path", "//a//%2f;b=c/~!$&'()*+,=:@?x=/?{}|%zz"), "//a//%2f;b=c/~!$&'()*+,=:@?x=/?{}|%zz", "a.test", "", ""},
		{"a port", requestOf(":authority", "a.test:8080"), "/x", "a.test:8080", "", ""},
		{"an IPv6 address", requestOf(":authority", "[::1]:80"), "/x", "[::1]:80", "", ""},
		{"a length of 0", requestOf("", "", "content-length", "0"), "/x", "a.test", "", ""},
		{"a value with a tab and bytes above ASCII", requestOf("", "", "x", "a\tb\xff"), "/x", "a.test", "x", "a\tb\xff"},
		{"an empty value", requestOf("", "", "x", ""), "/x", "a.test", "x", ""},
		{"upgrade-insecure-requests", requestOf("", "", "upgrade-insecure-requests", "1"), "/x", "a.test", "upgrade-insecure-requests", "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			over(t, []transport{h2c, h2}, transports, options{}, func(s *site) {
				q := s.dialLink().asks(c.fields, true)
				server := s.accept().hear()
				h := server.request()
				if h.path != c.path || h.authority != c.host {
					s.Errorf("the server hears %v", h)
				}
				if c.name1 != "" {
					s.shows(h, c.name1, c.want)
				}
				if s.out.isHTTP2() {
					s.lacks(h, "host")
				}
				if m := server.content(); !m.whole || m.content != "" {
					s.Errorf("the server hears %v", m)
				}
				ok(server)
				s.wants(q.answer(), "200", "fine")
			})
		})
	}
}

// Content that looks like a request, over every pair: the server sees it as content alone.
func TestContentThatLooksLikeARequest(t *testing.T) {
	evil := "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"
	pairs(t, options{}, func(s *site) {
		conn := s.dial()
		var server listener
		for _, r := range []request{post("/", evil), {method: "POST", path: "/", content: evil, trailers: fieldsOf("x-a", "b")}, {method: "GET", path: "/", content: evil}} {
			q := conn.ask(r)
			if server == nil {
				server = s.accept()
			}
			from := server.hear()
			if m := from.content(); m.path != "/" || m.content != evil || !m.whole {
				s.Errorf("the server hears %v", m)
			}
			ok(from)
			s.wants(q.answer(), "200", "fine")
		}
	})
}

// Rule 17 and 19: targets and hosts over HTTP/1.1.
func TestTargets(t *testing.T) {
	for _, c := range []struct{ says, status, path, host string }{
		{"GET http://b.test/c?d HTTP/1.1\r\nHost: a.test\r\n\r\n", "200", "/c?d", "b.test"},
		{"GET HTTPS://b.test:1/c HTTP/1.1\r\nHost: a.test\r\n\r\n", "200", "/c", "b.test:1"},
		{"GET http://b.test HTTP/1.1\r\nHost: b.test\r\n\r\n", "200", "/", "b.test"},
		{"GET http://b.test?x HTTP/1.1\r\nHost: b.test\r\n\r\n", "200", "/?x", "b.test"},
		{"OPTIONS http://b.test HTTP/1.1\r\nHost: b.test\r\n\r\n", "200", "*", "b.test"},
		{"OPTIONS * HTTP/1.1\r\nHost: b.test\r\n\r\n", "200", "*", "b.test"},
		{"GET http://u@b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n", "400", "", ""},
		{"GET / HTTP/1.1\r\nHost: u@b.test\r\n\r\n", "400", "", ""},
		{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400", "", ""},
		{"GET / HTTP/1.1\r\n\r\n", "400", "", ""},
		{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400", "", ""},
		{"GET gopher://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n", "400", "", ""},
		{"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", "400", "", ""},
		{"GET /a/%2e/b HTTP/1.1\r\nHost: a\r\n\r\n", "400", "", ""},
		{"GET /..;/b HTTP/1.1\r\nHost: a\r\n\r\n", "*", "", ""},
		{"GET //a//b HTTP/1.1\r\nHost: a\r\n\r\n", "200", "//a//b", "a"},
		{"CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n", "405", "", ""},
		{"CONNECT / HTTP/1.1\r\nHost: b.test\r\n\r\n", "400", "", ""},
		{"TRACE / HTTP/1.1\r\nHost: b.test\r\n\r\n", "405", "", ""},
	} {
		line, _, _ := strings.Cut(c.says, "\r\n")
		t.Run(strings.ReplaceAll(line, "/", "_"), func(t *testing.T) {
			over(t, []transport{h1}, transports, options{}, func(s *site) {
				client := s.dialLine()
				client.say(c.says)
				q := &lineAsked{line: client, method: "GET"}
				if c.status == "200" {
					server := s.accept().hear()
					if h := server.request(); h.path != c.path || h.authority != c.host {
						s.Errorf("the server hears %v", h)
					}
					ok(server)
				}
				if c.status == "*" {
					return
				}
				s.wants(q.answer(), c.status, "*")
				s.none()
			})
		})
	}
}

// Rule 19: Upgrade is passed for websocket alone.
func TestUpgrades(t *testing.T) {
	over(t, []transport{h1}, transports, options{}, func(s *site) {
		conn := s.dial()
		var server listener
		for _, upgrade := range []string{"h2c", "TLS/1.0", "foo", "websocket2", "connect-udp"} {
			q := conn.ask(get("/", "Connection", "Upgrade, HTTP2-Settings", "Upgrade", upgrade, "HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"))
			if server == nil {
				server = s.accept()
			}
			from := server.hear()
			s.lacks(from.request(), "connection", "upgrade", "http2-settings")
			ok(from)
			s.wants(q.answer(), "200", "fine")
		}
	})
	// Extended CONNECT for other protocols.
	over(t, []transport{h2c, h2}, transports, options{}, func(s *site) {
		client := s.dialLink()
		q := client.asks(fieldsOf(":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "https", ":authority", "a.test", ":path", "/x"), false)
		if m := q.head(); m.status != "501" && m.end == "" {
			s.Errorf("the client has got %v", m)
		}
		s.none()
		s.ended(gateway.ClientMalformed)
	})
}
