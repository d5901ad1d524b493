//go:build linux

package conformance

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app/gateway"
)

// clientKey is the key of clients over HTTP/1.1.
const clientKey = "dGhlIHNhbXBsZSBub25jZQ=="

// acceptOf returns the answer to a key (RFC 6455 section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// opening is the opening handshake of a client, with further fields.
func (s *site) opening(fields ...string) asked {
	s.Helper()
	if s.in.isHTTP2() {
		l := s.dialLink()
		all := fieldsOf(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "a.test", ":path", "/chat", "sec-websocket-version", "13")
		return l.asks(append(all, fieldsOf(fields...)...), false)
	}
	c := s.dialLine()
	c.say("GET /chat HTTP/1.1\r\nHost: a.test\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + clientKey + "\r\n" +
		lines(fieldsOf(fields...)) + "\r\n")
	return &lineAsked{line: c, method: "GET"}
}

// checkOpening fails the test unless the server has got a valid handshake.
func (s *site) checkOpening(q heard) {
	s.Helper()
	h := q.request()
	if s.out.isHTTP2() {
		if h.method != "CONNECT" || h.protocol != "websocket" || h.path != "/chat" || h.authority != "a.test" {
			s.Errorf("the server hears %+v", h)
		}
		s.lacks(h, "connection", "upgrade", "sec-websocket-key", "host")
	} else {
		if h.method != "GET" || h.path != "/chat" || h.authority != "a.test" || !strings.EqualFold(h.values("Upgrade"), "websocket") || !strings.EqualFold(h.values("Connection"), "upgrade") {
			s.Errorf("the server hears %+v", h)
		}
		if key, err := base64.StdEncoding.DecodeString(h.values("Sec-WebSocket-Key")); len(key) != 16 || err != nil {
			s.Errorf("Sec-WebSocket-Key: %q", h.values("Sec-WebSocket-Key"))
		}
	}
	s.shows(h, "sec-websocket-version", "13")
}

// accepts answers the handshake of a WebSocket.
func (s *site) accepts(q heard, fields ...string) {
	if s.out.isHTTP2() {
		q.head(false, "200", fields...)
		return
	}
	l := q.(*lineHeard)
	l.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(q.request().values("Sec-WebSocket-Key")) + "\r\n" +
		lines(fieldsOf(fields...)) + "\r\n")
}

// opened fails the test unless the client's handshake was answered.
func (s *site) opened(q asked) *message {
	s.Helper()
	m := q.head()
	if s.in.isHTTP2() {
		if m.status != "200" || m.whole {
			s.Fatalf("the client has got %v", m)
		}
		s.lacks(&m.head, "connection", "upgrade", "sec-websocket-accept", "content-length", "transfer-encoding")
		return m
	}
	if m.status != "101" || m.values("Sec-WebSocket-Accept") != acceptOf(clientKey) || !strings.EqualFold(m.values("Upgrade"), "websocket") || !strings.EqualFold(m.values("Connection"), "upgrade") {
		s.Fatalf("the client has got %v", m)
	}
	s.lacks(&m.head, "content-length", "transfer-encoding")
	return m
}

// pipe is one end of a tunnel.
type pipe struct {
	*testing.T
	line *line
	link *link
	id   uint32
	kept string
	end  frame // of the link
}

func (s *site) clientPipe(q asked) *pipe {
	if l, ok := q.(*linkAsked); ok {
		return &pipe{T: s.T, link: l.link, id: l.id}
	}
	return &pipe{T: s.T, line: q.(*lineAsked).line}
}

func (s *site) serverPipe(q heard) *pipe {
	if l, ok := q.(*linkHeard); ok {
		return &pipe{T: s.T, link: l.link, id: l.id}
	}
	return &pipe{T: s.T, line: q.(*lineHeard).line}
}

func (p *pipe) say(text string) {
	if p.link != nil {
		p.link.data(p.id, text, false)
		return
	}
	p.line.say(text)
}

