//go:build linux

package gateway_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/server"
)

// openGo starts a gateway of a config.Config that a program has made.
func openGo(t *testing.T, c *config.Config, change ...func(*server.Config)) (url string) {
	t.Helper()
	g, err := gateway.Open(c, gateway.Options{Via: "test"}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	address, _ := serveOn(t, g.Serve, change...)
	return "http://" + address
}

// peersOf returns a backend with one peer.
func peersOf(url string) config.Backend {
	return config.Backend{Peers: config.Peers{List: []config.Peer{{URL: url}}}}
}

// Each condition of when, alone. The answer is 204 if it holds, else 404.
func TestConditions(t *testing.T) {
	trusted := func(c *server.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}
	for _, c := range []struct {
		when    string
		holds   []string // method, target, name: value, ...
		not     []string
		program config.When
	}{
		{"{header: {X-Key: a}}", []string{"x-key: a", "X-Key: b|X-KEY: a"}, []string{"", "X-Key: b", "X-Key: A", "X-Key: ab"},
			config.When{Header: map[string]config.Match{"X-Key": {Text: "a"}}}},
		{"{header: {X-Key: {prefix: a, suffix: z}}}", []string{"X-Key: az", "X-Key: a-z"}, []string{"", "X-Key: a", "X-Key: zaz"},
			config.When{Header: map[string]config.Match{"X-Key": {Prefix: "a", Suffix: "z"}}}},
		{"{header: {X-Key: {regex: '^[0-9]+$'}}}", []string{"X-Key: 123"}, []string{"", "X-Key: 12a"},
			config.When{Header: map[string]config.Match{"X-Key": {Regex: "^[0-9]+$"}}}},
		{"{header: {X-Key: {present: true}}}", []string{"X-Key: 1", "X-Key:"}, []string{""},
			config.When{Header: map[string]config.Match{"X-Key": {Present: config.On}}}},
		{"{header: {X-Key: {present: false}}}", []string{""}, []string{"X-Key: 1", "X-Key:"},
			config.When{Header: map[string]config.Match{"X-Key": {Present: config.Off}}}},
		{"{header: {X-A: a, X-B: b}}", []string{"X-A: a|X-B: b"}, []string{"X-A: a", "X-B: b"},
			config.When{Header: map[string]config.Match{"X-A": {Text: "a"}, "X-B": {Text: "b"}}}},
		{"{query: {q: 'a b'}}", []string{"/?q=a+b", "/?x=1&q=a%20b", "/?q=a+b&q=c"}, []string{"/", "/?q=ab", "/?Q=a+b", "/?q=c&q=a+b"},
			config.When{Query: map[string]config.Match{"q": {Text: "a b"}}}},
		{"{query: {q: {present: true}}}", []string{"/?q", "/?q=", "/?%71=1"}, []string{"/", "/?r=q"},
			config.When{Query: map[string]config.Match{"q": {Present: config.On}}}},
		{"{cookie: {group: {regex: 'beta|next'}}}", []string{"Cookie: a=b; group=beta2", "Cookie: a=b|Cookie: group=next"}, []string{"", "Cookie: group=stable", "Cookie: Group=beta"},
			config.When{Cookie: map[string]config.Match{"group": {Regex: "beta|next"}}}},
		{"{method: [PUT, DELETE]}", []string{"PUT", "DELETE"}, []string{"GET", "POST"}, config.When{Method: []string{"PUT", "DELETE"}}},
		{"{from: [10.0.0.0/8, 2001:db8::/32]}", []string{"X-Forwarded-For: 10.1.2.3", "X-Forwarded-For: 2001:db8::1"}, []string{"", "X-Forwarded-For: 11.1.2.3"},
			config.When{From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}},
	} {
		fromFile := parsed(t, "routes: {/: {when: "+c.when+", respond: {status: 204}}}\n")
		fromProgram := &config.Config{Routes: map[string]config.Cases{"/": {{When: c.program, Respond: &config.Respond{Status: 204}}}}}
		for origin, described := range map[string]*config.Config{"file": fromFile, "program": fromProgram} {
			url := openGo(t, described, trusted)
			for _, http2 := range []bool{false, true} {
				client := clientOf(t, http2)
				for want, requests := range map[int][]string{204: c.holds, 404: c.not} {
					for _, text := range requests {
						if got := statusOf(t, client, url, text); got != want {
							t.Errorf("%s: %s: HTTP/2 %v: %q: status %d, want %d", origin, c.when, http2, text, got, want)
						}
					}
				}
			}
		}
	}
}

// statusOf returns the status of the answer to a request: a method, a target, or fields that are separated by |.
func statusOf(t *testing.T, c *http.Client, url, text string) int {
	t.Helper()
	method, target := "GET", "/"
	var fields []string
	for part := range strings.SplitSeq(text, "|") {
		name, value, ok := strings.Cut(part, ":")
		switch {
		case ok:
			fields = append(fields, name, strings.TrimSpace(value))
		case strings.HasPrefix(part, "/"):
			target = part
		case part != "":
			method = part
		}
	}
	resp, _ := ask(t, c, method, url+target, "", fields...)
	return resp.StatusCode
}

// What a program describes is what the file would say.
func TestAGatewayWithoutAFile(t *testing.T) {
	backend, _ := serveOn(t, says("a"))
	url := openGo(t, &config.Config{
		Backends: map[string]config.Backend{"a": peersOf("h2c://" + backend)},
		Routes: map[string]config.Cases{
			"h.example/a/{rest...}": {{
				To: config.Shares{"a": 1}, Rewrite: config.Rewrite{Path: "/b/{rest}", Host: "b.example"}, Timeout: time.Second, Body: 10,
				Request:  config.Edits{Set: map[string]string{"X-Set": "1"}, Add: map[string]string{"X-Add": "2"}, Remove: []string{"x-gone"}},
				Response: config.Edits{Set: map[string]string{"X-Server": "hidden"}},
				Limit:    &config.Limit{Rate: config.Rate{Count: 1, Per: time.Hour}, Burst: 2, Key: "header:X-Key"},
				Retry:    &config.Retry{Tries: 1, On: []int{503}}, TryTimeout: time.Second, Idle: time.Minute, Concurrency: 10, Compress: true,
				Auth: &config.Auth{Basic: htpasswd(t)},
			}},
			"h.example/old/{x}": {{Redirect: "/new/{x}", Status: 307}},
		},
	})
	c := clientOf(t, false)
	for _, s := range []struct {
		path, key, body string
		status          int
		content         string
	}{
		{"/a/x?q", "1", "", 200, "a POST /b/x?q b.example\nX-Key: 1\nX-Set: 1\nX-Add: 2\n"},
		{"/a/x", "1", "", 200, ""},
		{"/a/x", "1", "", 429, ""},
		{"/a/x", "2", "more than ten", 413, ""},
		{"/old/%20?q", "", "", 307, ""},
	} {
		resp, content := ask(t, c, "POST", url+s.path, s.body, "Host", "h.example", "X-Gone", "x", "X-Key", s.key, "Authorization", password("alice", "secret"))
		if resp.StatusCode != s.status || s.content != "" && content != s.content {
			t.Errorf("%s %s: %d %q", s.path, s.key, resp.StatusCode, content)
		}
		if s.status == 200 && resp.Header.Get("X-Server") != "hidden" {
			t.Errorf("X-Server is %q", resp.Header.Get("X-Server"))
		}
		if location := resp.Header.Get("Location"); s.status == 307 && location != "/new/%20?q" {
			t.Errorf("Location is %q", location)
		}
	}
}

func TestIdleOfACase(t *testing.T) {
	url, g := open(t, "routes: {/: {to: a, idle: 100ms}}\nbackends: {a: A}\n", map[string]app.Handler{"A": func(r *app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(w.WriteString("begun"), func(app.Done) app.Future[app.Done] { return app.Sleep(r, time.Hour) })
		}))
	}})
	for _, http2 := range []bool{false, true} {
		resp, err := clientOf(t, http2).Get(url)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(b) != "begun" || err == nil {
			t.Errorf("HTTP/2 %v: %q, %v", http2, b, err)
		}
	}
	eventually(t, "it is counted", func() bool { return g.Counts().Exchanges[gateway.IdleTimeout] == 2 })
}

