//go:build linux

package accesslog

import (
	"crypto/tls"
	"encoding/base64"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app/spi"
)

// variable is a named value, %{name}x. It has one of text, build, number, period and flag.
type variable struct {
	name, help string

	text   func(l *line) string                     // "" if there is none
	build  func(dst []byte, l *line) []byte         // text that is put together; nothing if there is none
	number func(l *line) (n int64, ok bool)         // ok is false if there is none
	period func(l *line) (d time.Duration, ok bool) // written in seconds
	flag   func(l *line) (yes, ok bool)             // written as true or false
}

// append appends the value, escaped; nothing if there is none.
func (v *variable) append(l *line) {
	switch {
	case v.text != nil:
		appendText(l, v.text(l))
	case v.build != nil:
		l.parts = v.build(l.parts[:0], l)
		appendText(l, l.parts)
	case v.number != nil:
		if n, ok := v.number(l); ok {
			l.number(n)
		}
	case v.period != nil:
		if d, ok := v.period(l); ok {
			l.seconds(d)
		}
	case v.flag != nil:
		if yes, ok := v.flag(l); ok && yes {
			l.buf = append(l.buf, "true"...)
		} else if ok {
			l.buf = append(l.buf, "false"...)
		}
	}
}

// variables are all named values, in the order in which the formats json and logfmt have them.
var variables = []variable{
	{name: "time", help: "arrival of the request, in UTC with microseconds (RFC 3339)",
		build: func(dst []byte, l *line) []byte { return l.times.appendRFC3339(dst, l.r.Arrived) }},
	{name: "event", help: "`open` or `close`: begin and end of a WebSocket, an event stream, a tunnel or a hijacked connection",
		text: func(l *line) string { return l.rec.Event.String() }},
	{name: "client", help: "address of the client, as a trusted proxy names it", build: clientAddress},
	{name: "peer", help: "address and port of the peer of the connection, or the name of a peer on a unix socket", build: peerAddress},
	{name: "local", help: "address and port of this end of the connection",
		build: func(dst []byte, l *line) []byte {
			if local := l.rec.Conn.Local; local.IsValid() {
				return local.AppendTo(dst)
			}
			return dst
		}},
	{name: "user", help: "user of Basic authentication as the client names it, verified or not", build: user},
	{name: "method", help: "method", text: func(l *line) string { return l.r.Method }},
	{name: "target", help: "target as received", text: func(l *line) string { return l.rec.Target }},
	{name: "protocol", help: "`HTTP/1.0`, `HTTP/1.1` or `HTTP/2.0`", text: func(l *line) string { return l.r.Protocol }},
	{name: "scheme", help: "`http` or `https`, of the connection", text: func(l *line) string { return l.r.Scheme }},
	{name: "host", help: "host and port as the client names them", text: func(l *line) string { return l.r.Authority }},
	{name: "referer", help: "field Referer of the request", text: func(l *line) string { return l.r.Fields.Get("Referer") }},
	{name: "user_agent", help: "field User-Agent of the request", text: func(l *line) string { return l.r.Fields.Get("User-Agent") }},
	{name: "request_id", help: "identifier that the server or a trusted proxy gave to the request",
		text: func(l *line) string { return spi.RequestID(l.r) }},
	{name: "route", help: "pattern of the route, of the router or of the gateway's file", text: func(l *line) string { return l.rec.Route }},
	{name: "status", help: "status that was sent; 0: none", number: func(l *line) (int64, bool) { return int64(l.rec.Status), true }},
	{name: "end", help: "termination token: who ended it, and in which phase", build: func(dst []byte, l *line) []byte { return l.rec.End.Append(dst) }},
	{name: "reason", help: "reason of a failure", text: func(l *line) string { return l.rec.Reason }},
	{name: "content_in", help: "bytes of request content", number: func(l *line) (int64, bool) { return l.rec.In, true }},
	{name: "content_out", help: "bytes of response content", number: func(l *line) (int64, bool) { return l.rec.Out, true }},
	{name: "received", help: "bytes of the request with its head", number: func(l *line) (int64, bool) { return l.rec.Received, true }},
	{name: "sent", help: "bytes of the response with its head", number: func(l *line) (int64, bool) { return l.rec.Sent, true }},
	{name: "time_head", help: "time from the first byte of the head to its last",
		period: func(l *line) (time.Duration, bool) { return l.rec.HeadTime, true }},
	{name: "time_wait", help: "time from the arrival to the head of the response",
		period: func(l *line) (time.Duration, bool) { return l.rec.Wait, l.rec.Wait > 0 }},
	{name: "time_first_byte", help: "time from the arrival to the first byte of the response that was written",
		period: func(l *line) (time.Duration, bool) { return l.rec.FirstByte, l.rec.FirstByte > 0 }},
	{name: "time_total", help: "time from the arrival to the end of request and response",
		period: func(l *line) (time.Duration, bool) { return l.rec.Total, true }},
	{name: "loop", help: "number of the event loop", number: func(l *line) (int64, bool) { return int64(l.rec.Conn.Loop), true }},
	{name: "conn", help: "number of the connection, unique in the process",
		number: func(l *line) (int64, bool) { return int64(l.rec.Conn.Number), true }},
	{name: "conn_requests", help: "requests on the connection, with this one",
		number: func(l *line) (int64, bool) { return int64(l.rec.Conn.Requests), true }},
	{name: "stream", help: "number of the HTTP/2 stream",
		number: func(l *line) (int64, bool) { return int64(l.rec.Stream), l.rec.Stream != 0 }},
	{name: "tls_version", help: "such as `TLSv1.3`", text: ofTLS(func(s *tls.ConnectionState) string { return versionName(s.Version) })},
	{name: "tls_cipher", help: "cipher suite", text: ofTLS(func(s *tls.ConnectionState) string { return cipherNames[s.CipherSuite] })},
	{name: "tls_resumed", help: "whether the session was resumed",
		flag: func(l *line) (yes, ok bool) {
			s := l.rec.Conn.TLS
			return s != nil && s.DidResume, s != nil
		}},
	{name: "sni", help: "server name of the TLS handshake", text: ofTLS(func(s *tls.ConnectionState) string { return s.ServerName })},
	{name: "alpn", help: "protocol that the TLS handshake has selected",
		text: ofTLS(func(s *tls.ConnectionState) string { return s.NegotiatedProtocol })},
	{name: "backend", help: "backend of the gateway", text: ofUpstream(func(u *spi.UpstreamRecord) string { return u.Backend })},
	{name: "backend_peer", help: "URL of the backend's server that was asked last",
		text: ofUpstream(func(u *spi.UpstreamRecord) string { return u.Peer })},
	{name: "backend_tries", help: "servers of the backend that were asked, with those that were asked again",
		number: func(l *line) (int64, bool) {
			if u := l.rec.Upstream; u != nil {
				return int64(u.Tries), true
			}
			return 0, false
		}},
	{name: "backend_reason", help: "reason for which the exchange with the backend has ended, `ok` if its response was passed on", text: ofUpstream(func(u *spi.UpstreamRecord) string { return u.Reason })},
	{name: "time_backend_start", help: "time from the arrival to the first try",
		period: upstreamTime(func(u *spi.UpstreamRecord) time.Duration { return u.Began })},
	{name: "time_backend_connect", help: "time from the start of the last try until its connection was chosen or open",
		period: upstreamTime(func(u *spi.UpstreamRecord) time.Duration { return u.Connect })},
	{name: "time_backend_head", help: "time from the start of the last try to the head of its response",
		period: upstreamTime(func(u *spi.UpstreamRecord) time.Duration { return u.Head })},
	{name: "time_backend_total", help: "time from the start of the last try to the end of its response, or to its failure",
		period: upstreamTime(func(u *spi.UpstreamRecord) time.Duration { return u.Total })},
}

