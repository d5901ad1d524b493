//go:build linux

package gateway_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
)

// What the tests of the Kubernetes Gateway API expect of an HTTPRoute (kubernetes-sigs/gateway-api,
// conformance/tests), as facts about files that say the same. A PathPrefix /a is the pattern /a/, an
// Exact /a is /a, and rules with the same path are the cases of a route; the rule with more header
// conditions comes first. Not here, since a gateway without a cluster has no counterpart: the status of
// objects, references across namespaces, listeners of several gateways on one address, and CORS.

// step is a request and what becomes of it: a backend, or a status and a location; target and fields are
// compared if they are given. A field "-Name" must be absent.
type step struct {
	request string
	sent    []string // name, value, name, value
	want    string
	fields  []string // name: values
}

// conformance has the name of each test, the routes, and the steps.
var conformance = []struct {
	name, routes string
	steps        []step
}{
	{"simple", `{/: v1}`, []step{
		{request: "GET http://h/", want: "v1 /"},
	}},
	{"matching", `{/: [{when: {header: {version: two}}, to: v2}, v1], /v2/: v2}`, []step{
		{request: "GET http://h/", want: "v1"},
		{request: "GET http://h/example", want: "v1"},
		{request: "GET http://h/", sent: []string{"Version", "one"}, want: "v1"},
		{request: "GET http://h/v2", want: "v2"},
		{request: "GET http://h/v2/example", want: "v2"},
		{request: "GET http://h/", sent: []string{"Version", "two"}, want: "v2"},
		{request: "GET http://h/v2", sent: []string{"Version", "one"}, want: "v2"},
		{request: "GET http://h/v2example", want: "v1"},
		{request: "GET http://h/foo/v2/example", want: "v1"},
	}},
	{"matching across routes", `{example.com/: [{when: {header: {version: two}}, to: v2}, v1], example.net/: v1, example.com/v2/: v2}`, []step{
		{request: "GET http://example.com/", want: "v1"},
		{request: "GET http://example.com/example", want: "v1"},
		{request: "GET http://example.net/example", want: "v1"},
		{request: "GET http://example.com/example", sent: []string{"Version", "one"}, want: "v1"},
		{request: "GET http://example.com/v2", want: "v2"},
		{request: "GET http://example.net/v2", want: "v1"},
		{request: "GET http://example.com/v2/example", want: "v2"},
		{request: "GET http://example.com/", sent: []string{"Version", "two"}, want: "v2"},
	}},
	{"exact path", `{/one: v1, /two: v2}`, []step{
		{request: "GET http://h/one", want: "v1"},
		{request: "GET http://h/two", want: "v2"},
		{request: "GET http://h/", want: "404"},
		{request: "GET http://h/one/example", want: "404"},
		{request: "GET http://h/two/", want: "404"},
		{request: "GET http://h/Two", want: "404"},
	}},
	{"path match order", `{/match/: v3, /match: v1, /match/exact: v2, /match/exact/one: v3, /match/prefix/: v1, /match/prefix/one/: v2}`, []step{
		{request: "GET http://h/match/exact/one", want: "v3"},
		{request: "GET http://h/match/exact", want: "v2"},
		{request: "GET http://h/match", want: "v1"},
		{request: "GET http://h/match/prefix/one/any", want: "v2"},
		{request: "GET http://h/match/prefix/any", want: "v1"},
		{request: "GET http://h/match/any", want: "v3"},
	}},
	{"header matching", `{/: [
		{when: {header: {version: two, color: orange}}, to: v1}, {when: {header: {version: one}}, to: v1}, {when: {header: {version: two}}, to: v2},
		{when: {header: {color: {regex: "^(blue|green)$"}}}, to: v1}, {when: {header: {color: red}}, to: v2}, {when: {header: {color: yellow}}, to: v2}]}`, []step{
		{request: "GET http://h/", sent: []string{"Version", "one"}, want: "v1"},
		{request: "GET http://h/", sent: []string{"Version", "two"}, want: "v2"},
		{request: "GET http://h/", sent: []string{"Version", "two", "Color", "orange"}, want: "v1"},
		{request: "GET http://h/", sent: []string{"Version", "two", "Color", "blue"}, want: "v2"},
		{request: "GET http://h/", sent: []string{"Color", "orange"}, want: "404"},
		{request: "GET http://h/", sent: []string{"Some-Other-Header", "one"}, want: "404"},
		{request: "GET http://h/", sent: []string{"Color", "blue"}, want: "v1"},
		{request: "GET http://h/", sent: []string{"Color", "green"}, want: "v1"},
		{request: "GET http://h/", sent: []string{"Color", "red"}, want: "v2"},
		{request: "GET http://h/", sent: []string{"Color", "yellow"}, want: "v2"},
		{request: "GET http://h/", sent: []string{"Color", "purple"}, want: "404"},
	}},
	{"query parameter matching", `{
		/: [{when: {query: {animal: dolphin, color: blue}}, to: v3}, {when: {query: {animal: whale}, header: {version: one}}, to: v2},
		    {when: {query: {animal: hydra}, header: {version: four}}, to: v3}, {when: {query: {animal: whale}}, to: v1},
		    {when: {query: {animal: dolphin}}, to: v2}, {when: {query: {ANIMAL: Whale}}, to: v3}],
		/path1/: {when: {query: {animal: whale}}, to: v1}, /path2/: {when: {query: {animal: whale}, header: {version: two}}, to: v3},
		/path3/: {when: {query: {animal: shark}}, to: v1}, /path4/: {when: {query: {animal: kraken}, header: {version: three}}, to: v1},
		/path5/: {when: {query: {animal: hydra}}, to: v1}}`, []step{
		{request: "GET http://h/?animal=whale", want: "v1"},
		{request: "GET http://h/?animal=dolphin", want: "v2"},
		{request: "GET http://h/?animal=dolphin&color=blue", want: "v3"},
		{request: "GET http://h/?ANIMAL=Whale", want: "v3"},
		{request: "GET http://h/?animal=whale&otherparam=irrelevant", want: "v1"},
		{request: "GET http://h/?animal=dolphin&color=yellow", want: "v2"},
		{request: "GET http://h/?color=blue", want: "404"},
		{request: "GET http://h/?animal=dog", want: "404"},
		{request: "GET http://h/?animal=whaledolphin", want: "404"},
		{request: "GET http://h/", want: "404"},
		{request: "GET http://h/path1?animal=whale", want: "v1"},
		{request: "GET http://h/?animal=whale", sent: []string{"version", "one"}, want: "v2"},
		{request: "GET http://h/path2?animal=whale", sent: []string{"version", "two"}, want: "v3"},
		{request: "GET http://h/path3?animal=shark", want: "v1"},
		{request: "GET http://h/path4?animal=kraken", sent: []string{"version", "three"}, want: "v1"},
		{request: "GET http://h/?animal=shark", want: "404"},
		{request: "GET http://h/path4?animal=kraken", want: "404"},
		{request: "GET http://h/path5?animal=hydra", want: "v1"},
		{request: "GET http://h/?animal=hydra", sent: []string{"version", "four"}, want: "v3"},
	}},
	{"method matching", `{
		/: [{when: {method: PUT, header: {version: one}}, to: v2}, {when: {method: PATCH, header: {version: four}}, to: v2},
		    {when: {method: POST}, to: v1}, {when: {method: GET}, to: v2}],
		/path1/: {when: {method: GET}, to: v1}, /path2/: {when: {method: POST, header: {version: two}}, to: v3},
		/path3/: {when: {method: PATCH}, to: v1}, /path4/: {when: {method: DELETE, header: {version: three}}, to: v1},
		/path5/: {when: {method: PATCH}, to: v1}}`, []step{
		{request: "POST http://h/", want: "v1"},
		{request: "GET http://h/", want: "v2"},
		{request: "HEAD http://h/", want: "404"},
		{request: "GET http://h/path1", want: "v1"},
		{request: "PUT http://h/", sent: []string{"version", "one"}, want: "v2"},
		{request: "POST http://h/path2", sent: []string{"version", "two"}, want: "v3"},
		{request: "PATCH http://h/path3", want: "v1"},
		{request: "DELETE http://h/path4", sent: []string{"version", "three"}, want: "v1"},
		{request: "PUT http://h/", want: "404"},
		{request: "DELETE http://h/path4", want: "404"},
		{request: "PATCH http://h/path5", want: "v1"},
		{request: "PATCH http://h/", sent: []string{"version", "four"}, want: "v2"},
	}},
	{"hostname intersection", `{very.specific.com/s1/: v1, "*.wildcard.io/s2/": v2, very.specific.com/s3/: v3, "*.anotherwildcard.io/s4/": v1,
		first.com/: v2, sub.first.com/: v2, "*.second.com/": v2}`, []step{
		{request: "GET http://very.specific.com/s1", want: "v1"},
		{request: "GET http://very.specific.com:1234/s1", want: "v1"},
		{request: "GET http://non.matching.com/s1", want: "404"},
		{request: "GET http://foo.nonmatchingwildcard.io/s1", want: "404"},
		{request: "GET http://foo.wildcard.io/s1", want: "404"},
		{request: "GET http://very.specific.com/non-matching-prefix", want: "404"},
		{request: "GET http://foo.wildcard.io/s2", want: "v2"},
		{request: "GET http://bar.wildcard.io/s2", want: "v2"},
		{request: "GET http://foo.bar.wildcard.io/s2", want: "v2"},
		{request: "GET http://non.matching.com/s2", want: "404"},
		{request: "GET http://wildcard.io/s2", want: "404"},
		{request: "GET http://very.specific.com/s2", want: "404"},
		{request: "GET http://very.specific.com/s3", want: "v3"},
		{request: "GET http://foo.specific.com/s3", want: "404"},
		{request: "GET http://foo.anotherwildcard.io/s4", want: "v1"},
		{request: "GET http://foo.bar.anotherwildcard.io/s4", want: "v1"},
		{request: "GET http://anotherwildcard.io/s4", want: "404"},
		{request: "GET http://foo.wildcard.io/s4", want: "404"},
		{request: "GET http://sub.first.com/", want: "v2"},
		{request: "GET http://sub.second.com/", want: "v2"},
		{request: "GET http://third.com/", want: "404"},
	}},
	{"listener hostname matching", `{bar.com/: v1, foo.bar.com/: v2, "*.bar.com/": v3, "*.foo.com/": v3}`, []step{
		{request: "GET http://bar.com/", want: "v1"},
		{request: "GET http://foo.bar.com/", want: "v2"},
		{request: "GET http://baz.bar.com/", want: "v3"},
		{request: "GET http://boo.bar.com/", want: "v3"},
		{request: "GET http://multiple.prefixes.bar.com/", want: "v3"},
		{request: "GET http://multiple.prefixes.foo.com/", want: "v3"},
		{request: "GET http://foo.com/", want: "404"},
		{request: "GET http://no.matching.host/", want: "404"},
	}},
	{"redirect host and status", `{/hostname-redirect: {redirect: "{$scheme}://example.org{$path}"}, /host-and-status: {redirect: "{$scheme}://example.org{$path}", status: 301}}`, []step{
		{request: "GET http://h/hostname-redirect", want: "302 http://example.org/hostname-redirect"},
		{request: "GET http://h/host-and-status", want: "301 http://example.org/host-and-status"},
	}},
	{"redirect path", `{"/original-prefix/{rest...}": {redirect: "/replacement-prefix/{rest}"}, /full/: {redirect: /full-path-replacement},
		/path-and-host: {redirect: "http://example.org/replacement-prefix"}, /path-and-status: {redirect: /replacement-prefix, status: 301},
		/full-path-and-host/: {redirect: "http://example.org/replacement-full"}, /full-path-and-status/: {redirect: /replacement-full, status: 301}}`, []step{
		{request: "GET http://h/original-prefix/lemon", want: "302 /replacement-prefix/lemon"},
		{request: "GET http://h/full/path/original", want: "302 /full-path-replacement"},
		{request: "GET http://h/path-and-host", want: "302 http://example.org/replacement-prefix"},
		{request: "GET http://h/path-and-status", want: "301 /replacement-prefix"},
		{request: "GET http://h/full-path-and-host", want: "302 http://example.org/replacement-full"},
		{request: "GET http://h/full-path-and-status", want: "301 /replacement-full"},
	}},
	{"redirect scheme", `{/scheme: {redirect: "https://{$host}{$path}"}, /scheme-and-host: {redirect: "https://example.org{$path}"},
		/scheme-and-status: {redirect: "https://{$host}{$path}", status: 301}, /303: {redirect: "https://{$host}{$path}", status: 303},
		/307: {redirect: "https://{$host}{$path}", status: 307}, /308: {redirect: "https://{$host}{$path}", status: 308}}`, []step{
		{request: "GET http://h:8080/scheme", want: "302 https://h/scheme"},
		{request: "GET http://h/scheme-and-host", want: "302 https://example.org/scheme-and-host"},
		{request: "GET http://h/scheme-and-status", want: "301 https://h/scheme-and-status"},
		{request: "GET http://h/303", want: "303 https://h/303"},
		{request: "GET http://h/307", want: "307 https://h/307"},
		{request: "GET http://h/308?q=1", want: "308 https://h/308?q=1"},
	}},
	{"redirect port", `{/port: {redirect: "{$scheme}://{$host}:8083{$path}"}, /port-and-host: {redirect: "{$scheme}://example.org:8083{$path}"},
		/port-and-status: {redirect: "{$scheme}://{$host}:8083{$path}", status: 301}, /port-and-host-and-status: {redirect: "{$scheme}://example.org:8083{$path}", status: 302}}`, []step{
		{request: "GET http://h:8080/port", want: "302 http://h:8083/port"},
		{request: "GET http://h/port-and-host", want: "302 http://example.org:8083/port-and-host"},
		{request: "GET http://h/port-and-status", want: "301 http://h:8083/port-and-status"},
		{request: "GET http://h/port-and-host-and-status", want: "302 http://example.org:8083/port-and-host-and-status"},
	}},
	{"redirect port and scheme", `{/nil-nil: {redirect: "{$scheme}://example.org{$path}"}, /nil-8080: {redirect: "{$scheme}://example.org:8080{$path}"},
		/https-nil: {redirect: "https://example.org{$path}"}, /https-8443: {redirect: "https://example.org:8443{$path}"}}`, []step{
		{request: "GET http://example.org/nil-nil", want: "302 http://example.org/nil-nil"},
		{request: "GET https://example.org/nil-nil", want: "302 https://example.org/nil-nil"},
		{request: "GET http://example.org/nil-8080", want: "302 http://example.org:8080/nil-8080"},
		{request: "GET http://example.org/https-nil", want: "302 https://example.org/https-nil"},
		{request: "GET http://example.org/https-8443", want: "302 https://example.org:8443/https-8443"},
	}},
	{"rewrite path", `{"/prefix/one/{rest...}": {to: v1, rewrite: {path: "/one/{rest}"}}, "/strip-prefix/{rest...}": {to: v1, rewrite: {path: "/{rest}"}},
		/full/one/: {to: v1, rewrite: {path: /one}},
		/full/rewrite-path-and-modify-headers/: {to: v1, rewrite: {path: /test}, request: &changes {set: {X-Header-Set: set-overwrites-values},
		  add: {X-Header-Add: header-val-1, X-Header-Add-Append: header-val-2}, remove: [X-Header-Remove]}},
		"/prefix/rewrite-path-and-modify-headers/{rest...}": {to: v1, rewrite: {path: "/prefix/{rest}"}, request: *changes}}`, []step{
		{request: "GET http://h/prefix/one/two", want: "v1 /one/two"},
		{request: "GET http://h/strip-prefix/three", want: "v1 /three"},
		{request: "GET http://h/strip-prefix", want: "v1 /"},
		{request: "GET http://h/full/one/two", want: "v1 /one"},
		{request: "GET http://h/full/rewrite-path-and-modify-headers/test", want: "v1 /test",
			sent:   []string{"X-Header-Remove", "remove-val", "X-Header-Add-Append", "append-val-1", "X-Header-Set", "set-val"},
			fields: []string{"X-Header-Add: header-val-1", "X-Header-Add-Append: append-val-1,header-val-2", "X-Header-Set: set-overwrites-values", "-X-Header-Remove"}},
		{request: "GET http://h/prefix/rewrite-path-and-modify-headers/one", want: "v1 /prefix/one",
			sent:   []string{"X-Header-Remove", "remove-val", "X-Header-Add-Append", "append-val-1", "X-Header-Set", "set-val"},
			fields: []string{"X-Header-Add: header-val-1", "X-Header-Add-Append: append-val-1,header-val-2", "X-Header-Set: set-overwrites-values", "-X-Header-Remove"}},
	}},
	{"rewrite host", `{rewrite.example/one: {to: v1, rewrite: {host: one.example.org}}, rewrite.example/: {to: v2, rewrite: {host: example.org}},
		rewrite.example/rewrite-host-and-modify-headers: {to: v2, rewrite: {host: test.example.org}, request: {set: {X-Header-Set: set-overwrites-values}, add: {X-Header-Add: header-val-1, X-Header-Add-Append: header-val-2}, remove: X-Header-Remove}}}`, []step{
		{request: "GET http://rewrite.example/one", want: "v1 /one", fields: []string{"Host: one.example.org"}},
		{request: "GET http://rewrite.example/two", want: "v2 /two", fields: []string{"Host: example.org"}},
		{request: "GET http://rewrite.example/rewrite-host-and-modify-headers", want: "v2", sent: []string{"X-Header-Remove", "remove-val", "X-Header-Add-Append", "append-val-1"},
			fields: []string{"Host: test.example.org", "X-Header-Add: header-val-1", "X-Header-Add-Append: append-val-1,header-val-2", "X-Header-Set: set-overwrites-values", "-X-Header-Remove"}},
	}},
	{"request header modifier", `{/set: {to: v1, request: {set: {X-Header-Set: set-overwrites-values}}}, /add: {to: v1, request: {add: {X-Header-Add: add-appends-values}}},
		/remove: {to: v1, request: {remove: [X-Header-Remove]}},
		/multiple: {to: v1, request: {set: {X-Header-Set-1: header-set-1, X-Header-Set-2: header-set-2}, add: {X-Header-Add-1: header-add-1, X-Header-Add-2: header-add-2, X-Header-Add-3: header-add-3}, remove: [X-Header-Remove-1, X-Header-Remove-2]}},
		/case-insensitivity: {to: v1, request: {set: {X-Header-Set: header-set}, add: {X-Header-Add: header-add}, remove: [X-Header-Remove]}}}`, []step{
		{request: "GET http://h/set", want: "v1", sent: []string{"Some-Other-Header", "val"}, fields: []string{"Some-Other-Header: val", "X-Header-Set: set-overwrites-values"}},
		{request: "GET http://h/set", want: "v1", sent: []string{"Some-Other-Header", "val", "X-Header-Set", "some-other-value"}, fields: []string{"X-Header-Set: set-overwrites-values"}},
		{request: "GET http://h/add", want: "v1", fields: []string{"X-Header-Add: add-appends-values"}},
		{request: "GET http://h/add", want: "v1", sent: []string{"X-Header-Add", "some-other-value"}, fields: []string{"X-Header-Add: some-other-value,add-appends-values"}},
		{request: "GET http://h/remove", want: "v1", sent: []string{"X-Header-Remove", "val"}, fields: []string{"-X-Header-Remove"}},
		{request: "GET http://h/multiple", want: "v1", sent: []string{"X-Header-Set-2", "set-val-2", "X-Header-Add-2", "add-val-2", "X-Header-Remove-2", "remove-val-2", "Another-Header", "another-header-val"},
			fields: []string{"X-Header-Set-1: header-set-1", "X-Header-Set-2: header-set-2", "X-Header-Add-1: header-add-1", "X-Header-Add-2: add-val-2,header-add-2",
				"X-Header-Add-3: header-add-3", "Another-Header: another-header-val", "-X-Header-Remove-1", "-X-Header-Remove-2"}},
		{request: "GET http://h/case-insensitivity", want: "v1", sent: []string{"x-header-set", "original-val-set", "x-header-add", "original-val-add", "x-header-remove", "original-val-remove"},
			fields: []string{"X-Header-Set: header-set", "X-Header-Add: original-val-add,header-add", "-X-Header-Remove"}},
	}},
	{"direct response", `{/teapot: {respond: {status: 418, body: short}}, /: v1}`, []step{
		{request: "GET http://h/teapot", want: "418"},
		{request: "GET http://h/", want: "v1"},
	}},
}

