//go:build linux

package server_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
)

// The opcodes of RFC 6455 section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// frame is one WebSocket frame; first is its first byte: FIN, RSV1 and the opcode.
type frame struct {
	first   byte
	payload string
}

const (
	fin  = 0x80
	rsv1 = 0x40
)

func text(s string) frame     { return frame{fin | opText, s} }
func binaryOf(s string) frame { return frame{fin | opBinary, s} }
func closing(code int, reason string) frame {
	return frame{fin | opClose, string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason}
}

func (f frame) String() string {
	if len(f.payload) > 100 {
		return fmt.Sprintf("%#x and %d bytes", f.first, len(f.payload))
	}
	return fmt.Sprintf("%#x %q", f.first, f.payload)
}

// wire is the frame as a client sends it: masked.
func (f frame) wire() []byte {
	b := []byte{f.first}
	switch n := len(f.payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i := range len(f.payload) {
		b = append(b, f.payload[i]^mask[i%4])
	}
	return b
}

// readFrame reads a frame as a server sends it: not masked.
func readFrame(r io.Reader) (frame, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return frame{}, err
	}
	f := frame{first: head[0]}
	n := uint64(head[1])
	switch {
	case n > 127:
		return f, fmt.Errorf("masked by the server")
	case n == 126:
		if _, err := io.ReadFull(r, head[:2]); err != nil {
			return f, err
		}
		n = uint64(binary.BigEndian.Uint16(head[:]))
	case n == 127:
		if _, err := io.ReadFull(r, head[:8]); err != nil {
			return f, err
		}
		n = binary.BigEndian.Uint64(head[:])
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(r, payload)
	f.payload = string(payload)
	return f, err
}

// tunnel carries frames over either transport.
type tunnel interface {
	io.ReadWriter
	// finish ends the sending side, drop everything.
	finish()
	drop()
}

// speaker is the peer of a WebSocket: what is said and heard stands in the test.
type speaker struct {
	tunnel
	t      *testing.T
	r      *bufio.Reader
	fields http.Header
}

func (s *speaker) say(frames ...frame) {
	s.t.Helper()
	var all []byte
	for _, f := range frames {
		all = append(all, f.wire()...)
	}
	if _, err := s.Write(all); err != nil {
		s.t.Fatal(err)
	}
}

func (s *speaker) hear(want ...frame) {
	s.t.Helper()
	for _, want := range want {
		got, err := readFrame(s.r)
		if err != nil {
			s.t.Fatalf("heard %v, want %v", err, want)
		}
		if got != want {
			s.t.Fatalf("heard %v, want %v", got, want)
		}
	}
}

// over wants the transport to end with nothing more said.
func (s *speaker) over() {
	s.t.Helper()
	rest, err := io.ReadAll(s.r)
	if err != nil && !strings.Contains(err.Error(), "reset") || len(rest) > 0 {
		s.t.Fatalf("heard %q and %v, want the end", rest, err)
	}
}

// transports open a WebSocket, or get the response that declines it.
var transports = map[string]func(s *site, path string, fields ...string) (*speaker, *http.Response){
	app.HTTP11: upgradeHTTP1,
	app.HTTP2:  connectHTTP2,
}

// eachTransport runs a test over both.
func eachTransport(t *testing.T, test func(t *testing.T, protocol string)) {
	for protocol := range transports {
		t.Run(protocol, func(t *testing.T) { test(t, protocol) })
	}
}

// open opens a WebSocket that must be accepted.
func (s *site) open(protocol, path string, fields ...string) *speaker {
	s.t.Helper()
	peer, response := transports[protocol](s, path, fields...)
	if peer == nil {
		body, _ := io.ReadAll(response.Body)
		s.t.Fatalf("declined with %d %q", response.StatusCode, body)
	}
	return peer
}

type h1Tunnel struct{ *line }

func (h h1Tunnel) finish() { h.Conn.(interface{ CloseWrite() error }).CloseWrite() }

func (h h1Tunnel) drop() {
	h.Conn.(interface{ SetLinger(int) error }).SetLinger(0)
	h.Close()
}

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// upgradeHTTP1 asks with a valid opening handshake, in which fields replace those of the same name; an
// empty value leaves one out.
func upgradeHTTP1(s *site, path string, fields ...string) (*speaker, *http.Response) {
	s.t.Helper()
	l := s.dial()
	head := map[string]string{
		"Host": "example.com", "Connection": "keep-alive, Upgrade", "Upgrade": "websocket",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": sampleKey,
	}
	request := "GET " + path + " HTTP/1.1\r\n"
	for i := 0; i < len(fields); i += 2 {
		head[fields[i]] = fields[i+1]
	}
	for name, value := range head {
		if value != "" {
			request += name + ": " + value + "\r\n"
		}
	}
	l.say(request + "\r\n")
	response, err := http.ReadResponse(l.r, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if response.StatusCode != 101 {
		return nil, response
	}
	// RFC 6455 section 1.3 computes this one.
	if got := response.Header.Get("Sec-WebSocket-Accept"); head["Sec-WebSocket-Key"] == sampleKey && got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		s.t.Errorf("Sec-WebSocket-Accept: %s", got)
	}
	return &speaker{tunnel: h1Tunnel{l}, t: s.t, r: l.r, fields: response.Header}, nil
}

func (h h1Tunnel) Read(p []byte) (int, error) { return h.line.r.Read(p) }

// connectHTTP2 asks with an extended CONNECT on a connection of its own.
func connectHTTP2(s *site, path string, fields ...string) (*speaker, *http.Response) {
	s.t.Helper()
	return s.dialHTTP2().connect(path, fields...)
}

// connecting are the fields of a valid opening handshake, with others added.
func connecting(path string, fields ...string) []string {
	given := map[string]bool{}
	for i := 0; i < len(fields); i += 2 {
		given[strings.ToLower(fields[i])] = true
	}
	if !given["sec-websocket-version"] {
		fields = append(fields, "sec-websocket-version", "13")
	}
	return append([]string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", path, ":authority", "example.com"}, fields...)
}

func (c *h2Peer) connect(path string, fields ...string) (*speaker, *http.Response) {
	c.t.Helper()
	st := c.open(connecting(path, fields...)...)
	head := st.head()
	if head.StatusCode != 200 {
		body, err := io.ReadAll(st)
		if err != nil {
			c.t.Fatal(err)
		}
		head.Body = io.NopCloser(bytes.NewReader(body))
		return nil, head
	}
	return &speaker{tunnel: st, t: c.t, r: bufio.NewReader(st), fields: head.Header}, nil
}
