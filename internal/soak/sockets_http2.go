//go:build linux

package soak

//lint:file-ignore SA1019 http.Transport refuses the field :protocol, which http2.Transport takes for RFC 8441

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http2"
)

// dialConnect returns a connection over which a client of WebSockets over HTTP/1.1 can speak. Its opening handshake
// becomes an extended CONNECT (RFC 8441) on an HTTP/2 connection of its own.
func (op *operation) dialConnect(p protocol) (net.Conn, error) {
	transport := &http2.Transport{AllowHTTP: true, TLSClientConfig: op.authority.config("h2"), IdleConnTimeout: clientIdle}
	if !p.secure() {
		transport.DialTLSContext = func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	}
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(op.ctx)
	c := &connected{Conn: near, end: func() { cancel(); transport.CloseIdleConnections() }}
	go func() {
		if err := op.connect(ctx, transport, p, far); err != nil {
			_, _ = fmt.Fprintf(far, "HTTP/1.1 502 %v\r\nContent-Length: 0\r\n\r\n", err)
		}
		_ = far.Close()
		c.end()
	}()
	return c, nil
}

// neverUsed is in the error of a request that was not written, since its new connection has ended before.
const neverUsed = "client conn could not be established"

// connected is the client's end.
type connected struct {
	net.Conn
	end func()
}

func (c *connected) Close() error {
	err := c.Conn.Close()
	c.end()
	return err
}

// connect reads the handshake of HTTP/1.1, makes it over HTTP/2, and carries bytes both ways until one side ends.
func (op *operation) connect(ctx context.Context, transport *http2.Transport, p protocol, far net.Conn) error {
	in := bufio.NewReader(far)
	handshake, err := http.ReadRequest(in)
	if err != nil {
		return err
	}
	// The transport repeats a request that GOAWAY has met, with a new body.
	var content *io.PipeWriter
	body := func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		content = w
		return r, nil
	}
	first, _ := body()
	request, err := http.NewRequestWithContext(ctx, http.MethodConnect, op.to.url(p, "/ws"), first)
	if err != nil {
		return err
	}
	request.GetBody = body
	request.Header = upgraded(handshake)
	request.Header.Set(":protocol", "websocket")
	request.ContentLength = -1
	response, err := transport.RoundTrip(request)
	for err != nil && op.restarting() && strings.Contains(err.Error(), neverUsed) {
		op.explain(NewcomerAway)
		request.Body, _ = body()
		response, err = transport.RoundTrip(request)
	}
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("extended CONNECT: %s", response.Status)
	}
	var head bytes.Buffer
	sum := sha1.Sum([]byte(handshake.Header.Get("Sec-Websocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(&head, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	for name, values := range upgraded(&http.Request{Header: response.Header}) {
		fmt.Fprintf(&head, "%s: %s\r\n", name, values[0])
	}
	head.WriteString("\r\n")
	if _, err := far.Write(head.Bytes()); err != nil {
		return nil // the client has left
	}
	go func() {
		_, err := io.Copy(content, in)
		_ = content.CloseWithError(err)
	}()
	_, _ = io.Copy(far, response.Body)
	// What the client still writes, such as the answer to a Close frame, is of no use.
	_ = far.SetDeadline(time.Now())
	return nil
}
