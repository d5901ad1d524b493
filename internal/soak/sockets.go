//go:build linux

package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

var socketElements = []element{
	{"WebSocket over HTTP/1.1", 6, func(op *operation) error { return op.socket(protocol(op.rand.IntN(2))) }, false},
	{"WebSocket over HTTP/2", 6, func(op *operation) error { return op.socket(http2Plain + protocol(op.rand.IntN(2))) }, false},
	{"WebSocket whose client leaves", 2, (*operation).socketCut, false},
	{"WebSocket with a malformed frame", 2, (*operation).socketMalformed, false},
}

// dialSocket opens a WebSocket, compressed or not.
func (op *operation) dialSocket(p protocol, compressed bool) (*websocket.Conn, error) {
	dialer := &websocket.Dialer{
		HandshakeTimeout: patience, EnableCompression: compressed, TLSClientConfig: op.authority.config("http/1.1"),
	}
	scheme, address := "ws", op.to.plain
	if p == http1TLS {
		scheme, address = "wss", op.to.secure
	}
	if p.version() == 2 {
		// The handshake of HTTP/1.1 is translated, and so is TLS.
		dialer.NetDialContext = func(context.Context, string, string) (net.Conn, error) { return op.dialConnect(p) }
	}
	c, response, err := dialer.DialContext(op.ctx, scheme+"://"+address+"/ws", nil)
	if err != nil {
		if response != nil {
			err = fmt.Errorf("%w: %s", err, response.Status)
		}
		return nil, in("opening a WebSocket by "+p.String(), err)
	}
	deadline, _ := op.ctx.Deadline()
	return c, errors.Join(c.SetReadDeadline(deadline), c.SetWriteDeadline(deadline))
}

// socket sends messages, each of which comes back, and closes. A socket that a restart closes with 1001 is opened
// again for the rest.
func (op *operation) socket(p protocol) error {
	left := 1 + op.rand.IntN(20)
	compressed, pause := op.rand.IntN(2) == 0, 30*time.Millisecond
	if op.lasts() {
		pause = 500 * time.Millisecond
	}
	for left > 0 {
		c, err := op.dialSocket(p, compressed)
		if err != nil {
			return err
		}
		n, err := op.converse(c, left, pause)
		_ = c.Close()
		left -= n
		switch {
		case err == nil:
			op.answered(1)
		case websocket.IsCloseError(err, websocket.CloseGoingAway) && op.restarting():
			op.explain(SocketAway)
		default:
			return in(fmt.Sprintf("message %d over %v", n+1, p), err)
		}
	}
	return nil
}

// converse exchanges n messages with pauses between them, and the Close frames. It returns how many messages came back.
func (op *operation) converse(c *websocket.Conn, n int, pause time.Duration) (int, error) {
	for done := range n {
		kind, message := websocket.BinaryMessage, op.bytes(min(op.size(), 20_000))
		if op.rand.IntN(2) == 0 {
			kind, message = websocket.TextMessage, patternAt(op.rand.IntN(1000), min(op.size(), 65_536))
		}
		// A socket that is being closed takes no message, but has a Close frame to be read.
		_ = c.WriteMessage(kind, message)
		got, echo, err := c.ReadMessage()
		if err != nil {
			return done, err
		}
		if got != kind || !bytes.Equal(echo, message) {
			return done, wrong("a message of %d bytes of kind %d came back with %d bytes of kind %d", len(message), kind, len(echo), got)
		}
		if err := op.sleep(pause); err != nil {
			return done, err
		}
	}
	_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
	_, _, err := c.ReadMessage()
	if websocket.IsCloseError(err, websocket.CloseNormalClosure) || websocket.IsCloseError(err, websocket.CloseGoingAway) && op.restarting() {
		return n, nil
	}
	return n, in("the answer to Close", err)
}

// socketCut leaves in the middle of a message.
func (op *operation) socketCut() error {
	c, err := op.dialSocket(op.protocol(), true)
	if err != nil {
		return err
	}
	w, err := c.NextWriter(websocket.TextMessage)
	if err == nil {
		_, _ = w.Write(op.bytes(10_000))
	}
	if conn, ok := c.NetConn().(*net.TCPConn); ok && op.rand.IntN(2) == 0 {
		_ = conn.SetLinger(0)
	}
	_ = c.Close()
	op.explain(OwnFault)
	return nil
}

// socketMalformed sends a frame that is not masked, which must be answered with 1002.
func (op *operation) socketMalformed() error {
	c, err := op.dialSocket(protocol(op.rand.IntN(2)), false)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if _, err := c.NetConn().Write([]byte{0x81, 0x01, 'x'}); err != nil {
		return err
	}
	_, _, err = c.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseProtocolError) && !(websocket.IsCloseError(err, websocket.CloseGoingAway) && op.restarting()) {
		return wrong("after a frame without a mask: %v", err)
	}
	op.explain(OwnFault)
	return nil
}

// upgraded reports what the request of an opening handshake over HTTP/1.1 asks for.
func upgraded(r *http.Request) http.Header {
	fields := http.Header{}
	for _, name := range []string{"Sec-Websocket-Version", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol", "Origin"} {
		if values := r.Header[name]; values != nil {
			fields[name] = values
		}
	}
	return fields
}
