// Package memo remembers the response head that a loop encoded last. Answers that
// differ in their content alone often follow each other.
package memo

import "github.com/gatewheel/gatewheel/internal/octets"

// Answer is the head of a response as it was given and as it was encoded. The
// zero value matches nothing. It belongs to one goroutine.
type Answer struct {
	status  int
	second  int64
	fields  []octets.Field
	encoded []byte
}

// Bounds of the memory of an Answer and of the work of a comparison.
const (
	maxFields = 16
	maxBytes  = 1 << 10
)

// Match returns the encoding of a head with that status and these fields, encoded
// in that second of its Date field, or nil. It compares the content of the head, so it
// is always right.
func (a *Answer) Match(status int, fields []octets.Field, second int64) []byte {
	if a.status != status || a.second != second || len(a.fields) != len(fields) {
		return nil
	}
	for i := range a.fields {
		if a.fields[i] != fields[i] {
			return nil
		}
	}
	return a.encoded
}

// Keep remembers an encoding in place of the one before, and reports whether it
// did. It does nothing for a head that is too large, or that has credentials:
// these must not outlive their response.
func (a *Answer) Keep(status int, fields []octets.Field, second int64, encoded []byte) bool {
	if len(fields) > maxFields || len(encoded) > maxBytes || octets.HasSecretField(fields) {
		return false
	}
	clear(a.fields)
	a.status, a.second = status, second
	a.fields = append(a.fields[:0], fields...)
	a.encoded = append(a.encoded[:0], encoded...)
	return true
}
