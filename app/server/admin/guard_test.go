//go:build linux

package admin

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// attacked is a server whose commands count what was done.
func attacked(t *testing.T, address, token string) (*running, *commanded) {
	did := &commanded{level: zap.NewAtomicLevelAt(zap.InfoLevel)}
	return start(t, address, token, Options{
		Level: &did.level,
		Drain: func() { did.drains.Add(1) },
		Reload: func(context.Context) error {
			did.reloads.Add(1)
			if wrong := did.wrong.Load(); wrong != nil {
				return *wrong
			}
			return nil
		},
		Totals: func() Totals { return Totals{} },
	}), did
}

// What pages of strangers can make a browser send is refused, GET as well as POST, and has no effect.
func TestRequestsOfOtherOriginsAreRefused(t *testing.T) {
	s, did := attacked(t, "127.0.0.1:0", "")
	own := "http://" + s.address
	for _, c := range []struct {
		status int
		method string
		target string
		fields []string
	}{
		{200, "GET", "/", nil},
		{200, "GET", "/version", []string{"Sec-Fetch-Site: none"}},
		{200, "GET", "/version", []string{"Sec-Fetch-Site: same-origin", "Origin: " + own}},
		{200, "POST", "/reload", nil}, // curl
		{200, "POST", "/reload", []string{"Origin: " + own, "Sec-Fetch-Site: same-origin", "Referer: " + own + "/"}},

		{403, "POST", "/reload", []string{"Origin: http://evil.example"}},
		{403, "POST", "/reload", []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}},
		{403, "POST", "/reload", []string{"Origin: null"}},
		{403, "POST", "/reload", []string{"Origin: "}},
		{403, "POST", "/reload", []string{"Origin: http://localhost:1"}}, // another port is another origin
		{403, "POST", "/reload", []string{"Origin: " + own, "Origin: http://evil.example"}},
		{403, "POST", "/reload", []string{"Origin: file://" + s.address}},
		{403, "POST", "/reload", []string{"Origin: " + own + ".evil.example"}},
		{403, "POST", "/reload", []string{"Sec-Fetch-Site: cross-site"}}, // fetch in mode no-cors
		{403, "POST", "/reload", []string{"Sec-Fetch-Site: same-site"}},
		{403, "POST", "/reload", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Content-Type: text/plain", "Content-Length: 0"}},
		{403, "POST", "/reload", []string{"Referer: http://evil.example/"}}, // a browser that sends nothing else
		{403, "GET", "/", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}},
		{403, "GET", "/config", []string{"Origin: http://evil.example"}},
		{403, "GET", "/events", []string{"Sec-Fetch-Site: cross-site"}},
		{403, "GET", "/healthz", []string{"Sec-Fetch-Site: cross-site"}},

		// DNS rebinding: the page's own name leads to us.
		{421, "GET", "/version", []string{"Host: evil.example"}},
		{421, "GET", "/version", []string{"Host: evil.example" + strings.TrimPrefix(s.address, "127.0.0.1"), "Sec-Fetch-Site: same-origin"}},
		{421, "POST", "/reload", []string{"Host: evil.example", "Origin: http://evil.example", "Sec-Fetch-Site: same-origin"}},
		{421, "GET", "/version", []string{"Host: localhost.evil.example"}},
		{421, "GET", "/version", []string{"Host: 127.0.0.1.evil.example"}},
		{421, "GET", "/version", []string{"Host: 192.0.2.1"}},
		{421, "GET", "http://evil.example/version", nil},
		{421, "GET", "/version", []string{"Host: "}},
		{200, "GET", "/version", []string{"Host: localhost"}},
		{200, "GET", "/version", []string{"Host: LOCALHOST:9000"}}, // a tunnel of ssh
		{200, "GET", "/version", []string{"Host: [::1]:9000"}},
		{200, "GET", "/version", []string{"Host: 127.0.0.2"}},

		// Commands are POST alone, and no preflight is allowed.
		{405, "GET", "/reload", nil},
		{405, "GET", "/drain", nil},
		{405, "OPTIONS", "/reload", []string{"Access-Control-Request-Method: POST"}},
		{403, "OPTIONS", "/reload", []string{"Origin: http://evil.example", "Access-Control-Request-Method: POST"}},
		{405, "PUT", "/reload", nil},
		{200, "GET", "/log?level=debug", nil}, // shows the level
	} {
		resp, content := s.ask(c.method, c.target, c.fields...)
		if resp.StatusCode != c.status {
			t.Errorf("%s %s %q: %d %q, want %d", c.method, c.target, c.fields, resp.StatusCode, content, c.status)
		}
		for name := range resp.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s %s %q has %s", c.method, c.target, c.fields, name)
			}
		}
	}
	if did.reloads.Load() != 2 || did.drains.Load() != 0 || did.level.Level() != zap.InfoLevel {
		t.Errorf("%d reloads, %d drains, level %v", did.reloads.Load(), did.drains.Load(), did.level)
	}
}

