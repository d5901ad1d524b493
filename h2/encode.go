package h2

import (
	"golang.org/x/net/http2/hpack"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Header blocks are sent without a dynamic table: connections keep none, and parts of a block can be
// encoded in advance. Names come from the static table. Values are literals, in Huffman code where they
// are encoded once and sent often.

// Indices into the static table (RFC 7541 appendix A).
const (
	indexStatus        = 8
	indexContentLength = 28
	indexDate          = 33
)

// Bits of representations (RFC 7541 section 6).
const (
	indexed     = 0x80
	literalMask = 0x0f
	stringMask  = 0x7f
	huffman     = 0x80
	incremental = 0x40 // a literal that is added to the table
	emptyTable  = 0x20 // dynamic table size update to 0

	neverIndexed = 0x10 // a literal that no hop may add to a table (section 6.2.3)
)

// statusIndex returns the index of a status in the static table, or 0.
func statusIndex(status int) byte {
	switch status {
	case 200:
		return 8
	case 204:
		return 9
	case 206:
		return 10
	case 304:
		return 11
	case 400:
		return 12
	case 404:
		return 13
	case 500:
		return 14
	}
	return 0
}

// staticName returns the index in the static table of a response field's name, in its two common
// spellings, or 0.
func staticName(name string) int {
	switch name {
	case "content-type", "Content-Type":
		return 31
	case "content-length", "Content-Length":
		return indexContentLength
	case "date", "Date":
		return indexDate
	case "server", "Server":
		return 54
	case "cache-control", "Cache-Control":
		return 24
	case "content-encoding", "Content-Encoding":
		return 26
	case "etag", "Etag", "ETag":
		return 34
	case "last-modified", "Last-Modified":
		return 44
	case "location", "Location":
		return 46
	case "set-cookie", "Set-Cookie":
		return 55
	case "vary", "Vary":
		return 59
	case "access-control-allow-origin", "Access-Control-Allow-Origin":
		return 20
	case "accept-ranges", "Accept-Ranges":
		return 18
	case "age", "Age":
		return 21
	case "allow", "Allow":
		return 22
	case "content-disposition", "Content-Disposition":
		return 25
	case "content-language", "Content-Language":
		return 27
	case "content-location", "Content-Location":
		return 29
	case "content-range", "Content-Range":
		return 30
	case "expires", "Expires":
		return 36
	case "link", "Link":
		return 45
	case "proxy-authenticate", "Proxy-Authenticate":
		return 48
	case "refresh", "Refresh":
		return 52
	case "retry-after", "Retry-After":
		return 53
	case "strict-transport-security", "Strict-Transport-Security":
		return 56
	case "via", "Via":
		return 60
	case "www-authenticate", "Www-Authenticate", "WWW-Authenticate":
		return 61
	}
	return 0
}

// appendVarInt appends an integer (RFC 7541 section 5.1) whose prefix is mask, with the bits first.
func appendVarInt(dst []byte, first, mask byte, n int) []byte {
	if n < int(mask) {
		return append(dst, first|byte(n))
	}
	dst = append(dst, first|mask)
	n -= int(mask)
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(dst, byte(n))
}

func appendString(dst []byte, s string) []byte {
	return append(appendVarInt(dst, 0, stringMask, len(s)), s...)
}

// appendHuffman appends s in Huffman code if that is shorter.
func appendHuffman(dst []byte, s string) []byte {
	n := int(hpack.HuffmanEncodeLength(s))
	if n >= len(s) {
		return appendString(dst, s)
	}
	return hpack.AppendHuffmanString(appendVarInt(dst, huffman, stringMask, n), s)
}

// lowerToken maps a token's byte to lower case, and every other byte to 0.
var lowerToken = func() (lower [256]byte) {
	for b := range lower {
		if octets.Is(byte(b), octets.Token) {
			lower[b] = octets.ToLower(byte(b))
		}
	}
	return lower
}()

// appendName appends the start of a literal with that name in lower case (RFC 9113 section 8.2.1). ok is
// false if the name is no token.
func appendName(dst []byte, name string) (_ []byte, ok bool) {
	if i := staticName(name); i > 0 {
		return appendVarInt(dst, 0, literalMask, i), true
	}
	if name == "" {
		return dst, false
	}
	dst = appendVarInt(append(dst, 0), 0, stringMask, len(name))
	for i := 0; i < len(name); i++ {
		b := lowerToken[name[i]]
		if b == 0 {
			return dst, false
		}
		dst = append(dst, b)
	}
	return dst, true
}

// appendField appends a field. ok is false if RFC 9113 section 8.2.1 forbids it.
func appendField(dst []byte, f *Field) (_ []byte, ok bool) {
	dst, ok = appendName(dst, f.Name)
	// RFC 9110 section 5.5: space around a value does not belong to it. HTTP/2 forbids it.
	value := octets.Trim(f.Value)
	if !ok || !octets.IsText(value) {
		return dst, false
	}
	return appendString(dst, value), true
}

func appendContentLength(dst []byte, n int64) []byte {
	dst = append(dst, literalMask, indexContentLength-literalMask)
	if n < 10 {
		return append(dst, 1, '0'+byte(n))
	}
	var digits [19]byte // of the largest int64
	i := len(digits)
	for ; n > 0; n /= 10 {
		i--
		digits[i] = '0' + byte(n%10)
	}
	dst = append(dst, byte(len(digits)-i))
	return append(dst, digits[i:]...)
}

// appendStatus starts a block. The first one of a connection sets the size of the dynamic table to 0,
// which fits every SETTINGS_HEADER_TABLE_SIZE (RFC 7541 section 4.2).
func (c *Conn) appendStatus(dst []byte, status int) []byte {
	if c.flags&tableSizeSent == 0 {
		c.flags |= tableSizeSent
		dst = append(dst, emptyTable)
	}
	if i := statusIndex(status); i > 0 {
		return append(dst, indexed|i)
	}
	return append(dst, indexStatus, 3, '0'+byte(status/100), '0'+byte(status/10%10), '0'+byte(status%10))
}

// beginBlock leaves room for the frame header of a block that endBlock completes.
func (c *machine) beginBlock(dst []byte) (_ []byte, start int) {
	return append(dst, 0, 0, 0, 0, 0, 0, 0, 0, 0), len(dst)
}

// endBlock completes the HEADERS frame that begins at start, with CONTINUATION frames if the peer's
// frames are too small. flags may have END_STREAM.
func (c *machine) endBlock(dst []byte, start int, id StreamID, flags uint8) []byte {
	size := len(dst) - start - frameHeaderLen
	if size <= int(c.peerMaxFrame) {
		putFrameHeader(dst[start:], frameHeader{uint32(size), frameHeaders, flags | flagEndHeaders, id})
		return dst
	}
	return splitBlock(dst, start, id, flags, int(c.peerMaxFrame))
}

func splitBlock(dst []byte, start int, id StreamID, flags uint8, limit int) []byte {
	fragments := append([]byte(nil), dst[start+frameHeaderLen:]...)
	dst = dst[:start]
	for typ := frameHeaders; ; typ, flags = frameContinuation, 0 {
		n := min(len(fragments), limit)
		if n == len(fragments) {
			flags |= flagEndHeaders
		}
		dst = appendFrameHeader(dst, frameHeader{uint32(n), typ, flags, id})
		dst = append(dst, fragments[:n]...)
		if fragments = fragments[n:]; len(fragments) == 0 {
			return dst
		}
	}
}

// encodeDate appends a date field.
func encodeDate(dst []byte, date string) []byte {
	return appendHuffman(append(dst, literalMask, indexDate-literalMask), date)
}