// hears fails the test unless text comes next.
func (p *pipe) hears(text string) {
	p.Helper()
	got := make([]byte, len(text))
	if p.link == nil {
		if n, err := io.ReadFull(p.line.r, got); string(got) != text {
			p.Errorf("heard %q, %v; want %q", short(string(got[:n])), err, short(text))
		}
		return
	}
	for len(p.kept) < len(text) && p.end.kind == 0 && p.end.err == nil {
		f := p.link.of(p.id)
		if f.kind != http2.FrameData || f.err != nil {
			p.end = f
			break
		}
		if p.kept += f.data; f.end {
			p.end = f
		}
	}
	if len(p.kept) < len(text) || p.kept[:len(text)] != text {
		p.Errorf("heard %q; want %q", short(p.kept), short(text))
		return
	}
	p.kept = p.kept[len(text):]
}

// closeWrite ends one direction.
func (p *pipe) closeWrite() {
	if p.link != nil {
		p.link.data(p.id, "", true)
		return
	}
	halfClose(p.line)
}

// hearsEnd fails the test unless the other direction ends, by END_STREAM or FIN.
func (p *pipe) hearsEnd() {
	p.Helper()
	if p.link == nil {
		if b, err := io.ReadAll(p.line.r); len(b) > 0 || err != nil {
			p.Errorf("heard %q, %v in place of FIN", short(string(b)), err)
		}
		return
	}
	if p.end.kind == http2.FrameData && p.end.end {
		return
	}
	if f := p.link.of(p.id); f.kind != http2.FrameData || !f.end || f.data != "" {
		p.Errorf("%v in place of END_STREAM", f)
	}
}

// reset ends both directions early.
func (p *pipe) reset() {
	if p.link != nil {
		p.link.reset(p.id, http2.ErrCodeCancel)
		return
	}
	_ = p.line.Conn.(*net.TCPConn).SetLinger(0)
	p.line.Close()
}

// hearsReset fails the test unless the gateway resets the stream or the connection.
func (p *pipe) hearsReset() {
	p.Helper()
	if p.link == nil {
		if b, err := io.ReadAll(p.line.r); len(b) > 0 || !errors.Is(err, syscall.ECONNRESET) {
			p.Errorf("heard %q, %v in place of a reset", short(string(b)), err)
		}
		return
	}
	if f := p.link.of(p.id); f.kind != http2.FrameRSTStream {
		p.Errorf("%v in place of RST_STREAM", f)
	}
}

// tunnel opens a WebSocket.
func (s *site) tunnel() (client, server *pipe) {
	s.Helper()
	q := s.opening()
	from := s.accept().hear()
	s.accepts(from)
	s.opened(q)
	return s.clientPipe(q), s.serverPipe(from)
}

// Rule 20: the handshake is made anew on each side; subprotocols and extensions are those of the ends.
func TestOpeningHandshakes(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.opening("sec-websocket-protocol", "chat, superchat", "sec-websocket-extensions", "permessage-deflate; client_max_window_bits, x-other", "origin", "https://a.test",
			"cookie", "a=b", "authorization", "Basic YQ==")
		server := s.accept().hear()
		s.checkOpening(server)
		h := server.request()
		s.shows(h, "sec-websocket-protocol", "chat, superchat")
		s.shows(h, "sec-websocket-extensions", "permessage-deflate; client_max_window_bits, x-other")
		s.shows(h, "origin", "https://a.test")
		s.shows(h, "cookie", "a=b")
		if h.values("sec-websocket-key") == clientKey {
			s.Error("the client's key was passed on")
		}
		s.accepts(server, "sec-websocket-protocol", "superchat", "sec-websocket-extensions", "permessage-deflate; server_no_context_takeover", "set-cookie", "c=d")
		m := s.opened(q)
		s.shows(&m.head, "sec-websocket-protocol", "superchat")
		s.shows(&m.head, "sec-websocket-extensions", "permessage-deflate; server_no_context_takeover")
		s.shows(&m.head, "set-cookie", "c=d")
	})
}

