package reactor

import "fmt"

// The framing of TLS records, and what clients without TLS send to a TLS port.

const (
	recordHeader = 5
	// maxPlaintext is the largest content of a record (RFC 8446 section 5.1).
	maxPlaintext = 16384

	recordHandshake = 22
)

// beginsWithRecord reports whether b begins with a whole record. A record that is longer than allowed counts as
// whole, so that crypto/tls refuses it with an alert.
func beginsWithRecord(b []byte) bool {
	if len(b) < recordHeader {
		return false
	}
	size := int(b[3])<<8 | int(b[4])
	return size > maxPlaintext || len(b) >= recordHeader+size
}

// A clientProtocol is the protocol of a client on a TLS port, according to its first bytes.
type clientProtocol uint8

const (
	clientUnknown clientProtocol = iota // too few bytes to tell
	clientTLS                           // a handshake record
	clientHTTP                          // a request in cleartext
	clientOther                         // neither
)

// detectProtocol returns the protocol of b, the first bytes of a connection; one byte may suffice.
func detectProtocol(b []byte) clientProtocol {
	if len(b) == 0 {
		return clientUnknown
	}
	if b[0] == recordHandshake {
		// RFC 8446 section 5.1: the version in a ClientHello's record is 3.x and otherwise ignored.
		if len(b) > 1 && b[1] != 3 {
			return clientOther
		}
		return clientTLS
	}
	return detectHTTP(b)
}

// longestMethod bounds the length of a method that is looked for. None in common use is longer.
const longestMethod = 16

// detectHTTP looks for a method in capitals and a space: the start of any HTTP request, the
// preface of HTTP/2 included.
func detectHTTP(b []byte) clientProtocol {
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z' || c == '-' && i > 0:
			if i == longestMethod {
				return clientOther
			}
		case c == ' ' && i >= 3:
			return clientHTTP
		default:
			return clientOther
		}
	}
	return clientUnknown
}

const plainHTTPText = "This port speaks HTTPS, and the request came without TLS. Use https:// instead.\r\n"

// plainHTTPAnswer is the answer to an HTTP request without TLS, as of a user who typed http:// for https://. The
// connection ends behind it.
var plainHTTPAnswer = fmt.Sprintf("HTTP/1.1 400 Bad Request\r\n"+
	"Content-Type: text/plain; charset=utf-8\r\n"+
	"Content-Length: %d\r\n"+
	"Connection: close\r\n"+
	"\r\n%s", len(plainHTTPText), plainHTTPText)
