//go:build linux

package gateway_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
)

// counted returns a handler that counts its requests, and answers with a status and what it has read.
func counted(n *atomic.Int32, status func(n int32) int) app.Handler {
	return func(r *app.Request) app.Answer {
		k := n.Add(1)
		return app.Map(r.Body.ReadAll(1<<20), func(b []byte) (*app.Response, error) {
			return app.Text(status(k), string(b)), nil
		})
	}
}

func always(status int) func(int32) int { return func(int32) int { return status } }

func TestRetryAfterAStatus(t *testing.T) {
	for _, s := range []struct {
		retry, method, body string
		status, bad, good   int32
	}{
		{"1", "GET", "", 503, 1, 0},
		{"{on: [503]}", "GET", "", 200, 1, 1},
		{"{on: [502]}", "GET", "", 503, 1, 0},
		{"{on: [503], tries: 0}", "GET", "", 503, 1, 0},
		{"{on: [502, 503]}", "PUT", "content", 200, 1, 1},
		{"{on: [503]}", "POST", "content", 503, 1, 0},
		{"{on: [503], methods: [POST]}", "POST", "content", 200, 1, 1},
		{"{on: [503], methods: [POST]}", "GET", "", 503, 1, 0},
		{"{on: [503]}", "PUT", strings.Repeat("x", 64<<10), 200, 1, 1},
		{"{on: [503]}", "PUT", strings.Repeat("x", 64<<10+1), 503, 1, 0},
	} {
		for _, scheme := range []string{"http", "h2c"} {
			var bad, good atomic.Int32
			url, _ := openOver(t, scheme, "routes: {/: {to: a, retry: "+s.retry+"}}\nbackends: {a: {peers: [{url: BAD, weight: 1000}, GOOD], balance: round, eject: off}}\n",
				map[string]app.Handler{"BAD": counted(&bad, always(503)), "GOOD": counted(&good, always(200))})
			resp, content := ask(t, clientOf(t, true), s.method, url, s.body)
			if resp.StatusCode != int(s.status) || content != s.body || bad.Load() != s.bad || good.Load() != s.good {
				t.Errorf("%s: %s, %s with %d bytes: status %d, %d bytes, %d and %d requests", scheme, s.retry, s.method, len(s.body),
					resp.StatusCode, len(content), bad.Load(), good.Load())
			}
		}
	}
}

