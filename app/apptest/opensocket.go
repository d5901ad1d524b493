package apptest

import (
	"slices"
	"testing"
)

// OpenSocket opens a WebSocket with a request of Get that has the fields of an opening
// handshake, and fails the test unless the handler accepts it.
func (h *Host) OpenSocket(t testing.TB, target string, fields ...string) *Socket {
	t.Helper()
	handshake := []string{"Connection", "Upgrade", "Upgrade", "websocket",
		"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	call := h.Do(Get(target, append(handshake, fields...)...))
	if call.Socket() == nil {
		t.Fatalf("no WebSocket, but the response %v", call)
	}
	return call.Socket()
}

// WantHeard fails the test unless the peer has got these messages, and no others, since the
// last call of WantHeard.
func (s *Socket) WantHeard(t testing.TB, texts ...string) {
	t.Helper()
	var got []string
	for _, m := range s.Heard[s.wanted:] {
		got = append(got, m.Text())
	}
	s.wanted = len(s.Heard)
	if !slices.Equal(got, texts) {
		t.Fatalf("heard %q, want %q", got, texts)
	}
}

// WantClosed fails the test unless the application or the server has closed the socket with
// that code.
func (s *Socket) WantClosed(t testing.TB, code int) {
	t.Helper()
	if s.CloseCode != code {
		t.Fatalf("closed with %d %q (0 is not at all; failure: %v), want %d", s.CloseCode, s.CloseReason, s.Err, code)
	}
}
