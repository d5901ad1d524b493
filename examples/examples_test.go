//go:build linux

// Package examples_test builds and runs the examples.
package examples_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/examples/internal/exampletest"
)

func TestHello(t *testing.T) {
	address := exampletest.Run(t, "hello")
	for _, path := range []string{"/hello/Ada", "/later/Ada", "/blocking/Ada"} {
		exampletest.Expect(t, "http://"+address+path, "Hello, Ada!\n")
	}
}

func TestHandler(t *testing.T) {
	exampletest.Expect(t, "http://"+exampletest.Run(t, "handler")+"/hello/Ada", "Hello, Ada!\n")
}

// TestChat: what one member says reaches both, as text.
func TestChat(t *testing.T) {
	address := exampletest.Run(t, "chat")
	exampletest.Expect(t, "http://"+address+"/", `new WebSocket("/chat")`)
	var members []io.ReadWriteCloser
	for range 2 {
		response := exampletest.Open(t, "http://"+address+"/chat", "Connection", "Upgrade", "Upgrade", "websocket",
			"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		socket, ok := response.Body.(io.ReadWriteCloser)
		if response.StatusCode != http.StatusSwitchingProtocols || !ok {
			t.Fatalf("the server answers %s", response.Status)
		}
		members = append(members, socket)
	}
	// A text frame with the mask 0 (RFC 6455 section 5.2), and the same frame without mask.
	const text = "hello"
	if _, err := io.WriteString(members[0], "\x81\x85\x00\x00\x00\x00"+text); err != nil {
		t.Fatal(err)
	}
	for i, member := range members {
		got := make([]byte, 2+len(text))
		if _, err := io.ReadFull(member, got); err != nil || string(got) != "\x81\x05"+text {
			t.Errorf("member %d hears %q, %v", i, got, err)
		}
	}
}

// TestEvents: the clock sends events while the response is open.
func TestEvents(t *testing.T) {
	address := exampletest.Run(t, "events")
	exampletest.Expect(t, "http://"+address+"/", `new EventSource("/clock")`)
	lines := bufio.NewScanner(exampletest.Open(t, "http://"+address+"/clock").Body)
	seen := 0
	for seen < 2 && lines.Scan() {
		if lines.Text() == "event: time" || lines.Text() == "event:time" {
			seen++
		}
	}
	if seen < 2 {
		t.Errorf("%d events, then %v", seen, lines.Err())
	}
}

// TestFanout: the answer has the shops that are in time.
func TestFanout(t *testing.T) {
	response := exampletest.Open(t, "http://"+exampletest.Run(t, "fanout")+"/prices")
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := string(content)
	if !strings.Contains(got, `"north":"1.99"`) || strings.Contains(got, "east") {
		t.Errorf("prices %s", got)
	}
}
