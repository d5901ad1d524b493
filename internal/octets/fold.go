package octets

// EqualFold reports whether a and b are equal when the case of ASCII letters is
// ignored. Unlike strings.EqualFold it does not fold Unicode, in which the
// Kelvin sign equals k.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if a[i] != b[i] && ToLower(a[i]) != ToLower(b[i]) {
			return false
		}
	}
	return true
}

// ToLower returns b, or its lowercase letter if b is an uppercase letter of
// ASCII.
func ToLower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// LowerString returns s with the uppercase letters of ASCII in lower case. It
// allocates only if there are any.
func LowerString(s string) string {
	for i := range len(s) {
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
