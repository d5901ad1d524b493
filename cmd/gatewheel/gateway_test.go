//go:build linux

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// gatewayTests has a test of the behavior of each flag that gateway has and serve has not.
var gatewayTests = map[string]func(*testing.T){
	"config":       testConfig,
	"to":           testTo,
	"via-name":     testViaName,
	"forwarded":    testForwarded,
	"proxy-status": testProxyStatus,
	"to-ca":        testToCertificates,
	"to-name":      testToCertificates,
	"to-insecure":  testToCertificates,
	"to-cert":      testToClientCertificate,
	"to-key":       testToClientCertificate,
	"admin":        testGatewayCounts,

	"cookie-key-file": testCookieKeyFile,
}

// gate starts a gateway with these flags, on a free loopback port unless they have an address.
func gate(t *testing.T, args ...string) *child {
	t.Helper()
	if !slices.Contains(args, "--listen") {
		args = append([]string{"--listen", "127.0.0.1:0"}, args...)
	}
	return begin(t, program(nil, append([]string{"gateway"}, args...)...))
}

func TestGatewayFlag(t *testing.T) {
	for name, test := range gatewayTests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// TestEachGatewayFlagIsTested: each flag in the help of gateway has a test here, or is one of serve, whose code is the
// same.
func TestEachGatewayFlagIsTested(t *testing.T) {
	of := func(command string) (names []string) {
		code, out, stderr := toEnd(t, nil, command, "--help")
		if code != exitClean || stderr != "" {
			t.Fatalf("exit %d, stderr %q", code, stderr)
		}
		for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--(?:\[no-\])?([a-z0-9-]+)`).FindAllStringSubmatch(out, -1) {
			names = append(names, m[1])
		}
		return names
	}
	serve, gateway := of("serve"), of("gateway")
	for _, name := range gateway {
		if gatewayTests[name] == nil && !slices.Contains(serve, name) {
			t.Errorf("--%s has no test", name)
		}
	}
	for name := range gatewayTests {
		if !slices.Contains(gateway, name) {
			t.Errorf("--%s has a test and is not in the help", name)
		}
	}
	for _, name := range []string{"listen", "listen-tls", "max-body", "request-timeout", "h2-max-concurrent-streams", "trust-proxy", "log-format", "stall-timeout"} {
		if !slices.Contains(gateway, name) {
			t.Errorf("gateway has no --%s", name)
		}
	}
}

// testTo: requests are spread over several servers, by both protocols, and a server that is gone costs no request.
func testTo(t *testing.T) {
	one, two := serve(t), serve(t)
	c := gate(t, "--to", "http://"+one.address(), "--to", "h2c://"+two.address())
	ask := func(n int) {
		t.Helper()
		for range n {
			status, text := c.get("/")
			wantHello(t, status, text)
		}
	}
	ask(40)
	for _, s := range []*child{one, two} {
		if requested(t, s) == 0 {
			t.Errorf("%s has got no request of 40", s.address())
		}
	}
	if status, text := c.ask(http.MethodPost, "/echo", "content"); status != http.StatusOK || text != "content" {
		t.Errorf("POST: %d %q", status, text)
	}
	one.signal(syscall.SIGKILL)
	one.exit()
	ask(40)
	c.signal(syscall.SIGTERM)
	if code := c.exit(); code != exitClean {
		t.Errorf("exit %d\n%s", code, c.stderr.String())
	}
}

// requested returns how many requests a server has answered.
func requested(t *testing.T, c *child) int {
	t.Helper()
	_, text := c.get("/count")
	var counted struct{ Total int }
	if err := json.Unmarshal([]byte(text), &counted); err != nil {
		t.Fatal(err)
	}
	return counted.Total
}

// headers returns the fields that a server sees of a request through c.
func headers(c *child, fields ...string) string {
	_, text := c.ask(http.MethodGet, "/headers", "", fields...)
	return strings.ToLower(text)
}

func testViaName(t *testing.T) {
	c := gate(t, "--to", "http://"+serve(t).address(), "--via-name", "edge")
	if got := headers(c, "Via", "1.0 fred"); !strings.Contains(got, "1.0 fred") || !strings.Contains(got, "1.1 edge") {
		t.Errorf("the server saw %s", got)
	}
	if status, _ := c.ask(http.MethodGet, "/", "", "Via", "1.1 edge"); status != http.StatusLoopDetected {
		t.Errorf("a loop: %d", status)
	}
	if got := headers(gate(t, "--to", "http://"+serve(t).address())); !regexp.MustCompile(`1\.1 gatewheel-\w+`).MatchString(got) {
		t.Errorf("by default the server saw %s", got)
	}
}

func testForwarded(t *testing.T) {
	to := "http://" + serve(t).address()
	if got := headers(gate(t, "--to", to, "--forwarded")); !strings.Contains(got, "for=127.0.0.1;host=") {
		t.Errorf("the server saw %s", got)
	}
	if got := headers(gate(t, "--to", to)); strings.Contains(got, "for=127.0.0.1") || !strings.Contains(got, "x-forwarded-for") {
		t.Errorf("without the flag the server saw %s", got)
	}
}

func testProxyStatus(t *testing.T) {
	to := "http://" + serve(t).address()
	for _, on := range []bool{true, false} {
		args := []string{"--to", to, "--via-name", "edge"}
		want := ""
		if on {
			args, want = append(args, "--proxy-status"), "edge; received-status=200"
		}
		resp, err := http.Get("http://" + gate(t, args...).address())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Proxy-Status"); got != want {
			t.Errorf("Proxy-Status: %q, want %q", got, want)
		}
	}
}

// testToCertificates: the certificate of a server is verified, against --to-ca, for --to-name, unless --to-insecure.
func testToCertificates(t *testing.T) {
	dir := t.TempDir()
	authority := makePair(t, dir, "authority", nil)
	pair := makePair(t, dir, "inside.test", authority)
	to := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-cert", pair.certFile, "--tls-key", pair.keyFile).address()
	for _, c := range []struct {
		args []string
		want int
	}{
		{nil, 502},
		{[]string{"--to-ca", authority.certFile}, 502}, // for another name
		{[]string{"--to-name", "inside.test"}, 502},    // by an authority that nobody knows
		{[]string{"--to-ca", authority.certFile, "--to-name", "inside.test"}, 200},
		{[]string{"--to-insecure"}, 200},
	} {
		for _, scheme := range []string{"https", "h2"} {
			g := gate(t, append([]string{"--to", scheme + "://" + to}, c.args...)...)
			if status, _ := g.get("/"); status != c.want {
				t.Errorf("%s with %q: %d, want %d\n%s", scheme, c.args, status, c.want, g.stderr.String())
			}
			if c.want != 200 {
				g.logs("tls-fail")
			}
			if slices.Contains(c.args, "--to-insecure") {
				g.logs("not verified")
			}
		}
	}
}

func testToClientCertificate(t *testing.T) {
	dir := t.TempDir()
	authority := makePair(t, dir, "authority", nil)
	mine := makePair(t, dir, "gateway", authority)
	to := "h2://" + serve(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--tls-client-ca", authority.certFile, "--tls-client-auth", "require").address()
	if status, _ := gate(t, "--to", to, "--to-insecure", "--to-cert", mine.certFile, "--to-key", mine.keyFile).get("/"); status != 200 {
		t.Errorf("with a certificate: %d", status)
	}
	if status, _ := gate(t, "--to", to, "--to-insecure").get("/"); status != 502 {
		t.Errorf("without a certificate: %d", status)
	}
}

// TestGatewayCertificatesAreLoadedAgain: authorities and certificates for servers are read again at SIGHUP, and those of
// a file when they change.
func TestGatewayCertificatesAreLoadedAgain(t *testing.T) {
	dir := t.TempDir()
	authority, other := makePair(t, dir, "authority", nil), makePair(t, dir, "other", nil)
	pair := makePair(t, dir, "inside.test", authority)
	to := "https://" + serve(t, "--listen-tls", "127.0.0.1:0", "--tls-cert", pair.certFile, "--tls-key", pair.keyFile).address()
	copyFile := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to+".next", text, 0o600)
		}
		if err == nil {
			err = os.Rename(to+".next", to)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		args func(ca string) []string
	}{
		{"--to", func(ca string) []string { return []string{"--to", to, "--to-ca", ca, "--to-name", "inside.test"} }},
		{"--config", func(ca string) []string {
			return []string{"--config", gatewayFile(t, "routes: {/: a}\nbackends: {a: {peers: \""+to+"\", eject: off, tls: {ca: "+ca+", name: inside.test}}}\n")}
		}},
	} {
		for _, signal := range []bool{false, true} {
			t.Run(c.name+" "+map[bool]string{false: "changes", true: "SIGHUP"}[signal], func(t *testing.T) {
				t.Parallel()
				ca := filepath.Join(t.TempDir(), "ca.pem")
				copyFile(other.certFile, ca)
				g := gate(t, c.args(ca)...)
				if status, _ := g.get("/"); status != 502 {
					t.Errorf("a certificate by an unknown authority: %d", status)
				}
				copyFile(authority.certFile, ca)
				if signal {
					g.signal(syscall.SIGHUP)
				}
				status := 0
				for deadline := time.Now().Add(patience); status != 200 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
					status, _ = g.get("/")
				}
				if status != 200 {
					t.Errorf("once its authority is known: %d\n%s", status, g.stderr.String())
				}
			})
		}
	}
}

// testGatewayCounts: the counters of the gateway are on the admin listener.
func testGatewayCounts(t *testing.T) {
	c := gate(t, "--to", "http://"+serve(t).address(), "--admin", "127.0.0.1:0", "--loops", "1")
	for range 3 {
		c.get("/")
	}
	resp, err := http.Get(adminURL(c) + "/count")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	var counted struct {
		Gateway struct {
			Exchanges map[string]int
			Opened    map[string]int `json:"upstream_connections_opened"`
			Failed    map[string]int `json:"upstream_connections_failed"`
			Dials     int            `json:"upstream_dials"`
			Retries   int            `json:"upstream_retries"`
			Tunnels   int            `json:"tunnels_open"`
			Active    int            `json:"upstream_active"`
			Waiting   int            `json:"upstream_waiting"`
			Open      int            `json:"upstream_connections_open"`
			Requests  int            `json:"upstream_requests"`
			Reused    int            `json:"upstream_reused"`
		}
	}
	if err := json.Unmarshal(text, &counted); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if n := counted.Gateway; n.Exchanges["ok"] != 3 || n.Requests != 3 || n.Reused != 2 || n.Open != 1 || n.Dials != 1 || n.Opened["HTTP/1.1"] != 1 ||
		len(n.Failed) != 0 || n.Retries+n.Tunnels+n.Active+n.Waiting != 0 {
		t.Errorf("%s", text)
	}
	if status, _ := c.get("/count"); status != http.StatusOK {
		t.Errorf("/count of a client is forwarded: %d", status)
	}
}

// TestGatewayMistakes: a usage error is one sentence.
func TestGatewayMistakes(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "--to or --config is missing"},
		{[]string{"--to", "ftp://a"}, "ftp://a"},
		{[]string{"--to", "http://a/path"}, "http://a/path"},
		{[]string{"--to", "http://a", "--to", "http://a"}, "twice"},
		{[]string{"--to", "http://a", "--via-name", "two words"}, "--via-name"},
		{[]string{"--to", "https://a", "--to-cert", "a.pem"}, "pairs"},
		{[]string{"--to", "http://a", "--to-insecure"}, "no effect"},
		{[]string{"--to", "https://a", "--to-insecure", "--to-ca", "a.pem"}, "no effect"},
		{[]string{"--to", "http://a", "--admin", "9000"}, "--admin"},
		{[]string{"--to", "http://a", "--root", "."}, "--root"},
	} {
		code, out, stderr := toEnd(t, nil, append([]string{"gateway"}, c.args...)...)
		if code != exitUsage || out != "" {
			t.Errorf("%q: exit %d, printed %q", c.args, code, out)
		}
		oneSentence(t, stderr, c.says)
	}
	code, _, stderr := toEnd(t, nil, "gateway", "--to", "https://a", "--to-ca", "/nowhere/ca.pem")
	if code == exitClean || code == exitUsage {
		t.Errorf("without the file of --to-ca: exit %d", code)
	}
	oneSentence(t, stderr, "--to-ca")
	if _, err := os.Stat("../../docs/gateway.md"); err != nil {
		t.Error(err)
	}
}

func testConfig(t *testing.T) {
	name := gatewayFile(t, "routes: {/: app, /teapot: {respond: {status: 418}}}\nbackends: {app: \"target:\"}\n")
	address := gate(t, "--config", name).address()
	for path, want := range map[string]int{"/": 200, "/teapot": 418, "/a/../b": 400} {
		resp, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--config", name, "--to", "http://127.0.0.1:1"}, exitUsage, "--to and --config exclude each other"},
		{[]string{"--config", name, "--to-insecure"}, exitUsage, "have no effect with --config"},
		{[]string{"--config", gatewayFile(t, "routes: {/: app}\n")}, exitFailure, ":1:13: there is no backend \"app\"\n"},
	} {
		code, _, stderr := toEnd(t, nil, append([]string{"gateway", "--listen", "127.0.0.1:0"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: exit %d, printed %q", c.args, code, stderr)
		}
	}
}

// testCookieKeyFile: a gateway with the same key takes the cookie of another one, a gateway without it does not.
func testCookieKeyFile(t *testing.T) {
	name := gatewayFile(t, "routes: {/: app}\nbackends: {app: {peers: [http://"+serve(t).address()+", http://"+serve(t).address()+"], balance: cookie}}\n")
	key, short := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "short")
	for file, text := range map[string]string{key: strings.Repeat("0123456789abcdef", 4) + "\n", short: "too short\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cookie := func(c *child, sent string) string {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://"+c.address()+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", sent)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		value, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
		return value
	}
	given := cookie(gate(t, "--config", name, "--cookie-key-file", key), "")
	if given == "" {
		t.Fatal("there is no cookie")
	}
	if again := cookie(gate(t, "--config", name, "--cookie-key-file", key), given); again != "" {
		t.Errorf("a gateway with the same key gives another cookie: %s", again)
	}
	if again := cookie(gate(t, "--config", name), given); again == "" {
		t.Error("a gateway without the key takes the cookie")
	}
	for _, c := range [][]string{
		{"--config", name, "--cookie-key-file", short},
		{"--config", name, "--cookie-key-file", key + ".none"},
		{"--to", "http://127.0.0.1:1", "--cookie-key-file", key},
	} {
		if code, _, stderr := toEnd(t, nil, append([]string{"gateway", "--listen", "127.0.0.1:0"}, c...)...); code == exitClean || !strings.Contains(stderr, "--cookie-key-file") {
			t.Errorf("%q: exit %d, printed %q", c, code, stderr)
		}
	}
}

// TestGatewayFileIsLoadedAgain at a change, at SIGHUP, and not when it is wrong.
func TestGatewayFileIsLoadedAgain(t *testing.T) {
	text := "routes: {/: {respond: {status: %s}}}\n"
	name := gatewayFile(t, strings.ReplaceAll(text, "%s", "201"))
	c := gate(t, "--config", name, "--admin", "127.0.0.1:0")
	write := func(status string) {
		t.Helper()
		next := name + ".next"
		if err := os.WriteFile(next, []byte(strings.ReplaceAll(text, "%s", status)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, name); err != nil {
			t.Fatal(err)
		}
	}
	want := func(want int) {
		t.Helper()
		if status, _ := c.get("/"); status != want {
			t.Errorf("status %d, want %d", status, want)
		}
	}
	want(201)
	write("202")
	c.logs("the gateway's file was loaded again")
	want(202)
	write("99")
	c.logs("99 is not a status from 200 to 599")
	want(202)
	wantReloads := func(ok, failed int, mistake string) {
		t.Helper()
		var counted struct {
			Gateway struct {
				Reloads struct {
					OK, Failed int
					LastError  string `json:"last_error"`
				}
			}
		}
		resp, err := http.Get(adminURL(c) + "/count")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&counted); err != nil {
			t.Fatal(err)
		}
		if n := counted.Gateway.Reloads; n.OK != ok || n.Failed != failed || !strings.HasSuffix(n.LastError, mistake) || (mistake == "") != (n.LastError == "") {
			t.Errorf("reloads: %+v", n)
		}
	}
	wantReloads(1, 1, ":1:32: 99 is not a status from 200 to 599")
	write("203")
	c.signal(syscall.SIGHUP)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if status, _ := c.get("/"); status == 203 {
			break
		}
	}
	want(203)
}
