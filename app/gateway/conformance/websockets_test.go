//go:build linux

package conformance

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/reactor"
)

// wsFrame returns a frame of a client. first is its first byte: FIN, the reserved bits and the opcode.
func wsFrame(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

const (
	wsFIN          = 0x80
	wsText         = 1
	wsBinary       = 2
	wsClose        = 8
	wsPing         = 9
	wsPong         = 10
	wsCompressed   = 0x40
	wsContinuation = 0
)

func wsCode(code uint16, reason string) string {
	return wsFrame(wsFIN|wsClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// wsDeflate returns the payload of a compressed message (RFC 7692 section 7.2.1).
func wsDeflate(text string) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 6)
	_, _ = io.WriteString(w, text)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// wsCase is what a client says after its handshake, in several writes.
type wsCase struct {
	name     string
	says     []string
	extended bool // with permessage-deflate
}

// wsCases are cases of the classes of the Autobahn testsuite.
func wsCases() (all []wsCase) {
	add := func(name string, says ...string) { all = append(all, wsCase{name: name, says: says}) }
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536} {
		text := strings.Repeat("*", n)
		add(fmt.Sprintf("1 text of %d", n), wsFrame(wsFIN|wsText, text))
		add(fmt.Sprintf("1 binary of %d", n), wsFrame(wsFIN|wsBinary, strings.Repeat("\xfe", n)))
	}
	whole := wsFrame(wsFIN|wsText, "chopped")
	add("1 octet by octet", strings.Split(whole, "")...)
	add("2 empty ping", wsFrame(wsFIN|wsPing, ""))
	add("2 pings", strings.Repeat(wsFrame(wsFIN|wsPing, "payload"), 10))
	add("2 a ping of 125", wsFrame(wsFIN|wsPing, strings.Repeat("\xfe", 125)))
	add("2 a ping of 126", wsFrame(wsFIN|wsPing, strings.Repeat("\xfe", 126)))
	add("2 a pong", wsFrame(wsFIN|wsPong, "x"), wsFrame(wsFIN|wsPing, "y"))
	for bits := byte(1); bits < 8; bits++ {
		add(fmt.Sprintf("3 reserved bits %d", bits), wsFrame(wsFIN|wsText, "a"), wsFrame(wsFIN|bits<<4|wsText, "b"), wsFrame(wsFIN|wsPing, ""))
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		add(fmt.Sprintf("4 opcode %d", op), wsFrame(wsFIN|wsText, "a"), wsFrame(wsFIN|op, "b"))
	}
	add("5 fragments", wsFrame(wsText, "a"), wsFrame(wsContinuation, "b"), wsFrame(wsFIN|wsContinuation, "c"))
	add("5 fragments with a ping", wsFrame(wsText, "a"), wsFrame(wsFIN|wsPing, "p"), wsFrame(wsFIN|wsContinuation, "c"))
	add("5 a fragmented ping", wsFrame(wsPing, "a"), wsFrame(wsFIN|wsContinuation, "c"))
	add("5 a continuation of nothing", wsFrame(wsFIN|wsContinuation, "c"), wsFrame(wsFIN|wsText, "a"))
	add("5 a message within a message", wsFrame(wsText, "a"), wsFrame(wsFIN|wsText, "b"))
	add("5 empty fragments", wsFrame(wsText, ""), wsFrame(wsContinuation, ""), wsFrame(wsFIN|wsContinuation, ""))
	for name, text := range map[string]string{
		"valid": "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80", "cut": "\xce\xba\xe1\xbd", "a surrogate": "\xed\xa0\x80", "overlong": "\xc0\xaf", "too large": "\xf4\x90\x80\x80", "a lone octet": "a\x80",
	} {
		add("6 UTF-8 "+name, wsFrame(wsFIN|wsText, text))
		add("6 UTF-8 in fragments, "+name, wsFrame(wsText, text[:1]), wsFrame(wsFIN|wsContinuation, text[1:]))
	}
	for _, code := range []uint16{0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1015, 1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535} {
		add(fmt.Sprintf("7 code %d", code), wsCode(code, ""))
	}
	add("7 an empty close", wsFrame(wsFIN|wsClose, ""))
	add("7 a close of one octet", wsFrame(wsFIN|wsClose, "x"))
	add("7 a reason", wsCode(1000, "reason \xc2\xb5"))
	add("7 a reason that is no UTF-8", wsCode(1000, "\xff"))
	add("7 a reason of 123", wsCode(1000, strings.Repeat("*", 123)))
	add("7 a reason of 124", wsCode(1000, strings.Repeat("*", 124)))
	add("7 frames behind a close", wsCode(1000, ""), wsFrame(wsFIN|wsText, "late"))
	add("7 a ping behind a close", wsCode(1000, ""), wsFrame(wsFIN|wsPing, "late"))
	add("9 a large text", wsFrame(wsFIN|wsText, strings.Repeat("*", 1<<20)))
	add("9 a large binary", wsFrame(wsFIN|wsBinary, strings.Repeat("\xfe", 1<<20)))
	add("9 large fragments", wsFrame(wsBinary, strings.Repeat("a", 300_000)), wsFrame(wsContinuation, strings.Repeat("b", 300_000)), wsFrame(wsFIN|wsContinuation, strings.Repeat("c", 300_000)))
	add("9 many messages", strings.Repeat(wsFrame(wsFIN|wsText, strings.Repeat("*", 100)), 2000))
	add("10 no mask", "\x81\x01x")
	add("10 a length that is not minimal", "\x81\xfe\x00\x01\x01\x02\x03\x04\x00")
	add("10 a length with its highest bit", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04")
	extend := func(name string, says ...string) { all = append(all, wsCase{name, says, true}) }
	for _, n := range []int{1, 16, 1024, 65536, 300_000} {
		text := strings.Repeat("compressible ", n/13+1)[:n]
		extend(fmt.Sprintf("12 compressed %d", n), strings.Repeat(wsFrame(wsFIN|wsCompressed|wsText, wsDeflate(text)), 5))
		extend(fmt.Sprintf("12 not compressed %d", n), wsFrame(wsFIN|wsText, text))
		packed := wsDeflate(text)
		extend(fmt.Sprintf("13 compressed fragments %d", n), wsFrame(wsCompressed|wsBinary, packed[:1]), wsFrame(wsFIN|wsContinuation, packed[1:]))
	}
	extend("12 a compressed ping", wsFrame(wsFIN|wsCompressed|wsPing, "x"))
	extend("12 no deflate", wsFrame(wsFIN|wsCompressed|wsText, "\xff\xff\xff\xff"))
	return all
}

var wsEcho = &websocket.Endpoint{
	Protocols: []string{"chat"},
	Message:   func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] { return s.Send(m.Kind, m.Data) },
}

// serveSockets starts a server with a handler.
func serveSockets(t *testing.T, h app.Handler) *server.Server {
	t.Helper()
	s, err := server.New(server.Config{Handler: h, Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}, {Address: "127.0.0.1:0", TLS: tlsOf}}, Loops: 1, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		_ = s.Shutdown(ctx)
	})
	return s
}

