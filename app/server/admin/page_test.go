//go:build linux

package admin

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/zap"
)

const hostile = `</script><script>alert(1)</script><img src=x onerror=alert(2)>"'&`

// hostileOptions have markup in every text that a peer, a file or a backend can choose.
func hostileOptions() Options {
	recent, stalls := NewRecent(), &Stalls{}
	zap.New(recent).Warn(hostile, zap.String("field", hostile))
	stalls.Add(Stall{What: hostile, Stack: hostile})
	return Options{
		Version: hostile, Recent: recent, Stalls: stalls,
		Totals: func() Totals {
			return Totals{Requests: map[string]map[int]uint64{hostile: {200: 1}}, Errors: map[string]uint64{hostile: 1}}
		},
		Loops:    func() []Loop { return []Loop{{Loop: 0}} },
		Backends: func() []Backend { return []Backend{{Name: hostile, Peers: []Peer{{Name: hostile, State: hostile}}}} },
		Requests: func(int, string) (Requests, error) {
			return Requests{Requests: []Request{{Peer: hostile, Protocol: hostile, Method: hostile, Host: hostile, Target: hostile, Phase: hostile, Backend: hostile, UpstreamTo: hostile}}}, nil
		},
	}
}

// The page without script has everything, and texts of others are text.
func TestPageEscapes(t *testing.T) {
	s := start(t, "127.0.0.1:0", "", hostileOptions())
	page := s.want(200, "GET", "/")
	if strings.Contains(page, "<img") || strings.Contains(page, "</script><script>alert") || strings.Count(page, "<script") != 1 {
		t.Errorf("markup of others is in the page:\n%s", page)
	}
	if n := strings.Count(page, "onerror=alert(2)&gt;"); n < 15 {
		t.Errorf("the static page shows %d of the texts", n)
	}
}

// The policy allows the script and the style of the page and no others, and the page loads nothing.
func TestPagePolicy(t *testing.T) {
	s := start(t, "127.0.0.1:0", "", hostileOptions())
	resp, page := s.ask("GET", "/")
	policy := resp.Header.Get("Content-Security-Policy")
	for _, part := range []string{"style", "script"} {
		content := regexp.MustCompile(`(?s)<` + part + `>(.*?)</` + part + `>`).FindStringSubmatch(page)
		if content == nil || !strings.Contains(policy, part+"-src '"+hashOf(content[1])+"'") {
			t.Errorf("the policy is %q, and has not the hash of the %s", policy, part)
		}
	}
	for _, sign := range []string{"http://", "https://", " style=", " onclick=", "innerHTML", "eval("} {
		if strings.Contains(strings.ReplaceAll(page, "http://www.w3.org/2000/svg", ""), sign) {
			t.Errorf("the page has %q", sign)
		}
	}
}

// Each link of the page leads somewhere.
func TestPageLinks(t *testing.T) {
	options := hostileOptions()
	options.Connections = func(ConnectionQuery) Connections { return Connections{} }
	options.Config = func() any { return nil }
	options.Count = options.Config
	options.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, o := range []Options{{}, options} {
		s := start(t, "127.0.0.1:0", "", o)
		links := regexp.MustCompile(`<a href="([^"]+)"`).FindAllStringSubmatch(s.want(200, "GET", "/"), -1)
		if len(links) != len(o.links()) {
			t.Errorf("%d links, want %d", len(links), len(o.links()))
		}
		for _, link := range links {
			s.want(200, "GET", "/"+html.UnescapeString(link[1]))
		}
	}
}

func TestTexts(t *testing.T) {
	for v, want := range map[float64]string{0: "–", 12e-6: "12 µs", 0.0015: "1.5 ms", 2.5: "2.5 s", 90: "1m30s"} {
		if got := durationText(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	for v, want := range map[any]string{uint64(0): "0", 7: "7", uint64(9999): "9999", uint64(12345): "12.3 k", 3e6: "3 M", 1.25: "1.25", int64(2e9): "2 G"} {
		if got := numberText(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
}
