//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	opText  = 1
	opClose = 8
	opPing  = 9
)

// webSocket is a client that sends only the frames of the test.
type webSocket struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (c *child) webSocket(path string, fields ...string) *webSocket {
	c.t.Helper()
	w, answer := c.handshake(path, fields...)
	if answer.StatusCode != http.StatusSwitchingProtocols {
		c.t.Fatalf("%s answered %s", path, answer.Status)
	}
	return w
}

// handshake sends an opening handshake with further field lines.
func (c *child) handshake(path string, fields ...string) (*webSocket, *http.Response) {
	c.t.Helper()
	w := &webSocket{t: c.t, conn: c.dial()}
	w.in = bufio.NewReader(w.conn)
	send(c.t, w.conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"+
		strings.Join(append(fields, "\r\n"), "\r\n"))
	r, err := http.ReadResponse(w.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	return w, r
}

// frame sends a frame whose masking key is zero.
func (w *webSocket) frame(first byte, payload string) {
	w.t.Helper()
	head := []byte{first}
	switch n := len(payload); {
	case n < 126:
		head = append(head, 0x80|byte(n))
	case n < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(n))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(n))
	}
	send(w.t, w.conn, string(head)+"\x00\x00\x00\x00"+payload)
}

func (w *webSocket) say(text string) {
	w.t.Helper()
	w.frame(0x80|opText, text)
}

// next returns the next frame.
func (w *webSocket) next() (opcode byte, payload string) {
	w.t.Helper()
	head := make([]byte, 2)
	w.read(head)
	length := uint64(head[1])
	switch length {
	case 126:
		long := make([]byte, 2)
		w.read(long)
		length = uint64(binary.BigEndian.Uint16(long))
	case 127:
		long := make([]byte, 8)
		w.read(long)
		length = binary.BigEndian.Uint64(long)
	}
	content := make([]byte, length)
	w.read(content)
	return head[0] & 0x0f, string(content)
}

func (w *webSocket) read(p []byte) {
	w.t.Helper()
	if _, err := io.ReadFull(w.in, p); err != nil {
		w.t.Fatal(err)
	}
}

// hears wants a text message as the next frame.
func (w *webSocket) hears(text string) {
	w.t.Helper()
	if op, got := w.next(); op != opText || got != text {
		w.t.Fatalf("opcode %d and %d bytes came, want a text of %d", op, len(got), len(text))
	}
}

// closes wants a Close frame as the next frame.
func (w *webSocket) closes(code uint16) {
	w.t.Helper()
	if op, got := w.next(); op != opClose || len(got) < 2 || binary.BigEndian.Uint16([]byte(got)) != code {
		w.t.Errorf("opcode %d with %q came, want a Close with %d", op, got, code)
	}
}

func testSocketLimits(t *testing.T) {
	const tooBig = 1009
	message := serve(t, "--ws-max-message", "1000")
	for _, path := range []string{"/ws", "/ws/chat"} {
		w := message.webSocket(path)
		w.say(strings.Repeat("x", 1000))
		w.hears(strings.Repeat("x", 1000))
		w.say(strings.Repeat("x", 1001))
		w.closes(tooBig)
	}
	frame := serve(t, "--ws-max-frame", "100").webSocket("/ws")
	frame.frame(opText, strings.Repeat("x", 100))
	frame.frame(0x80, strings.Repeat("y", 100))
	for got := ""; len(got) < 200; {
		_, part := frame.next()
		got += part
	}
	frame.say(strings.Repeat("x", 101))
	for op := byte(0); op != opClose; {
		var payload string
		if op, payload = frame.next(); op == opClose && binary.BigEndian.Uint16([]byte(payload)) != tooBig {
			t.Errorf("closed with %q", payload)
		}
	}
}

func testSocketTimes(t *testing.T) {
	if op, _ := serve(t, "--ws-keepalive", "50ms").webSocket("/ws").next(); op != opPing {
		t.Errorf("opcode %d came, want a ping", op)
	}
	const goingAway = 1001
	// By variables: an idle socket is not pinged.
	c := begin(t, program([]string{"GATEWHEEL_WS_KEEPALIVE=0", "GATEWHEEL_WS_IDLE_TIMEOUT=50ms"}, "serve", "--listen", "127.0.0.1:0"))
	c.webSocket("/ws").closes(goingAway)
}

