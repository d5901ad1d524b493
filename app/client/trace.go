package client

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/trace"
)

// withTrace returns the fields of a request on behalf of r, with the trace context of r as
// it came, unless they have one. It allocates only if r has a valid trace context. On r's
// loop.
func withTrace(r *app.Request, fields app.Fields) app.Fields {
	parent, ok := trace.Parent(r.Fields)
	if !ok || fields.Has(trace.ParentField) {
		return fields
	}
	c, ok := trace.Of(r)
	if !ok {
		return fields
	}
	passed := fields.Clone(2)
	passed.Add(trace.ParentField, parent)
	if c.State != "" && !fields.Has(trace.StateField) {
		passed.Add(trace.StateField, c.State)
	}
	return passed
}
