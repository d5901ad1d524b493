//go:build linux

package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/file"
	"github.com/gatewheel/gatewheel/app/server"
)

// open starts a gateway that does what the text of a file says, in which NAME stands for the URLs of
// backends over HTTP/1.1 with these handlers.
func open(t *testing.T, text string, backends map[string]app.Handler) (url string, g *gateway.Gateway) {
	t.Helper()
	return openOver(t, "http", text, backends)
}

// openOver is open for backends with another scheme.
func openOver(t *testing.T, scheme, text string, backends map[string]app.Handler) (url string, g *gateway.Gateway) {
	t.Helper()
	for name, h := range backends {
		address, _ := serveOn(t, h)
		text = strings.ReplaceAll(text, name, scheme+"://"+address)
	}
	f, err := file.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	g, err = gateway.Open(f.Config, gateway.Options{Via: "test"}, gateway.Parts{BuiltIn: says("built-in")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	address, _ := serveOn(t, g.Serve, func(c *server.Config) { c.HalfClosedTimeout = 100 * time.Millisecond })
	return "http://" + address, g
}

// says answers with a name, the target and host that it has seen, and the fields that begin with X-.
func says(name string) app.Handler {
	return func(r *app.Request) app.Answer {
		text := fmt.Sprintln(name, r.Method, r.Target, r.Authority)
		for _, f := range r.Fields {
			if name := http.CanonicalHeaderKey(f.Name); strings.HasPrefix(name, "X-") && !strings.HasPrefix(name, "X-Forwarded-") {
				text += name + ": " + f.Value + "\n"
			}
		}
		return app.Ready(app.Text(200, text).With("X-Server", name))
	}
}

// ask returns status, fields and content of a response.
func ask(t *testing.T, c *http.Client, method, url, body string, fields ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "Host" {
			r.Host = fields[i+1]
		} else {
			r.Header.Add(fields[i], fields[i+1])
		}
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(content)
}

func TestRoutes(t *testing.T) {
	url, g := open(t, `
routes:
  api.example/{rest...}:
    - {when: {header: {X-Canary: "1"}}, to: next}
    - to: current
      rewrite: {path: "/v2/{rest}", host: backend.example}
      request: {set: {X-Set: "1"}, add: {X-Added: "2"}, remove: [X-Gone]}
      response: {set: {X-Server: hidden}, add: {X-More: "3"}}
  api.example/old/{x}: {redirect: "https://new.example/{x}", status: 308, response: {set: {X-Why: moved}}}
  /healthz: {respond: {status: 503, body: "not now\n", fields: {Retry-After: "9"}}}
  /app/: {to: app, rewrite: {path: /inside}, request: {set: {X-Set: "4"}}, response: {set: {X-Server: changed}}}
  /small: {to: current, body: 4}
  /peer/: {to: next, rewrite: {host: backend}}
backends: {current: CURRENT, next: NEXT, app: "target:"}
`, map[string]app.Handler{"CURRENT": says("current"), "NEXT": says("next")})
	for _, http2 := range []bool{false, true} {
		c := clientOf(t, http2)
		for _, s := range []struct {
			method, path, body string
			sent               []string
			status             int
			content            string
			fields             []string
		}{
			{"GET", "/a%2F//b?q=1", "", []string{"Host", "api.example", "X-Gone", "z"}, 200, "current GET /v2/a%2F//b?q=1 backend.example\nX-Set: 1\nX-Added: 2\n", []string{"X-Server: hidden", "X-More: 3", "Via: 1.1 test"}},
			{"GET", "/a", "", []string{"Host", "api.example", "X-Canary", "1"}, 200, "next GET /a api.example\nX-Canary: 1\n", []string{"X-Server: next"}},
			{"GET", "/old/7?q", "", []string{"Host", "api.example"}, 308, "", []string{"Location: https://new.example/7?q", "X-Why: moved"}},
			{"GET", "/healthz", "", nil, 503, "not now\n", []string{"Retry-After: 9"}},
			{"GET", "/nothing", "", nil, 404, "there is nothing here\n", nil},
			{"GET", "/app/x?q", "", []string{"Host", "h.example"}, 200, "built-in GET /inside?q h.example\nX-Set: 4\n", []string{"X-Server: changed"}},
			{"PUT", "/small", "four", []string{"Host", "h.example"}, 200, "current PUT /small h.example\n", nil},
			{"PUT", "/small", "fives", nil, 413, "the request's content is too large\n", nil},
			{"GET", "/app/../x", "", nil, 400, "the path has dot segments\n", nil},
			{"GET", "/app%2Fx", "", nil, 404, "there is nothing here\n", nil},
		} {
			resp, content := ask(t, c, s.method, url+s.path, s.body, s.sent...)
			if resp.StatusCode != s.status || content != s.content && s.status != 308 {
				t.Errorf("HTTP/2 %v: %s %s: got %d %q, want %d %q", http2, s.method, s.path, resp.StatusCode, content, s.status, s.content)
			}
			for _, f := range s.fields {
				name, value, _ := strings.Cut(f, ": ")
				if got := resp.Header.Get(name); got != value {
					t.Errorf("HTTP/2 %v: %s %s: %s is %q, want %q", http2, s.method, s.path, name, got, value)
				}
			}
		}
		_, content := ask(t, c, "GET", url+"/peer/", "", "Host", "h.example")
		if !strings.HasPrefix(content, "next GET /peer/ 127.0.0.1:") {
			t.Errorf("the peer saw %q", content)
		}
	}
	counts := g.Counts()
	if n := counts.Exchanges[gateway.NoRoute]; n != 4 {
		t.Errorf("%d requests without a route", n)
	}
	if n := counts.Exchanges[gateway.BodyLimit]; n != 2 {
		t.Errorf("%d requests with too much content", n)
	}
}

// Content of unknown length is counted while it comes.
func TestBodyLimitOfAStream(t *testing.T) {
	url, _ := open(t, "routes: {/: {to: a, body: 10}}\nbackends: {a: ECHO}\n", map[string]app.Handler{"ECHO": echo})
	for _, http2 := range []bool{false, true} {
		c := clientOf(t, http2)
		for size, want := range map[int]int{10: 200, 11: 413} {
			in, out := io.Pipe()
			go func() {
				_, _ = io.WriteString(out, strings.Repeat("x", size))
				_ = out.Close()
			}()
			resp, err := c.Post(url, "text/plain", in)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("HTTP/2 %v: %d bytes: status %d, want %d", http2, size, resp.StatusCode, want)
			}
		}
	}
}

func TestRateLimit(t *testing.T) {
	url, _ := open(t, "routes:\n  /: {limit: {rate: 1/h, burst: 3, key: \"header:X-Key\"}, respond: {status: 204}}\nbackends: {}\n", nil)
	c := clientOf(t, false)
	for _, key := range []string{"a", "b"} {
		for i, want := range []int{204, 204, 204, 429, 429} {
			resp, _ := ask(t, c, "GET", url, "", "X-Key", key)
			if resp.StatusCode != want {
				t.Errorf("request %d of %s: status %d, want %d", i, key, resp.StatusCode, want)
			}
			if want == 429 && resp.Header.Get("Retry-After") != "3600" {
				t.Errorf("Retry-After is %q", resp.Header.Get("Retry-After"))
			}
		}
	}
}

func TestConcurrency(t *testing.T) {
	begun, end := make(chan bool), make(chan bool)
	url, _ := open(t, "routes: {/: {to: a, concurrency: 1}}\nbackends: {a: SLOW}\n", map[string]app.Handler{"SLOW": func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		go func() {
			begun <- true
			<-end
			p.Resolve(app.Text(200, "done"))
		}()
		return f
	}})
	c := clientOf(t, true)
	done := make(chan int)
	for range 3 {
		go func() {
			resp, _ := ask(t, c, "GET", url, "")
			done <- resp.StatusCode
		}()
		<-begun
		resp, _ := ask(t, c, "GET", url, "")
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("a second request: status %d", resp.StatusCode)
		}
		end <- true
		if status := <-done; status != 200 {
			t.Errorf("the first request: status %d", status)
		}
	}
}

