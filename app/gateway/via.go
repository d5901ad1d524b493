package gateway

import (
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// viaLines are the values of the Via fields that the gateway adds, by the protocol of the
// message that it got (RFC 9110 section 7.6.3).
type viaLines struct{ http10, http11, http2 string }

func newViaLines(pseudonym string) viaLines {
	return viaLines{"1.0 " + pseudonym, "1.1 " + pseudonym, "2 " + pseudonym}
}

// of returns the value for a message over protocol, one of app.HTTP10, HTTP11 and HTTP2.
func (v *viaLines) of(protocol string) string {
	switch protocol {
	case app.HTTP2:
		return v.http2
	case app.HTTP10:
		return v.http10
	}
	return v.http11
}

// passedBy reports whether a Via field names pseudonym as a recipient. Comments, which
// may have commas in them, do not count. The time it takes grows with the length of the
// field alone.
func passedBy(via, pseudonym string) bool {
	comments := closesComments(via)
	for via != "" {
		var element string
		element, via = cutVia(via, comments)
		element = octets.Trim(element)
		blank := strings.IndexAny(element, " \t")
		if blank >= 0 && octets.EqualFold(octets.Trim(element[blank:]), pseudonym) {
			return true
		}
	}
	return false
}

// closesComments reports whether every parenthesis of a Via field has its counterpart. One
// that has none begins no comment: it would hide the elements behind it.
func closesComments(via string) bool {
	depth := 0
	for i := 0; i < len(via); i++ {
		depth = commentDepth(via, &i, depth)
	}
	return depth == 0
}

// commentDepth returns the depth of comments (RFC 9110 section 5.6.5) behind the octet at
// i, where depth is that before it. It moves i to the second octet of a quoted pair.
func commentDepth(via string, i *int, depth int) int {
	switch c := via[*i]; {
	case c == '\\' && depth > 0:
		*i++
	case c == '(':
		depth++
	case c == ')' && depth > 0:
		depth--
	}
	return depth
}

// cutVia returns the first element of a Via field without its comment, and what follows
// the comma behind it. If comments is false, parentheses are octets like others.
func cutVia(via string, comments bool) (element, rest string) {
	if !comments {
		element, rest, _ = strings.Cut(via, ",")
		return element, rest
	}
	end := -1 // of the element, where its comment begins
	depth := 0
	for i := 0; i < len(via); i++ {
		if depth == 0 && via[i] == ',' {
			if end < 0 {
				end = i
			}
			return via[:end], via[i+1:]
		}
		if via[i] == '(' && end < 0 {
			end = i
		}
		depth = commentDepth(via, &i, depth)
	}
	if end < 0 {
		end = len(via)
	}
	return via[:end], ""
}
