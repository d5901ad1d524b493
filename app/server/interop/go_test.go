//go:build linux

package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
)

// samples are what is echoed: short and long frames of every length form, and text that is more than ASCII.
var samples = []string{
	"", "hello", strings.Repeat("x", 125), strings.Repeat("y", 126), strings.Repeat("compressible ", 1000),
	strings.Repeat("z", 65535), strings.Repeat("κόσμε ", 30_000),
}

// eachAddress runs a test over cleartext and TLS, by HTTP/1.1, which is all that these clients speak.
func eachAddress(t *testing.T, test func(t *testing.T, s *site, url string)) {
	t.Run("cleartext", func(t *testing.T) {
		s := serve(t)
		test(t, s, "ws://"+s.plain)
	})
	t.Run("TLS", func(t *testing.T) {
		s := serve(t)
		test(t, s, "wss://"+s.secure)
	})
}

func TestCoder(t *testing.T) {
	eachAddress(t, func(t *testing.T, s *site, url string) {
		opened := uint64(0)
		for name, mode := range map[string]coder.CompressionMode{
			"plain": coder.CompressionDisabled, "with context": coder.CompressionContextTakeover, "without context": coder.CompressionNoContextTakeover,
		} {
			for _, path := range []string{"/ws", "/ws/keeping", "/ws/served"} {
				opened++
				t.Run(name+path, func(t *testing.T) { coderEcho(t, url+path, mode) })
			}
		}
		s.sockets(opened, 0)
	})
}

func coderEcho(t *testing.T, url string, mode coder.CompressionMode) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: insecure}
	defer transport.CloseIdleConnections()
	c, response, err := coder.Dial(ctx, url, &coder.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, CompressionMode: mode, Subprotocols: []string{"blocking"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if packed := response.Header.Get("Sec-WebSocket-Extensions"); (packed != "") != (mode != coder.CompressionDisabled) {
		t.Errorf("extensions %q", packed)
	}
	// /ws takes any subprotocol that is offered.
	if want := !strings.HasSuffix(url, "/keeping"); (c.Subprotocol() == "blocking") != want {
		t.Errorf("subprotocol %q", c.Subprotocol())
	}
	c.SetReadLimit(-1)
	for _, kind := range []coder.MessageType{coder.MessageText, coder.MessageBinary} {
		for _, sample := range samples {
			if err := c.Write(ctx, kind, []byte(sample)); err != nil {
				t.Fatal(err)
			}
			gotKind, got, err := c.Read(ctx)
			if err != nil || gotKind != kind || string(got) != sample {
				t.Fatalf("%d bytes: got %v, %d bytes, %v", len(sample), gotKind, len(got), err)
			}
		}
	}
	var long []byte
	for i := 0; len(long) < 4<<20; i++ {
		long = fmt.Appendf(long, "line %d of a long text\n", i)
	}
	go c.Write(ctx, coder.MessageBinary, long)
	if _, got, err := c.Read(ctx); err != nil || !bytes.Equal(got, long) {
		t.Fatalf("%d bytes: %d bytes, %v", len(long), len(got), err)
	}
	read := c.CloseRead(ctx)
	if err := c.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
	if err := c.Close(4000, "done"); err != nil {
		t.Errorf("close: %v", err)
	}
	<-read.Done()
}

func TestGorilla(t *testing.T) {
	eachAddress(t, func(t *testing.T, s *site, url string) {
		for _, packed := range []bool{false, true} {
			gorillaEcho(t, url+"/ws", packed)
		}
		s.sockets(2, 0)
	})
}

func gorillaEcho(t *testing.T, url string, packed bool) {
	dialer := gorilla.Dialer{TLSClientConfig: insecure, EnableCompression: packed, HandshakeTimeout: patience}
	c, _, err := dialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(patience))
	for _, sample := range samples {
		if err := c.WriteMessage(gorilla.TextMessage, []byte(sample)); err != nil {
			t.Fatal(err)
		}
		kind, got, err := c.ReadMessage()
		if err != nil || kind != gorilla.TextMessage || string(got) != sample {
			t.Fatalf("%d bytes: got %d, %d bytes, %v", len(sample), kind, len(got), err)
		}
	}
	ponged := ""
	c.SetPongHandler(func(payload string) error { ponged = payload; return nil })
	c.WriteMessage(gorilla.PingMessage, []byte("ping"))
	c.WriteMessage(gorilla.CloseMessage, gorilla.FormatCloseMessage(4000, "done"))
	_, _, err = c.ReadMessage()
	var closed *gorilla.CloseError
	if !errors.As(err, &closed) || closed.Code != 4000 || ponged != "ping" {
		t.Errorf("closed with %v, ponged %q", err, ponged)
	}
}
