//go:build linux

package exampletest

import (
	"io"
	"net/http"
	"testing"
)

// Chat tests examples/chat, or its twin, at that address: what a member writes reaches all members, as text.
func Chat(t *testing.T, address string) {
	t.Helper()
	Expect(t, "http://"+address+"/", `new WebSocket("/chat")`)
	const text = "hello"
	var members []io.ReadWriteCloser
	for range 2 {
		response := Open(t, "http://"+address+"/chat", "Connection", "Upgrade", "Upgrade", "websocket",
			"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
		socket, ok := response.Body.(io.ReadWriteCloser)
		if response.StatusCode != http.StatusSwitchingProtocols || !ok {
			t.Fatalf("the server answers %s", response.Status)
		}
		members = append(members, socket)
		// A text frame with the mask 0 (RFC 6455 section 5.2), and the same frame without mask.
		if _, err := io.WriteString(socket, "\x81\x85\x00\x00\x00\x00"+text); err != nil {
			t.Fatal(err)
		}
		for i, member := range members {
			got := make([]byte, 2+len(text))
			if _, err := io.ReadFull(member, got); err != nil || string(got) != "\x81\x05"+text {
				t.Errorf("member %d of %d hears %q, %v", i, len(members), got, err)
			}
		}
	}
}
