package overhttp

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gatewheel/gatewheel/app"
)

// SortedNames returns the names of h in order. They are in room if that is large enough, whose content is overwritten.
func SortedNames(h http.Header, room []string) []string {
	names := room[:0]
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// AppendField appends the lines of a field. Names that are no tokens are left out, and line breaks in values become
// spaces, as in net/http.
func AppendField(fields app.Fields, name string, values []string) app.Fields {
	if !httpguts.ValidHeaderFieldName(name) {
		return fields
	}
	for _, value := range values {
		fields = append(fields, app.Field{Name: name, Value: clean(value)})
	}
	return fields
}

// clean returns the value of a field without line breaks and surrounding blanks.
func clean(value string) string {
	for i := range len(value) {
		if value[i] <= ' ' {
			return strings.Trim(lineBreaks.Replace(value), " \t")
		}
	}
	return value
}

var lineBreaks = strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ")

// AllowsContent reports whether a response with that status may have content.
func AllowsContent(status int) bool { return status >= 200 && status != 204 && status != 304 }
