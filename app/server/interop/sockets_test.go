//go:build linux

package interop

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// Servers that we did not write, for our client's WebSockets. Each echoes messages, prefers the subprotocol "echo", and
// closes with 4001 and "as asked" at the message "close". packed: it accepts compression.
var socketServers = map[string]func(t *testing.T, packed bool) (url string){
	"gorilla": gorillaServer,
	"coder":   coderServer,
	"node": func(t *testing.T, packed bool) string {
		return scriptServer(t, packed, needNode(t, "ws"), "testdata/echo.js")
	},
	"python": func(t *testing.T, packed bool) string {
		return scriptServer(t, packed, needPython(t), "testdata/echo.py")
	},
}

func gorillaServer(t *testing.T, packed bool) string {
	upgrader := gorilla.Upgrader{EnableCompression: packed, Subprotocols: []string{"echo"}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			kind, data, err := c.ReadMessage()
			if err != nil {
				return
			}
			if string(data) == "close" {
				_ = c.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(4001, "as asked"))
				continue
			}
			if c.WriteMessage(kind, data) != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func coderServer(t *testing.T, packed bool) string {
	mode := coder.CompressionDisabled
	if packed {
		mode = coder.CompressionContextTakeover
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := coder.Accept(w, r, &coder.AcceptOptions{CompressionMode: mode, CompressionThreshold: 1, Subprotocols: []string{"echo"}})
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		for {
			kind, data, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if string(data) == "close" {
				_ = c.Close(4001, "as asked")
				return
			}
			if c.Write(r.Context(), kind, data) != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// scriptServer runs a script that prints its port and ends with its input.
func scriptServer(t *testing.T, packed bool, interpreter, script string) string {
	t.Helper()
	mode := "plain"
	if packed {
		mode = "packed"
	}
	c := exec.Command(interpreter, script, mode)
	c.Stderr = os.Stderr
	input, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		_ = c.Wait() // a script that is told to end may report its clients
	})
	port, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("%s printed no port: %v", script, err)
	}
	return "ws://127.0.0.1:" + strings.TrimSpace(port)
}

// TestSocketsToOthers: a handler's WebSocket to servers that we did not write.
func TestSocketsToOthers(t *testing.T) {
	for name, start := range socketServers {
		for _, packed := range []bool{false, true} {
			for _, context := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s packed=%v context=%v", name, packed, context), func(t *testing.T) {
					converse(t, start(t, packed), websocket.Compression{
						Off: !packed, ServerContext: context, ClientContext: context, MinSize: 1,
					})
				})
			}
		}
	}
}

// converse has a handler open a WebSocket to url and echo messages by way of it.
func converse(t *testing.T, url string, compression websocket.Compression) {
	ends := make(chan websocket.Closed, 1)
	failures := make(chan error, 1)
	pongs := make(chan string, 1)
	e := &websocket.Endpoint{
		Protocols:   []string{"other", "echo"},
		Compression: compression,
		Serve:       func(ctx context.Context, c *websocket.Conn) error { return speak(ctx, c) },
		Pong:        func(_ *websocket.Socket, payload []byte) { pongs <- string(payload) },
		Close:       func(_ *websocket.Socket, c websocket.Closed) { ends <- c },
	}
	asks := client.New(client.Options{})
	t.Cleanup(asks.Close)
	s := serveHandler(t, func(r *app.Request) app.Answer {
		opened := asks.WebSocket(r, &client.SocketRequest{URL: url, Endpoint: e})
		return app.Then(opened, func(k *websocket.Socket) app.Answer {
			if k.Protocol() != "echo" {
				failures <- fmt.Errorf("subprotocol %q", k.Protocol())
			}
			if err := k.Ping([]byte("ping")); err != nil {
				failures <- err
			}
			return app.Ready(app.Text(200, "opened"))
		})
	})
	response, err := http.Get("http://" + s.plain)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 200 {
		t.Fatalf("status %d", response.StatusCode)
	}
	c := <-ends
	if c.Code != 4001 || c.Reason != "as asked" || c.Err != nil {
		t.Errorf("closed %+v", c)
	}
	if p := <-pongs; p != "ping" {
		t.Errorf("pong %q", p)
	}
	select {
	case err := <-failures:
		t.Error(err)
	default:
	}
}

// speak sends messages of many sizes and wants them back. The server closes.
func speak(ctx context.Context, c *websocket.Conn) error {
	for _, text := range []string{"", "hello", strings.Repeat("x", 126), strings.Repeat("κόσμε ", 20000), strings.Repeat("hello ", 40)} {
		if err := echo(ctx, c, websocket.Text, []byte(text)); err != nil {
			return err
		}
	}
	if err := echo(ctx, c, websocket.Binary, bytes.Repeat([]byte{7}, 300000)); err != nil {
		return err
	}
	if err := c.Write(ctx, websocket.Text, []byte("close")); err != nil {
		return err
	}
	_, err := c.Read(ctx)
	return err
}

func echo(ctx context.Context, c *websocket.Conn, kind websocket.Kind, data []byte) error {
	if err := c.Write(ctx, kind, data); err != nil {
		return err
	}
	m, err := c.Read(ctx)
	if err == nil && (m.Kind != kind || !bytes.Equal(m.Data, data)) {
		err = errors.New("the echo differs")
	}
	return err
}
