//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// flagTests has a test of the behavior of each flag of serve.
var flagTests = map[string]func(*testing.T){
	"version":         TestVersion,
	"listen":          testListen,
	"socket-mode":     testSocketMode,
	"proxy-protocol":  testProxyProtocol,
	"proxy-from":      testProxyFrom,
	"root":            testRoot,
	"allow-stall":     testAllowStall,
	"allow-backends":  testAllowBackends,
	"loops":           testLoops,
	"max-connections": testMaxConnections,
	"balance":         testBalance,

	"peer-connections":     testPeerConnections,
	"peer-connection-rate": testPeerConnectionRate,
	"peer-handshake-rate":  testPeerHandshakeRate,
	"peer-requests":        testPeerRequests,
	"peer-prefix-v4":       testPeerPrefixes,
	"peer-prefix-v6":       testPeerPrefixes,
	"peer-exempt":          testPeerExempt,

	"trust-proxy":         testTrustProxy,
	"request-timeout":     testRequestTimeout,
	"head-timeout":        testHeadTimeout,
	"body-timeout":        testBodyTimeout,
	"min-content-rate":    testMinContentRate,
	"min-read-rate":       testMinReadRate,
	"rate-window":         testMinContentRate,
	"write-timeout":       testWriteTimeout,
	"half-closed-timeout": testHalfClosedTimeout,
	"idle-timeout":        testIdleTimeout,
	"drain-delay":         testDrainDelay,
	"shutdown-timeout":    testShutdownTimeout,
	"max-body":            testMaxBody,
	"max-unsent":          testMaxUnsent,
	"memory-limit":        testMemoryLimit,
	"log-level":           testLogLevel,
	"log-format":          testLogFormat,

	"access-log":           testAccessLog,
	"access-log-format":    testAccessLogFormat,
	"access-log-skip":      testAccessLogSkip,
	"access-log-sample":    testAccessLogSample,
	"access-log-max-size":  testAccessLogRotation,
	"access-log-max-files": testAccessLogRotation,
	"access-log-max-days":  testAccessLogRotation,
	"access-log-compress":  testAccessLogRotation,

	"h1-max-target":      testH1Limits,
	"h1-max-headers":     testH1Limits,
	"h1-max-header-size": testH1Limits,

	"ws-max-message":  testSocketLimits,
	"ws-max-frame":    testSocketLimits,
	"ws-max-queue":    testSocketQueue,
	"ws-keepalive":    testSocketTimes,
	"ws-idle-timeout": testSocketTimes,

	"ws-message-timeout": testSocketMessages,
	"ws-message-memory":  testSocketMessages,
	"ws-origin":          testSocketOrigins,
	"ws-compression":     testSocketCompression,

	"h2":                        testH2Off,
	"h2-max-concurrent-streams": testH2Settings,
	"h2-initial-window-size":    testH2Settings,
	"h2-connection-window":      testH2Settings,
	"h2-max-window":             testH2Windows,
	"h2-window-memory":          testH2Windows,
	"h2-max-frame-size":         testH2Settings,
	"h2-max-header-list-size":   testH2Settings,
	"h2-keepalive":              testH2KeepAlive,
	"max-connection-age":        testMaxConnectionAge,

	"stall-warn":     testStallWarn,
	"stall-timeout":  testStallTimeout,
	"stall-restarts": testStallRestarts,

	"restart-timeout": testRestartTimeout,
	"restart-parent":  testRestartParent,

	"admin":            testAdmin,
	"admin-token-file": testAdminToken,
	"metrics":          testMetrics,

	"listen-tls":      testListenTLS,
	"tls-cert":        testCertificates,
	"tls-key":         testCertificates,
	"tls-self-signed": testSelfSigned,
	"tls-min-version": testMinVersion,
	"tls-client-ca":   testClientCertificates,
	"tls-client-auth": testClientCertificates,

	"tls-handshake-timeout": testHandshakeTimeout,
}

