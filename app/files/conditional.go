package files

import (
	"crypto/sha256"
	"encoding/binary"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/entitytag"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// validators are what conditional requests are compared with (RFC 9110 section
// 8.8).
type validators struct {
	etag     string    // with quotes, W/ before a weak one
	modified time.Time // the zero time: unknown
	changed  time.Time // of the content or of anything else of the file; nobody can set it
	now      time.Time // at which the file was looked at
}

// Two changes of a file within these times may leave the same times behind: twice the
// tick of the kernel's clock that file systems ask, at its slowest; and where a file
// system keeps whole seconds only, as much as the coarsest does.
const (
	fineGranularity   = 20 * time.Millisecond
	coarseGranularity = 2 * time.Second
)

// fileValidators makes the entity tag of everything that a change of the content
// changes. Modification times alone do not: archives and builds set them, often all
// to the same. The parts are hashed, since the number of an inode is not for clients.
//
// RFC 9110 section 8.8.1: the tag is weak as long as the file may change again without
// a difference in it.
func fileValidators(info fs.FileInfo, now time.Time) validators {
	s := stateOf(info)
	var parts [48]byte
	for i, n := range []int64{int64(s.dev), int64(s.ino), s.size, s.modified, s.changed} {
		binary.BigEndian.PutUint64(parts[8*i:], uint64(n))
	}
	sum := sha256.Sum256(parts[:])
	v := validators{modified: info.ModTime(), changed: time.Unix(0, s.changed), now: now}
	v.etag = entitytag.FromSum(sum[:])
	granularity := fineGranularity
	if v.changed.Nanosecond() == 0 {
		granularity = coarseGranularity
	}
	if now.Sub(v.changed).Abs() < granularity {
		v.etag = entitytag.Weak(v.etag)
	}
	return v
}

// isConditional reports whether fields may lead to another answer than 200.
func isConditional(fields app.Fields) bool {
	for i := range fields {
		name := fields[i].Name
		if len(name) == 5 && name[0]|0x20 == 'r' && octets.EqualFold(name, "Range") ||
			len(name) > 3 && name[0]|0x20 == 'i' && name[2] == '-' {
			return true
		}
	}
	return false
}

// evaluate goes through the preconditions of r in their order. It returns 0 when
// the method is to be carried out, else the status of the answer: 304 or 412.
func (v *validators) evaluate(r *app.Request) int {
	safe := r.Method == "GET" || r.Method == "HEAD"
	// RFC 9110 section 13.2.2, steps 1 and 2: If-Match, without it
	// If-Unmodified-Since.
	if r.Fields.Has("If-Match") {
		if !entitytag.MatchesAny(r.Fields.Joined("If-Match"), v.etag, entitytag.StrongMatch) {
			return 412
		}
	} else if since, ok := date(r.Fields, "If-Unmodified-Since"); ok && v.second().After(since) {
		return 412
	}
	// Steps 3 and 4: If-None-Match, without it If-Modified-Since.
	if r.Fields.Has("If-None-Match") {
		if !entitytag.MatchesAny(r.Fields.Joined("If-None-Match"), v.etag, entitytag.WeakMatch) {
			return 0
		}
		if safe {
			return 304
		}
		return 412
	}
	// RFC 9110 section 13.1.3: for GET and HEAD only.
	if since, ok := date(r.Fields, "If-Modified-Since"); ok && safe && v.dateHolds() && !v.second().After(since) {
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
	case strings.HasPrefix(condition, `"`) || entitytag.IsWeak(condition):
		return entitytag.StrongMatch(condition, v.etag)
	}
	at, err := http.ParseTime(condition)
	// RFC 9110 section 8.8.2.2: a date is strong when the file was not changed
	// again within its second.
	return err == nil && v.dateHolds() && at.Equal(v.second()) && v.now.Sub(v.modified) >= time.Second
}

// dateHolds reports whether another version of the file would have another
// modification time. A time of whole seconds that is older than the change time was
// set by a program (an archive, SOURCE_DATE_EPOCH, a package of files from 1980), and
// the next version may have the very same; likewise one in the future.
func (v *validators) dateHolds() bool {
	if v.modified.IsZero() || v.modified.After(v.now) {
		return false
	}
	return v.modified.Nanosecond() != 0 || v.changed.Sub(v.modified) < coarseGranularity
}

// second is the modification time as Last-Modified tells it. RFC 9110 section
// 8.8.2.1: it is not later than the answer's Date.
func (v *validators) second() time.Time {
	if v.modified.After(v.now) {
		return v.now.Truncate(time.Second)
	}
	return v.modified.Truncate(time.Second)
}

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
