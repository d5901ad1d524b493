package files

import (
	"net/http"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// validators are what conditional requests are compared with (RFC 9110 section
// 8.8).
type validators struct {
	etag     string // with quotes, W/ before a weak one
	modified time.Time
	now      time.Time
}

// evaluate goes through the preconditions of r in their order. It returns 0 when
// the method is to be carried out, else the status of the answer: 304 or 412.
func (v *validators) evaluate(r *app.Request) int {
	safe := r.Method == "GET" || r.Method == "HEAD"
	// RFC 9110 section 13.2.2, steps 1 and 2: If-Match, without it
	// If-Unmodified-Since.
	if r.Fields.Has("If-Match") {
		if !matchesAny(r.Fields.Joined("If-Match"), v.etag, strongMatch) {
			return 412
		}
	} else if since, ok := date(r.Fields, "If-Unmodified-Since"); ok && v.second().After(since) {
		return 412
	}
	// Steps 3 and 4: If-None-Match, without it If-Modified-Since.
	if r.Fields.Has("If-None-Match") {
		if !matchesAny(r.Fields.Joined("If-None-Match"), v.etag, weakMatch) {
			return 0
		}
		if safe {
			return 304
		}
		return 412
	}
	// RFC 9110 section 13.1.3: for GET and HEAD only.
	if since, ok := date(r.Fields, "If-Modified-Since"); ok && safe && !v.second().After(since) {
		return 304
	}
	return 0
}

// rangeApplies is step 5: whether Range is to be respected. RFC 9110 section
// 13.1.5: If-Range compares strongly, and a date only by being the same.
func (v *validators) rangeApplies(r *app.Request) bool {
	condition := r.Fields.Get("If-Range")
	switch {
	case condition == "":
		return true
	case strings.HasPrefix(condition, `"`) || strings.HasPrefix(condition, "W/"):
		return strongMatch(condition, v.etag)
	}
	at, err := http.ParseTime(condition)
	// RFC 9110 section 8.8.2.2: a date is strong when the file was not changed
	// again within its second.
	return err == nil && at.Equal(v.second()) && v.now.Sub(v.modified) >= time.Second
}

// second is the modification time as Last-Modified can tell it.
func (v *validators) second() time.Time { return v.modified.Truncate(time.Second) }

func (v *validators) lastModified() string { return v.second().UTC().Format(http.TimeFormat) }

// date reads a date field; a malformed one is ignored, as RFC 9110 section 13.1
// says.
func date(fields app.Fields, name string) (time.Time, bool) {
	text := fields.Get(name)
	if text == "" {
		return time.Time{}, false
	}
	t, err := http.ParseTime(text)
	return t, err == nil
}

// strongMatch and weakMatch are the comparisons of RFC 9110 section 8.8.3.2.
func strongMatch(a, b string) bool { return a == b && !strings.HasPrefix(a, "W/") }

func weakMatch(a, b string) bool {
	return strings.TrimPrefix(a, "W/") == strings.TrimPrefix(b, "W/")
}

// matchesAny tells whether a list of entity tags, or *, contains etag. What is
// malformed ends the list.
func matchesAny(list, etag string, match func(a, b string) bool) bool {
	for rest := strings.TrimLeft(list, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
		if rest[0] == '*' {
			return true
		}
		end := entityTag(rest)
		if end == 0 {
			return false
		}
		if match(rest[:end], etag) {
			return true
		}
		rest = rest[end:]
	}
	return false
}

// entityTag is the length of the entity tag at the front of s, 0 for none.
func entityTag(s string) int {
	start := 0
	if strings.HasPrefix(s, "W/") {
		start = 2
	}
	if len(s) <= start || s[start] != '"' {
		return 0
	}
	for i := start + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c <= ' ' || c == 0x7f:
			return 0
		}
	}
	return 0
}