// testSocketQueue: a member of the room that does not read misses the messages beyond its queue.
func testSocketQueue(t *testing.T) {
	const messages = 300
	text := strings.Repeat("x", 32<<10)
	missed := func(queue string) int {
		c := serve(t, "--ws-max-queue", queue, "--loops", "1")
		slow, speaker := c.webSocket("/ws/chat"), c.webSocket("/ws/chat")
		for range messages {
			speaker.say(text)
			speaker.hears(text)
		}
		heard := make(chan int)
		go func() {
			n := 0
			for {
				_, got := slow.next()
				if got == "end" {
					break
				}
				n++
			}
			heard <- n
		}()
		for {
			// While the queue is full this is missed, too.
			speaker.say("end")
			speaker.hears("end")
			select {
			case n := <-heard:
				return messages - n
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	if n := missed("1GiB"); n != 0 {
		t.Errorf("%d messages of %d were missed with a large queue", n, messages)
	}
	if n := missed("64KiB"); n == 0 {
		t.Errorf("all %d messages were held in a small queue", messages)
	}
}

func testSocketMessages(t *testing.T) {
	const violation, tryAgain = 1008, 1013
	slow := serve(t, "--ws-message-timeout", "50ms").webSocket("/ws")
	slow.frame(opText, "a message that ")
	for {
		op, payload := slow.next()
		if op != opClose {
			continue // what has come is echoed
		}
		if code := binary.BigEndian.Uint16([]byte(payload)); code != violation {
			t.Errorf("closed with %d", code)
		}
		break
	}
	// A member of the room takes whole messages, of 64 KiB at most.
	small := serve(t, "--ws-message-memory", "1MiB", "--loops", "1", "--ws-message-timeout", "0")
	part := strings.Repeat("x", 60<<10)
	for i := 0; ; i++ {
		w := small.webSocket("/ws/chat")
		w.frame(opText, part)
		w.frame(0x80|opPing, "")
		op, payload := w.next()
		if op == opClose {
			if code := binary.BigEndian.Uint16([]byte(payload)); code != tryAgain {
				t.Errorf("closed with %d", code)
			}
			break
		}
		if i == 40 {
			t.Fatal("as many incomplete messages as there can be")
		}
	}
}

func testSocketOrigins(t *testing.T) {
	c := serve(t, "--ws-origin", "https://app.example.org,https://*.example.net")
	for origin, status := range map[string]int{
		"https://app.example.org": 101, "https://APP.example.org.:443": 101, "https://a.example.net": 101,
		"http://x": 101, "https://example.org": 403, "https://example.net": 403,
	} {
		if _, r := c.handshake("/ws", "Origin: "+origin); r.StatusCode != status {
			t.Errorf("origin %s: status %d, want %d", origin, r.StatusCode, status)
		}
	}
	for _, wrong := range []string{"example.org", "https://example.org/", "https://example.org/path", "https://user@example.org", "https://*", "https://*.", "://example.org", "https://a.*.example.org", "https://example.org:99999"} {
		if code, _, text := toEnd(t, nil, "serve", "--ws-origin", wrong); code != 64 || !strings.Contains(text, wrong) {
			t.Errorf("%s: code %d, %q", wrong, code, text)
		}
	}
}

func testSocketCompression(t *testing.T) {
	const offer = "Sec-WebSocket-Extensions: permessage-deflate"
	for flag, want := range map[string]bool{"--ws-compression": true, "--no-ws-compression": false} {
		c := serve(t, flag)
		for _, path := range []string{"/ws", "/ws/flood", "/ws/chat"} {
			if _, r := c.handshake(path, offer); (r.Header.Get("Sec-WebSocket-Extensions") != "") != want {
				t.Errorf("%s: %s answers with %q", flag, path, r.Header)
			}
		}
	}
}
