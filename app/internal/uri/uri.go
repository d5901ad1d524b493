// Package uri encodes and decodes paths of URIs for the packages of app.
package uri

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Location returns path and query as the value of a Location field (RFC 9110 section
// 10.2.2). Bytes beyond ASCII are encoded, and so are backslashes: browsers take them for
// slashes, and two at the start would name another host.
func Location(path, query string) string {
	if query != "" {
		path += "?" + query
	}
	escaped := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if c := path[i]; c <= ' ' || c >= 0x7f || c == '\\' {
			escaped = fmt.Appendf(escaped, "%%%02x", c)
		} else {
			escaped = append(escaped, c)
		}
	}
	return string(escaped)
}

// Unescape decodes percent-encoding (RFC 3986 section 2.1). It returns raw if that is
// invalid.
func Unescape(raw string) string {
	if strings.IndexByte(raw, '%') < 0 {
		return raw
	}
	if path, err := url.PathUnescape(raw); err == nil {
		return path
	}
	return raw
}

// AppendUnescaped appends the decoded text of raw to dst. ok is false, and dst is as it
// was, if the encoding is invalid.
func AppendUnescaped(dst []byte, raw string) (text []byte, ok bool) {
	start := len(dst)
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) || !octets.Is(raw[i+1], octets.Hex) || !octets.Is(raw[i+2], octets.Hex) {
				return dst[:start], false
			}
			c = octets.HexValue(raw[i+1])<<4 | octets.HexValue(raw[i+2])
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, true
}
