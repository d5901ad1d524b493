//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// gatewayFile writes a file and returns its name.
func gatewayFile(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCheck(t *testing.T) {
	correct := gatewayFile(t, "routes: {/: a}\nbackends: {a: http://h, b: http://i}\ntests: [{request: GET http://h/, backend: a}]\n")
	code, out, stderr := toEnd(t, nil, "check", correct)
	if code != exitClean || out != correct+": correct: 1 route, 2 backends, 1 test\n" {
		t.Errorf("exit %d, printed %q", code, out)
	}
	if want := correct + ":2:25: warning: no route uses the backend \"b\"\n  backends: {a: http://h, b: http://i}\n                          ^\n"; stderr != want {
		t.Errorf("warned %q, want %q", stderr, want)
	}

	faulty := gatewayFile(t, "routes:\n  /: {to: usres, timeout: 5}\nbackends: {users: http://h}\n")
	code, out, stderr = toEnd(t, nil, "check", faulty)
	want := faulty + ":2:11: there is no backend \"usres\"; did you mean \"users\"?\n" +
		"    /: {to: usres, timeout: 5}\n            ^\n" +
		faulty + ":2:27: \"5\" has no unit: write 5s or 5ms\n" +
		"    /: {to: usres, timeout: 5}\n                            ^\n"
	if code != exitFailure || out != "" || stderr != want {
		t.Errorf("exit %d, printed %q and\n%s\nwant\n%s", code, out, stderr, want)
	}

	failing := gatewayFile(t, "routes: {/: a}\nbackends: {a: http://h}\ntests: [{request: GET http://h/, status: 404}]\n")
	code, _, stderr = toEnd(t, nil, "check", failing)
	if code != exitFailure || !strings.Contains(stderr, ":3:42: the test fails: the request goes to a, and status is that of an answer of the gateway's own\n") {
		t.Errorf("exit %d, printed %q", code, stderr)
	}
}

func TestCheckNeedsAFile(t *testing.T) {
	if code, _, stderr := toEnd(t, nil, "check"); code != exitUsage || !strings.Contains(stderr, "check needs a file") {
		t.Errorf("exit %d, printed %q", code, stderr)
	}
	if code, _, stderr := toEnd(t, nil, "check", "/nothing/here.yaml"); code != exitFailure || !strings.Contains(stderr, "/nothing/here.yaml: no such file") {
		t.Errorf("exit %d, printed %q", code, stderr)
	}
}

func TestCheckPrintsTheSchema(t *testing.T) {
	code, out, _ := toEnd(t, nil, "check", "--schema")
	kept, err := os.ReadFile(filepath.Join("..", "..", "docs", "gateway-schema.json"))
	if err != nil || code != exitClean || out != string(kept) || !json.Valid(kept) {
		t.Errorf("exit %d, %v: the schema differs from docs/gateway-schema.json", code, err)
	}
}

func TestExplain(t *testing.T) {
	name := gatewayFile(t, `routes:
  api.example.com/:
    - {when: {header: {X-Canary: "1"}}, to: next}
    - {to: {shop: 95, next: 5}, rewrite: {host: backend}}
  /old/{path...}: {redirect: "https://new.example.com/{path}", status: 308}
  /office/: {when: {from: 10.0.0.0/8}, respond: {status: 403}}
  /rules/{rest...}:
    to: next
    rewrite: {path: "/v2/{rest}"}
    limit: {rate: 100/s, burst: 200, key: "header:X-Key", shared: "redis://:secret@r:6379"}
    concurrency: 50
    auth: {jwt: {jwks: https://id.example/keys, issuer: me, audience: [a, b], claims: {sub: X-User}}}
    body: 1KiB
    mirror: {shop: 2.5%}
    retry: {tries: 2, on: [502, 503], methods: [GET, POST]}
    timeout: 5s
    try-timeout: 1s
    idle: 1m
    compress: on
    response: {set: {X-A: a}, remove: [Server]}
backends: {shop: [http://10.0.0.1, http://10.0.0.2], next: h2c://10.0.0.3}
`)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"GET http://h/rules/a?b", "-H", "X-User: root"}, "route    /rules/{rest...}\ncase     1 of 1\n" +
			"limit    100 requests in 1s, 200 at once, by header:X-Key, counted by redis://:xxxxx@r:6379\nconcurrency 50 requests in progress\n" +
			"auth     a token with a key of https://id.example/keys, issuer me, audience a or b\nbody     1024 bytes at most\nmirror   shop, 2.5%\n" +
			"retry    2 further tries, also after 502, 503, of GET, POST\ntimeout  5s\ntry-timeout 1s\nidle     1m0s\ncompress on\n" +
			"response without Server, X-A set\nbackend  next, 100%: h2c://10.0.0.3\n\nGET /v2/a?b\nHost: h\nVia: 1.1 gatewheel\n" +
			"X-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: http\nX-Forwarded-Host: h\nX-User: (that of auth)\n"},
		{[]string{"GET https://api.example.com/a%2Fb?c", "-H", "X-Canary: 1", "-H", "Connection: close, x-hop", "-H", "X-Hop: 1"},
			"route    api.example.com/\ncase     1 of 2\nbackend  next, 100%: h2c://10.0.0.3\n\nGET /a%2Fb?c\nHost: api.example.com\n" +
				"X-Canary: 1\nVia: 1.1 gatewheel\nX-Forwarded-For: 192.0.2.1\nX-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com\n"},
		{[]string{"POST http://api.example.com/", "--from", "10.1.2.3"},
			"route    api.example.com/\ncase     2 of 2\nbackend  next, 5%: h2c://10.0.0.3\nbackend  shop, 95%: http://10.0.0.1, http://10.0.0.2\n\n" +
				"POST /\nHost: (that of the peer's URL)\nVia: 1.1 gatewheel\nX-Forwarded-For: 10.1.2.3\nX-Forwarded-Proto: http\nX-Forwarded-Host: api.example.com\n"},
		{[]string{"GET http://h/old/a/b"}, "route    /old/{path...}\ncase     1 of 1\nanswer   308: the case redirects\nlocation https://new.example.com/a/b\n"},
		{[]string{"GET http://h/office/", "--from=10.1.2.3"}, "route    /office/\ncase     1 of 1\nanswer   403: the case responds\n"},
		{[]string{"GET http://h/office/"}, "route    none\nanswer   404: no route matches\n"},
		{[]string{"GET http://h/x", "-H", "Host: api.example.com", "-H", "Upgrade: websocket", "-H", "Connection: upgrade"},
			"route    api.example.com/\ncase     2 of 2\nanswer   426: Sec-WebSocket-Version is not 13\n"},
	} {
		code, out, stderr := toEnd(t, nil, append([]string{"explain", name}, c.args...)...)
		if code != exitClean || stderr != "" || out != c.want {
			t.Errorf("%q: exit %d, printed %q and\n%s\nwant\n%s", c.args, code, stderr, out, c.want)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"/x"}, `"/x" is not a method and a URL`},
		{[]string{"GET http://h/", "-H", "X"}, `-H: "X" is not a field`},
		{[]string{"GET http://h/", "--from", "here"}, `--from: "here" is not an address`},
	} {
		code, _, stderr := toEnd(t, nil, append([]string{"explain", name}, c.args...)...)
		if code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: exit %d, printed %q", c.args, code, stderr)
		}
	}
}
