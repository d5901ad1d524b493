// Package trace reads and writes W3C trace contexts: the fields traceparent and tracestate
// (https://www.w3.org/TR/trace-context/). It makes no spans; module app/oteltrace does.
//
// A request keeps the fields as they came. Package client sends them with the requests that
// it makes on behalf of that request, and package gateway forwards them. Middleware that
// makes a span replaces them by Set, and both send those of the span.
package trace

import (
	"encoding/hex"
	"strings"

	"github.com/gatewheel/gatewheel/app"
)

// Names of the fields.
const (
	ParentField = "traceparent"
	StateField  = "tracestate"
)

// Bits of Context.Flags.
const (
	// Sampled: the caller may have recorded the trace.
	Sampled = 1 << iota
	// Random: at least the last seven bytes of the trace ID are random (Level 2).
	Random
)

// Context is the place of a request in a trace.
type Context struct {
	// TraceID identifies the trace. It is not zero.
	TraceID [16]byte
	// ParentID identifies the span of the caller. It is not zero.
	ParentID [8]byte
	// Flags are the bits Sampled and Random, and further ones that a caller may have set.
	Flags byte
	// State is the list of tracestate, "" if there is none.
	State string
}

// Of returns the trace context of a request. ok is false if the request has none, or one
// that is malformed: then a new trace begins. A tracestate that is malformed is left out.
// Any goroutine. It allocates only if tracestate has several lines.
func Of(r *app.Request) (c Context, ok bool) { return Parse(r.Fields) }

// Parse is like Of, for the fields of a message.
func Parse(fields app.Fields) (c Context, ok bool) {
	parent, ok := Parent(fields)
	if !ok {
		return Context{}, false
	}
	if c, ok = parseParent(parent); !ok {
		return Context{}, false
	}
	if state := fields.Joined(StateField); isState(state) {
		c.State = state
	}
	return c, true
}

// Parent returns the value of traceparent as it is, valid or not. ok is false if there is
// none, or more than one.
func Parent(fields app.Fields) (value string, ok bool) {
	for i := range fields {
		name := fields[i].Name
		if len(name) != len(ParentField) || name[0]|0x20 != 't' || !strings.EqualFold(name, ParentField) {
			continue
		}
		if ok {
			return "", false
		}
		value, ok = fields[i].Value, true
	}
	return value, ok
}

// Set replaces the trace context of a request, for example by that of a span whose parent
// it was. The field lines that the request had are not changed, but replaced. On the loop,
// before the next handler is called.
func Set(r *app.Request, c Context) {
	r.Fields = r.Fields.Clone(2)
	r.Fields.Set(ParentField, c.Parent())
	if c.State == "" {
		r.Fields.Del(StateField)
	} else {
		r.Fields.Set(StateField, c.State)
	}
}

// Sampled reports whether the caller may have recorded the trace.
func (c Context) Sampled() bool { return c.Flags&Sampled != 0 }

// Parent returns the value of traceparent, in version 00.
func (c Context) Parent() string {
	text := make([]byte, 0, parentLength)
	text = append(text, "00-"...)
	text = hex.AppendEncode(text, c.TraceID[:])
	text = append(text, '-')
	text = hex.AppendEncode(text, c.ParentID[:])
	text = append(text, '-')
	return string(hex.AppendEncode(text, []byte{c.Flags}))
}
