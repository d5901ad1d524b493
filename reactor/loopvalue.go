//go:build linux

package reactor

import "sync/atomic"

// LoopValue is a place for a value of type T in every Loop, for a package that keeps something for each
// loop. A package declares its own with NewLoopValue; others cannot see it. Get costs an index and a
// type check.
type LoopValue[T any] struct{ index int }

var loopValues atomic.Int64

// NewLoopValue makes a LoopValue. Call it once, in the declaration of a package-level variable: the place
// is never given back.
func NewLoopValue[T any]() LoopValue[T] { return LoopValue[T]{int(loopValues.Add(1)) - 1} }

// Get returns l's value, or the zero T before Set. On the loop.
func (v LoopValue[T]) Get(l *Loop) T {
	if v.index >= len(l.values) {
		var zero T
		return zero
	}
	value, _ := l.values[v.index].(T)
	return value
}

// Set stores l's value. On the loop, or before Reactor.Start.
func (v LoopValue[T]) Set(l *Loop, value T) {
	if v.index >= len(l.values) {
		l.values = append(l.values, make([]any, v.index+1-len(l.values))...)
	}
	l.values[v.index] = value
}
