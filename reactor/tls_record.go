package reactor

import "fmt"

// The record layer's framing as far as it shows without keys, and what else a client may greet a TLS
// port with.

const (
	recordHeader = 5
	// maxPlaintext is the most that one record holds (RFC 8446 section 5.1).
	maxPlaintext = 16384

	recordHandshake = 22
)

// beginsWithRecord tells whether b holds its first record whole. A length that no record of cleartext
// may have counts as whole: nothing good can follow, and crypto/tls says so to the peer.
func beginsWithRecord(b []byte) bool {
	if len(b) < recordHeader {
		return false
	}
	size := int(b[3])<<8 | int(b[4])
	return size > maxPlaintext || len(b) >= recordHeader+size
}

// A greeting is what the first bytes of a connection to a TLS port turn out to be.
type greeting uint8

const (
	greetingShort greeting = iota // too few bytes to tell
	greetingTLS                   // a handshake record
	greetingHTTP                  // a request in cleartext
	greetingOther                 // neither
)

// recognise tells a client that speaks TLS from one that does not, at the first byte where possible.
func greetingOf(b []byte) greeting {
	if len(b) == 0 {
		return greetingShort
	}
	if b[0] == recordHandshake {
		// RFC 8446 section 5.1: the version in a ClientHello's record is 3.x and otherwise ignored.
		if len(b) > 1 && b[1] != 3 {
			return greetingOther
		}
		return greetingTLS
	}
	return greetingOfMethod(b)
}

// longestMethod bounds how far a request's method is looked for; none in common use is longer.
const longestMethod = 16

// greetingOfMethod looks for a method in capitals and a space: the beginning of any HTTP request, the
// preface of HTTP/2 included.
func greetingOfMethod(b []byte) greeting {
	for i, c := range b {
		switch {
		case c >= 'A' && c <= 'Z' || c == '-' && i > 0:
			if i == longestMethod {
				return greetingOther
			}
		case c == ' ' && i >= 3:
			return greetingHTTP
		default:
			return greetingOther
		}
	}
	return greetingShort
}

const plainHTTPText = "This port speaks HTTPS, and the request came without TLS. Use https:// instead.\r\n"

// plainHTTPAnswer tells somebody who typed http:// for https:// what is wrong. It ends the connection:
// nothing behind such a request can be meant for this port.
var plainHTTPAnswer = fmt.Sprintf("HTTP/1.1 400 Bad Request\r\n"+
	"Content-Type: text/plain; charset=utf-8\r\n"+
	"Content-Length: %d\r\n"+
	"Connection: close\r\n"+
	"\r\n%s", len(plainHTTPText), plainHTTPText)
