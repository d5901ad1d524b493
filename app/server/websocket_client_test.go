//go:build linux

package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	kinds "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// socketAsked is a call that opens a WebSocket, and its owner.
type socketAsked struct {
	*dialled
	call   spi.Call
	socket spi.ClientSocket
	app    *websocket.Socket // nil: it was not opened
	err    error             // of the opening
	done   chan struct{}     // closed when it is decided
	ended  chan struct{}
}

// socket asks for a WebSocket at e.
func (d *dialled) socket(e *websocket.Endpoint, protocols ...string) *socketAsked {
	d.t.Helper()
	q := &socketAsked{dialled: d, done: make(chan struct{}), ended: make(chan struct{})}
	var err error
	d.on(func() {
		q.socket = d.loop.(spi.SocketDialer).ClientSocket(&spi.SocketOffer{
			Upgrade: &websocket.Upgrade{Endpoint: e, State: "state"}, Protocols: protocols,
		})
		out := &spi.Outgoing{Target: "/socket", Protocol: "websocket", Content: q.socket}
		complete(out)
		if out.Fields, err = q.socket.Offer(d.up.Protocol()); err == nil {
			q.call, err = d.up.Start(out, q)
		}
	})
	if err != nil {
		d.t.Fatalf("not asked: %v", err)
	}
	return q
}

func (q *socketAsked) Interim(int, app.Fields) {}

func (q *socketAsked) Head(in *spi.Incoming) {
	if q.app, q.err = q.socket.Open(in, q.call); q.err != nil {
		q.call.Release()
	}
	close(q.done)
}

func (q *socketAsked) Ended(err error) {
	if q.app == nil {
		q.err = err
		close(q.done)
		return
	}
	q.socket.CallEnded(err)
}

// open waits for the opened WebSocket.
func (q *socketAsked) open() *websocket.Socket {
	q.t.Helper()
	q.await("the opening handshake", q.done)
	if q.err != nil {
		q.t.Fatalf("not opened: %v", q.err)
	}
	return q.app
}

// dialSocket opens a WebSocket at e to a server by hand.
func dialSocket(t *testing.T, e *websocket.Endpoint, protocols ...string) (*querier, *backend, *socketAsked) {
	t.Helper()
	a, l := queries(t), scripted(t)
	return a, l, a.connect(&spi.Dial{Address: l.address(), Protocol: app.HTTP11}).socket(e, protocols...)
}