func TestTimeoutOfACase(t *testing.T) {
	url, _ := open(t, "routes: {/: {to: a, timeout: 50ms}, /slow: a}\nbackends: {a: SLOW}\n", map[string]app.Handler{"SLOW": func(r *app.Request) app.Answer {
		return app.Map(app.Sleep(r, 300*time.Millisecond), func(app.Done) (*app.Response, error) { return app.Text(200, "late"), nil })
	}})
	for path, want := range map[string]int{"/": 504, "/slow": 200} {
		if resp, _ := ask(t, clientOf(t, false), "GET", url+path, ""); resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestCompressedResponses(t *testing.T) {
	text := strings.Repeat("compressible ", 1000)
	url, _ := open(t, "routes: {/: {to: a, compress: on}, /plain: a}\nbackends: {a: TEXT}\n", map[string]app.Handler{"TEXT": func(*app.Request) app.Answer {
		return app.Ready(app.Text(200, text))
	}})
	for _, http2 := range []bool{false, true} {
		for path, want := range map[string]string{"/": "gzip", "/plain": ""} {
			resp, content := ask(t, clientOf(t, http2), "GET", url+path, "", "Accept-Encoding", "gzip")
			if got := resp.Header.Get("Content-Encoding"); got != want || (len(content) < len(text)) != (want != "") {
				t.Errorf("HTTP/2 %v: %s: %d bytes, coding %q", http2, path, len(content), got)
			}
		}
	}
}

func TestSharesOfRequests(t *testing.T) {
	url, _ := open(t, "routes: {/: {to: {a: 3, b: 1}}}\nbackends: {a: ONE, b: TWO}\n", map[string]app.Handler{"ONE": says("a"), "TWO": says("b")})
	c, seen := clientOf(t, true), map[string]int{}
	const asked = 400
	for range asked {
		resp, _ := ask(t, c, "GET", url, "")
		seen[resp.Header.Get("X-Server")]++
	}
	if share := float64(seen["a"]) / asked; share < 0.65 || share > 0.85 || seen["a"]+seen["b"] != asked {
		t.Errorf("got %v", seen)
	}
}