// TestWebSocketCases: what a client hears from a server of WebSockets is the same with and without a gateway between them, over
// each pair of protocols.
func TestWebSocketCases(t *testing.T) {
	behind := serveSockets(t, func(*app.Request) app.Future[*app.Response] { return app.Ready(websocket.Accept(wsEcho)) })
	direct := &site{T: t, in: h1, server: behind}
	cases := wsCases()
	want := map[string]string{}
	for _, c := range cases {
		want[c.name] = direct.hearsOf(c)
		if want[c.name] == "" {
			t.Errorf("%s: the server says nothing", c.name)
		}
	}
	for _, out := range []string{"http", "h2c"} {
		b, err := gateway.NewBackend(client.OriginOptions{}, out+"://"+behind.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		front := serveSockets(t, gateway.To(b, gateway.Options{}))
		for _, in := range transports {
			t.Run(string(in)+"-"+out, func(t *testing.T) {
				s := &site{T: t, in: in, server: front}
				for _, c := range cases {
					if got := s.hearsOf(c); got != want[c.name] {
						t.Errorf("%s: heard %q; want %q", c.name, short(got), short(want[c.name]))
					}
				}
			})
		}
	}
	t.Logf("%d cases", len(cases))
}

// hearsOf returns what a server says in a case, until it ends the connection or its direction of the stream.
func (s *site) hearsOf(c wsCase) (heard string) {
	s.Helper()
	fields := []string{"sec-websocket-protocol", "other, chat"}
	if c.extended {
		fields = append(fields, "sec-websocket-extensions", "permessage-deflate; client_no_context_takeover")
	}
	q := s.opening(fields...)
	m := s.opened(q)
	heard = m.values("sec-websocket-protocol") + " " + m.values("sec-websocket-extensions") + " "
	says := append(c.says[:len(c.says):len(c.says)], wsCode(1000, ""))
	switch q := q.(type) {
	case *lineAsked:
		go func() {
			for _, text := range says {
				q.say(text)
			}
		}()
		b, err := io.ReadAll(q.r)
		if isTimeout(err) {
			s.Errorf("%s: the connection goes on", c.name)
		}
		q.Close()
		return heard + string(b)
	case *linkAsked:
		go func() {
			for _, text := range says {
				q.flows(q.id, text)
			}
		}()
		for {
			f := q.of(q.id)
			if f.kind != http2.FrameData || f.err != nil {
				if f.kind != http2.FrameRSTStream {
					s.Errorf("%s: %v", c.name, f)
				}
				return heard
			}
			if heard += f.data; f.end {
				q.leave()
				q.conn.Close()
				return heard
			}
		}
	}
	return heard
}

// flows sends content as far as the windows allow, which are those of the start and credit.
func (l *link) flows(stream uint32, content string) {
	for end := time.Now().Add(patience); content != "" && time.Now().Before(end); {
		l.mu.Lock()
		room := min(65535+int(l.credit[0]), 65535+int(l.credit[stream])) - l.flown
		l.mu.Unlock()
		if room <= 0 {
			time.Sleep(100 * time.Microsecond)
			continue
		}
		n := min(room, len(content), 16384)
		l.flown += n
		l.data(stream, content[:n], false)
		content = content[n:]
	}
}