// named returns the variable of that name, or nil.
func named(name string) *variable {
	for i := range variables {
		if variables[i].name == name {
			return &variables[i]
		}
	}
	return nil
}

// ofTLS returns a function that calls get with the state of a TLS connection.
func ofTLS(get func(s *tls.ConnectionState) string) func(l *line) string {
	return func(l *line) string {
		if s := l.rec.Conn.TLS; s != nil {
			return get(s)
		}
		return ""
	}
}

// ofUpstream returns a function that calls get with the record of the gateway, if there is one.
func ofUpstream(get func(u *spi.UpstreamRecord) string) func(l *line) string {
	return func(l *line) string {
		if u := l.rec.Upstream; u != nil {
			return get(u)
		}
		return ""
	}
}

func upstreamTime(get func(u *spi.UpstreamRecord) time.Duration) func(l *line) (time.Duration, bool) {
	return func(l *line) (time.Duration, bool) {
		if u := l.rec.Upstream; u != nil {
			return get(u), true
		}
		return 0, false
	}
}

// cipherNames has the names of cipher suites: tls.CipherSuiteName allocates.
var cipherNames = func() map[uint16]string {
	names := map[uint16]string{}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		names[suite.ID] = suite.Name
	}
	return names
}()

// versionName returns the name of a version of TLS as Apache and nginx write it, without a space.
func versionName(version uint16) string {
	switch version {
	case tls.VersionTLS10:
		return "TLSv1"
	case tls.VersionTLS11:
		return "TLSv1.1"
	case tls.VersionTLS12:
		return "TLSv1.2"
	case tls.VersionTLS13:
		return "TLSv1.3"
	}
	return ""
}

// clientAddress appends the address of the client without its port.
func clientAddress(dst []byte, l *line) []byte {
	if client := l.r.Client().Addr; client.IsValid() {
		return client.Addr().AppendTo(dst)
	}
	return append(dst, l.rec.Conn.PeerName...)
}

func peerAddress(dst []byte, l *line) []byte {
	if peer := l.rec.Conn.Peer; peer.IsValid() {
		return peer.AppendTo(dst)
	}
	return append(dst, l.rec.Conn.PeerName...)
}

// user appends the user name of the field Authorization, if its scheme is Basic (RFC 7617).
func user(dst []byte, l *line) []byte {
	value := l.r.Fields.Get("Authorization")
	const scheme = "basic "
	if len(value) <= len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return dst
	}
	encoded := strings.TrimLeft(value[len(scheme):], " ")
	const limit = (MaxValue/3 + 2) * 4 // more than a value may have
	isCut := len(encoded) > limit
	if isCut {
		encoded = encoded[:limit]
	}
	at := len(dst)
	dst = append(dst, encoded...)
	n, err := base64.StdEncoding.Decode(dst[at:], dst[at:])
	if err != nil {
		return dst[:at]
	}
	for i, b := range dst[at : at+n] {
		if b == ':' {
			return dst[:at+i]
		}
	}
	if isCut {
		return dst[:at+n]
	}
	return dst[:at]
}

// cookie returns the value of the first cookie of that name in the request, without its quotation marks.
func cookie(l *line, name string) string {
	for i := range l.r.Fields {
		if f := &l.r.Fields[i]; !strings.EqualFold(f.Name, "Cookie") {
			continue
		}
		for rest := l.r.Fields[i].Value; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			key, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if ok && key == name {
				if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
					value = value[1 : len(value)-1]
				}
				return value
			}
		}
	}
	return ""
}
