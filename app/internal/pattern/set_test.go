package pattern

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func gatewaySet(t testing.TB, patterns ...string) *Set[string] {
	t.Helper()
	var s Set[string]
	for _, text := range patterns {
		p, err := Parse(text, Gateway)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if other := s.Add(p, text); other != nil {
			t.Fatalf("%q conflicts with %q", text, other.Text)
		}
	}
	return &s
}

// find returns the pattern and its captures as text.
func (s *Set[T]) describe(host, method, path string, accept func(*Entry[T]) bool) string {
	found, captures := s.FindAccepted(host, method, path, nil, accept)
	if found == nil {
		return "none"
	}
	return fmt.Sprintf("%s %q", found.Text, captures)
}

func TestGatewayRules(t *testing.T) {
	for _, c := range []struct {
		patterns           []string
		host, method, path string
		want               string
	}{
		{[]string{"/a/"}, "h", "GET", "/a", `/a/ [""]`},
		{[]string{"/a/"}, "h", "GET", "/a/b//c", `/a/ ["b//c"]`},
		{[]string{"/a/"}, "h", "GET", "/ab", "none"},
		{[]string{"/a/{rest...}"}, "h", "GET", "/a", `/a/{rest...} [""]`},
		{[]string{"/a/{$}"}, "h", "GET", "/a", "none"},
		{[]string{"/a/", "/a"}, "h", "GET", "/a", `/a []`},
		{[]string{"GET /a/", "/a"}, "h", "GET", "/a", `/a []`},
		{[]string{"GET /a/", "/a"}, "h", "HEAD", "/a", `/a []`},
		{[]string{"GET /{x}/", "/{x}"}, "h", "GET", "/a", `/{x} ["a"]`},
		{[]string{"GET /a/", "/b"}, "h", "GET", "/a", `GET /a/ [""]`},
		{[]string{"/a/", "/{x}"}, "h", "GET", "/a", `/a/ [""]`},
		{[]string{"/a//b", "/a/"}, "h", "GET", "/a//b", `/a//b []`},
		{[]string{"/a/{x}/b"}, "h", "GET", "/a//b", "none"},
		{[]string{"/{x}"}, "h", "GET", "/a%20b", `/{x} ["a%20b"]`},
		{[]string{"/a%20b"}, "h", "GET", "/a b", `/a%20b []`},
		{[]string{"h/", "/", "*.h/", "*.x.h/"}, "h", "GET", "/", `h/ [""]`},
		{[]string{"h/", "/", "*.h/", "*.x.h/"}, "a.h", "GET", "/", `*.h/ [""]`},
		{[]string{"h/", "/", "*.h/", "*.x.h/"}, "a.b.x.h", "GET", "/", `*.x.h/ [""]`},
		{[]string{"h/", "/", "*.h/", "*.x.h/"}, "x.h", "GET", "/", `*.h/ [""]`},
		{[]string{"h/", "/", "*.h/", "*.x.h/"}, "other", "GET", "/", `/ [""]`},
		{[]string{"h/a", "*.h/b", "/b"}, "h", "GET", "/b", `/b []`},
		{[]string{"*.h/a", "/b"}, "x.h", "GET", "/b", `/b []`},
		{[]string{"/"}, "h", "GET", "*", "none"},
	} {
		if got := gatewaySet(t, c.patterns...).describe(c.host, c.method, c.path, nil); got != c.want {
			t.Errorf("%q: %s %s%s: got %s, want %s", c.patterns, c.method, c.host, c.path, got, c.want)
		}
	}
}

func TestRefusedPatternsAreFollowedByTheNextBest(t *testing.T) {
	s := gatewaySet(t, "GET h/a/b", "h/a/b", "h/a/{x}", "h/a/", "*.h/", "/a/b", "/{x}/b", "/")
	refused := map[string]bool{}
	for _, want := range []string{
		"GET h/a/b []", "h/a/b []", `h/a/{x} ["b"]`, `h/a/ ["b"]`, "/a/b []", `/{x}/b ["a"]`, `/ ["a/b"]`, "none",
	} {
		got := s.describe("h", "GET", "/a/b", func(e *Entry[string]) bool { return !refused[e.Text] })
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		text, _, _ := strings.Cut(got, " [")
		refused[text] = true
	}
}

