//go:build linux

package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// An application that does not take messages stops the peer, and what waits is bounded.
func TestSocketHoldsThePeer(t *testing.T) {
	const size, messages = 32 << 10, 1000
	eachTransport(t, func(t *testing.T, protocol string) {
		first := make(chan *app.Promise[app.Done], 1)
		var request *app.Request
		taken := 0
		all := make(chan int, 1)
		s := serve(t, at(&websocket.Endpoint{
			Open: func(_ *websocket.Socket, r *app.Request) { request = r },
			Message: func(*websocket.Socket, websocket.Message) app.Future[app.Done] {
				if taken++; taken == messages {
					all <- taken
				}
				if taken > 1 {
					return app.Ready(app.Done{})
				}
				p, f := app.Promised[app.Done](request)
				first <- p
				return f
			},
		}))
		peer := s.open(protocol, "/")
		message := binaryOf(strings.Repeat("x", size)).wire()
		left := len(message) * messages
		send := func() (stopped bool) {
			for left > 0 {
				at := (len(message) - left%len(message)) % len(message)
				n, err := peer.Write(message[at:])
				left -= n
				if errors.Is(err, os.ErrDeadlineExceeded) {
					return true
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			return false
		}
		if h2, ok := peer.tunnel.(*h2Stream); ok {
			for h2.room() > 0 {
				n, err := h2.writeSome(message[(len(message)-left%len(message))%len(message):])
				if err != nil {
					t.Fatal(err)
				}
				left -= n
			}
		} else {
			conn := peer.tunnel.(h1Tunnel)
			conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			if !send() {
				t.Fatal("all was taken")
			}
			conn.SetWriteDeadline(time.Now().Add(patience))
		}
		if in := s.Counts().BytesIn; in > 2<<20 {
			t.Errorf("%d bytes were read", in)
		}
		next(t, first).Resolve(app.Done{})
		if send() {
			t.Fatal("not all was taken")
		}
		if got := next(t, all); got != messages {
			t.Errorf("%d messages", got)
		}
	})
}

// A peer that does not read suspends what is sent to it, and gets all of it later.
func TestSocketWaitsForThePeer(t *testing.T) {
	const size, messages = 64 << 10, 300
	eachTransport(t, func(t *testing.T, protocol string) {
		var most atomic.Int64
		suspended := make(chan struct{}, messages)
		s := serve(t, at(&websocket.Endpoint{Message: func(s *websocket.Socket, _ websocket.Message) app.Future[app.Done] {
			n, p := 0, make([]byte, size)
			return app.While(func() app.Future[bool] {
				n++
				sent := s.Send(websocket.Binary, p)
				queued, _ := s.Queued()
				most.Store(max(most.Load(), int64(queued)))
				if !sent.Ready() {
					suspended <- struct{}{}
				}
				return app.Map(sent, func(app.Done) (bool, error) { return n < messages, nil })
			})
		}}))
		peer := s.open(protocol, "/")
		h2, isHTTP2 := peer.tunnel.(*h2Stream)
		if isHTTP2 {
			h2.peer.mu.Lock()
			h2.stingy = true
			h2.peer.mu.Unlock()
		}
		peer.say(text("go"))
		next(t, suspended)
		if isHTTP2 {
			h2.generous()
		}
		for range messages {
			peer.hear(binaryOf(strings.Repeat("\x00", size)))
		}
		if most.Load() > 3*size {
			t.Errorf("%d bytes were queued", most.Load())
		}
	})
}

func TestSocketQueueLimits(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		for name, e := range map[string]*websocket.Endpoint{"messages": {QueueMessages: 3}, "bytes": {QueueBytes: 25}} {
			failures := make(chan []error, 1)
			e.Message = func(s *websocket.Socket, _ websocket.Message) app.Future[app.Done] {
				var all []error
				for range 4 {
					_, err := s.SendText("ten bytes.").Result()
					all = append(all, err)
				}
				failures <- all
				return app.Ready(app.Done{})
			}
			peer := serve(t, at(e)).open(protocol, "/")
			for range 2 {
				peer.say(text("go"))
				if got := next(t, failures); got[0] != nil || got[2] != nil || !errors.Is(got[3], app.ErrQueueFull) {
					t.Errorf("%s: %v", name, got)
				}
				peer.hear(text("ten bytes."), text("ten bytes."), text("ten bytes."))
			}
		}
	})
}

