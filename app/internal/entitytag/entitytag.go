// Package entitytag makes entity tags (RFC 9110 section 8.8.3) and compares them.
package entitytag

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Of returns the strong entity tag of content.
func Of(content []byte) string {
	sum := sha256.Sum256(content)
	return FromSum(sum[:])
}

// FromSum returns the strong entity tag of content with that cryptographic sum, which has
// at least 12 bytes.
func FromSum(sum []byte) string {
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// Weak returns the weak form of a tag.
func Weak(tag string) string {
	if IsWeak(tag) {
		return tag
	}
	return "W/" + tag
}

// IsWeak reports whether tag is weak.
func IsWeak(tag string) bool { return strings.HasPrefix(tag, "W/") }

// StrongMatch is the strong comparison of RFC 9110 section 8.8.3.2.
func StrongMatch(a, b string) bool { return a == b && !IsWeak(a) }

// WeakMatch is the weak comparison of RFC 9110 section 8.8.3.2.
func WeakMatch(a, b string) bool {
	return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}

// MatchesAny reports whether a list of entity tags, or *, contains tag. The list ends
// where it is malformed.
func MatchesAny(list, tag string, match func(a, b string) bool) bool {
	for rest := strings.TrimLeft(list, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
		if rest[0] == '*' {
			return true
		}
		end := length(rest)
		if end == 0 {
			return false
		}
		if match(rest[:end], tag) {
			return true
		}
		rest = rest[end:]
	}
	return false
}

// length returns the length of the entity tag at the front of s, 0 if there is none.
func length(s string) int {
	start := 0
	if IsWeak(s) {
		start = 2
	}
	if len(s) <= start || s[start] != '"' {
		return 0
	}
	for i := start + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c <= ' ' || c == 0x7f:
			return 0
		}
	}
	return 0
}