// The fields that keep browsers from doing harm are in each response, of refusals too.
func TestSecurityFields(t *testing.T) {
	s, _ := attacked(t, "127.0.0.1:0", "")
	for _, request := range [][]string{{"GET", "/"}, {"GET", "/version"}, {"GET", "/nothing"}, {"PUT", "/"}, {"GET", "/", "Host: evil.example"}} {
		resp, _ := s.ask(request[0], request[1], request[2:]...)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
			"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%q: %s is %q, want %q", request, name, got, want)
			}
		}
		policy := resp.Header.Get("Content-Security-Policy")
		for _, directive := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
			if !strings.Contains(policy, directive) {
				t.Errorf("%q: the policy is %q, without %s", request, policy, directive)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%q: the policy is %q", request, policy)
		}
	}
}

func TestTokens(t *testing.T) {
	s, did := attacked(t, "127.0.0.1:0", tokenFile(t, rightToken+"\n"))
	basic := func(user, password string) string {
		r, _ := http.NewRequest("GET", "/", nil)
		r.SetBasicAuth(user, password)
		return "Authorization: " + r.Header.Get("Authorization")
	}
	for _, c := range []struct {
		status int
		method string
		fields []string
	}{
		{401, "POST", nil},
		{401, "POST", []string{"Authorization: Bearer " + rightToken[:31]}},
		{401, "POST", []string{"Authorization: Bearer " + rightToken + "0"}},
		{401, "POST", []string{"Authorization: Bearer "}},
		{401, "POST", []string{"Authorization: bearer"}},
		{401, "POST", []string{"Authorization: Bearer " + strings.ToUpper(rightToken)}},
		{401, "POST", []string{"Authorization: " + rightToken}},
		{401, "POST", []string{basic(rightToken, "")}},
		{401, "POST", []string{basic("admin", "wrong")}},
		{401, "POST", []string{"Cookie: token=" + rightToken}},
		{200, "POST", []string{"Authorization: Bearer " + rightToken}},
		{200, "POST", []string{"Authorization: bearer " + rightToken}},
		{200, "POST", []string{basic("admin", rightToken)}},
		// A program may use any name of the host. A browser sends the password that it remembers for anybody.
		{200, "POST", []string{"Authorization: Bearer " + rightToken, "Host: gatewheel.internal:9901"}},
		{421, "POST", []string{basic("admin", rightToken), "Host: evil.example"}},
		{403, "POST", []string{basic("admin", rightToken), "Origin: http://evil.example"}},
		{403, "POST", []string{"Authorization: Bearer " + rightToken, "Origin: http://evil.example"}},
	} {
		resp, content := s.ask(c.method, "/reload", c.fields...)
		if resp.StatusCode != c.status {
			t.Errorf("%q: %d %q, want %d", c.fields, resp.StatusCode, content, c.status)
		}
		if asks := len(resp.Header.Values("WWW-Authenticate")) == 2; asks != (c.status == 401) {
			t.Errorf("%q: WWW-Authenticate is %q", c.fields, resp.Header.Values("WWW-Authenticate"))
		}
	}
	if n := did.reloads.Load(); n != 4 {
		t.Errorf("%d reloads", n)
	}
	for _, path := range []string{"/", "/metrics", "/events", "/debug/pprof/", "/version", "/healthz/", "//healthz"} {
		s.want(401, "GET", path)
	}
	s.want(200, "GET", "/healthz")
	s.want(200, "GET", "/readyz")
}

