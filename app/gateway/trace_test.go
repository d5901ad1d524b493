package gateway

import (
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/trace"
)

// TestTraceContextIsForwarded: as it came, valid or not, unless middleware has put a span in its place.
func TestTraceContextIsForwarded(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, came := range []app.Fields{
		fields("Traceparent: "+parent, "tracestate: a=1", "Tracestate: b=2"),
		fields("traceparent: " + parent + "-x"),
		fields("traceparent: cc" + parent[2:] + "-future"),
	} {
		h, refused := onward(t, &apptest.Request{Target: "/", Fields: came}, &ownPolicy)
		if refused != nil || written(h.fields) != joined(written(came), own) {
			t.Errorf("%v: refused %v, forwarded\n%s", came, refused, written(h.fields))
		}
	}
	span := trace.Context{TraceID: [16]byte{1}, ParentID: [8]byte{2}, Flags: trace.Sampled}
	var h requestHead
	apptest.New(func(r *app.Request) app.Answer {
		trace.Set(r, span)
		h.make(r, &ownPolicy, &addresses{})
		return app.Ready(app.Empty(204))
	}).Do(apptest.Get("/", "traceparent", parent, "tracestate", "a=1"))
	if got := written(h.fields); got != joined("traceparent: "+span.Parent(), own) {
		t.Errorf("forwarded\n%s", got)
	}
}
