//go:build linux

package server_test

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// at answers every request with a WebSocket at e.
func at(e *websocket.Endpoint) app.Handler {
	return func(*app.Request) app.Answer { return app.Ready(websocket.Accept(e)) }
}

func echoes() *websocket.Endpoint {
	return &websocket.Endpoint{Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		return s.Send(m.Kind, m.Data)
	}}
}

// ended reports how sockets end.
func ended(e *websocket.Endpoint) (*websocket.Endpoint, chan websocket.Closed) {
	ends := make(chan websocket.Closed, 10)
	e.Close = func(_ *websocket.Socket, c websocket.Closed) { ends <- c }
	return e, ends
}

func next[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("nothing came")
	}
	return v
}

func TestSocketEcho(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e, ends := ended(echoes())
		s := serve(t, at(e))
		peer := s.open(protocol, "/")
		peer.say(text("hello"), binaryOf("\x00\xff"), frame{fin | opPing, "p"})
		peer.hear(text("hello"), binaryOf("\x00\xff"), frame{fin | opPong, "p"})
		peer.say(frame{opText, "in "}, frame{fin | opPing, ""}, frame{fin | opContinuation, "parts"})
		peer.hear(frame{fin | opPong, ""}, text("in parts"))
		big := strings.Repeat("x", 300<<10)
		peer.say(binaryOf(big))
		peer.hear(binaryOf(big))
		peer.say(closing(4321, "enough"))
		peer.hear(closing(4321, ""))
		peer.over()
		if c := next(t, ends); c.Code != 4321 || c.Reason != "enough" || c.Err != nil {
			t.Errorf("closed %+v", c)
		}
		if counts := s.Counts(); counts.Sockets[protocol] != 1 || counts.OpenSockets != 0 {
			t.Errorf("counted %v, %d open", counts.Sockets, counts.OpenSockets)
		}
	})
}

// Frames may come a byte at a time, and the first of them before the answer.
func TestSocketFramesInPieces(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		peer := serve(t, at(echoes())).open(protocol, "/")
		for _, b := range text("hello").wire() {
			if _, err := peer.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		peer.hear(text("hello"))
	})
}

func TestSocketRefusals(t *testing.T) {
	for _, c := range []struct {
		why      string
		protocol string
		fields   []string
		status   int
		field    string
		value    string
	}{
		{"wrong version", app.HTTP11, []string{"Sec-WebSocket-Version", "8"}, 426, "Sec-WebSocket-Version", "13"},
		{"wrong version", app.HTTP2, []string{"Sec-WebSocket-Version", "8"}, 400, "Sec-WebSocket-Version", "13"},
		{"no key", app.HTTP11, []string{"Sec-WebSocket-Key", ""}, 400, "", ""},
		{"bad key", app.HTTP11, []string{"Sec-WebSocket-Key", "c2hvcnQ="}, 400, "", ""},
		{"no upgrade", app.HTTP11, []string{"Upgrade", "", "Connection", ""}, 426, "Upgrade", "websocket"},
		{"another upgrade", app.HTTP11, []string{"Upgrade", "h2c"}, 426, "Upgrade", "websocket"},
		{"foreign origin", app.HTTP11, []string{"Origin", "https://evil.example"}, 403, "", ""},
		{"foreign origin", app.HTTP2, []string{"Origin", "https://evil.example"}, 403, "", ""},
		{"content", app.HTTP11, []string{"Content-Length", "2"}, 400, "", ""},
	} {
		t.Run(c.why+" over "+c.protocol, func(t *testing.T) {
			s := serve(t, at(&websocket.Endpoint{Open: func(*websocket.Socket, *app.Request) { t.Error("opened") }}))
			peer, response := transports[c.protocol](s, "/", c.fields...)
			if peer != nil {
				t.Fatal("accepted")
			}
			if response.StatusCode != c.status || c.field != "" && response.Header.Get(c.field) != c.value {
				t.Errorf("got %d %v", response.StatusCode, response.Header)
			}
		})
	}
}

