//go:build linux

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/server/admin"
)

// adminURL returns the URL of the admin listener of a child, without a slash at its end.
func adminURL(c *child) string {
	c.t.Helper()
	c.logs("admin listener")
	return regexp.MustCompile(`admin listener\s+\{"url": "(http://[^"]+)"`).FindStringSubmatch(c.stderr.String())[1]
}

// asked sends a request to the admin listener.
func asked(t *testing.T, method, url string, fields ...string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	return answer(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, r)
}

// wantAsked wants a status and a part of the content, which it returns.
func wantAsked(t *testing.T, status int, part, method, url string, fields ...string) string {
	t.Helper()
	got, text := asked(t, method, url, fields...)
	if got != status || !strings.Contains(text, part) {
		t.Errorf("%s %s: %d %.300q, want %d with %q", method, url, got, text, status, part)
	}
	return text
}

// inFlight waits for a request in flight and returns the oldest.
func inFlight(t *testing.T, url string) admin.Request {
	t.Helper()
	var seen admin.Requests
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		_, text := asked(t, "GET", url+"/requests?limit=1")
		if err := json.Unmarshal([]byte(text), &seen); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if len(seen.Requests) > 0 {
			return seen.Requests[0]
		}
	}
	t.Fatal("no request is in flight")
	return admin.Request{}
}

// testAdmin: every endpoint answers, the log's level changes, and POST /drain ends the process as SIGTERM does.
func testAdmin(t *testing.T) {
	c := serve(t, "--admin", "127.0.0.1:0", "--loops", "2")
	url := adminURL(c)
	c.get("/")
	for path, part := range map[string]string{
		"/": "<h1>gatewheel</h1>", "/loops": `"loop": 1`, "/stalls": `"stalls": []`, "/config": `"loops": "2"`, "/healthz": "ok",
		"/readyz": "ready", "/version": `"go": "go1.`, "/debug/pprof/": "goroutine", "/count": `"200": 1`, "/log": `"info"`,
		"/snapshot": `"HTTP/1.1"`,
	} {
		wantAsked(t, 200, part, "GET", url+path)
	}
	wantAsked(t, 422, "nothing to load again", "POST", url+"/reload")
	wantAsked(t, 200, "debug", "POST", url+"/log?level=debug")
	wantAsked(t, 200, `"log_level": "debug"`, "GET", url+"/config")
	wantAsked(t, 403, "", "POST", url+"/drain", "Origin", "http://evil.example")

	waiting := c.dial()
	send(t, waiting, "GET /delay/1s HTTP/1.1\r\nHost: x\r\n\r\n")
	r := inFlight(t, url)
	if r.Target != "/delay/1s" || r.Method != "GET" || r.Host != "x" || r.Protocol != "HTTP/1.1" || r.Phase != "waiting" || r.Peer != waiting.LocalAddr().String() {
		t.Errorf("in flight is %+v", r)
	}
	wantAsked(t, 200, `"line": "GET /delay/1s HTTP/1.1 --"`, "GET", url+"/requests?format=%25m+%25U+%25H+%25%7Bend%7Dx")
	wantAsked(t, 400, "column 5", "GET", url+"/requests?format=%25m+%25%7B")
	var seen admin.Connections
	text := wantAsked(t, 200, "", "GET", url+"/connections?sort=requests&limit=1")
	if err := json.Unmarshal([]byte(text), &seen); err != nil || len(seen.Connections) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	if c := seen.Connections[0]; c.Number != r.Connection || c.Peer != r.Peer || c.Requests != 1 || c.InFlight != 1 || c.Protocol != "http/1" {
		t.Errorf("its connection is %+v", c)
	}
	wantAsked(t, 202, "draining", "POST", url+"/drain")
	wantAsked(t, 202, "draining", "POST", url+"/drain") // which does not cut
	if got := rest(t, waiting); !strings.HasPrefix(got, "HTTP/1.1 200") {
		t.Errorf("the request in progress was answered %q", got)
	}
	if code := c.exit(); code != exitClean {
		t.Errorf("exit code %d", code)
	}
	c.logs(`"signal": "POST /drain"`)
}

// testAdminToken: a token is needed where others can reach the listener, and asked for wherever there is one.
func testAdminToken(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serve(t, "--admin", "127.0.0.1:0", "--admin-token-file", token)
	url := adminURL(c)
	wantAsked(t, 401, "", "GET", url+"/version")
	wantAsked(t, 401, "", "POST", url+"/drain", "Authorization", "Bearer 0123456789abcdee")
	wantAsked(t, 200, "go1.", "GET", url+"/version", "Authorization", "Bearer 0123456789abcdef")
	if text := wantAsked(t, 200, token, "GET", url+"/config", "Authorization", "Bearer 0123456789abcdef"); strings.Contains(text, "0123456789abcdef") {
		t.Errorf("the token is in the configuration: %s", text)
	}
	for _, m := range []struct {
		code int
		says string
		args []string
	}{
		{exitUsage, "--admin-token-file, or listen on 127.0.0.1", []string{"--admin", "0.0.0.0:0"}},
		{exitUsage, "is not HOST:PORT or unix:PATH", []string{"--admin", "9901"}},
		{exitUsage, "without --admin", []string{"--admin-token-file", token}},
		{exitFailure, "no such file", []string{"--admin", "127.0.0.1:0", "--admin-token-file", token + ".absent"}},
		{exitFailure, "address already in use", []string{"--admin", strings.TrimPrefix(url, "http://")}},
	} {
		code, _, stderr := toEnd(t, nil, append([]string{"serve", "--listen", "127.0.0.1:0", "--log-level", "error"}, m.args...)...)
		if code != m.code {
			t.Errorf("%q: exit code %d, want %d", m.args, code, m.code)
		}
		oneSentence(t, stderr, m.says)
	}
}

