package h1

import (
	"slices"
	"strconv"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// appendLine checks and appends a field line.
func appendLine(dst []byte, name, value string) ([]byte, error) {
	if !octets.IsToken(name) {
		return nil, &FieldError{name, "the name is not a token"}
	}
	// RFC 9110 section 5.5: CR, LF and NUL would end the line for some reader;
	// the other controls are as invalid.
	if !octets.IsText(value) {
		return nil, &FieldError{name, "the value has a control character"}
	}
	size := len(name) + len(": ") + len(value) + len("\r\n")
	dst = slices.Grow(dst, size)
	line := dst[len(dst) : len(dst)+size]
	copy(line, name)
	copy(line[len(name):], ": ")
	copy(line[len(name)+2:], value)
	copy(line[size-2:], "\r\n")
	return dst[:len(dst)+size], nil
}

// appendLength appends a Content-Length line.
func appendLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}