// A request over HTTP/2 that is no extended CONNECT cannot become a WebSocket.
func TestSocketOverPlainHTTP2(t *testing.T) {
	st := serve(t, at(echoes())).dialHTTP2().open(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a")
	if status := st.head().StatusCode; status != 400 {
		t.Errorf("got %d", status)
	}
}

// A handler declines by another response; a 2xx does not open the tunnel.
func TestSocketDeclined(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		if !r.IsWebSocket() || r.Method != "GET" {
			t.Errorf("%s %v", r.Method, r.Fields)
		}
		if r.RawPath == "/404" {
			return app.Ready(app.Error(404, ""))
		}
		return app.Ready(app.Text(200, "a page"))
	})
	for path, want := range map[string][2]int{"/404": {404, 404}, "/200": {200, 400}} {
		if _, response := upgradeHTTP1(s, path); response.StatusCode != want[0] {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
		if _, response := connectHTTP2(s, path); response.StatusCode != want[1] {
			t.Errorf("%s over HTTP/2: %d", path, response.StatusCode)
		}
	}
}

func TestSocketNegotiation(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e := echoes()
		e.Protocols = []string{"v1", "v2"}
		e.Origins = []string{"https://*.example.org"}
		s := serve(t, func(*app.Request) app.Answer {
			return app.Ready(websocket.Accept(e).WithAdded("Set-Cookie", "a=b"))
		})
		peer := s.open(protocol, "/", "Origin", "https://www.example.org",
			"Sec-WebSocket-Protocol", "v3, v2, v1", "Sec-WebSocket-Extensions", "permessage-deflate")
		if got := peer.fields.Get("Sec-WebSocket-Protocol"); got != "v2" {
			t.Errorf("subprotocol %q", got)
		}
		if got := peer.fields.Get("Sec-WebSocket-Extensions"); got != "permessage-deflate; server_no_context_takeover; client_no_context_takeover" {
			t.Errorf("extensions %q", got)
		}
		if got := peer.fields.Get("Set-Cookie"); got != "a=b" {
			t.Errorf("cookie %q", got)
		}
		message := strings.Repeat("a compressible message ", 50)
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, 9)
		io.WriteString(w, message)
		w.Flush()
		peer.say(frame{fin | rsv1 | opText, strings.TrimSuffix(packed.String(), "\x00\x00\xff\xff")})
		got, err := readFrame(peer.r)
		if err != nil {
			t.Fatal(err)
		}
		unpacked, _ := io.ReadAll(flate.NewReader(io.MultiReader(strings.NewReader(got.payload), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
		if got.first != fin|rsv1|opText || string(unpacked) != message || len(got.payload) > len(message)/4 {
			t.Errorf("heard %v, %q", got, unpacked)
		}
	})
}

// What breaks the rules or the limits is answered with its code, which the application learns too.
func TestSocketViolations(t *testing.T) {
	for _, c := range []struct {
		why  string
		said []byte
		code int
	}{
		{"a reserved opcode", frame{fin | 0x3, ""}.wire(), 1002},
		{"a frame without mask", []byte{fin | opText, 0}, 1002},
		{"text that is none", text("\xff").wire(), 1007},
		{"too large", binaryOf(strings.Repeat("x", 101)).wire(), 1009},
		{"too large in parts", append(frame{opText, strings.Repeat("x", 60)}.wire(), frame{opContinuation, strings.Repeat("x", 60)}.wire()...), 1009},
	} {
		t.Run(c.why, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, protocol string) {
				e, ends := ended(&websocket.Endpoint{MaxMessage: 100})
				peer := serve(t, at(e)).open(protocol, "/")
				if _, err := peer.Write(c.said); err != nil {
					t.Fatal(err)
				}
				got, err := readFrame(peer.r)
				if err != nil || got.first != fin|opClose || int(got.payload[0])<<8|int(got.payload[1]) != c.code {
					t.Errorf("heard %v, %v, want %d", got, err, c.code)
				}
				peer.over()
				if end := next(t, ends); end.Code != c.code || end.Err == nil {
					t.Errorf("closed %+v", end)
				}
			})
		})
	}
}

