package app

import (
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Field is a field line (RFC 9110 section 5). It is an alias of an unnamed struct, so
// that packages that do not import each other can exchange slices of it.
type Field = struct{ Name, Value string }

// Fields are field lines in order. The case of ASCII letters in names is ignored. The
// nil Fields is empty and ready for use.
type Fields []Field

// Get returns the value of the first line with that name, or "". Any goroutine, while
// nobody changes the Fields.
func (fs Fields) Get(name string) string {
	for i := range fs {
		if octets.EqualFold(fs[i].Name, name) {
			return fs[i].Value
		}
	}
	return ""
}

// Has reports whether there is a line with that name. Any goroutine, while nobody
// changes the Fields.
func (fs Fields) Has(name string) bool {
	for i := range fs {
		if octets.EqualFold(fs[i].Name, name) {
			return true
		}
	}
	return false
}

// Values returns the values of all lines with that name, in order. Any goroutine, while
// nobody changes the Fields.
func (fs Fields) Values(name string) []string {
	var values []string
	for i := range fs {
		if octets.EqualFold(fs[i].Name, name) {
			values = append(values, fs[i].Value)
		}
	}
	return values
}

// Joined returns the values of all lines with that name as one comma-separated list (RFC
// 9110 section 5.3). It allocates only if there are several. Any goroutine, while nobody
// changes the Fields.
func (fs Fields) Joined(name string) string {
	first, several := "", false
	for i := range fs {
		if !octets.EqualFold(fs[i].Name, name) {
			continue
		}
		if several || first != "" {
			return strings.Join(fs.Values(name), ", ")
		}
		first, several = fs[i].Value, true
	}
	return first
}

// Add appends a line. One goroutine at a time, like Set and Del.
func (fs *Fields) Add(name, value string) {
	*fs = append(*fs, Field{Name: name, Value: value})
}

// Set replaces the value of the first line with that name and removes the others. If
// there is none, it appends a line. One goroutine at a time.
func (fs *Fields) Set(name, value string) {
	lines := *fs
	for i := range lines {
		if octets.EqualFold(lines[i].Name, name) {
			lines[i].Value = value
			kept := lines[:i+1]
			for _, line := range lines[i+1:] {
				if !octets.EqualFold(line.Name, name) {
					kept = append(kept, line)
				}
			}
			*fs = kept
			return
		}
	}
	fs.Add(name, value)
}

// Del removes all lines with that name. One goroutine at a time.
func (fs *Fields) Del(name string) {
	kept := (*fs)[:0]
	for _, line := range *fs {
		if !octets.EqualFold(line.Name, name) {
			kept = append(kept, line)
		}
	}
	*fs = kept
}

// Clone returns a copy with room for extra more lines. Any goroutine, while nobody
// changes the Fields.
func (fs Fields) Clone(extra int) Fields {
	return append(make(Fields, 0, len(fs)+extra), fs...)
}

// HasToken reports whether the comma-separated lists of that name have an element that
// equals token when the case of ASCII letters is ignored. Any goroutine, while nobody
// changes the Fields.
func (fs Fields) HasToken(name, token string) bool {
	for i := range fs {
		if !octets.EqualFold(fs[i].Name, name) {
			continue
		}
		if octets.ListHas(fs[i].Value, token) {
			return true
		}
	}
	return false
}
