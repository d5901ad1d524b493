//go:build linux

package server

// preface is the client connection preface of HTTP/2 (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// protocol is the protocol of a connection, as far as its first bytes show it.
type protocol uint8

const (
	undecided protocol = iota
	protocolHTTP1
	protocolHTTP2
)

// sniff returns the protocol of a cleartext connection that begins with in. It decides at the first byte that differs
// from the preface: an HTTP/1 client need not send more, and a preface may arrive byte by byte.
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
