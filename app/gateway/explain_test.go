//go:build linux

package gateway_test

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/file"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
)

// TestExamples checks each file in examples/gateway as gatewheel check does.
func TestExamples(t *testing.T) {
	names, err := filepath.Glob(filepath.Join("..", "..", "examples", "gateway", "*.yaml"))
	if err != nil || len(names) < 5 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		f, err := file.Open(name)
		if err != nil {
			t.Error(err)
			continue
		}
		table, err := routing.Compile(f.Config)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range append(f.Warnings, f.Locate(gateway.CheckTests(f.Config, table))...) {
			t.Error(p)
		}
		g, err := gateway.Open(f.Config, gateway.Options{}, gateway.Parts{BuiltIn: says("built-in"), Certificates: noCertificates, Directory: filepath.Dir(name)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		g.Close()
	}
}

// noCertificates is the TLS of backends to which nothing connects.
func noCertificates(*config.TLS) (func(host string, protocols ...string) func() *tls.Config, error) {
	return func(string, ...string) func() *tls.Config { return func() *tls.Config { return &tls.Config{} } }, nil
}

// compile reads a file that is correct.
func compile(t *testing.T, text string) (*file.File, *routing.Table) {
	t.Helper()
	f, err := file.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	table, err := routing.Compile(f.Config)
	if err != nil {
		t.Fatal(err)
	}
	return f, table
}

// explained returns what the gateway does with a request, which is given as for gatewheel
// explain, with fields as name, value, name, value.
func explained(t *testing.T, table *routing.Table, request string, fields ...string) gateway.Explanation {
	t.Helper()
	method, target, err := config.ParseRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	asked := &gateway.Asked{Method: method, URL: target, From: netip.MustParseAddr("192.0.2.7")}
	for i := 0; i+1 < len(fields); i += 2 {
		asked.Fields.Add(fields[i], fields[i+1])
	}
	return gateway.Explain(table, asked)
}

func TestChangesOfTheHead(t *testing.T) {
	_, table := compile(t, `
routes:
  h.example/a/{x}/{rest...}:
    to: b
    rewrite: {path: "/v2/{rest}/{x}", host: other.example}
    request: {set: {X-Set: new, Via: x}, add: {X-Add: "2"}, remove: [x-gone]}
  h.example/kept/: {to: b, rewrite: {host: backend}}
backends: {b: http://b}
`)
	e := explained(t, table, "GET https://h.example/a/1%2e5/b//c%20d?q=%41", "X-Set", "old", "X-Add", "1", "X-Gone", "z", "X-Set", "older")
	got := fmt.Sprintln(e.Method, e.Target, e.Authority)
	for _, f := range e.Fields {
		got += f.Name + ": " + f.Value + "\n"
	}
	want := `GET /v2/b//c%20d/1%2e5?q=%41 other.example
X-Set: new
X-Add: 1
Via: x
X-Forwarded-For: 192.0.2.7
X-Forwarded-Proto: https
X-Forwarded-Host: h.example
X-Add: 2
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if e := explained(t, table, "GET https://h.example/kept/%7E?"); e.Target != "/kept/%7E?" && e.Target != "/kept/%7E" || e.Authority != "backend" {
		t.Errorf("got %q at %q", e.Target, e.Authority)
	}
}

// Two readers of these paths could find different resources.
func TestAmbiguousPathsAreRefused(t *testing.T) {
	_, table := compile(t, `
routes:
  /: b
  /users/{id}: b
  /files/{rest...}: b
  /files/secret/: c
  /raw/: {to: b, paths: raw}
  /pair/{x}/{y...}: b
backends: {b: http://b, c: http://c}
`)
	for path, want := range map[string]int{
		"/a%2Fb":             0, // one subtree in any case
		"/a\\b":              0,
		"/users/1":           0,
		"/users/a%2fb":       400, // {id}, or two segments of /
		"/users%2F1":         400, // / or /users/{id}
		"/users%5c1":         400,
		"/users\\1":          400,
		"/files/a%2Fb":       0,
		"/files/secret%2Fx":  400, // the route of others
		"/files/secret%5Cx":  400,
		"/files%2fsecret/x":  400,
		"/pair/a%2Fb/c":      400, // other captures
		"/pair/a/b%2Fc":      0,
		"/a/../b":            400,
		"/a/%2e%2E/b":        400,
		"/a%00":              400,
		"/raw/a%2Fb/../c%00": 0,
		"/a//b":              0,
		"/%zz":               0,
	} {
		request := strings.ReplaceAll("GET http://h.example"+path, "\\", "%5C")
		if path == "/%zz" {
			continue // net/url refuses it
		}
		if e := explained(t, table, request); e.Status != want {
			t.Errorf("%s: status %d (%s), want %d", path, e.Status, e.Reason, want)
		}
	}
}

func TestFailingTests(t *testing.T) {
	f, table := compile(t, `
routes:
  /: {to: {a: 1, b: 0}}
  /old/{x}: {redirect: "https://n.example/{x}"}
backends: {a: http://a, b: http://b}
tests:
  - {request: GET http://h/, backend: a, path: /}
  - {request: GET http://h/, backend: b}
  - {request: GET http://h/old/1, backend: a, location: https://n.example/2}
  - {request: GET http://h/old/1, status: 302, route: "/"}
  - {request: GET http://h/a/../b, backend: a}
  - {request: GET http://h/x, status: 404}
`)
	want := `f.yaml:8:39: the test fails: the request goes to a, not to b
f.yaml:9:44: the test fails: the request is redirected to https://n.example/1, not to a
f.yaml:9:57: the test fails: the location is "https://n.example/1", not "https://n.example/2"
f.yaml:10:55: the test fails: the request matches "/old/{x}", not "/"
f.yaml:11:45: the test fails: the request is answered with 400 (the path has dot segments), not to a
f.yaml:12:39: the test fails: the request goes to a, and status is that of an answer of the gateway's own`
	if got := f.Locate(gateway.CheckTests(f.Config, table)).Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
