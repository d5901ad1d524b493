package octets

import "math"

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

// Trim returns s without optional whitespace at its ends (RFC 9110 section
// 5.6.3).
func Trim(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// CutElement returns the first element of a comma-separated list (RFC 9110
// section 5.6.1), trimmed, and the list after its comma. It does not know quoted
// strings.
func CutElement(list string) (element, rest string) {
	for i := range len(list) {
		if list[i] == ',' {
			return Trim(list[:i]), list[i+1:]
		}
	}
	return Trim(list), ""
}

// ListHas reports whether a comma-separated list has an element that equals
// token when case is ignored.
func ListHas(list, token string) bool {
	for list != "" {
		var element string
		if element, list = CutElement(list); EqualFold(element, token) {
			return true
		}
	}
	return false
}

// Results of Decimal that are no numbers.
const (
	NotDecimal = -1
	TooLarge   = -2
)

// Decimal returns the number that s shows in decimal digits (1*DIGIT, as in
// Content-Length: RFC 9110 section 8.6), NotDecimal if s has another form, or
// TooLarge if the number does not fit.
func Decimal(s string) int64 {
	if s == "" || !All(s, Digit) {
		return NotDecimal
	}
	var n int64
	for i := range len(s) {
		digit := int64(s[i] - '0')
		if n > (math.MaxInt64-digit)/10 {
			return TooLarge
		}
		n = n*10 + digit
	}
	return n
}
