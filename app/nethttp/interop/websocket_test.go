//go:build linux

package interop

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// servers are handlers that echo messages by WebSocket libraries for net/http.
var servers = map[string]http.HandlerFunc{"gorilla": echoByGorilla, "coder": echoByCoder}

func echoByGorilla(w http.ResponseWriter, r *http.Request) {
	upgrader := gorilla.Upgrader{EnableCompression: true, Subprotocols: []string{"echo"}}
	c, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	for {
		kind, data, err := c.ReadMessage()
		if err != nil || c.WriteMessage(kind, data) != nil {
			return
		}
	}
}

func echoByCoder(w http.ResponseWriter, r *http.Request) {
	c, err := coder.Accept(w, r, &coder.AcceptOptions{
		CompressionMode: coder.CompressionContextTakeover, Subprotocols: []string{"echo"},
	})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil || c.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}

// overServers runs a test with each library's server, over cleartext and TLS.
func overServers(t *testing.T, test func(t *testing.T, s *nethttptest.Site)) {
	for name, handler := range servers {
		for _, mode := range []nethttptest.Mode{nethttptest.H1, nethttptest.H1TLS} {
			t.Run(fmt.Sprintf("%s/%s", name, mode), func(t *testing.T) {
				test(t, nethttptest.Start(t, mode, &http.Server{Handler: handler}))
			})
		}
	}
}

// dial opens a WebSocket by gorilla's client.
func dial(t *testing.T, s *nethttptest.Site, packed bool) *gorilla.Conn {
	t.Helper()
	dialer := gorilla.Dialer{Subprotocols: []string{"echo"}, EnableCompression: packed}
	if s.TLS != nil {
		dialer.TLSClientConfig = &tls.Config{RootCAs: s.TLS.RootCAs, ServerName: s.TLS.ServerName}
	}
	c, _, err := dialer.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if c.Subprotocol() != "echo" {
		t.Errorf("the subprotocol is %q", c.Subprotocol())
	}
	deadline := time.Now().Add(time.Minute)
	_ = c.SetReadDeadline(deadline)
	_ = c.SetWriteDeadline(deadline)
	return c
}

// echo sends a message and reads the same.
func echo(t *testing.T, c *gorilla.Conn, kind int, message []byte) {
	t.Helper()
	if err := c.WriteMessage(kind, message); err != nil {
		t.Fatal(err)
	}
	back, data, err := c.ReadMessage()
	if err != nil || back != kind || !bytes.Equal(data, message) {
		t.Fatalf("a message of %d bytes came back as %d bytes, %v", len(message), len(data), err)
	}
}

func TestConversation(t *testing.T) {
	overServers(t, func(t *testing.T, s *nethttptest.Site) {
		for _, packed := range []bool{false, true} {
			c := dial(t, s, packed)
			echo(t, c, gorilla.TextMessage, []byte("hello"))
			long := bytes.Repeat([]byte("0123456789abcdef"), 1<<20/16)
			for range 8 {
				echo(t, c, gorilla.BinaryMessage, long)
			}
			pong := ""
			c.SetPongHandler(func(payload string) error {
				pong = payload
				return nil
			})
			if err := c.WriteMessage(gorilla.PingMessage, []byte("there?")); err != nil {
				t.Fatal(err)
			}
			echo(t, c, gorilla.TextMessage, []byte("after the ping"))
			if pong != "there?" {
				t.Errorf("the pong is %q", pong)
			}
			farewell(t, c)
		}
	})
}

// farewell closes the WebSocket by the closing handshake.
func farewell(t *testing.T, c *gorilla.Conn) {
	t.Helper()
	if err := c.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(4001, "as agreed")); err != nil {
		t.Fatal(err)
	}
	_, _, err := c.ReadMessage()
	var closed *gorilla.CloseError
	if !errors.As(err, &closed) || closed.Code != 4001 {
		t.Errorf("the answer to Close 4001: %v", err)
	}
}

func TestManyConnections(t *testing.T) {
	const connections = 100
	overServers(t, func(t *testing.T, s *nethttptest.Site) {
		open := make([]*gorilla.Conn, connections)
		for i := range open {
			open[i] = dial(t, s, false)
		}
		for round := range 3 {
			for i, c := range open {
				if err := c.WriteMessage(gorilla.TextMessage, fmt.Appendf(nil, "%d of %d", round, i)); err != nil {
					t.Fatal(err)
				}
			}
			for i, c := range open {
				if _, data, err := c.ReadMessage(); err != nil || string(data) != fmt.Sprintf("%d of %d", round, i) {
					t.Fatalf("connection %d got %q, %v", i, data, err)
				}
			}
		}
		for _, c := range open {
			farewell(t, c)
		}
	})
}

// TestCodersClient: the other library's client.
func TestCodersClient(t *testing.T) {
	overServers(t, func(t *testing.T, s *nethttptest.Site) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c, _, err := coder.Dial(ctx, s.URL, &coder.DialOptions{HTTPClient: s.Client()})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		c.SetReadLimit(-1)
		long := bytes.Repeat([]byte("x"), 1<<20)
		if err := c.Write(ctx, coder.MessageBinary, long); err != nil {
			t.Fatal(err)
		}
		if _, data, err := c.Read(ctx); err != nil || !bytes.Equal(data, long) {
			t.Fatalf("%d bytes, %v", len(data), err)
		}
		if err := c.Close(coder.StatusNormalClosure, ""); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}