func TestFlag(t *testing.T) {
	for name, test := range flagTests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// TestEachFlagIsTested: each flag in the help has a test, and each test a flag.
func TestEachFlagIsTested(t *testing.T) {
	names := documented(t)
	for _, name := range names {
		if flagTests[name] == nil {
			t.Errorf("--%s has no test", name)
		}
	}
	for name := range flagTests {
		if !slices.Contains(names, name) {
			t.Errorf("--%s has a test and is not in the help", name)
		}
	}
}

func wantHello(t *testing.T, status int, text string) {
	t.Helper()
	if status != http.StatusOK || text != "Hello, World!" {
		t.Errorf("answered %d, %q", status, text)
	}
}

func testListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	c := serve(t, "--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--listen", "unix:"+path)
	if len(c.urls) != 3 {
		t.Fatalf("it listens on %q, want three addresses", c.urls)
	}
	for _, url := range c.urls[:2] {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		status, text := answer(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, request)
		wantHello(t, status, text)
	}
	status, text := overUnix(t, path, "/")
	wantHello(t, status, text)
}

func overUnix(t *testing.T, path, target string) (status int, text string) {
	t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}, request)
}

func TestListenByVariable(t *testing.T) {
	environment := []string{"GATEWHEEL_LISTEN=127.0.0.1:0,127.0.0.2:0", "GATEWHEEL_ALLOW_STALL=true"}
	c := begin(t, program(environment, "serve"))
	if len(c.urls) != 2 || !strings.HasPrefix(c.urls[1], "http://127.0.0.2:") {
		t.Errorf("it listens on %q", c.urls)
	}
	if status, _ := c.get("/stall/1ms"); status != http.StatusOK {
		t.Errorf("/stall/ answered %d", status)
	}
	c = begin(t, program(environment, "serve", "--listen", "127.0.0.3:0"))
	if len(c.urls) != 1 || !strings.HasPrefix(c.urls[0], "http://127.0.0.3:") {
		t.Errorf("with the flag it listens on %q", c.urls)
	}
}

func TestListenOnAnInheritedSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	cmd := program(nil, "serve", "--listen", "fd:3")
	cmd.ExtraFiles = []*os.File{file}
	c := begin(t, cmd)
	_ = file.Close()
	if c.address() != l.Addr().String() {
		t.Errorf("it listens on %s, was given %s", c.address(), l.Addr())
	}
	status, text := c.get("/")
	wantHello(t, status, text)
}

func testSocketMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	c := serve(t, "--listen", "unix:"+path, "--socket-mode", "0640")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("the socket's mode is %o", info.Mode().Perm())
	}
	c.signal(syscall.SIGTERM)
	if code := c.exit(); code != exitClean {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket's file is still there: %v", err)
	}
}

func testRoot(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.txt"), []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serve(t, "--root", root)
	if status, text := c.get("/file/a.txt"); status != http.StatusOK || text != "from a file" {
		t.Errorf("answered %d, %q", status, text)
	}
	if status, _ := serve(t).get("/file/a.txt"); status != http.StatusNotFound {
		t.Errorf("without --root it answered %d", status)
	}
}

func testAllowStall(t *testing.T) {
	if status, _ := serve(t, "--allow-stall").get("/stall/1ms"); status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
	if status, _ := serve(t).get("/stall/1ms"); status != http.StatusNotFound {
		t.Errorf("without the flag it answered %d", status)
	}
}

func testAllowBackends(t *testing.T) {
	// The address is one of documentation: nothing is there.
	const path = "/fanout?n=1&deadline=10ms&backend=http://192.0.2.1"
	if status, _ := serve(t, "--allow-backends").get(path); status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
	if status, _ := serve(t).get(path); status != http.StatusForbidden {
		t.Errorf("without the flag it answered %d", status)
	}
}

// testLoops counts listening sockets: each loop has one for each address.
func testLoops(t *testing.T) {
	c := serve(t, "--loops", "3")
	_, port, err := net.SplitHostPort(c.address())
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	const listening = " 00000000:0000 0A "
	if got := strings.Count(string(table), fmt.Sprintf(":%04X%s", number, listening)); got != 3 {
		t.Errorf("%d sockets listen, want 3", got)
	}
}

