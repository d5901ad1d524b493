package websocket_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// What stands in docs/websocket.md is copied from here; a test compares.

var echo = &websocket.Endpoint{
	Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		return s.Send(m.Kind, m.Data)
	},
}

func echoHandler(r *app.Request) app.Answer {
	if !r.IsWebSocket() {
		return app.Ready(app.HTML(200, "<script>new WebSocket(location)</script>"))
	}
	return app.Ready(websocket.Accept(echo))
}

func Example_socketEcho() {
	host := apptest.New(echoHandler)
	socket := host.Do(apptest.Get("/", "Connection", "Upgrade", "Upgrade", "websocket")).Socket()
	socket.Say("hello")
	fmt.Println(socket.Heard[0].Text())
	fmt.Println(host.Do(apptest.Get("/")).Header.Get("Content-Type"))
	// Output:
	// hello
	// text/html; charset=utf-8
}

type player struct{ name string }

var game = &websocket.Endpoint{
	Open: func(s *websocket.Socket, r *app.Request) {
		s.SendText("welcome, " + s.State().(*player).name)
	},
	Close: func(s *websocket.Socket, c websocket.Closed) {
		fmt.Println(s.State().(*player).name, "has left:", c.Code, c.Reason)
	},
}

func join(r *app.Request) app.Answer {
	name := r.QueryValue("name")
	if name == "" {
		return app.Ready(app.Error(403, "say who you are"))
	}
	return app.Ready(websocket.AcceptWith(game, &player{name}))
}

func Example_socketState() {
	host := apptest.New(join)
	fmt.Println(host.Do(apptest.Get("/")).Status)
	socket := host.Do(apptest.Get("/?name=Ada")).Socket()
	fmt.Println(socket.Heard[0].Text())
	socket.Close(websocket.CloseGoingAway, "tired")
	// Output:
	// 403
	// welcome, Ada
	// Ada has left: 1001 tired
}

var lines = &websocket.Endpoint{
	Serve: func(ctx context.Context, c *websocket.Conn) error {
		for n := 1; ; n++ {
			m, err := c.Read(ctx)
			if err != nil {
				return err
			}
			if m.Text() == "quit" {
				return websocket.Closed{Code: 4000, Reason: "as you wish"}
			}
			reply := fmt.Appendf(nil, "%d: %s", n, m.Data)
			if err := c.Write(ctx, websocket.Text, reply); err != nil {
				return err
			}
		}
	},
}

var files = &websocket.Endpoint{
	MaxMessage: 1 << 30,
	Serve: func(ctx context.Context, c *websocket.Conn) error {
		for {
			_, message, err := c.Reader(ctx)
			if err != nil {
				return err
			}
			if _, err := io.Copy(os.Stdout, message); err != nil {
				return err
			}
		}
	},
}

func Example_socketServe() {
	for _, e := range []*websocket.Endpoint{lines, files} {
		host := apptest.New(func(*app.Request) app.Answer { return app.Ready(websocket.Accept(e)) })
		socket := host.Do(apptest.Get("/")).Socket()
		socket.Say("one\n")
		socket.Say("quit")
		for _, m := range socket.Heard {
			fmt.Print(m.Text())
		}
		socket.Close(websocket.CloseNormal, "")
	}
	// Output:
	// 1: one
	// one
	// quit
}

// totals measures messages of any size and keeps none.
var totals = &websocket.Endpoint{
	MaxMessage: 1 << 40,
	Open: func(s *websocket.Socket, r *app.Request) {
		s.SendText("go on")
	},
	Piece: func(s *websocket.Socket, p websocket.Piece) app.Future[app.Done] {
		total := s.State().(*int64)
		*total += int64(len(p.Data))
		if !p.Final {
			return app.Ready(app.Done{})
		}
		return s.SendText(fmt.Sprint(*total, " bytes so far"))
	},
}

func Example_socketPieces() {
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(websocket.AcceptWith(totals, new(int64)))
	})
	socket := host.Do(apptest.Get("/")).Socket()
	socket.SayPiece(websocket.Binary, "12345", true, false)
	socket.SayPiece(websocket.Binary, "67890", false, true)
	fmt.Println(socket.Heard[1].Text())
	// Output: 10 bytes so far
}

func report(s *websocket.Socket, rows func() ([]byte, bool)) app.Future[app.Done] {
	w, err := s.Begin(websocket.Text)
	if err != nil {
		return app.Complete(err)
	}
	written := app.While(func() app.Future[bool] {
		row, more := rows()
		return app.Map(w.Write(row), func(app.Done) (bool, error) { return more, nil })
	})
	return app.Then(written, func(app.Done) app.Future[app.Done] { return w.End() })
}

