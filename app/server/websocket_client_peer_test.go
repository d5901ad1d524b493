//go:build linux

package server_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// socketListener is a server by hand, over HTTP/1.1, to which a WebSocket is opened.
type socketListener struct {
	net.Listener
	t *testing.T
}

func listenForSockets(t *testing.T) *socketListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &socketListener{l, t}
}

func (l *socketListener) url() string { return "ws://" + l.Addr().String() + "/socket?x=1" }

// asked accepts a connection and reads the opening handshake.
func (l *socketListener) asked() (*serverSide, *http.Request) {
	l.t.Helper()
	c, err := l.Accept()
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	s := &serverSide{Conn: c, t: l.t, r: bufio.NewReader(c)}
	request, err := http.ReadRequest(s.r)
	if err != nil {
		l.t.Fatal(err)
	}
	return s, request
}

// accept accepts a WebSocket. fields are lines of the response in addition to those that are needed; behind follows the
// head in the same segment.
func (l *socketListener) accept(fields string, behind ...frame) *serverSide {
	l.t.Helper()
	s, request := l.asked()
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n" + fields + "\r\n"
	for _, f := range behind {
		head += string(f.unmasked())
	}
	s.write(head)
	return s
}

// serverSide is the server's end of a WebSocket.
type serverSide struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func (s *serverSide) write(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.Conn, text); err != nil {
		s.t.Fatal(err)
	}
}

// unmasked is the frame as a server sends it.
func (f frame) unmasked() []byte {
	b := []byte{f.first}
	switch n := len(f.payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, f.payload...)
}

func (s *serverSide) say(frames ...frame) {
	s.t.Helper()
	var all []byte
	for _, f := range frames {
		all = append(all, f.unmasked()...)
	}
	s.write(string(all))
}

// hear wants frames of a client, which are masked.
func (s *serverSide) hear(want ...frame) {
	s.t.Helper()
	for _, want := range want {
		got, err := readMasked(s.r)
		if err != nil {
			s.t.Fatalf("heard %v, want %v", err, want)
		}
		if got != want {
			s.t.Fatalf("heard %v, want %v", got, want)
		}
	}
}

// readMasked reads a frame as a client sends it.
func readMasked(r io.Reader) (frame, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return frame{}, err
	}
	f := frame{first: head[0]}
	if head[1]&0x80 == 0 {
		return f, fmt.Errorf("not masked by the client")
	}
	n := uint64(head[1] & 0x7f)
	switch n {
	case 126:
		if _, err := io.ReadFull(r, head[:2]); err != nil {
			return f, err
		}
		n = uint64(binary.BigEndian.Uint16(head[:]))
	case 127:
		if _, err := io.ReadFull(r, head[:8]); err != nil {
			return f, err
		}
		n = binary.BigEndian.Uint64(head[:])
	}
	masked := make([]byte, 4+n)
	if _, err := io.ReadFull(r, masked); err != nil {
		return f, err
	}
	for i := range masked[4:] {
		masked[4+i] ^= masked[i%4]
	}
	f.payload = string(masked[4:])
	return f, nil
}

// over wants the client to end the connection with nothing more said.
func (s *serverSide) over() {
	s.t.Helper()
	rest, err := io.ReadAll(s.r)
	if err != nil && !strings.Contains(err.Error(), "reset") || len(rest) > 0 {
		s.t.Fatalf("heard %q and %v, want the end", rest, err)
	}
}