func testMaxConnections(t *testing.T) {
	c := serve(t, "--max-connections", "2", "--loops", "1")
	for range 2 {
		conn := c.dial()
		send(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		wantStatus(t, conn, http.StatusOK)
	}
	third := c.dial()
	send(t, third, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	r := wantStatus(t, third, http.StatusServiceUnavailable)
	if r.Header.Get("Retry-After") == "" {
		t.Error("Retry-After is missing")
	}
}

func wantStatus(t *testing.T, c net.Conn, status int) *http.Response {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != status {
		t.Fatalf("answered %s, want %d", r.Status, status)
	}
	return r
}

func testRequestTimeout(t *testing.T) {
	if status, _ := serve(t, "--request-timeout", "50ms").get("/delay/1h"); status != http.StatusServiceUnavailable {
		t.Errorf("answered %d", status)
	}
	if status, _ := serve(t, "--request-timeout", "0").get("/delay/50ms"); status != http.StatusOK {
		t.Errorf("without a limit it answered %d", status)
	}
	// An upload that makes progress may take longer.
	conn := serve(t, "--request-timeout", "1s").dial()
	send(t, conn, "POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 16000\r\n\r\n")
	for range 16 {
		time.Sleep(100 * time.Millisecond)
		send(t, conn, strings.Repeat("x", 1000))
	}
	if got := rest(t, conn); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("an upload at a pace was answered %q", got)
	}
}

func testHeadTimeout(t *testing.T) {
	conn := serve(t, "--head-timeout", "50ms", "--idle-timeout", "1h").dial()
	send(t, conn, "GET / HTTP/1.1\r\nHo")
	if got := rest(t, conn); got != "" && !strings.HasPrefix(got, "HTTP/1.1 408 ") {
		t.Errorf("the end is %q", got)
	}
}

func testBodyTimeout(t *testing.T) {
	conn := serve(t, "--body-timeout", "50ms", "--idle-timeout", "1h").dial()
	send(t, conn, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
	if got := rest(t, conn); strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("half a content was answered %q", got)
	}
}

// testMinContentRate: a window of waiting ends content that arrives at less.
func testMinContentRate(t *testing.T) {
	conn := serve(t, "--min-content-rate", "1000", "--rate-window", "50ms", "--body-timeout", "1h").dial()
	send(t, conn, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345")
	if got := rest(t, conn); !strings.HasPrefix(got, "HTTP/1.1 408 ") || !strings.Contains(got, "too slowly") {
		t.Errorf("five bytes of ten were answered %q", got)
	}
}

// testMinReadRate: a window of waiting ends the connection of a client that reads nothing.
func testMinReadRate(t *testing.T) {
	c := serve(t, "--min-read-rate", "1GiB", "--rate-window", "50ms", "--write-timeout", "1h", "--log-level", "debug")
	send(t, c.dial(), "GET /bytes/1000000000 HTTP/1.1\r\nHost: x\r\n\r\n")
	c.logs("peer reads too slowly")
}

// testH1Limits: a request at the limit is answered, one beyond is refused.
func testH1Limits(t *testing.T) {
	for flag, c := range map[string]struct {
		request func(n int) string
		n       int // the limit
		status  int // beyond the limit
	}{
		"--h1-max-target=300": {func(n int) string {
			return "GET /headers?" + strings.Repeat("x", n-len("/headers?")) + " HTTP/1.1\r\nHost: x\r\n\r\n"
		}, 300, http.StatusRequestURITooLong},
		"--h1-max-headers=9": {func(n int) string {
			return "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", n-1) + "\r\n"
		}, 9, http.StatusRequestHeaderFieldsTooLarge},
		"--h1-max-header-size=2MiB": {func(n int) string {
			return "GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("b", n-len("Host: x\r\nA: \r\n\r\n")) + "\r\n\r\n"
		}, 2 << 20, http.StatusRequestHeaderFieldsTooLarge},
	} {
		server := serve(t, flag)
		for n, status := range map[int]int{c.n: http.StatusOK, c.n + 1: c.status} {
			conn := server.dial()
			send(t, conn, c.request(n))
			if r, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || r.StatusCode != status {
				t.Errorf("%s: %d are answered with %v, %v, want %d", flag, n, r, err, status)
			}
		}
	}
}

// testWriteTimeout requests more than all buffers hold and reads nothing until the server has closed.
func testWriteTimeout(t *testing.T) {
	const size = 1 << 30
	c := serve(t, "--write-timeout", "100ms", "--idle-timeout", "1h", "--loops", "1")
	conn := c.dial()
	send(t, conn, fmt.Sprintf("GET /bytes/%d HTTP/1.1\r\nHost: x\r\n\r\n", size))
	// The first byte shows that the connection has been accepted.
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); established(t, c) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the connection is still there")
		}
	}
	if got := len(rest(t, conn)); got >= size-1 {
		t.Errorf("all %d bytes came", got)
	}
}

