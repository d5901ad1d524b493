//go:build linux

package soak

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

var tlsFaults = []element{
	{"half a TLS handshake", 4, (*operation).halfHandshake, false},
	{"nonsense in place of TLS", 3, (*operation).noHandshake, false},
	{"TLS without a common protocol", 2, (*operation).wrongProtocol, false},
	{"TLS connection cut", 3, (*operation).cutTLS, false},
}

func (op *operation) dialSecure() (*net.TCPConn, error) {
	c, err := (&net.Dialer{}).DialContext(op.ctx, "tcp", op.to.secure)
	if err != nil {
		return nil, err
	}
	deadline, _ := op.ctx.Deadline()
	return c.(*net.TCPConn), c.SetDeadline(deadline)
}

// firstBytes lets so many bytes of a handshake through.
type firstBytes struct {
	net.Conn
	left int
}

var errEnough = errors.New("enough of the handshake")

func (c *firstBytes) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p[:min(len(p), c.left)])
	c.left -= n
	if err == nil && n < len(p) {
		err = errEnough
	}
	return n, err
}

// halfHandshake leaves in the middle of a handshake.
func (op *operation) halfHandshake() error {
	c, err := op.dialSecure()
	if err != nil {
		return err
	}
	defer op.leave(c)
	half := &firstBytes{Conn: c, left: 1 + op.rand.IntN(400)}
	err = tls.Client(half, op.authority.config("h2")).HandshakeContext(op.ctx)
	if err != nil && !errors.Is(err, errEnough) {
		return in("half a handshake", err)
	}
	return op.sleep(time.Duration(op.rand.IntN(500)) * time.Millisecond)
}

// noHandshake sends something else. The server must close the connection.
func (op *operation) noHandshake() error {
	c, err := op.dialSecure()
	if err != nil {
		return err
	}
	defer op.leave(c)
	nonsense := []byte("GET / HTTP/1.1\r\nHost: " + serverName + "\r\n\r\n")
	if op.rand.IntN(2) == 0 {
		nonsense = append([]byte{0x16, 3, 1, 0, 40}, op.bytes(40)...)
	}
	if _, err := c.Write(nonsense); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, c); err != nil && !isClosed(err) {
		return in("the end of a connection with nonsense in place of TLS", err)
	}
	return nil
}

// wrongProtocol offers a protocol that the server does not have, which ends the handshake with an alert (RFC 7301).
func (op *operation) wrongProtocol() error {
	c, err := op.dialSecure()
	if err != nil {
		return err
	}
	defer op.leave(c)
	err = tls.Client(c, op.authority.config("soak/1")).HandshakeContext(op.ctx)
	if err == nil || !strings.Contains(err.Error(), "no application protocol") {
		return wrong("a handshake with an unknown protocol: %v", err)
	}
	return nil
}

// cutTLS leaves without close_notify, in the middle of a response.
func (op *operation) cutTLS() error {
	c, err := op.dialSecure()
	if err != nil {
		return err
	}
	defer op.leave(c)
	secure := tls.Client(c, op.authority.config("http/1.1"))
	if err := secure.HandshakeContext(op.ctx); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, op.to.url(http1TLS, "/stream/2000000"), nil)
	if err != nil {
		return err
	}
	if err := request.Write(secure); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(secure), request)
	if err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, response.Body, int64(op.rand.IntN(200_000))); err != nil {
		return in("the first part of a response", err)
	}
	return nil
}
