//go:build linux

package server_test

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// asked accepts a connection and reads the opening handshake.
func (b *backend) asked() (*serverSide, *http.Request) {
	b.t.Helper()
	s := &serverSide{b.accept()}
	request, err := http.ReadRequest(s.r)
	if err != nil {
		b.t.Fatal(err)
	}
	return s, request
}

// acceptOf returns the Sec-WebSocket-Accept for a request (RFC 6455 section 4.2.2).
func acceptOf(request *http.Request) string {
	sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// accept accepts a WebSocket. fields are lines of the response in addition to those that are needed; frames follow the
// head in the same segment.
func (s *serverSide) accept(request *http.Request, fields string, frames ...frame) {
	s.t.Helper()
	head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + acceptOf(request) + "\r\n" + fields + "\r\n"
	for _, f := range frames {
		head += string(f.unmasked())
	}
	s.write(head)
}

// serverSide is the server's end of a WebSocket.
type serverSide struct{ *line }

func (s *serverSide) write(text string) {
	s.t.Helper()
	s.line.say(text)
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

// silent wants the client to have said nothing more, and to keep the connection, for a moment.
func (s *serverSide) silent() {
	s.t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		s.t.Fatal(err)
	}
	if b, err := s.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		s.t.Fatalf("heard %x, %v", b, err)
	}
	if err := s.SetReadDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
}
