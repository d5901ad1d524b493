//go:build linux

package server_test

import (
	"bytes"
	"compress/flate"
	"io"
	"sync/atomic"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// deflated compresses a message as a client does.
func deflated(p []byte) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	_, _ = w.Write(p)
	_ = w.Flush()
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")))
}

// What the application does while compressed messages come waits for a bounded amount of them.
func TestInflationSharesTheLoop(t *testing.T) {
	const size, messages = 1 << 20, 48
	bomb := frame{fin | rsv1 | opBinary, deflated(make([]byte, size))}
	eachTransport(t, func(t *testing.T, protocol string) {
		total, posted := 0, false
		waited, all := make(chan int, 1), make(chan bool)
		s := serve(t, at(&websocket.Endpoint{Piece: func(s *websocket.Socket, p websocket.Piece) app.Future[app.Done] {
			if !posted {
				posted = true
				s.Loop().Post(func() { waited <- total })
			}
			if total += len(p.Data); total == size*messages {
				close(all)
			}
			return app.Ready(app.Done{})
		}}))
		peer := s.open(protocol, "/", "Sec-WebSocket-Extensions", "permessage-deflate")
		bombs := make([]frame, messages)
		for i := range bombs {
			bombs[i] = bomb
		}
		peer.say(bombs...)
		if n := next(t, waited); n > 4<<20 {
			t.Errorf("a task waited for %d MiB", n>>20)
		}
		next(t, all)
		peer.say(text("behind"), frame{fin | opPing, "p"})
		peer.hear(frame{fin | opPong, "p"})
	})
}

// Other tasks have their turns while a long message is compressed.
func TestCompressionSharesTheLoop(t *testing.T) {
	long := bytes.Repeat([]byte("a line that compresses well enough, and then another one\n"), 16<<20/57)
	eachTransport(t, func(t *testing.T, protocol string) {
		turns, over := make(chan int, 1), false
		e, ends := ended(&websocket.Endpoint{Open: func(s *websocket.Socket, _ *app.Request) {
			n := 0
			var tick func()
			tick = func() {
				if n++; over {
					turns <- n
				} else {
					s.Loop().Post(tick)
				}
			}
			tick()
			s.Send(websocket.Binary, long).Done(func(app.Done, error) { over = true })
		}})
		peer := serve(t, at(e)).open(protocol, "/", "Sec-WebSocket-Extensions", "permessage-deflate")
		var got bytes.Buffer
		for last := false; !last; {
			f, err := readFrame(peer.r)
			if err != nil {
				t.Fatal(err)
			}
			got.WriteString(f.payload)
			last = f.first&fin != 0
		}
		got.WriteString("\x00\x00\xff\xff\x01\x00\x00\xff\xff")
		if p, err := io.ReadAll(flate.NewReader(&got)); err != nil || !bytes.Equal(p, long) {
			t.Errorf("%v, %d bytes", err, len(p))
		}
		if n := next(t, turns); n < 10 {
			t.Errorf("a task ran %d times while %d MiB were compressed", n, len(long)>>20)
		}
		peer.say(closing(1000, ""))
		next(t, ends)
	})
}

// A newcomer is served while compressed messages of twenty connections are inflated.
func TestInflationLetsNewcomersIn(t *testing.T) {
	const size, peers = 1 << 20, 20
	messages := 48
	if raceEnabled {
		messages = 6 // inflating takes many times as long
	}
	bombs := bytes.Repeat(frame{fin | rsv1 | opBinary, deflated(make([]byte, size))}.wire(), messages)
	total := int64(size * messages * peers)
	var inflated atomic.Int64
	all := make(chan bool)
	e := &websocket.Endpoint{Piece: func(_ *websocket.Socket, p websocket.Piece) app.Future[app.Done] {
		if inflated.Add(int64(len(p.Data))) == total {
			close(all)
		}
		return app.Ready(app.Done{})
	}}
	s := serve(t, func(r *app.Request) app.Answer {
		if !r.IsWebSocket() {
			return app.Ready(app.Text(200, "here"))
		}
		return app.Ready(websocket.Accept(e))
	}, func(c *server.Config) { c.Loops = 1 })
	var sockets [peers]*speaker
	for i := range sockets {
		sockets[i] = s.open("HTTP/1.1", "/", "Sec-WebSocket-Extensions", "permessage-deflate")
	}
	for _, peer := range sockets {
		if _, err := peer.Write(bombs); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		before := inflated.Load()
		l := s.dial()
		l.say(get("/"))
		l.hear("GET", 200, "here")
		if n := inflated.Load() - before; n > total/2 {
			t.Errorf("%d MiB were inflated before a newcomer was answered", n>>20)
		}
	}
	next(t, all)
}
