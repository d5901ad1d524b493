package trace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/trace"
)

const (
	traceID  = "0af7651916cd43dd8448eb211c80319c"
	parentID = "b7ad6b7169203331"
	parent   = "00-" + traceID + "-" + parentID + "-01"
)

func fields(lines ...string) app.Fields { return apptest.Get("/", lines...).Fields }

func TestParent(t *testing.T) {
	for _, c := range []struct {
		value, want string // want is "" if the value is malformed
	}{
		{parent, parent},
		{strings.TrimSuffix(parent, "1") + "0", strings.TrimSuffix(parent, "1") + "0"},
		{strings.TrimSuffix(parent, "01") + "ff", strings.TrimSuffix(parent, "01") + "ff"},
		// Of later versions, what is known counts.
		{"01" + parent[2:], parent},
		{"cc" + parent[2:] + "-what-the-future-brings", parent},
		{"fe" + parent[2:53] + "ff", parent},
		{"01" + parent[2:] + "x", ""},
		{"ff" + parent[2:], ""},
		{parent + "-", ""},
		{parent + "-01", ""},
		{parent + " ", ""},
		{" " + parent, ""},
		{parent[:54], ""},
		{"", ""},
		{"00-" + strings.Repeat("0", 32) + "-" + parentID + "-01", ""},
		{"00-" + traceID + "-" + strings.Repeat("0", 16) + "-01", ""},
		{strings.ToUpper(parent), ""},
		{strings.Replace(parent, "a", "g", 1), ""},
		{strings.ReplaceAll(parent, "-", "_"), ""},
		{strings.Replace(parent, "-", "\x00", 1), ""},
		{"0x" + parent[2:], ""},
		{parent[:53] + "1x", ""},
	} {
		got, ok := trace.Parse(fields("Traceparent", c.value))
		if ok != (c.want != "") || ok && got.Parent() != c.want {
			t.Errorf("%q: %v %q, want %q", c.value, ok, got.Parent(), c.want)
		}
	}
	got, _ := trace.Parse(fields("TRACEPARENT", parent))
	if fmt.Sprintf("%x %x %v", got.TraceID, got.ParentID, got.Sampled()) != traceID+" "+parentID+" true" {
		t.Errorf("got %+v", got)
	}
	if _, ok := trace.Parse(nil); ok {
		t.Error("a request without fields has a trace context")
	}
	if _, ok := trace.Parse(fields("traceparent", parent, "traceparent", parent)); ok {
		t.Error("two lines of traceparent are one")
	}
}

func TestState(t *testing.T) {
	key256, value256 := strings.Repeat("k", 256), strings.Repeat("v", 256)
	var many []string
	for i := range 32 {
		many = append(many, fmt.Sprintf("k%d=v", i))
	}
	full := strings.Join(many, ",")
	for _, c := range []struct {
		value string
		ok    bool
	}{
		{"rojo=00f067aa0ba902b7", true},
		{"rojo=1,congo=t61rcWkgMzE", true},
		{"rojo=1 , \tcongo=2", true},
		{"rojo=1,,congo=2,", true},
		{"a-_*/0=!\"#$%&'()*+-./:;<>?@[]^_`{|}~", true},
		{"fw529a3039@dt=FfZnBHwAAA", true},
		{"0tenant@sys=1", true},
		{"k= v w", true},
		{key256 + "=" + value256, true},
		{full, true},
		{full + ",last=1", false},
		{key256 + "k=v", false},
		{"k=v" + value256, false},
		{strings.Repeat("t", 242) + "@s=1", false},
		{"t@" + strings.Repeat("s", 15) + "=1", false},
		{"", false},
		{" , ", false},
		{"k", false},
		{"k=", false},
		{"=v", false},
		{"K=v", false},
		{"0k=v", false},
		{"k =v", false},
		{"k=v=w", false},
		{"k=1,k=2", false},
		{"@s=1", false},
		{"t@=1", false},
		{"t@0s=1", false},
		{"t@s@u=1", false},
		{"k=\x00", false},
		{"k=\u00e9", false},
		{"k=\x7f", false},
	} {
		got, ok := trace.Parse(fields("traceparent", parent, "tracestate", c.value))
		if !ok {
			t.Fatalf("%q: the traceparent was dropped", c.value)
		}
		want := ""
		if c.ok {
			want = c.value
		}
		if got.State != want {
			t.Errorf("%.40q: got %.40q", c.value, got.State)
		}
	}
	got, _ := trace.Parse(fields("traceparent", parent, "tracestate", "a=1", "Tracestate", "b=2"))
	if got.State != "a=1, b=2" {
		t.Errorf("two lines: %q", got.State)
	}
}

func TestSet(t *testing.T) {
	sent := fields("A", "1", "Traceparent", parent, "tracestate", "a=1", "tracestate", "b=2")
	r := &app.Request{Fields: sent}
	c, _ := trace.Of(r)
	c.ParentID[7]++
	c.State = "mine=1"
	trace.Set(r, c)
	if got, ok := trace.Of(r); !ok || got != c {
		t.Errorf("got %+v, want %+v", got, c)
	}
	if got := fmt.Sprint(r.Fields); strings.Count(strings.ToLower(got), "trace") != 2 || r.Fields.Get("A") != "1" {
		t.Errorf("got %v", got)
	}
	if sent.Get("Traceparent") != parent {
		t.Error("the fields that were sent have changed")
	}
	c.State = ""
	trace.Set(r, c)
	if r.Fields.Has("tracestate") {
		t.Errorf("got %v", r.Fields)
	}
}

func TestCost(t *testing.T) {
	with, without := fields("a", "b", "traceparent", parent, "tracestate", "a=1"), fields("a", "b")
	if n := testing.AllocsPerRun(100, func() { trace.Parse(with); trace.Parse(without) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(parent, "rojo=1,t@s=2")
	f.Add("cc"+parent[2:]+"-x", "k= v")
	f.Fuzz(func(t *testing.T, parent, state string) {
		c, ok := trace.Parse(fields("traceparent", parent, "tracestate", state))
		if !ok {
			return
		}
		again, ok := trace.Parse(fields("traceparent", c.Parent(), "tracestate", c.State))
		if !ok || again != c {
			t.Errorf("%q %q: %+v, again %+v", parent, state, c, again)
		}
	})
}

func Example() {
	handler := func(r *app.Request) app.Answer {
		c, ok := trace.Of(r)
		if !ok {
			return app.Ready(app.Text(200, "no trace\n"))
		}
		return app.Ready(app.Text(200, fmt.Sprintf("trace %x, recorded: %v\n", c.TraceID, c.Sampled())))
	}

	host := apptest.New(handler)
	for _, r := range []*apptest.Request{apptest.Get("/"), apptest.Get("/", "traceparent", parent)} {
		fmt.Printf("%s", host.Do(r).Content)
	}
	// Output:
	// no trace
	// trace 0af7651916cd43dd8448eb211c80319c, recorded: true
}
