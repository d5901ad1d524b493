package file

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	f, err := Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f.Config
}

// TestWholeGrammar reads each key once, and each short form.
func TestWholeGrammar(t *testing.T) {
	got := parse(t, `
routes:
  api.example.com/users/: users
  POST api.example.com/orders/{id}:
    to: {users: 95, shop: 5}
    when:
      header: {X-Canary: 1, X-Tag: {prefix: a, suffix: z, regex: "b+", present: true}, X-No: {present: off}}
      query: {q: "x y"}
      cookie: {c: {prefix: p}}
      method: [POST]
      from: [10.0.0.0/8, "::1"]
    rewrite: {path: "/v2/{id}", host: backend}
    request: {set: {X-A: a}, add: {X-B: 5}, remove: [X-C]}
    response: {set: {X-D: d}, remove: X-E}
    timeout: 5s
    try-timeout: 1.5s
    idle: 1h30m
    retry: {tries: 2, on: [502, 503], methods: [GET, PUT]}
    body: 10MiB
    limit: {rate: 100/s, burst: 200, key: "header:X-Key", shared: "redis://host:6379"}
    concurrency: 50
    mirror: {shop: 10%}
    auth: {jwt: {jwks: "https://issuer.example/keys", issuer: i, audience: a, claims: {sub: X-User}}}
    compress: on
    paths: raw
  "*.shop.example.com/":
    - {when: {method: GET}, to: shop, retry: 0, auth: {ask: users /check, copy: [X-User]}}
    - users
  /old/{path...}: {redirect: "https://new.example.com/{path}", status: 308}
  /healthz: {respond: {status: 200, body: "ok\n", fields: {X-F: f}}}
backends:
  users: h2c://users.internal:8080
  shop:
    peers: ["https://10.0.0.1:8443", {url: "h2c+unix:/run/app.sock", weight: 3}]
    balance: {hash: "cookie:session"}
    connections: 4
    streams: 50
    connect: 1s
    idle: 10s
    age: 1h
    health: {request: GET /healthz, every: 2s, timeout: 500ms, rise: 1, fall: 2, expect: [200-299, 404]}
    eject: {failures: 3, for: 5s, most: 25%}
    slow-start: 30s
    tls: {name: shop.internal, ca: ca.pem, cert: c.pem, key: k.pem, verify: true, min: 1.3}
    proxy-protocol: v2
    share: false
tests:
  - {request: "POST http://api.example.com/orders/1", header: {X-Canary: 1}, from: 10.0.0.1, backend: users, route: "/healthz", status: 200, location: x, path: /v2/1}
`)
	want := &config.Config{
		Routes: map[string]config.Cases{
			"api.example.com/users/": {{To: config.Shares{"users": 1}}},
			"POST api.example.com/orders/{id}": {{
				To: config.Shares{"users": 95, "shop": 5},
				When: config.When{
					Header: map[string]config.Match{"X-Canary": {Text: "1"},
						"X-Tag": {Prefix: "a", Suffix: "z", Regex: "b+", Present: config.On}, "X-No": {Present: config.Off}},
					Query:  map[string]config.Match{"q": {Text: "x y"}},
					Cookie: map[string]config.Match{"c": {Prefix: "p"}},
					Method: []string{"POST"},
					From:   []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
				},
				Rewrite:  config.Rewrite{Path: "/v2/{id}", Host: "backend"},
				Request:  config.Edits{Set: map[string]string{"X-A": "a"}, Add: map[string]string{"X-B": "5"}, Remove: []string{"X-C"}},
				Response: config.Edits{Set: map[string]string{"X-D": "d"}, Remove: []string{"X-E"}},
				Timeout:  5 * time.Second, TryTimeout: 1500 * time.Millisecond, Idle: 90 * time.Minute,
				Retry:       &config.Retry{Tries: 2, On: []int{502, 503}, Methods: []string{"GET", "PUT"}},
				Body:        10 << 20,
				Limit:       &config.Limit{Rate: config.Rate{Count: 100, Per: time.Second}, Burst: 200, Key: "header:X-Key", Shared: "redis://host:6379"},
				Concurrency: 50,
				Mirror:      config.Mirror{"shop": 10},
				Auth: &config.Auth{JWT: &config.JWT{JWKS: "https://issuer.example/keys", Issuer: "i", Audience: []string{"a"},
					Claims: map[string]string{"sub": "X-User"}}},
				Compress: true, Paths: config.RawPaths,
			}},
			"*.shop.example.com/": {
				{When: config.When{Method: []string{"GET"}}, To: config.Shares{"shop": 1}, Retry: &config.Retry{},
					Auth: &config.Auth{Ask: config.Ask{Backend: "users", Path: "/check"}, Copy: []string{"X-User"}}},
				{To: config.Shares{"users": 1}},
			},
			"/old/{path...}": {{Redirect: "https://new.example.com/{path}", Status: 308}},
			"/healthz":       {{Respond: &config.Respond{Status: 200, Body: "ok\n", Fields: map[string]string{"X-F": "f"}}}},
		},
		Backends: map[string]config.Backend{
			"users": {Peers: config.Peers{List: []config.Peer{{URL: "h2c://users.internal:8080"}}}},
			"shop": {
				Peers:   config.Peers{List: []config.Peer{{URL: "https://10.0.0.1:8443"}, {URL: "h2c+unix:/run/app.sock", Weight: 3}}},
				Balance: config.Balance{Method: config.Hash, Hash: "cookie:session"}, Connections: 4, Streams: 50,
				Connect: time.Second, Idle: 10 * time.Second, Age: time.Hour,
				Health: &config.Health{Request: "GET /healthz", Every: 2 * time.Second, Timeout: 500 * time.Millisecond, Rise: 1, Fall: 2,
					Expect: []config.StatusRange{{From: 200, To: 299}, {From: 404, To: 404}}},
				Eject:     &config.Eject{Failures: 3, For: 5 * time.Second, Most: 25},
				SlowStart: 30 * time.Second,
				TLS: &config.TLS{Name: "shop.internal", CA: "ca.pem", Cert: "c.pem", Key: "k.pem",
					Verify: config.On, Min: "1.3"},
				ProxyProtocol: config.ProxyV2, Share: config.Off,
			},
		},
		Tests: []config.Test{{Request: "POST http://api.example.com/orders/1", Header: map[string]string{"X-Canary": "1"},
			From: "10.0.0.1", Backend: "users", Route: "/healthz", Status: 200, Location: "x", Path: "/v2/1"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestShortForms(t *testing.T) {
	for text, want := range map[string]config.Backend{
		"[http://h, http://i]":                      {Peers: config.Peers{List: []config.Peer{{URL: "http://h"}, {URL: "http://i"}}}},
		"{peers: {file: peers.yaml}}":               {Peers: config.Peers{File: "peers.yaml"}},
		"{peers: http://h, balance: round}":         {Peers: config.Peers{List: []config.Peer{{URL: "http://h"}}}, Balance: config.Balance{Method: config.Round}},
		"{peers: http://h, balance: 'hash:client'}": {Peers: config.Peers{List: []config.Peer{{URL: "http://h"}}}, Balance: config.Balance{Method: config.Hash, Hash: "client"}},
		"{peers: http://h, eject: off}":             {Peers: config.Peers{List: []config.Peer{{URL: "http://h"}}}, Eject: &config.Eject{Off: true}},
		"{peers: http://h, eject: false}":           {Peers: config.Peers{List: []config.Peer{{URL: "http://h"}}}, Eject: &config.Eject{Off: true}},
		"{peers: http://h, proxy-protocol: off}":    {Peers: config.Peers{List: []config.Peer{{URL: "http://h"}}}, ProxyProtocol: config.ProxyOff},
		"{peers: http://h, health: GET /healthz}":   {Peers: config.Peers{List: []config.Peer{{URL: "http://h"}}}, Health: &config.Health{Request: "GET /healthz"}},
		"{peers: http://h, health: {tcp: true}}":    {Peers: config.Peers{List: []config.Peer{{URL: "http://h"}}}, Health: &config.Health{TCP: true}},
		"{peers: {url: http://h, weight: 2}}":       {Peers: config.Peers{List: []config.Peer{{URL: "http://h", Weight: 2}}}},
		"{peers: https://h, tls: {min: \"1.2\"}}":   {Peers: config.Peers{List: []config.Peer{{URL: "https://h"}}}, TLS: &config.TLS{Min: "1.2"}},
		"{peers: http://h, health: {request: GET /, expect: 2xx}}": {Peers: config.Peers{List: []config.Peer{{URL: "http://h"}}},
			Health: &config.Health{Request: "GET /", Expect: []config.StatusRange{{From: 200, To: 299}}}},
	} {
		got := parse(t, "routes: {/: a}\nbackends: {a: "+text+"}\n").Backends["a"]
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

// Colons within plain texts are part of them.
func TestPlainTextsWithColons(t *testing.T) {
	for text, want := range map[string][]string{
		"{peers: [http://10.0.0.1:80, h2c://[::1]:80]}":                         nil, // brackets end a plain text
		"{peers: [http://10.0.0.1:80, http://a:81 , http://b]}":                 {"http://10.0.0.1:80", "http://a:81", "http://b"},
		"{peers: [ http://10.0.0.1:80 ], balance: round}":                       {"http://10.0.0.1:80"},
		"{peers: [{url: http://10.0.0.1:80, weight: 2}, http://a:1]}":           {"http://10.0.0.1:80", "http://a:1"},
		"{peers: [\n    http://10.0.0.1:80, # one\n    http://a:81 # two\n  ]}": {"http://10.0.0.1:80", "http://a:81"},
		"[http://10.0.0.1:80, \"http://[::1]:80\"]":                             {"http://10.0.0.1:80", "http://[::1]:80"},
		"\n    - http://10.0.0.1:80\n    - http://a:1":                          {"http://10.0.0.1:80", "http://a:1"},
		"h2c+unix:/run/app.sock":                                                {"h2c+unix:/run/app.sock"},
		"{peers: [h2c+unix:/run/app.sock]}":                                     {"h2c+unix:/run/app.sock"},
	} {
		f, err := Parse("f.yaml", []byte("routes: {/: a}\nbackends:\n  a: "+text+"\n"))
		if err != nil {
			if want != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		var got []string
		for _, p := range f.Config.Backends["a"].Peers.List {
			got = append(got, p.URL)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestAnchorsAndMergeKeys(t *testing.T) {
	got := parse(t, `
routes:
  /a: &usual {to: a, timeout: 5s, retry: 2}
  /b: {<<: *usual, timeout: 9s}
  /c: *usual
  /d:
    <<: [{idle: 1m}, *usual]
backends: {a: http://h}
`)
	for path, want := range map[string]config.Case{
		"/b": {To: config.Shares{"a": 1}, Timeout: 9 * time.Second, Retry: &config.Retry{Tries: 2}},
		"/c": {To: config.Shares{"a": 1}, Timeout: 5 * time.Second, Retry: &config.Retry{Tries: 2}},
		"/d": {To: config.Shares{"a": 1}, Timeout: 5 * time.Second, Retry: &config.Retry{Tries: 2}, Idle: time.Minute},
	} {
		if got := got.Routes[path][0]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
}

func TestAliasesAreBounded(t *testing.T) {
	text := "routes:\n  /: {to: a}\nbackends: {a: http://h}\ntests:\n  - &a0 [{request: x}, {request: x}, {request: x}]\n"
	merged := "routes:\n  /: {to: a}\nbackends: {a: http://h}\ntests:\n  - &a0 {request: x}\n"
	for i := 1; i < 40; i++ {
		text += fmt.Sprintf("  - &a%d [*a%d, *a%d, *a%d]\n", i, i-1, i-1, i-1)
		merged += fmt.Sprintf("  - &a%d {<<: [*a%d, *a%d, *a%d]}\n", i, i-1, i-1, i-1)
	}
	for _, text := range []string{strings.ReplaceAll(text, "tests:", "backends2:"), merged, strings.Replace(text, "tests:\n", "tests2:\n", 1)} {
		_, err := Parse("f.yaml", []byte(text))
		if err == nil {
			t.Error("there is no error")
		}
	}
	_, err := Parse("f.yaml", []byte(merged))
	if !strings.Contains(err.Error(), "aliases stand for more than 100000 values") {
		t.Errorf("got %.300v", err)
	}
}

func TestNestingAndSizeAreBounded(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{strings.Repeat("[", 1_000_000), "f.yaml:1:101: values are nested more than 100 deep"},
		{strings.Repeat("{a: ", 100_000), "f.yaml:1:401: values are nested more than 100 deep"},
		{strings.Repeat("- ", 100_000), "f.yaml:1:201: values are nested more than 100 deep"},
		{strings.Repeat("a", maxSize+1), "f.yaml:1:1: the file has more than 16 MiB"},
	} {
		_, err := Parse("f.yaml", []byte(c.text))
		if err == nil || err.Error() != c.want {
			t.Errorf("%.20q: got %.200v, want %s", c.text, err, c.want)
		}
	}
}

func TestManyRoutesAreRead(t *testing.T) {
	var text strings.Builder
	text.WriteString("backends: {a: http://h}\nroutes:\n")
	for i := range 10_000 {
		fmt.Fprintf(&text, "  host-%d.example/{x}/path-%d/: {to: a, timeout: 5s, request: {set: {X-N: %d}}}\n", i%100, i, i)
	}
	started := time.Now()
	if n := len(parse(t, text.String()).Routes); n != 10_000 {
		t.Errorf("%d routes", n)
	}
	t.Logf("%v for %d bytes", time.Since(started), text.Len())
}

func TestNamedFilesAreChecked(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("gateway.yaml", `routes:
  /: {to: a, auth: {basic: users}}
  /b: {to: b, auth: {basic: md5}}
  /c: {to: c, auth: {jwt: {jwks: keys.json}}}
  /d: {to: c, auth: {jwt: {jwks: empty.pem}}}
backends:
  a: {peers: https://h, tls: {ca: empty.pem}}
  b: {peers: https://h, tls: {cert: cert.pem, key: key.pem}}
  c: {peers: {file: peers.yaml}}
`)
	write("users", "# users\nann:$2y$05$"+strings.Repeat("a", 53)+"\n")
	write("md5", "ann:$apr1$x$y\n")
	write("empty.pem", "")
	write("peers.yaml", "- http://a\n- nothing\n")
	name := filepath.Join(dir, "gateway.yaml")
	_, err := Open(name)
	problems, _ := errors.AsType[Problems](err)
	want := strings.Join([]string{
		":3:29: line 1 of md5 has no bcrypt hash of a cost up to 15: make one with htpasswd -B",
		":4:34: keys.json cannot be read: no such file or directory",
		":5:34: empty.pem is not a key set (JWKS): a JSON object with keys",
		":7:35: empty.pem has no certificate in PEM form",
		":8:37: the certificate cert.pem with the key key.pem cannot be used: no such file or directory",
		":9:21: the peers cannot be used: " + filepath.Join(dir, "peers.yaml") + `:2:3: "nothing" has no scheme: write http, h2c, https or h2 in front, as in http://nothing`,
	}, "\n")
	if got := strings.ReplaceAll(problems.Error(), name+":", ":"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range faults {
		f.Add(c.text)
	}
	f.Add("routes: {/: &a {to: a, <<: *a}, /b: [*a, {<<: [*a]}]}\nbackends: {? [a] : b, a: {peers: {file: x}}}")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("f.yaml", []byte(text))
		if err == nil {
			if file.Config == nil {
				t.Error("there is neither a file nor an error")
			}
			return
		}
		problems, ok := errors.AsType[Problems](err)
		if !ok || len(problems) == 0 {
			t.Fatalf("the error is %v", err)
		}
		lines := strings.Count(text, "\n") + 1
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines+1 || p.Column < 1 || p.Text == "" || strings.Contains(p.Text, "\n") {
				t.Errorf("%+v in %d lines", p, lines)
			}
			_ = p.Detail()
		}
	})
}
