package h1

import "testing"

// A response is whole without the trailers that a recipient must not use: the client drops
// them and tells the others (RFC 9110 section 6.5.1).
func TestClientDropsTrailers(t *testing.T) {
	d := newClientDialogue(t, Limits{})
	d.asks(getA).hear(okChunks + "1\r\na\r\n0\r\nA: b\r\nContent-Length: 5\r\nHost: c\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nD: e\r\n\r\n")
	if d.err != nil {
		t.Fatal(d.err)
	}
	const want = `end A:"b" D:"e"`
	if got := d.trace[len(d.trace)-1]; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !d.c.Idle() {
		t.Error("the connection cannot be used again")
	}
}