// TestAdminWhileLoopsStall: the listener answers while no loop runs, and shows which one stalls, and where.
func TestAdminWhileLoopsStall(t *testing.T) {
	c := serve(t, "--admin", "127.0.0.1:0", "--loops", "1", "--allow-stall", "--stall-timeout", "0")
	url := adminURL(c)
	stalled := c.dial()
	send(t, stalled, "GET /stall/1m HTTP/1.1\r\nHost: x\r\n\r\n")
	c.logs("loop is stalled")
	wantAsked(t, 200, `"stalled": true`, "GET", url+"/loops")
	wantAsked(t, 200, "/stall/1m", "GET", url+"/stalls")
	wantAsked(t, 200, "time.Sleep", "GET", url+"/stalls")
	wantAsked(t, 200, "loop is stalled", "GET", url+"/log/recent")
	wantAsked(t, 200, `"stalled_loops": [`, "GET", url+"/requests")
	wantAsked(t, 200, `"stalled_loops": [`, "GET", url+"/connections")
	wantAsked(t, 200, "stalled", "GET", url+"/")
	wantAsked(t, 200, "ready", "GET", url+"/readyz")
	wantAsked(t, 200, `"stalled": true`, "GET", url+"/loops") // all the time
}

// TestAdminReload: POST /reload answers with what is wrong in the gateway's file, by line, and with success.
func TestAdminReload(t *testing.T) {
	name := filepath.Join(t.TempDir(), "gateway.yaml")
	write := func(status string) {
		t.Helper()
		text := "routes:\n  /:\n    respond: {status: " + status + "}\n"
		if err := os.WriteFile(name+".next", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".next", name); err != nil {
			t.Fatal(err)
		}
	}
	write("201")
	c := gate(t, "--config", name, "--admin", "127.0.0.1:0")
	url := adminURL(c)
	write("99")
	wantAsked(t, 422, name+":3:23: 99 is not a status from 200 to 599", "POST", url+"/reload")
	if status, _ := c.get("/"); status != 201 {
		t.Errorf("after a wrong file: %d", status)
	}
	write("202")
	wantAsked(t, 200, "loaded", "POST", url+"/reload")
	if status, _ := c.get("/"); status != 202 {
		t.Errorf("after a reload: %d", status)
	}
	wantAsked(t, 200, `"routes": [`, "GET", url+"/config")
	wantAsked(t, 200, `"backends": []`, "GET", url+"/backends")
}

// TestAdminBackends: /backends has the peers with what they have answered.
func TestAdminBackends(t *testing.T) {
	peer := serve(t)
	c := gate(t, "--to", "http://"+peer.address(), "--admin", "127.0.0.1:0", "--loops", "1")
	for _, path := range []string{"/", "/status/503", "/status/404"} {
		c.get(path)
	}
	var seen struct{ Backends []admin.Backend }
	if err := json.Unmarshal([]byte(wantAsked(t, 200, "", "GET", adminURL(c)+"/backends")), &seen); err != nil {
		t.Fatal(err)
	}
	if len(seen.Backends) != 1 || len(seen.Backends[0].Peers) != 1 {
		t.Fatalf("%+v", seen)
	}
	p := seen.Backends[0].Peers[0]
	if p.Name != "http://"+peer.address() || p.State != admin.PeerInUse || p.Requests < 3 || p.Errors == 0 || p.Open != 1 || p.P99 <= 0 {
		t.Errorf("%+v", p)
	}
}

// TestAdminTimes: the page knows the response times of each protocol.
func TestAdminTimes(t *testing.T) {
	c := serve(t, "--admin", "127.0.0.1:0")
	url := adminURL(c)
	clients := []*http.Client{{Transport: transport(1, false), Timeout: patience}, {Transport: transport(2, false), Timeout: patience}}
	known := map[string]bool{}
	for deadline := time.Now().Add(patience); len(known) < len(clients); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("times are known of %v", known)
		}
		for _, client := range clients {
			getWith(t, client, c, "/")
		}
		var shot admin.Snapshot
		_, text := asked(t, "GET", url+"/snapshot")
		if err := json.Unmarshal([]byte(text), &shot); err != nil {
			t.Fatal(err)
		}
		for _, p := range shot.Protocols {
			if p.P50 > 0 && p.P99 >= p.P50 {
				known[p.Name] = true
			}
		}
	}
}

// TestAdminOnASocket: curl reaches a unix socket.
func TestAdminOnASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	c := serve(t, "--admin", "unix:"+path)
	c.logs("admin listener")
	status, text := overUnix(t, path, "/readyz")
	if status != 200 || text != "ready\n" {
		t.Errorf("%d %q", status, text)
	}
}

// TestAdminSettings: what /config shows has no password.
func TestAdminSettings(t *testing.T) {
	if got := settingText([]string{"http://user:secret@a:1", "h2c://b"}); strings.Contains(got, "secret") || !strings.HasSuffix(got, ",h2c://b") {
		t.Errorf("%q", got)
	}
}
