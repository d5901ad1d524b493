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

// nbioConnections is the number of connections up to which nbio has a goroutine for each, where processor time counts.
// Its documentation recommends that for few connections.
const nbioConnections = 1000

// nbioMixed is nbio with a goroutine for each connection, up to nbioConnections.
func nbioMixed(o Options) error {
	return nbioServer(o, nbhttp.Config{IOMod: nbhttp.IOModMixed, MaxBlockingOnline: nbioConnections})
}

// nbioPoller is nbio without goroutines of connections.
func nbioPoller(o Options) error { return nbioServer(o, nbhttp.Config{IOMod: nbhttp.IOModNonBlocking}) }

// nbioServer answers over HTTP/1.1 and echoes over WebSocket.
func nbioServer(o Options, config nbhttp.Config) error {
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
	return serveNBIO(o, config, mux)
}

// serveNBIO serves with one poller.
func serveNBIO(o Options, config nbhttp.Config, handler http.Handler) error {
	config.Network, config.Addrs, config.Handler, config.NPoller = "tcp", []string{o.Address}, handler, 1
	engine := nbhttp.NewEngine(config)
	if err := engine.Start(); err != nil {
		return err
	}
	select {}
}
