// Package ascii has what the packages of app share about names in ASCII.
package ascii

import "strings"

// IsToken checks for a token (RFC 9110 section 5.6.2).
func IsToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (ToLower(c) < 'a' || ToLower(c) > 'z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// EqualFold compares in ASCII only: field names are tokens, and folding
// Unicode would make the Kelvin sign equal to k.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && ToLower(a[i]) != ToLower(b[i]) {
			return false
		}
	}
	return true
}

// ToLower is c, or its small letter.
func ToLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// LowerString is strings.ToLower in ASCII.
func LowerString(s string) string {
	for i := 0; i < len(s); i++ {
		if ToLower(s[i]) != s[i] {
			text := []byte(s)
			for ; i < len(text); i++ {
				text[i] = ToLower(text[i])
			}
			return string(text)
		}
	}
	return s
}
