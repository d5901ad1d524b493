package app

import (
	"context"
	"time"
)

// value is a value of a request. Values form a list that only the loop changes, by
// replacing its head: what other goroutines read never changes, so they need no lock.
type value struct {
	key, value any
	next       *value
}

// SetValue attaches a value to the request, for later handlers and other goroutines: Value
// and the Value of Context return it. It replaces the value of an equal key. The key must
// be comparable and should have a type of its own, as in context.WithValue. On the loop.
func (r *Request) SetValue(key, v any) {
	if !r.enter() {
		return
	}
	defer r.leave()
	r.setValue(key, v)
}

func (r *Request) setValue(key, v any) {
	r.values.Store(&value{key, v, r.values.Load().without(key)})
}

// without returns the list without the value of key. It shares the part after it.
func (list *value) without(key any) *value {
	if list.find(key) == nil {
		return list
	}
	if list.key == key {
		return list.next
	}
	return &value{list.key, list.value, list.next.without(key)}
}

// find returns the value of key, or nil.
func (list *value) find(key any) *value {
	for v := list; v != nil; v = v.next {
		if v.key == key {
			return v
		}
	}
	return nil
}

// Value returns the value that SetValue has attached with an equal key, or nil. Any
// goroutine.
func (r *Request) Value(key any) any {
	if v := r.values.Load().find(key); v != nil {
		return v.value
	}
	return nil
}

// valueContext is the parent of a request's context: a context that does not end, with the
// values of the request.
type valueContext Request

// Deadline implements context.Context.
func (c *valueContext) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

// Done implements context.Context.
func (c *valueContext) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (c *valueContext) Err() error { return nil }

// Value implements context.Context.
func (c *valueContext) Value(key any) any { return (*Request)(c).Value(key) }

// String returns the name of the context in the text of those derived from it.
func (c *valueContext) String() string { return "app.Request" }

// endedContext is the context of a request that ended before it was asked for.
type endedContext struct {
	context.Context
	r *Request
}

// Value implements context.Context. The context's own keys come first, by which package
// context knows that it has ended.
func (c endedContext) Value(key any) any {
	if v := c.Context.Value(key); v != nil {
		return v
	}
	return c.r.Value(key)
}
