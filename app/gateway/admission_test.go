//go:build linux

package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
)

// htpasswd writes a file with the user alice, whose password is secret.
func htpasswd(t *testing.T) (path string) {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(path, []byte("alice:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// password returns a value of Authorization.
func password(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestBasicAuth(t *testing.T) {
	url, g := open(t, "routes: {/: {to: a, auth: {basic: "+htpasswd(t)+"}}, /open: a}\nbackends: {a: ECHO}\n", map[string]app.Handler{"ECHO": echo})
	for _, http2 := range []bool{false, true} {
		c := clientOf(t, http2)
		for _, s := range []struct {
			path, authorization string
			status              int
		}{
			{"/", "", 401},
			{"/", password("alice", "wrong"), 401},
			{"/", password("bob", "secret"), 401},
			{"/", password("alice", "secret"), 200},
			{"/", password("alice", "secret"), 200}, // remembered
			{"/open", "", 200},
		} {
			sent := strings.Repeat("content ", 100_000)
			resp, content := ask(t, c, "POST", url+s.path, sent, "Authorization", s.authorization)
			if resp.StatusCode != s.status || s.status == 200 && content != sent {
				t.Errorf("HTTP/2 %v: %s %q: status %d, %d bytes", http2, s.path, s.authorization, resp.StatusCode, len(content))
			}
			if s.status == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("WWW-Authenticate is %q", resp.Header.Get("WWW-Authenticate"))
			}
		}
	}
	eventually(t, "refusals are counted", func() bool {
		n := g.Counts().Exchanges
		return n[gateway.Auth] == 6 && n[gateway.OK] == 6
	})
}

// guard is a backend that decides by the cookie of the question.
func guard(r *app.Request) app.Answer {
	switch r.Fields.Get("Cookie") {
	case "good":
		return app.Ready(app.Empty(204).With("X-User", "alice").With("X-Asked", r.Method+" "+r.Fields.Get("X-Forwarded-Uri")))
	case "login":
		return app.Ready(app.Redirect(302, "https://login.example/"))
	case "limited":
		return app.Ready(app.Text(429, "slower"))
	case "busy":
		return app.Ready(app.Text(503, "later"))
	case "forbidden":
		return app.Ready(app.Text(403, "never"))
	}
	return app.Ready(app.Text(401, "who?").With("WWW-Authenticate", "Custom"))
}

const guarded = "routes: {/: {to: a, auth: {ask: guard /check, copy: [X-User]}}}\nbackends: {a: BACKEND, guard: GUARD}\n"

func TestForwardAuth(t *testing.T) {
	url, _ := open(t, guarded, map[string]app.Handler{"BACKEND": says("a"), "GUARD": guard})
	for _, http2 := range []bool{false, true} {
		c := clientOf(t, http2)
		for _, s := range []struct {
			cookie, content string
			status          int
			field           string
		}{
			{"good", "a GET /x?y / X-User: alice", 200, ""},
			{"login", "", 302, "Location: https://login.example/"},
			{"forbidden", "never", 403, ""},
			{"", "who?", 401, "Www-Authenticate: Custom"},
		} {
			// The client's own X-User, and its nomination in Connection, count for nothing.
			resp, content := ask(t, c, "GET", url+"/x?y", "", "Cookie", s.cookie, "X-User", "root", "X_User", "root")
			if s.status == 200 {
				content = strings.Join(strings.Fields(strings.Replace(content, strings.TrimPrefix(url, "http://"), "/", 1)), " ")
			}
			if resp.StatusCode != s.status || s.status != 302 && content != s.content {
				t.Errorf("HTTP/2 %v: %s: %d %q", http2, s.cookie, resp.StatusCode, content)
			}
			if name, value, ok := strings.Cut(s.field, ": "); ok && resp.Header.Get(name) != value {
				t.Errorf("HTTP/2 %v: %s: %s is %q", http2, s.cookie, name, resp.Header.Get(name))
			}
		}
	}
}

// The fields that the server of ask sets do not come in trailers either.
func TestTrailersWithFieldsOfAuth(t *testing.T) {
	url, _ := open(t, guarded, map[string]app.Handler{"GUARD": guard, "BACKEND": func(r *app.Request) app.Answer {
		return app.Map(r.Body.Discard(), func(int64) (*app.Response, error) {
			return app.Text(200, fmt.Sprint(r.Fields.Get("X-User"), r.Trailers())), nil
		})
	}})
	r, _ := http.NewRequest("POST", url, io.MultiReader(strings.NewReader("content")))
	r.Header.Set("Cookie", "good")
	r.Trailer = http.Header{"X-User": {"root"}, "X_user": {"root"}, "X-Checksum": {"1"}}
	resp, err := clientOf(t, true).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	if text := strings.ToLower(string(b)); strings.Contains(text, "root") || !strings.Contains(text, "x-checksum") || !strings.HasPrefix(text, "alice") {
		t.Errorf("the backend saw %s", b)
	}
}

// A client of gRPC reads the refusal in grpc-status.
func TestAuthOfGRPC(t *testing.T) {
	url, _ := open(t, strings.Replace(guarded, "{to: a,", "{to: a, limit: {rate: 1/h, burst: 1, key: \"header:X-Key\"},", 1),
		map[string]app.Handler{"BACKEND": says("a"), "GUARD": guard})
	for cookie, status := range map[string]string{"": "16", "forbidden": "7", "limited": "8", "busy": "14", "login": "2"} {
		for _, want := range []string{status, "8"} { // the second one is beyond the rate
			resp, content := ask(t, clientOf(t, true), "POST", url, "x", "Content-Type", "application/grpc", "Cookie", cookie, "X-Key", cookie+"!")
			if resp.StatusCode != 200 || resp.Header.Get("Grpc-Status") != want || content != "" {
				t.Errorf("%q: status %d, grpc-status %q, content %q; want %s", cookie, resp.StatusCode, resp.Header.Get("Grpc-Status"), content, want)
			}
		}
	}
}

// A server of ask that does not answer lets nobody pass; another peer of it is asked.
func TestForwardAuthWithoutAnswer(t *testing.T) {
	for peers, want := range map[string]int{"http://127.0.0.1:1": 503, "[http://127.0.0.1:1, GUARD]": 200} {
		url, g := open(t, strings.Replace(guarded, "guard: GUARD", "guard: "+peers, 1), map[string]app.Handler{"BACKEND": says("a"), "GUARD": guard})
		for range 4 {
			if resp, content := ask(t, clientOf(t, false), "GET", url, "", "Cookie", "good"); resp.StatusCode != want {
				t.Errorf("%s: %d %q", peers, resp.StatusCode, content)
			}
		}
		if n := g.Counts().Exchanges[gateway.ConnectFail]; want == 503 && n != 4 {
			t.Errorf("%d requests count as connect-fail", n)
		}
	}
}

// A client that leaves while its permission is asked for ends the question, and its request is not forwarded.
func TestClientLeavesDuringAuth(t *testing.T) {
	asked, ended := make(chan bool, 1), make(chan bool, 1)
	var forwarded atomic.Int32
	backend := map[string]app.Handler{
		"BACKEND": func(r *app.Request) app.Answer {
			forwarded.Add(1)
			return app.Ready(app.Text(200, ""))
		},
		"GUARD": func(r *app.Request) app.Answer {
			_, f := app.Promised[*app.Response](r)
			asked <- true
			go func() {
				<-r.Context().Done()
				ended <- true
			}()
			return f
		},
	}
	url, g := open(t, guarded, backend)
	for _, http2 := range []bool{false, true} {
		c := clientOf(t, http2)
		ctx, leave := context.WithCancel(t.Context())
		r, _ := http.NewRequestWithContext(ctx, "GET", url, nil)
		done := make(chan bool)
		go func() {
			if resp, err := c.Do(r); err == nil {
				resp.Body.Close()
				t.Errorf("HTTP/2 %v: status %d", http2, resp.StatusCode)
			}
			done <- true
		}()
		<-asked
		before := g.Counts().Exchanges[gateway.ClientGone]
		leave()
		select {
		case <-ended:
		case <-time.After(patience):
			t.Fatalf("HTTP/2 %v: the question goes on", http2)
		}
		<-done
		eventually(t, "it is counted", func() bool { return g.Counts().Exchanges[gateway.ClientGone] == before+1 })
	}
	if forwarded.Load() != 0 {
		t.Error("a request was forwarded")
	}
}

// While permission is asked for, the content of the request waits at the client.
func TestContentWaitsForAuth(t *testing.T) {
	release := make(chan bool)
	url, _ := open(t, guarded, map[string]app.Handler{"BACKEND": echo, "GUARD": func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		go func() {
			<-release
			p.Resolve(app.Empty(204))
		}()
		return f
	}})
	const size = 64 << 20
	for _, http2 := range []bool{false, true} {
		var sent atomic.Int64
		in, out := io.Pipe()
		go func() {
			block := bytes.Repeat([]byte("x"), 64<<10)
			for n := 0; n < size; n += len(block) {
				if _, err := out.Write(block); err != nil {
					return
				}
				sent.Add(int64(len(block)))
			}
			out.Close()
		}()
		r, _ := http.NewRequest("POST", url, in)
		r.ContentLength = size
		got := make(chan string)
		go func() {
			resp, err := clientOf(t, http2).Do(r)
			if err != nil {
				got <- err.Error()
				return
			}
			defer resp.Body.Close()
			n, err := io.Copy(io.Discard, resp.Body)
			got <- fmt.Sprint(resp.StatusCode, " ", n, " ", err)
		}()
		eventually(t, "the content stops", func() bool {
			before := sent.Load()
			time.Sleep(50 * time.Millisecond)
			return before > 0 && before == sent.Load()
		})
		if n := sent.Load(); n > size/2 {
			t.Errorf("HTTP/2 %v: %d bytes were taken", http2, n)
		}
		release <- true
		if text := <-got; text != fmt.Sprint("200 ", size, " <nil>") {
			t.Errorf("HTTP/2 %v: %s", http2, text)
		}
	}
}

// Tunnels need permission, and count as one request in progress until they end.
func TestTunnelsNeedPermission(t *testing.T) {
	url, _ := open(t, "routes: {/: {to: a, concurrency: 1, auth: {basic: "+htpasswd(t)+"}}}\nbackends: {a: SOCKETS}\n", map[string]app.Handler{"SOCKETS": sockets})
	address := strings.TrimPrefix(url, "http://")
	for _, http2 := range []bool{false, true} {
		var c *tunnelClient
		eventually(t, "the place is free", func() bool {
			c = openTunnel(t, address, "/", http2)
			return c.status != 503
		})
		if c.status != 401 {
			t.Errorf("HTTP/2 %v: without a password: status %d", http2, c.status)
		}
		eventually(t, "the place is free", func() bool {
			c = openTunnel(t, address, "/", http2, "Authorization", password("alice", "secret"))
			return c.status == 101 || c.status == 200
		})
		c.Write(wsFrame(1, "hello"))
		if _, got := readFrame(t, c); got != "hello" {
			t.Errorf("HTTP/2 %v: %q", http2, got)
		}
		if second := openTunnel(t, address, "/", http2, "Authorization", password("alice", "secret")); second.status != 503 || second.fields.Get("Retry-After") == "" {
			t.Errorf("HTTP/2 %v: a second tunnel: status %d", http2, second.status)
		}
		c.conn.Close()
	}
}

// The order is limit, concurrency, authentication.
func TestOrderOfPermissions(t *testing.T) {
	var asked atomic.Int32
	url, _ := open(t, "routes: {/: {respond: {status: 204}, limit: {rate: 1/h, burst: 2}, auth: {ask: guard /}}}\nbackends: {guard: GUARD}\n",
		map[string]app.Handler{"GUARD": func(r *app.Request) app.Answer {
			asked.Add(1)
			return guard(r)
		}})
	for i, want := range []int{401, 204, 429, 429} {
		cookie := "good"
		if i == 0 {
			cookie = ""
		}
		if resp, _ := ask(t, clientOf(t, false), "GET", url, "", "Cookie", cookie); resp.StatusCode != want {
			t.Errorf("request %d: status %d, want %d", i, resp.StatusCode, want)
		}
	}
	if asked.Load() != 2 {
		t.Errorf("%d questions", asked.Load())
	}
}
