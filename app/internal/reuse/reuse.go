// Package reuse keeps objects of a loop for their next use.
package reuse

// List has objects that are not in use. It keeps as many as are in use, and at least kept: after
// a burst, the rest is left to the garbage collector step by step. The zero value is ready for
// use. It is not safe for concurrent use.
type List[T any] struct {
	free  []*T
	inUse int
}

// kept is the number of objects that a List keeps in any case.
const kept = 256

// Take returns an object that is not in use, or nil: the caller makes one then.
func (l *List[T]) Take() *T {
	l.inUse++
	last := len(l.free) - 1
	if last < 0 {
		return nil
	}
	o := l.free[last]
	l.free[last] = nil
	l.free = l.free[:last]
	return o
}

// Give keeps o, which came from Take or was made in its place, for the next use.
func (l *List[T]) Give(o *T) {
	l.Forget()
	if limit := max(kept, l.inUse); len(l.free) < limit {
		l.free = append(l.free, o)
	} else if last := len(l.free) - 1; last >= limit {
		l.free[last] = nil
		l.free = l.free[:last]
	}
}

// Forget records that an object in use will not be passed to Give.
func (l *List[T]) Forget() { l.inUse-- }

// Drop leaves the objects that are not in use to the garbage collector.
func (l *List[T]) Drop() { l.free = nil }