// testHalfClosedTimeout sends a request and FIN.
func testHalfClosedTimeout(t *testing.T) {
	c := serve(t, "--half-closed-timeout", "100ms", "--request-timeout", "1h")
	conn := c.dial()
	send(t, conn, "GET /delay/1h HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := rest(t, conn); got != "" {
		t.Errorf("answered %q", got)
	}
}

// established returns the number of open connections of the server's process.
func established(t *testing.T, c *child) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(c.address())
	if err != nil {
		t.Fatal(err)
	}
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]bool{}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 9 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", number)) && f[3] != "0A" {
			open["socket:["+f[9]+"]"] = true
		}
	}
	n := 0
	for _, e := range entries {
		if link, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", c.cmd.Process.Pid, e.Name())); err == nil && open[link] {
			n++
		}
	}
	return n
}

func testIdleTimeout(t *testing.T) {
	conn := serve(t, "--idle-timeout", "50ms").dial()
	send(t, conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := rest(t, conn); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("got %q", got)
	}
}

func testMaxBody(t *testing.T) {
	c := serve(t, "--max-body", "1KiB")
	if status, _ := c.ask(http.MethodPost, "/upload", strings.Repeat("x", 1024)); status != http.StatusOK {
		t.Errorf("1024 bytes: %d", status)
	}
	if status, _ := c.ask(http.MethodPost, "/upload", strings.Repeat("x", 1025)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("1025 bytes: %d", status)
	}
}

// testMaxUnsent: of pipelined requests whose answers nobody reads, the server goes on with as many as the limit,
// and what the kernel takes, allow.
func testMaxUnsent(t *testing.T) {
	const requests = 1000 // more than a connection may have in progress
	served := func(limit string) int {
		c := serve(t, "--max-unsent", limit)
		conn := c.dial()
		// Each answer has six bytes for each byte of X.
		go func() {
			_, _ = io.WriteString(conn, strings.Repeat("GET /headers HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("<", 4000)+"\r\n\r\n", requests))
		}()
		total := 0
		for {
			_, text := c.get("/count")
			var count struct{ Total int }
			if err := json.Unmarshal([]byte(text), &count); err != nil {
				t.Fatal(err)
			}
			// Each look is one more; nothing moves when a quarter of a second has brought no other.
			if total > 10 && count.Total <= total+1 {
				return count.Total
			}
			total = count.Total
			time.Sleep(250 * time.Millisecond)
		}
	}
	if few, many := served("64KiB"), served("1GiB"); few > many/2 {
		t.Errorf("%d were served with a small limit, %d with a large one", few, many)
	}
}

func testLogLevel(t *testing.T) {
	c := serve(t, "--log-level", "error")
	if status, _ := c.get("/"); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	c.signal(syscall.SIGTERM)
	if code := c.exit(); code != exitClean {
		t.Errorf("exit %d", code)
	}
	if got := c.stderr.String(); got != "" {
		t.Errorf("logged %q", got)
	}
}

func testLogFormat(t *testing.T) {
	c := serve(t, "--log-format", "json")
	c.signal(syscall.SIGTERM)
	c.exit()
	said := map[string]bool{}
	for line := range strings.Lines(c.stderr.String()) {
		var entry struct{ Level, Msg, Time string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil || entry.Level == "" || entry.Time == "" {
			t.Errorf("%q: %v", line, err)
		}
		said[entry.Msg] = true
	}
	if !said["listening"] || !said["stopped"] {
		t.Errorf("logged %v", said)
	}
}
