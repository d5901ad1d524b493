// Package clockjump makes times as they are read after somebody has set the clock of the system. Tests use it: a process
// cannot have a clock of its own, and that of the machine is not theirs.
package clockjump

import (
	"time"
	"unsafe"
)

// layout is the layout of time.Time: seconds since 1885 in the bits 30 to 62 of wall, if bit 63 is set.
type layout struct {
	wall uint64
	ext  int64
	loc  *time.Location
}

// Set returns t as it would have been read if the clock of the system had been set forward by that many whole seconds
// before: the monotonic reading is that of t. It panics if t has none.
func Set(t time.Time, d time.Duration) time.Time {
	set := t
	(*layout)(unsafe.Pointer(&set)).wall += uint64(int64(d/time.Second)) << 30
	if set.Sub(t) != 0 || set.Unix()-t.Unix() != int64(d/time.Second) {
		panic("clockjump: the time has no monotonic reading, or another layout than that of Go 1.9 and later")
	}
	return set
}