func TestGatewayAPIConformance(t *testing.T) {
	for _, c := range conformance {
		_, table := compile(t, "routes: "+strings.ReplaceAll(c.routes, "\t", " ")+"\nbackends: {v1: http://v1, v2: http://v2, v3: http://v3}\n")
		for _, s := range c.steps {
			e := explained(t, table, s.request, s.sent...)
			got := ""
			switch {
			case e.Location != "":
				got = fmt.Sprint(e.Status, " ", e.Location)
			case e.Status != 0:
				got = fmt.Sprint(e.Status)
			default:
				got = e.Backends[0].Backend + " " + e.Target
			}
			if got != s.want && !strings.HasPrefix(got, s.want+" ") {
				t.Errorf("%s: %s %q: got %q, want %q", c.name, s.request, s.sent, got, s.want)
			}
			fields := append(e.Fields, app.Field{Name: "Host", Value: e.Authority})
			for _, f := range s.fields {
				name, value, found := strings.Cut(f, ": ")
				if absent, ok := strings.CutPrefix(name, "-"); ok && !found {
					if fields.Has(absent) {
						t.Errorf("%s: %s: %s is there", c.name, s.request, absent)
					}
				} else if got := strings.ReplaceAll(fields.Joined(name), ", ", ","); got != value {
					t.Errorf("%s: %s: %s is %q, want %q", c.name, s.request, name, got, value)
				}
			}
		}
	}
}

// The weights of the test: 70, 30 and 0, of 500 requests within 5 %.
func TestGatewayAPIWeights(t *testing.T) {
	_, table := compile(t, "routes: {/: {to: {v1: 70, v2: 30, v3: 0}}}\nbackends: {v1: http://v1, v2: http://v2, v3: http://v3}\n")
	var m routing.Match
	if !table.Find(&app.Request{Method: "GET", RawPath: "/", Authority: "h"}, &m) {
		t.Fatal("there is no route")
	}
	const asked = 50_000
	seen := map[string]int{}
	for range asked {
		seen[m.Case.Backends[m.Case.Choose()].Backend]++
	}
	for backend, share := range map[string]float64{"v1": 0.7, "v2": 0.3, "v3": 0} {
		if got := float64(seen[backend]) / asked; math.Abs(got-share) > 0.05 {
			t.Errorf("%s got %.3f of the requests, want %.2f", backend, got, share)
		}
	}
}
