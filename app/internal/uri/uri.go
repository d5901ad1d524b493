// Package uri has what the packages of app share about paths and queries.
package uri

import (
	"fmt"
	"net/url"
	"strings"
)

// Location is path and query as a Location may hold them (RFC 9110 section
// 10.2.2): bytes beyond ASCII are escaped, and so are backslashes, which browsers
// take for slashes: two at the front would begin another host's address.
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

// Unescape undoes percent-encoding (RFC 3986 section 2.1) where it is valid.
func Unescape(raw string) string {
	if strings.IndexByte(raw, '%') < 0 {
		return raw
	}
	if path, err := url.PathUnescape(raw); err == nil {
		return path
	}
	return raw
}
