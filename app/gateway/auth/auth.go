// Package auth decides which requests may pass: by passwords, by tokens, or by the answer of another
// server. Its checks are middleware, and what the key auth of a gateway's file stands for.
package auth

import (
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Checker decides which requests may pass. Any goroutine may use one.
type Checker interface {
	// Check decides about r. The result is nil if r may pass; its fields are set by then. Otherwise
	// it is the response for the client. The future fails with a 503 if nothing can be decided. On
	// the loop.
	Check(r *app.Request) app.Answer
	// Fields returns the names of the fields that Check sets in requests. Lines of these names that
	// the client has sent are removed. A gateway must not forward them as trailers either.
	Fields() []string
	// Close releases files and goroutines. Any goroutine but a loop's.
	Close()
}

// Require lets requests pass that c lets pass.
func Require(c Checker) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			f := c.Check(r)
			if f.Ready() {
				switch resp, err := f.Result(); {
				case err != nil:
					return app.Fail(err)
				case resp != nil:
					return app.Ready(resp)
				}
				return next(r)
			}
			return app.Then(f, func(resp *app.Response) app.Answer {
				if resp != nil {
					return app.Ready(resp)
				}
				return next(r)
			})
		}
	}
}

// passes is the result of Check for a request that may pass.
func passes() app.Answer { return app.Ready[*app.Response](nil) }

// setFields replaces the request's lines of these names by set. r.Fields gets memory of its own,
// since the old lines may be shared with other requests.
func setFields(r *app.Request, names []string, set app.Fields) {
	if len(names) == 0 {
		return
	}
	fields := make(app.Fields, 0, len(r.Fields)+len(set))
	for _, f := range r.Fields {
		if hasName(names, f.Name) {
			continue
		}
		// A nomination by the client would remove the lines on the way (RFC 9110 section 7.6.1).
		if octets.EqualFold(f.Name, "Connection") && nominates(f.Value, names) {
			if f.Value = withoutNominations(f.Value, names); f.Value == "" {
				continue
			}
		}
		fields = append(fields, f)
	}
	r.Fields = append(fields, set...)
}

// RemoveFields removes the lines of these names that the client of r has sent, as a Checker
// that sets them does. On the loop.
func RemoveFields(r *app.Request, names []string) { setFields(r, names, nil) }

// Sets reports whether a server may take name for that of a field that c sets.
func Sets(c Checker, name string) bool { return hasName(c.Fields(), name) }

// hasName reports whether a server may take name for one of names.
func hasName(names []string, name string) bool {
	for _, n := range names {
		if sameName(n, name) {
			return true
		}
	}
	return false
}

// sameName reports whether a server may take the names for one. Some (CGI, WSGI) read - and _ alike.
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if x == '_' {
			x = '-'
		}
		if y == '_' {
			y = '-'
		}
		if x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}

func nominates(list string, names []string) bool {
	for element := range strings.SplitSeq(list, ",") {
		if hasName(names, octets.Trim(element)) {
			return true
		}
	}
	return false
}

// withoutNominations returns the list without elements that are one of names.
func withoutNominations(list string, names []string) string {
	var kept []string
	for element := range strings.SplitSeq(list, ",") {
		if element = octets.Trim(element); element != "" && !hasName(names, element) {
			kept = append(kept, element)
		}
	}
	return strings.Join(kept, ", ")
}

// unauthorized returns the response to requests without valid credentials.
func unauthorized(challenge string) *app.Response {
	return app.Error(401, "not authorized").With("WWW-Authenticate", challenge)
}

// quote returns text as a quoted-string (RFC 9110 section 5.6.4), without characters that it cannot
// have.
func quote(text string) string {
	b := append(make([]byte, 0, len(text)+2), '"')
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= ' ' && c != 0x7f:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}
