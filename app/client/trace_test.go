package client_test

import (
	"fmt"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
)

// TestTraceContextIsPassedOn asks on behalf of requests with and without a trace context.
func TestTraceContextIsPassedOn(t *testing.T) {
	const parent, other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00"
	seen := func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, fmt.Sprint(r.Fields.Values("traceparent"), r.Fields.Values("tracestate"))))
	}
	for _, c := range []struct {
		name    string
		came    []string
		own     app.Fields
		options client.Options
		want    string
	}{
		{"no trace", nil, nil, client.Options{}, "[] []"},
		{"as it came", []string{"Traceparent", parent, "Tracestate", "a=1", "Tracestate", "b=2"}, nil, client.Options{}, "[" + parent + "] [a=1, b=2]"},
		{"a later version", []string{"traceparent", "01" + parent[2:] + "-x"}, nil, client.Options{}, "[01" + parent[2:] + "-x] []"},
		{"malformed", []string{"traceparent", parent + "x", "tracestate", "a=1"}, nil, client.Options{}, "[] []"},
		{"malformed state", []string{"traceparent", parent, "tracestate", "A=1"}, nil, client.Options{}, "[" + parent + "] []"},
		{"one of its own", []string{"traceparent", parent, "tracestate", "a=1"}, app.Fields{{Name: "Traceparent", Value: other}}, client.Options{}, "[" + other + "] []"},
		{"switched off", []string{"traceparent", parent}, nil, client.Options{NoTrace: true}, "[] []"},
	} {
		f := newFront(t, "h2c", c.options, seen)
		f.request = func(_ *app.Request, url string) *client.Request { return &client.Request{URL: url, Fields: c.own} }
		call := f.Do(apptest.Get("/", c.came...))
		if string(call.Content) != c.want {
			t.Errorf("%s: got %d %q, want %q", c.name, call.Status, call.Content, c.want)
		}
	}
}
