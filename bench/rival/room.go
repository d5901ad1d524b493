package rival

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"
	"github.com/lesismal/nbio/nbhttp"
	nbws "github.com/lesismal/nbio/nbhttp/websocket"
)

// RoomPath is where a WebSocket server sends each message to all of its sockets.
const RoomPath = "/ws/chat"

// gorillaRoom sends prepared messages, each member's by a goroutine of its own, as the library's chat example does.
func gorillaRoom(o Options) error {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	var mu sync.Mutex
	members := map[chan *websocket.PreparedMessage]bool{}
	mux := http.NewServeMux()
	mux.HandleFunc(RoomPath, func(w http.ResponseWriter, r *http.Request) {
		queue := make(chan *websocket.PreparedMessage, 16)
		mu.Lock()
		members[queue] = true // before the client knows that it is in
		mu.Unlock()
		defer func() {
			mu.Lock()
			delete(members, queue)
			close(queue)
			mu.Unlock()
		}()
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		go func() {
			for m := range queue {
				if c.WritePreparedMessage(m) != nil {
					_ = c.Close()
				}
			}
		}()
		for {
			kind, message, err := c.ReadMessage()
			if err != nil {
				return
			}
			prepared, err := websocket.NewPreparedMessage(kind, message)
			if err != nil {
				return
			}
			mu.Lock()
			for queue := range members {
				select {
				case queue <- prepared:
				default: // a member that reads too slowly misses messages
				}
			}
			mu.Unlock()
		}
	})
	return http.ListenAndServe(o.Address, mux)
}

// nbioRoom writes to each member from the task that has read the message. A room costs nbio less without goroutines of
// connections than with them.
func nbioRoom(o Options) error {
	var mu sync.Mutex
	members := map[*nbws.Conn]bool{}
	upgrader := nbws.NewUpgrader()
	upgrader.CheckOrigin = func(*http.Request) bool { return true }
	upgrader.OnOpen(func(c *nbws.Conn) {
		mu.Lock()
		members[c] = true
		mu.Unlock()
	})
	upgrader.OnClose(func(c *nbws.Conn, _ error) {
		mu.Lock()
		delete(members, c)
		mu.Unlock()
	})
	upgrader.OnMessage(func(_ *nbws.Conn, kind nbws.MessageType, message []byte) {
		mu.Lock()
		defer mu.Unlock()
		for c := range members {
			_ = c.WriteMessage(kind, message)
		}
	})
	mux := http.NewServeMux()
	mux.HandleFunc(RoomPath, func(w http.ResponseWriter, r *http.Request) { _, _ = upgrader.Upgrade(w, r, nil) })
	return serveNBIO(o, nbhttp.Config{IOMod: nbhttp.IOModNonBlocking}, mux)
}