// An application that holds messages back and closes still hears the peer's answer.
func TestSocketClosesWhileHolding(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		var request *app.Request
		e, ends := ended(&websocket.Endpoint{
			Open: func(_ *websocket.Socket, r *app.Request) { request = r },
			Message: func(s *websocket.Socket, _ websocket.Message) app.Future[app.Done] {
				_, never := app.Promised[app.Done](request)
				s.Loop().Post(func() { s.Close(4000, "") })
				return never
			},
		})
		peer := serve(t, at(e)).open(protocol, "/")
		peer.say(text("held"), text("never taken"))
		peer.hear(closing(4000, ""))
		peer.say(closing(4000, ""))
		if c := next(t, ends); c.Code != 4000 || c.Err != nil {
			t.Errorf("closed %+v", c)
		}
	})
}

// The closing handshake has its time also where the Close frame is stuck behind what the peer does not read.
func TestSocketClosesThoughThePeerDoesNotRead(t *testing.T) {
	stuck := make([]byte, 16<<20) // more than the kernel takes
	for _, who := range []string{"the application", "the peer", "a violation", "the server"} {
		t.Run(who, func(t *testing.T) {
			eachTransport(t, func(t *testing.T, protocol string) {
				e, ends := ended(&websocket.Endpoint{
					CloseTimeout: 10 * time.Millisecond,
					Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
						if m.Text() == "close" {
							s.Close(4000, "")
						}
						s.Send(websocket.Binary, stuck)
						return app.Ready(app.Done{})
					},
				})
				s := serve(t, at(e))
				peer := s.open(protocol, "/")
				peer.say(text("send"))
				if _, err := io.ReadFull(peer.r, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				gone := make(chan error, 2)
				shutdown := func() { gone <- s.Shutdown(context.Background()) }
				switch who {
				case "the application":
					peer.say(text("close"))
				case "the peer":
					peer.say(closing(4000, ""))
				case "a violation":
					peer.say(frame{fin | 3, ""})
				case "the server":
					go shutdown()
				}
				next(t, ends)
				go shutdown()
				if err := next(t, gone); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Large messages stream through a goroutine that blocks.
func TestSocketServedByAGoroutine(t *testing.T) {
	eachTransport(t, func(t *testing.T, protocol string) {
		e, ends := ended(&websocket.Endpoint{Serve: func(ctx context.Context, c *websocket.Conn) error {
			for {
				kind, r, err := c.Reader(ctx)
				if err != nil {
					return err
				}
				w, err := c.Writer(ctx, kind)
				if err != nil {
					return err
				}
				if _, err := io.Copy(w, r); err != nil {
					return err
				}
				if err := w.Close(); err != nil {
					return err
				}
			}
		}})
		peer := serve(t, at(e)).open(protocol, "/")
		big := strings.Repeat("0123456789abcdef", 256<<10)
		go peer.Write(binaryOf(big).wire())
		var got strings.Builder
		for {
			f, err := readFrame(peer.r)
			if err != nil {
				t.Fatal(err)
			}
			got.WriteString(f.payload)
			if f.first&fin != 0 {
				break
			}
		}
		if got.String() != big {
			t.Errorf("%d bytes came back, or others", got.Len())
		}
		peer.say(text("small"))
		peer.hear(text("small"))
		peer.say(closing(1000, ""))
		peer.hear(closing(1000, ""))
		next(t, ends)
	})
}

// A handler may answer later; what the peer has sent meanwhile is not lost.
func TestSocketAcceptedLater(t *testing.T) {
	answers := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		answers <- p
		return f
	})
	l := s.dial()
	l.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + sampleKey + "\r\n\r\n" + string(text("early").wire()))
	next(t, answers).Resolve(websocket.Accept(echoes()))
	if response, err := http.ReadResponse(l.r, nil); err != nil || response.StatusCode != 101 {
		t.Fatal(response, err)
	}
	(&speaker{tunnel: h1Tunnel{l}, t: t, r: l.r}).hear(text("early"))

	st := s.dialHTTP2().open(":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/", ":authority", "a", "sec-websocket-version", "13")
	if _, err := st.Write(text("early").wire()); err != nil {
		t.Fatal(err)
	}
	next(t, answers).Resolve(websocket.Accept(echoes()))
	if status := st.head().StatusCode; status != 200 {
		t.Fatal(status)
	}
	if f, err := readFrame(st); err != nil || f != text("early") {
		t.Fatal(f, err)
	}
}

// A broadcast reaches the members on all loops, over both transports, compressed or not.
func TestRoomOverBothTransports(t *testing.T) {
	room := websocket.NewRoom(websocket.RoomOptions{})
	joined := make(chan struct{}, 20)
	s := serve(t, at(&websocket.Endpoint{
		Open: func(s *websocket.Socket, _ *app.Request) { room.Join(s); joined <- struct{}{} },
		Message: func(_ *websocket.Socket, m websocket.Message) app.Future[app.Done] {
			room.Broadcast(m.Kind, m.Data)
			return app.Ready(app.Done{})
		},
	}))
	var peers, packing []*speaker
	for i := range 6 {
		protocol := []string{app.HTTP11, app.HTTP2}[i%2]
		peers = append(peers, s.open(protocol, "/"))
		packing = append(packing, s.open(protocol, "/", "Sec-WebSocket-Extensions", "permessage-deflate"))
	}
	for range 12 {
		next(t, joined)
	}
	if room.Len() != 12 {
		t.Fatalf("%d members", room.Len())
	}
	message := strings.Repeat("to everybody ", 200)
	peers[0].say(text(message))
	for _, p := range peers {
		p.hear(text(message))
	}
	first, err := readFrame(packing[0].r)
	if err != nil || first.first != fin|rsv1|opText || len(first.payload) > 200 {
		t.Fatal(first, err)
	}
	for _, p := range packing[1:] {
		p.hear(first)
	}
	for _, p := range append(peers, packing...) {
		p.drop()
	}
}

// A thousand sockets share four connections: each gets its own echo, and all get the broadcast.
func TestSocketsOverFourConnections(t *testing.T) {
	const connections, each = 4, 250
	room := websocket.NewRoom(websocket.RoomOptions{})
	s := serve(t, at(&websocket.Endpoint{
		Open:    func(s *websocket.Socket, _ *app.Request) { room.Join(s) },
		Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] { return s.Send(m.Kind, m.Data) },
	}))
	var all [connections][each]*speaker
	for i := range all {
		c := s.dialHTTP2()
		for k := range all[i] {
			all[i][k], _ = c.connect("/")
		}
	}
	if counts := s.Counts(); counts.Sockets[app.HTTP2] != connections*each || counts.Accepted != connections || room.Len() != connections*each {
		t.Fatalf("%v over %d connections, %d members", counts.Sockets, counts.Accepted, room.Len())
	}
	say := func(i, k int) frame { return text(fmt.Sprint("from ", i, ".", k)) }
	for i := range all {
		for k, peer := range all[i] {
			peer.say(say(i, k))
		}
	}
	for i := range all {
		for k, peer := range all[i] {
			peer.hear(say(i, k))
		}
	}
	room.Broadcast(websocket.Text, []byte("to everybody"))
	for i := range all {
		for _, peer := range all[i] {
			peer.hear(text("to everybody"))
		}
	}
}

// WebSockets of both transports survive the kill of their loop for what another connection's code does.
func TestSocketsSurviveAStall(t *testing.T) {
	release, stalls := make(chan struct{}), make(chan struct{}, 1)
	defer close(release)
	echo := at(echoes())
	s := serve(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/stall" {
			stalls <- struct{}{}
			<-release
			return app.Ready(app.Empty(204))
		}
		return echo(r)
	}, func(c *server.Config) {
		c.Loops = 1
		c.Stall.Warn, c.Stall.Timeout = 20*time.Millisecond, 100*time.Millisecond
	})
	first, second := s.open(app.HTTP11, "/"), s.open(app.HTTP2, "/")
	first.say(text("before"))
	first.hear(text("before"))
	s.dial().say("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n")
	next(t, stalls)
	for i := range 3 {
		message := text(fmt.Sprint("during and after ", i))
		first.say(message)
		second.say(message)
		first.hear(message)
		second.hear(message)
	}
}

// A callback that stalls its loop loses its socket, and takes nobody along.
func TestStallOfASocket(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	e, ends := ended(&websocket.Endpoint{Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		if m.Text() == "stall" {
			<-release
		}
		return s.Send(m.Kind, m.Data)
	}})
	s := serve(t, at(e), func(c *server.Config) {
		c.Loops = 1
		c.Stall.Warn, c.Stall.Timeout = 20*time.Millisecond, 100*time.Millisecond
	})
	first, second := s.open(app.HTTP11, "/"), s.open(app.HTTP2, "/")
	first.say(text("stall"))
	if c := next(t, ends); c.Code != websocket.CloseAbnormal {
		t.Errorf("closed %+v", c)
	}
	second.say(text("still here"))
	second.hear(text("still here"))
}
