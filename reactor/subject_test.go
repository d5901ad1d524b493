//go:build linux

package reactor

import "testing"

func TestSubject(t *testing.T) {
	kind := NewKind("kind")
	for _, c := range []struct {
		subject Subject
		want    string
	}{
		{NewSubject(kind, "/name"), "kind /name"},
		{NewSubject(kind, ""), "kind"},
		{NewSubject(0, "/name"), "/name"},
		{NewSubject(0, ""), ""},
	} {
		if have := c.subject.String(); have != c.want {
			t.Errorf("%q, want %q", have, c.want)
		}
	}
	if s := (*Subject)(nil); s.String() != "" {
		t.Errorf("nobody is %q", s.String())
	}
}