func TestSocketClosedByTheApplication(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e, ends := ended(&websocket.Endpoint{Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
			s.SendText("last words")
			if err := s.Close(4000, "done"); err != nil {
				t.Error(err)
			}
			return app.Ready(app.Done{})
		}})
		peer := serve(t, at(e)).open(protocol, "/")
		peer.say(text("close"), text("dropped"))
		peer.hear(text("last words"), closing(4000, "done"))
		peer.say(closing(4000, ""))
		peer.finish()
		peer.over()
		if c := next(t, ends); c.Code != 4000 || c.Err != nil {
			t.Errorf("closed %+v", c)
		}
	})
}

// A peer that does not answer a Close frame is not waited for.
func TestSocketCloseTimeout(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e, ends := ended(&websocket.Endpoint{
			Open:         func(s *websocket.Socket, _ *app.Request) { s.Close(websocket.CloseNormal, "") },
			CloseTimeout: 10 * time.Millisecond,
		})
		peer := serve(t, at(e)).open(protocol, "/")
		peer.hear(closing(1000, ""))
		if c := next(t, ends); c.Code != websocket.CloseAbnormal || c.Err == nil {
			t.Errorf("closed %+v", c)
		}
		io.Copy(io.Discard, peer.r)
	})
}

func TestSocketIsLost(t *testing.T) {
	for how, lose := range map[string]func(*speaker){
		"in order": func(s *speaker) { s.finish() },
		"dropped":  func(s *speaker) { s.drop() },
	} {
		t.Run(how, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, protocol string) {
				e, ends := ended(echoes())
				peer := serve(t, at(e)).open(protocol, "/")
				peer.say(text("a"))
				peer.hear(text("a"))
				lose(peer)
				if c := next(t, ends); c.Code != websocket.CloseAbnormal || !errors.Is(c, app.ErrPeerGone) {
					t.Errorf("closed %+v", c)
				}
			})
		})
	}
}

// Who ends a stream before its WebSocket is accepted loses that one, and nothing else of the connection.
func TestSocketIsLostBeforeItIsAccepted(t *testing.T) {
	e, ends := ended(echoes())
	accept := make(chan struct{})
	s := serve(t, func(r *app.Request) app.Answer {
		if r.Path() == "/at-once" {
			return app.Ready(websocket.Accept(e))
		}
		return app.Offload(r, func(context.Context) (*app.Response, error) { <-accept; return websocket.Accept(e), nil })
	})
	c := s.dialHTTP2()
	other, _ := c.connect("/at-once")
	lost := map[string]*h2Stream{
		"/at-once": c.begin(true, connecting("/at-once")...),
		"/later":   c.begin(true, connecting("/later")...),
		"/between": c.begin(false, connecting("/between")...),
	}
	lost["/between"].finish()
	other.say(text("a"))
	other.hear(text("a"))
	close(accept)
	for path, st := range lost {
		if status := st.head().StatusCode; status != 200 {
			t.Errorf("%s: status %d", path, status)
		}
		if _, err := io.Copy(io.Discard, st); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if c := next(t, ends); c.Code != websocket.CloseAbnormal || !errors.Is(c, app.ErrPeerGone) {
			t.Errorf("closed %+v", c)
		}
	}
	other.say(text("b"))
	other.hear(text("b"))
}

// All sockets of a connection that breaks end.
func TestSocketsOfALostConnection(t *testing.T) {
	e, ends := ended(echoes())
	s := serve(t, at(e))
	c := s.dialHTTP2()
	for range 5 {
		c.connect("/")
	}
	c.conn.Close()
	for range 5 {
		if c := next(t, ends); c.Code != websocket.CloseAbnormal {
			t.Errorf("closed %+v", c)
		}
	}
}

