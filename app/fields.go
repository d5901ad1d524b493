package app

import (
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Field is one field line (RFC 9110 section 5): a name and a value. It is an
// alias of an unnamed struct, so that slices of it pass between packages that
// do not import each other.
type Field = struct{ Name, Value string }

// Fields are field lines in order. Names are compared without regard to case
// (ASCII). The nil Fields is empty and ready for use.
type Fields []Field

// Get returns the value of the first line with that name, or "".
func (fs Fields) Get(name string) string {
	for i := range fs {
		if octets.EqualFold(fs[i].Name, name) {
			return fs[i].Value
		}
	}
	return ""
}

// Has tells whether a line with that name is there.
func (fs Fields) Has(name string) bool {
	for i := range fs {
		if octets.EqualFold(fs[i].Name, name) {
			return true
		}
	}
	return false
}

// Values returns the values of all lines with that name, in order.
func (fs Fields) Values(name string) []string {
	var values []string
	for i := range fs {
		if octets.EqualFold(fs[i].Name, name) {
			values = append(values, fs[i].Value)
		}
	}
	return values
}

// Joined returns the values of all lines with that name as one comma separated
// list (RFC 9110 section 5.3). It allocates only when there are several.
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

// Add appends a line.
func (fs *Fields) Add(name, value string) {
	*fs = append(*fs, Field{Name: name, Value: value})
}

// Set makes one line of that name with that value: the first is replaced in
// place, further ones are removed, and without any the line is appended.
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

// Del removes all lines with that name.
func (fs *Fields) Del(name string) {
	kept := (*fs)[:0]
	for _, line := range *fs {
		if !octets.EqualFold(line.Name, name) {
			kept = append(kept, line)
		}
	}
	*fs = kept
}

// Clone returns a copy with room for extra further lines.
func (fs Fields) Clone(extra int) Fields {
	return append(make(Fields, 0, len(fs)+extra), fs...)
}

// HasToken tells whether the comma separated lists of that name contain token,
// compared without regard to case.
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