// Bytes pass as they are, both ways, also those behind the handshake.
func TestTunnelsAreOpaque(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		q := s.opening()
		client := s.clientPipe(q)
		client.say("early ")
		from := s.accept().hear()
		s.accepts(from)
		server := s.serverPipe(from)
		server.say("behind ")
		s.opened(q)
		client.hears("behind ")
		server.hears("early ")
		large := strings.Repeat("\x00\xff\x88\x02\x03\xe8", 5000)
		for range 5 {
			client.say(large)
			server.hears(large)
			server.say(large)
			client.hears(large)
		}
		// Close frames are ordinary bytes.
		client.say("\x88\x82\x00\x00\x00\x00\x03\xe9")
		server.hears("\x88\x82\x00\x00\x00\x00\x03\xe9")
		server.say("\x88\x02\x03\xe9")
		client.hears("\x88\x02\x03\xe9")
		server.closeWrite()
		client.hearsEnd()
		client.closeWrite()
		server.hearsEnd()
		s.ended(gateway.OK)
	})
}

// The end of one direction ends that direction alone.
func TestTunnelsEndByHalves(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		client, server := s.tunnel()
		client.closeWrite()
		server.hearsEnd()
		for range 5 {
			server.say("more")
			client.hears("more")
		}
		server.closeWrite()
		client.hearsEnd()
		s.ended(gateway.OK)
	})
	pairs(t, options{}, func(s *site) {
		client, server := s.tunnel()
		server.say("last")
		server.closeWrite()
		client.hears("last")
		client.hearsEnd()
		for range 5 {
			client.say("more")
			server.hears("more")
		}
		client.closeWrite()
		server.hearsEnd()
		s.ended(gateway.OK)
	})
}

// A reset of one side is one of the other.
func TestTunnelsAreReset(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		client, server := s.tunnel()
		client.say("hello")
		server.hears("hello")
		client.reset()
		server.hearsReset()
		s.ended(gateway.ClientGone)
	})
	pairs(t, options{}, func(s *site) {
		client, server := s.tunnel()
		server.say("hello")
		client.hears("hello")
		server.reset()
		client.hearsReset()
		s.ended(gateway.UpstreamReset)
	})
	// Before the answer.
	pairs(t, options{}, func(s *site) {
		q := s.opening()
		from := s.accept().hear()
		q.leave()
		s.serverPipe(from).hearsReset()
		s.ended(gateway.ClientGone)
	})
	// The server breaks off before its answer.
	pairs(t, options{gateway: gateway.Options{Retries: -1}}, func(s *site) {
		q := s.opening()
		from := s.accept().hear()
		from.breakOff()
		if m := q.answer(); m.status != "502" {
			s.Errorf("the client has got %v", m)
		}
	})
}

// A side that does not read stops the other, after a bounded number of bytes.
func TestTunnelsHaveBackpressure(t *testing.T) {
	pairs(t, options{}, func(s *site) {
		client, server := s.tunnel()
		for _, way := range [][2]*pipe{{client, server}, {server, client}} {
			from, to := way[0], way[1]
			if to.link != nil {
				to.link.write(func(*http2.Framer) { to.link.stingy = true })
			}
			if from.link != nil {
				continue // its windows bound it, see TestCreditFollowsTheClient
			}
			_ = from.line.Conn.(*net.TCPConn).SetWriteBuffer(4096)
			done := make(chan int, 1)
			go func() {
				n := 0
				_ = from.line.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
				for n < 64<<20 {
					m, err := io.WriteString(from.line.Conn, strings.Repeat("x", 0x4000))
					if n += m; err != nil {
						break
					}
				}
				done <- n
			}()
			if n := <-done; n > 20<<20 {
				s.Errorf("%d bytes were taken from a side whose other side does not read", n)
			}
		}
	})
}

