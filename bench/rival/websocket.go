package rival

import (
	"net/http"

	"github.com/gorilla/websocket"
	"github.com/lesismal/nbio/nbhttp"
	nbws "github.com/lesismal/nbio/nbhttp/websocket"
)

// Path is where a WebSocket server echoes.
const Path = "/ws"

// gorilla is the usual way: net/http and a goroutine a socket.
func gorilla(o Options) error {
	if o.Protocol != "ws" && o.Protocol != "ws-deflate" {
		return unspoken("gorilla/websocket", o.Protocol)
	}
	upgrader := websocket.Upgrader{
		CheckOrigin:       func(*http.Request) bool { return true },
		EnableCompression: o.Protocol == "ws-deflate",
	}
	mux := http.NewServeMux()
	mux.HandleFunc(Path, func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		for {
			kind, message, err := c.ReadMessage()
			if err != nil {
				return
			}
			c.EnableWriteCompression(len(message) >= 128)
			if err := c.WriteMessage(kind, message); err != nil {
				return
			}
		}
	})
	return http.ListenAndServe(o.Address, mux)
}

// nbioServer is an event loop with WebSocket, the nearest thing to ours.
func nbioServer(o Options) error {
	mux := http.NewServeMux()
	switch o.Protocol {
	case "h1":
		mux.HandleFunc("/", hello)
	case "ws":
		upgrader := nbws.NewUpgrader()
		upgrader.CheckOrigin = func(*http.Request) bool { return true }
		upgrader.OnMessage(func(c *nbws.Conn, kind nbws.MessageType, message []byte) {
			_ = c.WriteMessage(kind, message)
		})
		mux.HandleFunc(Path, func(w http.ResponseWriter, r *http.Request) { _, _ = upgrader.Upgrade(w, r, nil) })
	default:
		return unspoken("nbio", o.Protocol)
	}
	engine := nbhttp.NewEngine(nbhttp.Config{Network: "tcp", Addrs: []string{o.Address}, Handler: mux, NPoller: 1})
	if err := engine.Start(); err != nil {
		return err
	}
	select {}
}
