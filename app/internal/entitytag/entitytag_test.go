package entitytag_test

import (
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/internal/entitytag"
)

func TestMatches(t *testing.T) {
	const tag = `"x"`
	for _, c := range []struct {
		list         string
		weak, strong bool
	}{
		{`"x"`, true, true},
		{`W/"x"`, true, false},
		{`"a", "x"`, true, true},
		{`"a","x"`, true, true},
		{` , ,"x"`, true, true},
		{`*`, true, true},
		{`"a"`, false, false},
		{``, false, false},
		{`x`, false, false},
		{`w/"x"`, false, false},
		{`"a" b, "x"`, false, false},
		{`"a, "x"`, false, false},
		{`"x`, false, false},
		{"\"a\x00\", \"x\"", false, false},
	} {
		if got := entitytag.MatchesAny(c.list, tag, entitytag.WeakMatch); got != c.weak {
			t.Errorf("%s: weakly %v", c.list, got)
		}
		if got := entitytag.MatchesAny(c.list, tag, entitytag.StrongMatch); got != c.strong {
			t.Errorf("%s: strongly %v", c.list, got)
		}
	}
	if entitytag.MatchesAny(`W/"x"`, `W/"x"`, entitytag.StrongMatch) {
		t.Error("a weak tag matches strongly")
	}
}

func TestOf(t *testing.T) {
	a, b := entitytag.Of([]byte("a")), entitytag.Of([]byte("b"))
	if a == b || a != entitytag.Of([]byte("a")) || entitytag.IsWeak(a) || len(a) != 18 {
		t.Errorf("got %s and %s", a, b)
	}
	if w := entitytag.Weak(a); w != "W/"+a || entitytag.Weak(w) != w {
		t.Errorf("got %s", w)
	}
}

func FuzzEntityTags(f *testing.F) {
	f.Add(`"a", W/"b"`)
	f.Add(`*`)
	f.Fuzz(func(t *testing.T, list string) {
		if entitytag.MatchesAny(list, `"x"`, entitytag.WeakMatch) && !strings.Contains(list, `"x"`) && !strings.Contains(list, "*") {
			t.Fatalf("%q", list)
		}
	})
}