func TestGatewaySyntax(t *testing.T) {
	for text, want := range map[string]string{
		"*.a.example/":    "",
		"*/":              "in a host * is only allowed at the start, followed by a dot",
		"a.*.example/":    "in a host * is only allowed at the start, followed by a dot",
		"*./":             "a host is missing after the wildcard",
		"/a/../b":         "it never matches: paths with the segments . or .. are refused",
		"/a/%2e/b":        "it never matches: paths with the segments . or .. are refused",
		"/a?b":            "the path of a pattern has no query, no blank and no backslash",
		"a.example":       "the path, which starts with a slash, is missing",
		"a.example:80/":   "a port is not allowed: a host matches on all ports",
		"{x}.example/":    "wildcards are not allowed in the host",
		"G@T /":           `invalid method "G@T"`,
		"/a{x}":           `a wildcard must be a whole segment, which "a{x}" is not`,
		"/{x}/{x}":        `the wildcard name "x" is used twice`,
		"/{x...}/a":       "{x...} must be at the end",
		"bücher.example/": `"bücher.example" is not a host; international names are written in their xn-- form`,
	} {
		got := ""
		if _, err := Parse(text, Gateway); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// Every pair of patterns conflicts as a comparison of the two finds, whatever else is in the set.
func TestAddFindsEachConflict(t *testing.T) {
	var patterns []string
	for _, method := range []string{"", "GET ", "HEAD ", "POST "} {
		for _, path := range []string{"/", "/{$}", "/a", "/a/", "/a/{$}", "/{x}", "/{x}/", "/a/b", "/a/{x}", "/{x}/b", "/{x}/{y}", "/a/{x...}", "/{x}/b/", "/a/b/c"} {
			patterns = append(patterns, method+path)
		}
	}
	for _, a := range patterns {
		for _, b := range patterns {
			p, _ := Parse(a, Gateway)
			q, _ := Parse(b, Gateway)
			var s Set[bool]
			s.Add(p, true)
			if got := s.Add(q, true) != nil; got != p.Conflicts(q) {
				t.Errorf("%q after %q: conflict is %v", b, a, got)
			}
		}
	}
}

func TestManyWildcards(t *testing.T) {
	const text = "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j...}"
	s := gatewaySet(t, text, "/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/x/y")
	if got, want := s.describe("h", "GET", "/1/2/3/4/5/6/7/8/9/x/z", nil), text+` ["1" "2" "3" "4" "5" "6" "7" "8" "9" "x/z"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func manyRoutes(n int) []string {
	patterns := []string{"/", "*.wild.example/", "api.example/v1/{x}/parts/{rest...}"}
	for i := len(patterns); i < n; i++ {
		switch i % 4 {
		case 0:
			patterns = append(patterns, fmt.Sprintf("api.example/service-%d/", i))
		case 1:
			patterns = append(patterns, fmt.Sprintf("POST api.example/v1/%d/{id}", i))
		case 2:
			patterns = append(patterns, fmt.Sprintf("host-%d.example/", i))
		default:
			patterns = append(patterns, fmt.Sprintf("*.suffix-%d.example/{x}/y", i))
		}
	}
	return patterns
}

// searches are found with 10 routes as with 10,000.
var searches = []struct{ host, method, path, want string }{
	{"api.example", "GET", "/v1/7/parts/a%20b/c", `api.example/v1/{x}/parts/{rest...} ["7" "a%20b/c"]`},
	{"a.b.c.wild.example", "GET", "/x/y/z", `*.wild.example/ ["x/y/z"]`},
	{"none.example", "PUT", "/x/%41", `/ ["x/%41"]`},
}

func TestManyRoutesAreFoundAlike(t *testing.T) {
	for _, n := range []int{10, 10_000} {
		s := gatewaySet(t, manyRoutes(n)...)
		for _, c := range searches {
			if got := s.describe(c.host, c.method, c.path, nil); got != c.want {
				t.Errorf("%d routes: got %s, want %s", n, got, c.want)
			}
		}
		if allocated := testing.AllocsPerRun(100, func() {
			var room [8]string
			for _, c := range searches {
				s.FindAccepted(c.host, c.method, c.path, room[:0], nil)
			}
		}); allocated != 0 {
			t.Errorf("%d routes: %v allocations", n, allocated)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		s := gatewaySet(b, manyRoutes(n)...)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var room [8]string
			for b.Loop() {
				for _, c := range searches {
					s.FindAccepted(c.host, c.method, c.path, room[:0], nil)
				}
			}
		})
	}
}

// naive finds by comparing each pattern with the segments of the path.
func naive(patterns []*Pattern, name, method, path string) (best *Pattern) {
	for _, p := range patterns {
		if naiveMatches(p, name, method, path) && (best == nil || naivePrecedes(p, best, path)) {
			best = p
		}
	}
	return best
}

func naiveMatches(p *Pattern, name, method, path string) bool {
	suffix, wild := strings.CutPrefix(p.Host, ".")
	switch {
	case wild && !strings.HasSuffix(name, "."+suffix), !wild && p.Host != "" && p.Host != name:
		return false
	case p.Method != "" && p.Method != method && (p.Method != "GET" || method != "HEAD"):
		return false
	}
	return naiveSegments(p.segments, strings.Split(path, "/")[1:])
}

func naiveSegments(segments []segment, path []string) bool {
	for i, s := range segments {
		switch {
		case s.kind == restSegment:
			return true // also with i == len(path): the path without the final slash
		case i >= len(path):
			return false
		case s.kind == endSegment:
			return i == len(path)-1 && path[i] == ""
		case s.kind == oneSegment && path[i] == "", s.kind == literalSegment && s.literal != path[i]:
			return false
		case s.kind == literalSegment && s.literal == "" && i == len(path)-1:
			return false
		}
	}
	return len(segments) == len(path)
}

// naivePrecedes reports whether p precedes q, both of which match.
func naivePrecedes(p, q *Pattern, path string) bool {
	if p.Host != q.Host {
		pw, qw := strings.HasPrefix(p.Host, "."), strings.HasPrefix(q.Host, ".")
		switch {
		case p.Host == "" || q.Host == "":
			return q.Host == ""
		case pw != qw:
			return qw
		}
		return len(p.Host) > len(q.Host)
	}
	segments := len(strings.Split(path, "/")) - 1
	for i := range max(len(p.segments), len(q.segments)) {
		switch {
		case i == len(p.segments):
			return true // it ends here, and q ends in the rest that is missing
		case i == len(q.segments):
			return false
		}
		if a, b := p.segments[i].kind, q.segments[i].kind; a != b {
			rank := []segmentKind{literalSegment, oneSegment, endSegment, restSegment}
			return slices.Index(rank, a) < slices.Index(rank, b)
		}
	}
	_ = segments
	rank := func(m string) int { return slices.Index([]string{"HEAD", "GET", ""}, m) }
	if p.Method == "" || q.Method == "" || p.Method != q.Method {
		return rank(p.Method) < rank(q.Method)
	}
	return false
}

func FuzzFindAsComparingEach(f *testing.F) {
	sets := [][]string{
		{"/", "/a/", "/a", "/a/{x}", "/a/{x}/c", "/{x}/", "/a/b//c", "GET /a/b", "/a/{x}/{$}"},
		{"h.example/", "*.h.example/", "*.a.h.example/a/", "/a/{rest...}", "GET *.h.example/a", "h.example/{x}"},
		{"GET /{x}/{y}", "HEAD /a/b", "POST /a/", "GET /a/{y}", "/{x}/{y...}", "/a"},
	}
	for _, path := range []string{"/", "/a", "/a/", "/a/b", "/a/b/", "/a/b//c", "/a//c", "/x/b", "/a/x/c/d"} {
		f.Add("GET", "h.example", path)
		f.Add("HEAD", "x.a.h.example", path)
		f.Add("POST", "other", path)
	}
	f.Fuzz(func(t *testing.T, method, name, path string) {
		if path == "" || path[0] != '/' || strings.Contains(path, "%") || name == "" || name[0] == '.' {
			return
		}
		for _, texts := range sets {
			s := gatewaySet(t, texts...)
			var patterns []*Pattern
			for _, text := range texts {
				p, _ := Parse(text, Gateway)
				patterns = append(patterns, p)
			}
			want := "none"
			if p := naive(patterns, name, method, path); p != nil {
				want = p.Text
			}
			got := "none"
			if found, _ := s.FindAccepted(name, method, path, nil, nil); found != nil {
				got = found.Text
			}
			if got != want {
				t.Errorf("%q: %q %q %q: got %q, want %q", texts, method, name, path, got, want)
			}
		}
	})
}