// With one peer the same one is asked again, and retries stay within a fifth of the requests.
func TestRetriesOfOnePeer(t *testing.T) {
	var n atomic.Int32
	url, g := open(t, "routes: {/: {to: a, retry: {tries: 3, on: [503]}}}\nbackends: {a: A}\n", map[string]app.Handler{"A": counted(&n, always(503))})
	c := clientOf(t, true)
	for range 50 {
		if resp, _ := ask(t, c, "GET", url, ""); resp.StatusCode != 503 {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	if n.Load() != 60 {
		t.Errorf("%d requests for 50", n.Load())
	}
	if got := g.Counts().Backend.Retries; got != 10 {
		t.Errorf("%d retries are counted", got)
	}
}

func TestTryTimeoutOfACase(t *testing.T) {
	slow := func(r *app.Request) app.Answer {
		return app.After(app.Sleep(r, time.Hour), func(app.Done, error) app.Answer { return app.Ready(app.Empty(204)) })
	}
	url, g := open(t, "routes: {/: {to: a, try-timeout: 50ms, timeout: 10s}}\nbackends: {a: {peers: [{url: SLOW, weight: 1000}, FAST], balance: round}}\n",
		map[string]app.Handler{"SLOW": slow, "FAST": says("fast")})
	if resp, _ := ask(t, clientOf(t, false), "GET", url, ""); resp.StatusCode != 200 || resp.Header.Get("X-Server") != "fast" {
		t.Errorf("GET: status %d", resp.StatusCode)
	}
	if resp, _ := ask(t, clientOf(t, false), "POST", url, "x"); resp.StatusCode != 504 {
		t.Errorf("POST: status %d", resp.StatusCode)
	}
	if n := g.Counts().Exchanges[gateway.HeadTimeout]; n != 1 {
		t.Errorf("%d requests count as head-timeout", n)
	}
}

// A mirror gets copies with method, path, fields and content; its answers are dropped, and its failures counted.
func TestMirror(t *testing.T) {
	copies := make(chan string, 100)
	mirror := func(r *app.Request) app.Answer {
		return app.Map(r.Body.ReadAll(1<<20), func(b []byte) (*app.Response, error) {
			copies <- strings.Join([]string{r.Method, r.Target, r.Authority, r.Fields.Get("X-Set"), string(b)}, " ")
			return app.Text(200, strings.Repeat("dropped", 10_000)), nil
		})
	}
	for _, scheme := range []string{"http", "h2c"} {
		url, g := openOver(t, scheme, `
routes:
  /: {to: a, mirror: m, request: {set: {X-Set: "1"}}, rewrite: {host: h.example}}
  /none/: {to: a, mirror: {m: 0.0001%}}
backends: {a: A, m: M}
`, map[string]app.Handler{"A": echo, "M": mirror})
		for _, http2 := range []bool{false, true} {
			c := clientOf(t, http2)
			for _, s := range []struct{ method, content string }{{"GET", ""}, {"POST", "content"}, {"PUT", strings.Repeat("x", 64<<10)}} {
				resp, content := ask(t, c, s.method, url+"/a?b", s.content)
				if resp.StatusCode != 200 || content != s.content {
					t.Errorf("%s: status %d, %d bytes", s.method, resp.StatusCode, len(content))
				}
				select {
				case got := <-copies:
					if want := s.method + " /a?b h.example 1 " + s.content; got != want {
						t.Errorf("the copy is %.100q, want %.100q", got, want)
					}
				case <-time.After(patience):
					t.Fatal("there is no copy")
				}
			}
			if _, content := ask(t, c, "PUT", url, strings.Repeat("x", 64<<10+1)); len(content) != 64<<10+1 {
				t.Errorf("%d bytes", len(content))
			}
			ask(t, c, "GET", url+"/none/", "")
		}
		eventually(t, "copies are counted", func() bool { return g.Counts().Mirrors == gateway.MirrorCounts{Sent: 6, Skipped: 2} })
		if len(copies) > 0 {
			t.Errorf("there is another copy: %.100q", <-copies)
		}
	}
}

// A mirror that answers with errors, refuses connections or hangs concerns nobody. The copies under way are bounded.
func TestMirrorThatFails(t *testing.T) {
	hangs := func(r *app.Request) app.Answer {
		return app.After(r.Draining(), func(app.Done, error) app.Answer { return app.Ready(app.Empty(204)) })
	}
	for peer, want := range map[string]gateway.MirrorCounts{
		"FAILS": {Sent: 300, Failed: 300}, "http://127.0.0.1:1": {Sent: 300, Failed: 300}, "HANGS": {Sent: 256, Skipped: 44},
	} {
		url, g := open(t, "routes: {/: {to: a, mirror: m}}\nbackends: {a: ONE, m: {peers: \""+peer+"\", connections: 1024}}\n", map[string]app.Handler{
			"ONE": says("a"), "HANGS": hangs, "FAILS": func(*app.Request) app.Answer { return app.Ready(app.Error(500, "")) }})
		c := clientOf(t, true)
		for n := range 300 {
			if resp, _ := ask(t, c, "GET", url, ""); resp.StatusCode != 200 {
				t.Fatalf("%s: status %d", peer, resp.StatusCode)
			}
			if peer != "HANGS" && n%100 == 99 {
				eventually(t, "the copies end", func() bool { m := g.Counts().Mirrors; return m.Sent == m.Failed })
			}
		}
		eventually(t, peer+" is counted", func() bool { return g.Counts().Mirrors == want })
	}
}

// A copy under way does not delay the end of the server.
func TestMirrorDoesNotDelayShutdown(t *testing.T) {
	hangs := make(chan bool)
	m, _ := serveOn(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		go func() {
			<-hangs
			p.Resolve(app.Empty(204))
		}()
		return f
	})
	defer close(hangs)
	a, _ := serveOn(t, says("a"))
	g, err := gateway.Open(parsed(t, "routes: {/: {to: a, mirror: m}}\nbackends: {a: \"http://"+a+"\", m: \"http://"+m+"\"}\n"), gateway.Options{}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	address, s := serveOn(t, g.Serve)
	ask(t, clientOf(t, false), "GET", "http://"+address, "")
	eventually(t, "the copy is under way", func() bool { return g.Counts().Mirrors.Sent == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// A request whose client leaves before its content is complete is not copied.
func TestMirrorOfABrokenUpload(t *testing.T) {
	var copies atomic.Int32
	begun := make(chan bool)
	url, g := open(t, "routes: {/: {to: a, mirror: m}}\nbackends: {a: A, m: M}\n", map[string]app.Handler{
		"M": counted(&copies, always(200)),
		"A": func(r *app.Request) app.Answer {
			begun <- true
			return echo(r)
		}})
	in, out := io.Pipe()
	r, _ := http.NewRequest("POST", url, in)
	done := make(chan bool)
	go func() {
		if resp, err := clientOf(t, true).Do(r); err == nil {
			resp.Body.Close()
		}
		done <- true
	}()
	out.Write([]byte("begun"))
	<-begun
	out.CloseWithError(io.ErrUnexpectedEOF)
	<-done
	eventually(t, "it is skipped", func() bool { return g.Counts().Mirrors == gateway.MirrorCounts{Skipped: 1} })
	if copies.Load() > 0 {
		t.Error("there is a copy")
	}
}