// A client's handshake, its frames and its close, over HTTP/1.1 as they cross the wire.
func TestClientSocketOnTheWire(t *testing.T) {
	e, ends := ended(echoes())
	e.Open = func(s *websocket.Socket, r *app.Request) {
		if s.State() != "state" || s.Protocol() != "chat" || r != nil {
			t.Errorf("opened with %v, %q, %v", s.State(), s.Protocol(), r)
		}
		s.SendText("first")
	}
	a, l, q := dialSocket(t, e, "other", "chat")
	peer, request := l.asked()
	for name, want := range map[string]string{
		"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Protocol":   "other, chat",
		"Sec-WebSocket-Extensions": "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
		"Origin":                   "", "Content-Length": "", "Transfer-Encoding": "",
	} {
		if got := request.Header.Get(name); !strings.EqualFold(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if request.Method != "GET" || request.URL.Path != "/socket" || len(request.Header.Get("Sec-WebSocket-Key")) != 24 {
		t.Errorf("asked %s %s with key %q", request.Method, request.URL, request.Header.Get("Sec-WebSocket-Key"))
	}
	// A frame may share the segment of the head.
	peer.accept(request, "Sec-WebSocket-Protocol: chat\r\n", text("hello"), frame{fin | opPing, "p"})
	peer.hear(text("first"), text("hello"), frame{fin | opPong, "p"})
	peer.say(frame{opText, "in "}, frame{fin | opContinuation, "parts"}, binaryOf(strings.Repeat("x", 70000)))
	peer.hear(text("in parts"), binaryOf(strings.Repeat("x", 70000)))
	q.open()
	if counts := a.Counts(); counts.ClientSockets[app.HTTP11] != 1 || counts.OpenClientSockets != 1 || counts.OpenSockets != 0 {
		t.Errorf("counted %v, %d open", counts.ClientSockets, counts.OpenClientSockets)
	}
	peer.say(closing(4321, "enough"))
	peer.hear(closing(4321, ""))
	if c := next(t, ends); c.Code != 4321 || c.Reason != "enough" || c.Err != nil {
		t.Errorf("closed %+v", c)
	}
	// RFC 6455 section 7.1.1: the server ends the transport first.
	peer.silent()
	peer.finish()
	peer.over()
	eventually(t, "no socket is open", func() bool { return a.Counts().OpenClientSockets == 0 })
}

// Our client and our server, over both protocols, with and without compression.
func TestClientSocketToOurServer(t *testing.T) {
	for name, compression := range map[string]websocket.Compression{
		"plain": {Off: true}, "no context": {MinSize: 1},
		"context": {MinSize: 1, ServerContext: true, ClientContext: true, ServerWindowBits: 10, ClientWindowBits: 9},
	} {
		eachTransport(t, func(t *testing.T, protocol string) {
			t.Run(name, func(t *testing.T) { checkEchoes(t, protocol, compression) })
		})
	}
}

func checkEchoes(t *testing.T, protocol string, compression websocket.Compression) {
	server, serverEnds := ended(echoes())
	server.Compression, server.Protocols = compression, []string{"echo"}
	s := serve(t, at(server))
	got := make(chan websocket.Message, 100)
	pongs := make(chan string, 1)
	e, ends := ended(&websocket.Endpoint{
		Compression: compression,
		Message: func(_ *websocket.Socket, m websocket.Message) app.Future[app.Done] {
			got <- m
			return app.Ready(app.Done{})
		},
		Pong: func(_ *websocket.Socket, payload []byte) { pongs <- string(payload) },
	})
	a := queries(t)
	d := a.connect(&spi.Dial{Address: s.addr, Protocol: protocol})
	// The answer to a PING comes behind the server's SETTINGS.
	ponged := make(chan error, 1)
	d.on(func() { d.up.Ping(func(err error) { ponged <- err }) })
	if err := next(t, ponged); err != nil {
		t.Fatal(err)
	}
	q := d.socket(e, "other", "echo")
	k := q.open()
	if k.Protocol() != "echo" {
		t.Errorf("subprotocol %q", k.Protocol())
	}
	sizes := []int{0, 1, 125, 126, 65535, 65536, 300 << 10}
	for _, size := range sizes {
		m := strings.Repeat("message ", size/8+1)[:size]
		q.on(func() {
			k.Send(websocket.Text, []byte(m))
			k.Send(websocket.Binary, []byte(m))
		})
		for _, kind := range []websocket.Kind{websocket.Text, websocket.Binary} {
			if echo := next(t, got); echo.Kind != kind || echo.Text() != m {
				t.Fatalf("the echo of %d bytes differs", size)
			}
		}
	}
	q.on(func() { k.Ping([]byte("ping")) })
	if p := next(t, pongs); p != "ping" {
		t.Errorf("pong %q", p)
	}
	q.on(func() { k.Close(4000, "done") })
	if c := next(t, serverEnds); c.Code != 4000 || c.Reason != "done" || c.Err != nil {
		t.Errorf("the server's end: %+v", c)
	}
	if c := next(t, ends); c.Code != 4000 || c.Err != nil {
		t.Errorf("the client's end: %+v", c)
	}
	d.close()
	if a.Counts().ClientSockets[protocol] != 1 || s.Counts().Sockets[protocol] != 1 {
		t.Errorf("counted %v and %v", a.Counts().ClientSockets, s.Counts().Sockets)
	}
}

// Every server whose answer is wrong is refused, and hears nothing of a WebSocket. Its connection ends, unless the
// answer was a complete response.
func TestClientSocketRefusesAnswers(t *testing.T) {
	const good = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n"
	for why, head := range map[string]string{
		"declined":              "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
		"accepted as a request": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"wrong key":             "HTTP/1.1 101 S\r\n" + strings.Replace(good, "ACCEPT", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 1) + "\r\n",
		"no key":                "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		"other subprotocol":     "HTTP/1.1 101 S\r\n" + good + "Sec-WebSocket-Protocol: else\r\n\r\n",
		"other extension":       "HTTP/1.1 101 S\r\n" + good + "Sec-WebSocket-Extensions: foo\r\n\r\n",
		"larger window": "HTTP/1.1 101 S\r\n" + good +
			"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=16\r\n\r\n",
	} {
		t.Run(why, func(t *testing.T) {
			_, l, q := dialSocket(t, &websocket.Endpoint{Open: func(*websocket.Socket, *app.Request) { t.Error("opened") }})
			peer, request := l.asked()
			peer.write(strings.Replace(head, "ACCEPT", acceptOf(request), 1))
			q.await("the opening handshake", q.done)
			var failure *kinds.Error
			if !errors.As(q.err, &failure) || failure.Kind != kinds.UpstreamMalformed || !failure.Sent {
				t.Errorf("%v", q.err)
			}
			if strings.Contains(head, "Content-Length") {
				q.close()
			}
			peer.over()
		})
	}
}

// Violations of the server fail the connection, and the client ends it.
func TestClientSocketViolations(t *testing.T) {
	for why, c := range map[string]struct {
		in   string
		code int
	}{
		"masked frame":        {"\x81\x81\x01\x02\x03\x04\x60", 1002},
		"reserved opcode":     {"\x83\x00", 1002},
		"compressed, unasked": {"\xc1\x01a", 1002},
		"invalid text":        {"\x81\x01\xff", 1007},
		"too large":           {"\x82\x7e\x10\x00", 1009},
	} {
		t.Run(why, func(t *testing.T) {
			e, ends := ended(echoes())
			e.MaxMessage = 1000
			a, l, _ := dialSocket(t, e)
			peer, request := l.asked()
			peer.accept(request, "")
			peer.write(c.in)
			got, err := readMasked(peer.r)
			if err != nil || got.payload[:2] != string([]byte{byte(c.code >> 8), byte(c.code)}) {
				t.Errorf("heard %v, %v", got, err)
			}
			peer.over()
			if closed := next(t, ends); closed.Code != c.code || closed.Err == nil {
				t.Errorf("closed %+v", closed)
			}
			if n := a.Counts().Refused[server.MalformedWebSocket]; n != 1 {
				t.Errorf("counted %d times", n)
			}
		})
	}
}

// A server that leaves without a Close frame ends the socket with 1006.
func TestClientSocketIsLost(t *testing.T) {
	for how, lose := range map[string]func(*serverSide){
		"in order": func(s *serverSide) { s.finish() },
		"dropped":  func(s *serverSide) { s.Conn.(interface{ SetLinger(int) error }).SetLinger(0); s.Close() },
	} {
		t.Run(how, func(t *testing.T) {
			e, ends := ended(echoes())
			a, l, _ := dialSocket(t, e)
			peer, request := l.asked()
			peer.accept(request, "", text("a"))
			peer.hear(text("a"))
			lose(peer)
			if c := next(t, ends); c.Code != websocket.CloseAbnormal || c.Err == nil {
				t.Errorf("closed %+v", c)
			}
			eventually(t, "the connection is closed", func() bool { return a.Counts().Open == 0 })
		})
	}
}

// A server that answers the Close frame and then neither ends the connection nor reads is left after CloseTimeout.
func TestClientSocketDoesNotWaitForEver(t *testing.T) {
	e, ends := ended(&websocket.Endpoint{CloseTimeout: 20 * time.Millisecond})
	_, l, q := dialSocket(t, e)
	peer, request := l.asked()
	peer.accept(request, "")
	s := q.open()
	q.on(func() { s.Close(websocket.CloseNormal, "bye") })
	peer.hear(closing(1000, "bye"))
	peer.say(closing(1000, ""))
	if c := next(t, ends); c.Code != 1000 || c.Err != nil {
		t.Errorf("closed %+v", c)
	}
	peer.over()
}

func TestClientSocketKeepAlive(t *testing.T) {
	e, ends := ended(&websocket.Endpoint{KeepAlive: 5 * time.Millisecond, PongTimeout: time.Hour})
	a, l, _ := dialSocket(t, e)
	peer, request := l.asked()
	peer.accept(request, "")
	peer.hear(frame{fin | opPing, ""})
	peer.say(frame{fin | opPong, ""})
	peer.hear(frame{fin | opPing, ""})
	peer.Close()
	next(t, ends)
	eventually(t, "the connection is closed", func() bool { return a.Counts().Open == 0 })
}

// A server that does not answer a ping is left.
func TestClientSocketSilentServer(t *testing.T) {
	e, ends := ended(&websocket.Endpoint{KeepAlive: 5 * time.Millisecond, PongTimeout: 5 * time.Millisecond, CloseTimeout: 5 * time.Millisecond})
	_, l, _ := dialSocket(t, e)
	peer, request := l.asked()
	peer.accept(request, "")
	peer.hear(frame{fin | opPing, ""})
	if c := next(t, ends); c.Code != websocket.CloseGoingAway || c.Err == nil {
		t.Errorf("closed %+v", c)
	}
	io.Copy(io.Discard, peer.r)
}

// A server that drains closes its WebSockets to others too, and does not wait for one that does not answer.
func TestClientSocketsAreDrained(t *testing.T) {
	for _, polite := range []bool{true, false} {
		t.Run(fmt.Sprint("polite ", polite), func(t *testing.T) {
			e, ends := ended(echoes())
			e.CloseTimeout = time.Hour
			a, l, q := dialSocket(t, e)
			peer, request := l.asked()
			peer.accept(request, "")
			q.open()
			down := make(chan error)
			go func() { down <- a.Shutdown(context.Background()) }()
			peer.hear(closing(1001, ""))
			want := websocket.CloseAbnormal
			if polite {
				peer.say(closing(1001, ""))
				peer.finish()
				want = 1001
			}
			if c := next(t, ends); c.Code != want {
				t.Errorf("closed %+v", c)
			}
			if err := next(t, down); err != nil {
				t.Error(err)
			}
		})
	}
}

// The application of a client stops a server that sends faster than it reads, and gets every message.
func TestClientSocketBackpressure(t *testing.T) {
	const messages, size = 400, 32 << 10
	release, got := make(chan *app.Promise[app.Done], 1), make(chan int, messages)
	e := &websocket.Endpoint{}
	count := 0
	e.Message = func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		count++
		got <- len(m.Data)
		if count > 1 {
			return app.Ready(app.Done{})
		}
		p, f := app.PromisedOn[app.Done](s.Loop())
		release <- p
		return f
	}
	_, l, q := dialSocket(t, e)
	peer, request := l.asked()
	peer.accept(request, "")
	q.open()
	sent := make(chan error, 1)
	go func() {
		frame := binaryOf(strings.Repeat("x", size)).unmasked()
		for range messages {
			if _, err := peer.Conn.Write(frame); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	p := next(t, release)
	select {
	case err := <-sent:
		t.Fatalf("the server has sent everything: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if len(got) != 1 {
		t.Errorf("%d messages came while the first was held", len(got))
	}
	p.Resolve(app.Done{})
	if err := next(t, sent); err != nil {
		t.Fatal(err)
	}
	for range messages {
		if n := next(t, got); n != size {
			t.Fatalf("a message of %d bytes", n)
		}
	}
}

// What a server does not read waits, up to the endpoint's limit.
func TestClientSocketQueue(t *testing.T) {
	e, ends := ended(&websocket.Endpoint{QueueBytes: 256 << 10})
	_, l, q := dialSocket(t, e)
	peer, request := l.asked()
	peer.accept(request, "")
	s := q.open()
	full := make(chan bool, 1)
	chunk := []byte(strings.Repeat("x", 64<<10))
	sent := 0
	for end := time.Now().Add(patience); len(full) == 0; {
		q.on(func() {
			f := s.Send(websocket.Binary, chunk)
			if f.Ready() {
				if _, err := f.Result(); errors.Is(err, app.ErrQueueFull) {
					full <- true
					return
				}
			}
			sent++
		})
		if time.Now().After(end) {
			t.Fatal("the queue is never full")
		}
	}
	for range sent {
		peer.hear(binaryOf(string(chunk)))
	}
	q.on(func() { s.Close(websocket.CloseNormal, "") })
	peer.hear(closing(1000, ""))
	peer.say(closing(1000, ""))
	peer.finish()
	next(t, ends)
}

// A callback that stalls its loop costs its own connection.
func TestClientSocketStall(t *testing.T) {
	release := make(chan struct{})
	e, ends := ended(&websocket.Endpoint{Message: func(*websocket.Socket, websocket.Message) app.Future[app.Done] {
		<-release
		return app.Ready(app.Done{})
	}})
	a := queries(t, func(c *server.Config) { c.Stall.Timeout = 100 * time.Millisecond })
	l := scripted(t)
	first := a.connect(&spi.Dial{Address: l.address(), Protocol: app.HTTP11}).socket(e)
	peer, request := l.asked()
	peer.accept(request, "")
	first.open()
	other, otherEnds := ended(echoes())
	second := a.connect(&spi.Dial{Address: l.address(), Protocol: app.HTTP11}).socket(other)
	bystander, request := l.asked()
	bystander.accept(request, "")
	second.open()
	peer.say(text("stall"), text("behind"))
	bystander.say(text("a"))
	bystander.hear(text("a"))
	peer.over()
	if c := next(t, ends); c.Code != websocket.CloseAbnormal {
		t.Errorf("closed %+v", c)
	}
	close(release)
	bystander.say(text("b"), closing(1000, ""))
	bystander.hear(text("b"), closing(1000, ""))
	bystander.finish()
	next(t, otherEnds)
}

// Over HTTP/2 that is the connection of all calls to that server. Another one is unharmed.
func TestClientSocketStallHTTP2(t *testing.T) {
	release := make(chan struct{})
	e, ends := ended(&websocket.Endpoint{Message: func(*websocket.Socket, websocket.Message) app.Future[app.Done] {
		<-release
		return app.Ready(app.Done{})
	}})
	greeting := &websocket.Endpoint{Open: func(s *websocket.Socket, _ *app.Request) { s.SendText("hello") }}
	other, otherEnds := ended(echoes())
	a := queries(t, func(c *server.Config) { c.Stall.Timeout = 100 * time.Millisecond })
	dial := func(s *site) *dialled {
		d := a.connect(&spi.Dial{Address: s.addr, Protocol: app.HTTP2})
		ponged := make(chan error, 1)
		d.on(func() { d.up.Ping(func(err error) { ponged <- err }) })
		if err := next(t, ponged); err != nil {
			t.Fatal(err)
		}
		return d
	}
	bystander := dial(serve(t, at(&websocket.Endpoint{}))).socket(other).open()
	dial(serve(t, at(greeting))).socket(e)
	if c := next(t, ends); c.Code != websocket.CloseAbnormal {
		t.Errorf("closed %+v", c)
	}
	close(release)
	onSocket(t, bystander, func() { bystander.Close(websocket.CloseNormal, "") })
	if c := next(t, otherEnds); c.Code != 1000 {
		t.Errorf("closed %+v", c)
	}
}