var chat = websocket.NewRoom(websocket.RoomOptions{Slow: websocket.CloseSocket})

var member = &websocket.Endpoint{
	MaxMessage: 4 << 10,
	KeepAlive:  30 * time.Second,
	Origins:    []string{"https://*.example.org"},
	Protocols:  []string{"chat.v2", "chat.v1"},

	Open: func(s *websocket.Socket, r *app.Request) { chat.Join(s) },
	Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		return app.Complete(chat.Broadcast(m.Kind, m.Data))
	},
}

func Example_socketRoom() {
	host := apptest.New(func(*app.Request) app.Answer { return app.Ready(websocket.Accept(member)) })
	first, second := host.Do(apptest.Get("/")).Socket(), host.Do(apptest.Get("/")).Socket()
	first.Say("hello")
	fmt.Println(first.Heard[0].Text(), second.Heard[0].Text())
	n := 0
	host.Loop(0).Post(func() {
		report(first.App(), func() ([]byte, bool) { n++; return fmt.Appendln(nil, "row", n), n < 2 })
	})
	host.Settle()
	fmt.Print(first.Heard[1].Text())
	// Output:
	// hello hello
	// row 1
	// row 2
}

var others = client.New(client.Options{})

// questions is the client's side of a WebSocket on which one question is asked.
var questions = &websocket.Endpoint{
	Protocols: []string{"questions.v1"},
	Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		s.State().(*app.Promise[*app.Response]).Resolve(app.Text(200, m.Text()))
		return app.Ready(app.Done{})
	},
	Close: func(s *websocket.Socket, c websocket.Closed) {
		s.State().(*app.Promise[*app.Response]).Fail(c) // unless it is resolved
	},
}

func ask(r *app.Request) app.Answer {
	answer, response := app.Promised[*app.Response](r)
	opened := others.WebSocket(r, &client.SocketRequest{
		URL:              "h2c://127.0.0.1:9000/questions",
		Endpoint:         questions,
		State:            answer,
		UntilRequestEnds: true,
	})
	return app.Then(opened, func(s *websocket.Socket) app.Answer {
		s.SendText(r.QueryValue("q"))
		return response
	})
}

func Example_socketToAnotherServer() {
	host := apptest.New(ask)
	host.Answer("127.0.0.1:9000", echoHandler)
	call := host.Do(apptest.Get("/?q=who"))
	fmt.Println(call.Status, string(call.Content))
	// Output: 200 who
}

var prices = websocket.NewRoom(websocket.RoomOptions{})

// feed is a WebSocket whose messages the members of the room get. Its state opens the next one.
var feed = &websocket.Endpoint{
	KeepAlive: 10 * time.Second,
	Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
		_ = prices.Broadcast(m.Kind, m.Data)
		return app.Ready(app.Done{})
	},
	Close: func(s *websocket.Socket, c websocket.Closed) { s.State().(func())() },
}

// subscribe keeps a WebSocket to the feed open on a loop.
func subscribe(loop app.Loop) {
	again := func() { loop.After(time.Second, func() { subscribe(loop) }) }
	opened := others.WebSocketOn(loop, &client.SocketRequest{
		URL:      "wss://feed.example.org/prices",
		Endpoint: feed,
		State:    again,
	})
	opened.Done(func(_ *websocket.Socket, err error) {
		if err != nil {
			again()
		}
	})
}

func Example_socketOfALoop() {
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(websocket.Accept(&websocket.Endpoint{Open: func(s *websocket.Socket, _ *app.Request) { prices.Join(s) }}))
	})
	backend := host.Answer("feed.example.org:443", func(*app.Request) app.Answer {
		return app.Ready(websocket.Accept(&websocket.Endpoint{}))
	})
	member := host.Do(apptest.Get("/")).Socket()
	host.Loop(0).Post(func() { subscribe(host.Loop(0)) })
	host.Settle()
	for n := range 2 {
		// The feed is opened again after its server has left.
		server := backend.Calls[n].Socket()
		host.Loop(0).Post(func() { server.App().SendText("1.0" + fmt.Sprint(n)) })
		host.Settle()
		host.Loop(0).Post(func() { server.App().Close(websocket.CloseGoingAway, "") })
		host.Advance(time.Second)
	}
	fmt.Println(member.Heard[0].Text(), member.Heard[1].Text())
	// Output: 1.00 1.01
}
