// Command chat is examples/chat with net/http, chi and github.com/coder/websocket.
package main

import (
	"context"
	_ "embed"
	"io"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/go-chi/chi/v5"

	"github.com/gatewheel/gatewheel/examples/internal/address"
)

//go:embed page.html
var page string

// room has the queues of all members.
type room struct {
	mu      sync.Mutex
	members map[*member]struct{}
}

// member is a socket and what waits to be sent to it. One that reads too slowly is closed.
type member struct {
	conn  *websocket.Conn
	queue chan message
}

type message struct {
	kind websocket.MessageType
	text []byte
}

func (r *room) broadcast(m message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for each := range r.members {
		select {
		case each.queue <- m:
		default:
			go each.conn.Close(websocket.StatusPolicyViolation, "too slow")
		}
	}
}

// join passes the messages of a new member to everybody in the room until it leaves.
func (r *room) join(w http.ResponseWriter, request *http.Request) {
	conn, err := websocket.Accept(w, request, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(4 << 10)
	m := &member{conn, make(chan message, 16)}
	r.mu.Lock()
	r.members[m] = struct{}{}
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	go m.send(ctx)
	defer func() {
		cancel()
		r.mu.Lock()
		delete(r.members, m)
		r.mu.Unlock()
	}()
	for {
		kind, text, err := conn.Read(ctx)
		if err != nil {
			return
		}
		r.broadcast(message{kind, text})
	}
}

// send sends what is queued, and a ping every 30 seconds.
func (m *member) send(ctx context.Context) {
	ping := time.NewTicker(30 * time.Second)
	defer ping.Stop()
	for {
		var err error
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case queued := <-m.queue:
			err = m.conn.Write(limited, queued.kind, queued.text)
		case <-ping.C:
			err = m.conn.Ping(limited)
		}
		cancel()
		if err != nil {
			m.conn.CloseNow()
			return
		}
	}
}

func main() {
	members := room{members: map[*member]struct{}{}}
	r := chi.NewRouter()
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page)
	})
	r.Get("/chat", members.join)
	log.Fatal(http.ListenAndServe(address.FromArguments(), r))
}