// refusals are answers of servers to a handshake, and what the client gets.
func TestRefusedHandshakes(t *testing.T) {
	for _, c := range []struct{ status, content string }{{"401", "who are you"}, {"403", ""}, {"404", "nothing"}, {"426", "old"}, {"302", ""}, {"500", "oops"}, {"503", ""}} {
		t.Run(c.status, func(t *testing.T) {
			pairs(t, options{}, func(s *site) {
				q := s.opening()
				conn := s.accept()
				server := conn.hear()
				says(server, c.status, c.content, "x-reason", "because")
				m := q.answer()
				s.wants(m, c.status, c.content)
				s.shows(&m.head, "x-reason", "because")
				s.lacks(&m.head, "upgrade", "sec-websocket-accept")
				s.ended(gateway.OK)
			})
		})
	}
	// Answers over HTTP/1.1 that neither accept nor refuse.
	for name, says := range map[string]string{
		"no accept":        "101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		"a wrong accept":   "101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(clientKey) + "\r\n\r\n",
		"two accepts":      "101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\nSec-WebSocket-Accept: x\r\n\r\n",
		"no upgrade":       "101 X\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n",
		"another protocol": "101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n\r\n",
		"no connection":    "101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: KEY\r\n\r\n",
		"nothing":          "",
		"half a head":      "101 X\r\nUpgr",
	} {
		t.Run(name, func(t *testing.T) {
			over(t, transports, []transport{h1}, options{gateway: gateway.Options{Retries: -1}}, func(s *site) {
				q := s.opening()
				server := s.acceptLine()
				from := server.hear()
				text := strings.ReplaceAll(says, "KEY", acceptOf(from.request().values("Sec-WebSocket-Key")))
				if text != "" {
					server.say("HTTP/1.1 " + text)
				}
				halfClose(server)
				s.wants(q.answer(), "502", "*")
				server.isClosed()
			})
		})
	}
	// A page with 200 is passed on where it cannot be taken for a tunnel.
	over(t, transports, []transport{h1}, options{}, func(s *site) {
		q := s.opening()
		server := s.accept().hear()
		says(server, "200", "a page")
		m := q.answer()
		if s.in.isHTTP2() {
			s.wants(m, "502", "*")
			return
		}
		s.wants(m, "200", "a page")
	})
}

// A server over HTTP/2 that does not accept extended CONNECT is not asked.
func TestServersWithoutTunnels(t *testing.T) {
	over(t, transports, []transport{h2c, h2}, options{}, func(s *site) {
		q := s.opening()
		conn := s.acceptLink()
		s.wants(q.answer(), "502", "*")
		conn.quiet()
		s.ended(gateway.UpstreamMalformed)
		// Other requests are not harmed.
		other := s.ask(get("/"))
		ok(conn.hear())
		s.wants(other.answer(), "200", "fine")
	})
}

// A client's handshake that is none is not passed on.
func TestMalformedHandshakes(t *testing.T) {
	base := "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	for name, c := range map[string]struct{ says, status string }{
		"no key":             {base + "Sec-WebSocket-Version: 13\r\n\r\n", "400"},
		"a short key":        {base + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: YQ==\r\n\r\n", "400"},
		"a key that is none": {base + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ************************\r\n\r\n", "400"},
		"two keys":           {base + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + clientKey + "\r\nSec-WebSocket-Key: " + clientKey + "\r\n\r\n", "400"},
		"no version":         {base + "Sec-WebSocket-Key: " + clientKey + "\r\n\r\n", "426"},
		"an old version":     {base + "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: " + clientKey + "\r\n\r\n", "426"},
		"content":            {base + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + clientKey + "\r\nContent-Length: 1\r\n\r\nx", "400"},
		"another method":     {strings.Replace(base, "GET", "POST", 1) + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + clientKey + "\r\n\r\n", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			over(t, []transport{h1}, []transport{h1, h2c}, options{}, func(s *site) {
				client := s.dialLine()
				client.say(c.says)
				m := (&lineAsked{line: client, method: "GET"}).answer()
				s.wants(m, c.status, "*")
				if c.status == "426" {
					s.shows(&m.head, "sec-websocket-version", "13")
				}
				s.none()
			})
		})
	}
	over(t, []transport{h2c, h2}, []transport{h1, h2c}, options{}, func(s *site) {
		for _, more := range [][]string{{"sec-websocket-version", "8"}} {
			q := s.dialLink().asks(append(fieldsOf(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "a.test", ":path", "/"), fieldsOf(more...)...), false)
			if m := q.head(); m.status != "426" && m.status != "400" {
				s.Errorf("%v: the client has got %v", more, m)
			}
		}
		s.none()
	})
}

// A silent tunnel ends after its idle time.
func TestSilentTunnels(t *testing.T) {
	pairs(t, options{gateway: gateway.Options{TunnelIdle: 100 * time.Millisecond}}, func(s *site) {
		client, server := s.tunnel()
		client.say("hello")
		server.hears("hello")
		client.hearsReset()
		server.hearsReset()
		s.ended(gateway.IdleTimeout)
	})
}