// raw paths are forwarded as they came, with captures as they came.
func TestRawPaths(t *testing.T) {
	url, _ := open(t, "routes: {'/a/{x}/{rest...}': {to: a, paths: raw}, '/b/{rest...}': a, '/c/{rest...}': {to: a, paths: raw, rewrite: {path: '/d/{rest}'}}}\nbackends: {a: A}\n",
		map[string]app.Handler{"A": says("a")})
	for target, want := range map[string]string{
		"/a/x%2Fy/z/../%00": "a GET /a/x%2Fy/z/../%00 ", "/b/x/../y": "the path has dot segments\n", "/b/x%00": "the path has an encoded NUL\n",
		"/b/x%2Fy": "a GET /b/x%2Fy ", "/c/x%2F..%2Fy": "a GET /d/x%2F..%2Fy ", "/b//x": "a GET /b//x ",
	} {
		r, _ := http.NewRequest("GET", url, nil)
		r.URL.Opaque = target
		resp, err := clientOf(t, false).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if !strings.HasPrefix(string(b), want) {
			t.Errorf("%s: %d %q, want %q", target, resp.StatusCode, b, want)
		}
	}
}

// compress leaves alone what must not be changed, and agrees with HEAD.
func TestWhatIsCompressed(t *testing.T) {
	text := strings.Repeat("compressible ", 1000)
	url, _ := open(t, "routes: {/: {to: a, compress: on, response: {set: {X-After: '1'}}}}\nbackends: {a: TEXT}\n", map[string]app.Handler{"TEXT": func(r *app.Request) app.Answer {
		resp := app.Text(200, text).With("ETag", `"1"`)
		switch r.RawPath {
		case "/no-transform":
			resp.Fields.Set("Cache-Control", "public, no-transform")
		case "/coded":
			resp.Fields.Set("Content-Encoding", "br")
		case "/image":
			resp.Fields.Set("Content-Type", "image/png")
		case "/short":
			return app.Ready(app.Text(200, "short"))
		case "/304":
			return app.Ready(app.Empty(304).With("ETag", `"1"`))
		case "/stream":
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] { return w.WriteString(text) }))
		}
		return app.Ready(resp)
	}})
	for _, http2 := range []bool{false, true} {
		for path, coding := range map[string]string{"/": "gzip", "/stream": "gzip", "/no-transform": "", "/coded": "br", "/image": "", "/short": "", "/304": ""} {
			for _, method := range []string{"GET", "HEAD"} {
				resp, content := ask(t, clientOf(t, http2), method, url+path, "", "Accept-Encoding", "gzip")
				got, want := resp.Header.Get("Content-Encoding"), coding
				if got != want || resp.Header.Get("X-After") != "1" {
					t.Errorf("HTTP/2 %v: %s %s: coding %q, want %q; %v", http2, method, path, got, want, resp.Header)
				}
				if length := resp.Header.Get("Content-Length"); got == "gzip" && length == fmt.Sprint(len(text)) {
					t.Errorf("HTTP/2 %v: %s %s: the length is that of the content before", http2, method, path)
				}
				if method == "GET" && got == "gzip" {
					z, err := gzip.NewReader(strings.NewReader(content))
					if err != nil {
						t.Fatal(err)
					}
					if b, err := io.ReadAll(z); string(b) != text || err != nil {
						t.Errorf("%s: %d bytes, %v", path, len(b), err)
					}
				}
			}
		}
	}
}