// A panic closes with 1011, is logged, and hurts nobody else.
func TestSocketPanics(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e, ends := ended(&websocket.Endpoint{Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
			if m.Text() == "panic" {
				panic("of the callback")
			}
			return s.Send(m.Kind, m.Data)
		}})
		s := serve(t, at(e), func(c *server.Config) { c.Loops = 1 })
		first, second := s.open(protocol, "/"), s.open(protocol, "/")
		first.say(text("panic"))
		first.hear(closing(1011, ""))
		second.say(text("still here"))
		second.hear(text("still here"))
		first.say(closing(1011, ""))
		if c := next(t, ends); c.Code != 1011 {
			t.Errorf("closed %+v", c)
		}
		panics := func() *observer.ObservedLogs { return s.logs.FilterMessage("panic in the application") }
		eventually(t, "the panic is logged", func() bool { return panics().Len() > 0 })
		if logged := panics().All(); len(logged) != 1 || !strings.Contains(logged[0].ContextMap()["request"].(string), "WebSocket from 127.0.0.1") {
			t.Errorf("logged %v", logged)
		}
	})
}

// A server that stops says so, and does not wait for those who do not answer.
func TestSocketsAreDrained(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e, ends := ended(echoes())
		e.CloseTimeout = 50 * time.Millisecond
		s := serve(t, at(e))
		polite, silent := s.open(protocol, "/"), s.open(protocol, "/")
		down := make(chan error)
		go func() { down <- s.Shutdown(context.Background()) }()
		polite.hear(closing(1001, ""))
		polite.say(closing(1001, ""))
		silent.hear(closing(1001, ""))
		polite.over()
		polite.drop()
		if a, b := next(t, ends), next(t, ends); a.Code+b.Code != 1001+1006 {
			t.Errorf("closed %+v and %+v", a, b)
		}
		if err := next(t, down); err != nil {
			t.Error(err)
		}
	})
}

// An HTTP/2 connection that has reached its age closes its sockets before its grace period ends.
func TestSocketsOfAnOldConnection(t *testing.T) {
	e, ends := ended(echoes())
	s := serve(t, at(e), func(c *server.Config) {
		c.HTTP2.MaxAge = 500 * time.Millisecond
		c.HTTP2.MaxAgeGrace = patience
	})
	peer := s.open(app.HTTP2, "/")
	peer.hear(closing(1001, ""))
	peer.say(closing(1001, ""))
	if c := next(t, ends); c.Code != 1001 {
		t.Errorf("closed %+v", c)
	}
	peer.over()
	peer.drop()
}

func TestSocketKeepAlive(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e, ends := ended(&websocket.Endpoint{KeepAlive: 5 * time.Millisecond, PongTimeout: time.Hour})
		peer := serve(t, at(e)).open(protocol, "/")
		peer.hear(frame{fin | opPing, ""})
		peer.say(frame{fin | opPong, ""})
		peer.hear(frame{fin | opPing, ""})
		peer.drop()
		next(t, ends)
	})
}

// A peer that does not answer a ping is closed.
func TestSocketSilentPeer(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e, ends := ended(&websocket.Endpoint{KeepAlive: 5 * time.Millisecond, PongTimeout: 5 * time.Millisecond, CloseTimeout: 5 * time.Millisecond})
		peer := serve(t, at(e)).open(protocol, "/")
		peer.hear(frame{fin | opPing, ""})
		if c := next(t, ends); c.Code != websocket.CloseGoingAway || c.Err == nil {
			t.Errorf("closed %+v", c)
		}
		io.Copy(io.Discard, peer.r)
	})
}

func TestSocketIdleTimeout(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e, ends := ended(&websocket.Endpoint{IdleTimeout: 5 * time.Millisecond})
		s := serve(t, at(e))
		peer := s.open(protocol, "/")
		peer.hear(closing(1001, "idle"))
		peer.say(closing(1001, ""))
		if c := next(t, ends); c.Code != 1001 || c.Err != nil {
			t.Errorf("closed %+v", c)
		}
		if n := s.Counts().Refused[server.WebSocketTimeout]; n != 1 {
			t.Errorf("counted %d times", n)
		}
	})
}