// A new token holds within a second, and none at all if the file has gone.
func TestTokensAreReadAgain(t *testing.T) {
	name := tokenFile(t, rightToken)
	tk := &token{file: name}
	now := time.Now()
	is := func(given string, want bool) {
		t.Helper()
		if got, err := tk.is(given, now); got != want || err != nil {
			t.Errorf("%q: %v, %v, want %v", given, got, err, want)
		}
	}
	is(rightToken, true)
	const next = "another token of enough bytes"
	if err := os.WriteFile(name, []byte("  "+next+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(tokenAge)
	is(rightToken, false)
	is(next, true)
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	now = now.Add(tokenAge)
	if ok, err := tk.is(next, now); ok || err == nil {
		t.Errorf("without its file: %v, %v", ok, err)
	}
	if ok, err := tk.is("", now); ok || err == nil {
		t.Errorf("without its file, the empty token: %v, %v", ok, err)
	}
}

func TestListenRefuses(t *testing.T) {
	for _, c := range []struct{ address, token, says string }{
		{"0.0.0.0:0", "", "--admin-token-file"},
		{":0", "", "--admin-token-file"},
		{"[::]:0", "", "--admin-token-file"},
		{"192.0.2.1:9901", "", "--admin-token-file"},
		{"example.org:9901", "", "--admin-token-file"},
		{"localhost.example.org:9901", "", "--admin-token-file"},
		{"127.0.0.1", "", "is not HOST:PORT or unix:PATH"},
		{"127.0.0.1:http", "", "is not HOST:PORT or unix:PATH"},
		{"unix:", "", "has no path"},
		{"unix:@gatewheel-admin", "", "--admin-token-file"},
		{"127.0.0.1:0", filepath.Join(t.TempDir(), "absent"), "no such file"},
		{"127.0.0.1:0", tokenFile(t, "short"), "has 5 bytes, from 16"},
		{"127.0.0.1:0", tokenFile(t, "  \n"), "has 0 bytes"},
		{"127.0.0.1:0", tokenFile(t, strings.Repeat("x", maxToken+1)), "to 4096 are needed"},
	} {
		l, err := Listen(c.address, c.token)
		if err == nil {
			_ = l.Close()
			t.Errorf("%s: it listens", c.address)
		} else if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want it to say %q", c.address, err, c.says)
		}
	}
	s, _ := attacked(t, "0.0.0.0:0", tokenFile(t, rightToken))
	s.want(401, "GET", "/version")
	s.want(200, "GET", "/version", "Authorization: Bearer "+rightToken)
}

// A unix socket is its owner's, replaces one that was left behind, and not one that is in use.
func TestUnixSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	s, _ := attacked(t, "unix:"+path, "")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	s.want(200, "GET", "/version")
	s.want(200, "GET", "/version", "Host: 127.0.0.1:9000")
	s.want(421, "GET", "/version", "Host: evil.example") // through a tunnel
	if _, err := Listen("unix:"+path, ""); err == nil {
		t.Error("two listen on one socket")
	}
	left := filepath.Join(t.TempDir(), "left.sock")
	l, err := Listen("unix:"+left, "")
	if err != nil {
		t.Fatal(err)
	}
	l.Listener.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
	_ = l.Close()
	if l, err = Listen("unix:"+left, ""); err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:"+file, ""); err == nil {
		t.Error("a file was replaced")
	}
	if text, _ := os.ReadFile(file); string(text) != "content" {
		t.Errorf("the file has %q", text)
	}
}
