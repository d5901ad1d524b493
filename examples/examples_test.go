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

func TestCRUD(t *testing.T) { exampletest.CRUD(t, exampletest.Run(t, "crud")) }

// TestMisbehaving: each mistake has its response, and the program goes on.
func TestMisbehaving(t *testing.T) {
	address := exampletest.Run(t, "misbehaving")
	exampletest.Expect(t, "http://"+address+"/fine", "fine")
	const mistake = "Internal Server Error\n"
	for _, s := range []exampletest.Step{
		{Method: "GET", Path: "/fails", Status: 500, Contains: mistake},
		{Method: "GET", Path: "/panics", Status: 500, Contains: mistake},
		{Method: "GET", Path: "/nothing", Status: 500, Contains: mistake},
		{Method: "GET", Path: "/forgets", Status: 503},
		{Method: "GET", Path: "/waits", Status: 503},
		{Method: "GET", Path: "/blocks", Status: 200, Contains: "late"},
		{Method: "GET", Path: "/fine", Status: 200, Contains: "fine"},
	} {
		s.Run(t, address)
	}
	response := exampletest.Open(t, "http://"+address+"/breaks")
	if content, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("half of a response looks complete: %q", content)
	}
	exampletest.Expect(t, "http://"+address+"/fine", "fine")
}
