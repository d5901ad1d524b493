//go:build linux

package server

// preface is the client connection preface that opens HTTP/2.
// RFC 9113 section 3.4.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// protocol is what the first bytes of a cleartext connection say.
type protocol uint8

const (
	undecided protocol = iota
	protocolHTTP1
	protocolHTTP2
)

// sniff decides at the first byte that differs from the preface, so that an HTTP/1 client never waits for
// a byte that it will not send, and so that a preface may come a byte at a time.
func sniff(in []byte) protocol {
	n := min(len(in), len(preface))
	if string(in[:n]) != preface[:n] {
		return protocolHTTP1
	}
	if n < len(preface) {
		return undecided
	}
	return protocolHTTP2
}