// Captures, and properties of the request, in locations.
func TestLocations(t *testing.T) {
	url, _ := open(t, `
routes:
  /keep/{x}: {redirect: "https://n.example/{x}"}
  /own/{x}: {redirect: "https://n.example/?x={x}"}
  /query/: {redirect: "https://n.example/?from={$query}"}
  /fragment/{x}: {redirect: "/to/{x}#top"}
  /path/{rest...}: {redirect: "{$scheme}://{$host}/v2{$path}", status: 301}
  /rest/{rest...}: {redirect: "/{rest}", status: 303}
`, nil)
	for target, want := range map[string]string{
		"/keep/a%20b?q=1&r=%20": "302 https://n.example/a%20b?q=1&r=%20", "/keep/a%2Fb": "400 ", "/keep/a": "302 https://n.example/a", "/keep/a?": "302 https://n.example/a",
		"/own/1?q=2": "302 https://n.example/?x=1", "/query/?a=b": "302 https://n.example/?from=a=b", "/fragment/1?q": "302 /to/1?q#top",
		"/path/a//b?q": "301 http://h.example/v2/path/a//b?q", "/rest//evil.example": "303 /evil.example", "/rest/a": "303 /a",
	} {
		r, _ := http.NewRequest("GET", url, nil)
		path, query, _ := strings.Cut(target, "?")
		r.URL.Opaque, r.URL.RawQuery, r.Host = path, query, "h.example:8080"
		if strings.HasPrefix(path, "//") {
			t.Fatal(path)
		}
		resp, err := clientOf(t, false).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Location")); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
}
