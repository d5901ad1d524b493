//go:build linux

package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// accessFile is the file of an access log.
type accessFile struct {
	t    *testing.T
	path string
}

func newAccessFile(t *testing.T) *accessFile {
	t.Helper()
	return &accessFile{t, filepath.Join(t.TempDir(), "access.log")}
}

// lines waits until the file has n lines, and returns them.
func (f *accessFile) lines(n int) []string {
	f.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		text, err := os.ReadFile(f.path)
		if lines := strings.Split(string(text), "\n"); err == nil && len(lines) > n {
			if len(lines) > n+1 {
				f.t.Fatalf("%d lines, want %d:\n%s", len(lines)-1, n, text)
			}
			return lines[:n]
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("the file has\n%s, want %d lines (%v)", text, n, err)
		}
	}
}

// testAccessLog: lines of requests, of a refused head, of an event stream and a WebSocket, over both protocols.
func testAccessLog(t *testing.T) {
	f := newAccessFile(t)
	c := serve(t, "--access-log", f.path, "--access-log-format", `%a "%r" %s %B %{end}x %{event}x %{conn}x/%{conn_requests}x %{stream}x "%{User-Agent}i" "%{Content-Type}o"`)
	conn := c.dial()
	send(t, conn, "GET /healthz?x=%22 HTTP/1.1\r\nHost: x\r\nUser-Agent: a\"b\r\n\r\n")
	wantStatus(t, conn, http.StatusOK)
	send(t, conn, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
	wantStatus(t, conn, http.StatusNotFound)
	send(t, conn, "GET / HTTP/1.1\r\nHost : x\r\n\r\n")
	wantStatus(t, conn, http.StatusBadRequest)
	lines := f.lines(3)
	for i, want := range []string{
		`^127\.0\.0\.1 "GET /healthz\?x=%22 HTTP/1\.1" 200 \d+ -- - \d+/1 - "a\\x22b" "text/plain[^"]*"$`,
		`^127\.0\.0\.1 "GET /nothing HTTP/1\.1" 404 \d+ -- - \d+/2 - "-" "text/plain[^"]*"$`,
		`^127\.0\.0\.1 ".*" 400 \d+ MQ - \d+/3 - "-" ".*"$`,
	} {
		if !regexp.MustCompile(want).MatchString(lines[i]) {
			t.Errorf("the line %s\nwant     %s", lines[i], want)
		}
	}
}

// TestAccessLogOfTLS: lines have the handshake, and the streams of HTTP/2.
func TestAccessLogOfTLS(t *testing.T) {
	f := newAccessFile(t)
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--access-log", f.path,
		"--access-log-format", "%H %{tls_version}x %{tls_cipher}x %{sni}x %{alpn}x %{stream}x %{tls_resumed}x %v %X")
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "example.org", MinVersion: tls.VersionTLS13}}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.urls[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := answer(t, client, request); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	if got := f.lines(1)[0]; !regexp.MustCompile(`^HTTP/2\.0 TLSv1\.3 TLS_[A-Z0-9_]+ example\.org h2 1 false 127\.0\.0\.1 \+$`).MatchString(got) {
		t.Errorf("the line is %q", got)
	}
}

// TestAccessLogEvents: a WebSocket and an event stream have a line at the start and one at the end.
func TestAccessLogEvents(t *testing.T) {
	f := newAccessFile(t)
	c := serve(t, "--access-log", f.path, "--access-log-format", "%U %s %{event}x")
	stream := c.dial()
	send(t, stream, "GET /events?every=1h HTTP/1.1\r\nHost: x\r\n\r\n")
	wantStatus(t, stream, http.StatusOK)
	f.lines(1)
	_ = stream.Close()
	f.lines(2)
	socket := c.dial()
	send(t, socket, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	wantStatus(t, socket, http.StatusSwitchingProtocols)
	f.lines(3)
	_ = socket.Close()
	if got, want := f.lines(4), []string{"/events 200 open", "/events 200 close", "/ws 101 open", "/ws 101 close"}; !slices.Equal(got, want) {
		t.Errorf("the lines are %q, want %q", got, want)
	}
}

// testAccessLogFormat: json is an object a line, and a mistake is refused with its column.
func testAccessLogFormat(t *testing.T) {
	f := newAccessFile(t)
	c := serve(t, "--access-log", f.path, "--access-log-format", "json")
	c.get("/bytes/3")
	var line struct {
		Target, Method, Client string
		Status, ContentOut     int
	}
	if err := json.Unmarshal([]byte(f.lines(1)[0]), &line); err != nil || line.Target != "/bytes/3" || line.Method != "GET" || line.Status != 200 || line.Client != "127.0.0.1" {
		t.Errorf("%+v, %v", line, err)
	}
	code, _, stderr := toEnd(t, nil, "serve", "--access-log-format", "%h %{end}y")
	if code != exitUsage || !strings.Contains(stderr, "column 4") || !strings.Contains(stderr, "did you mean %{end}x?") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func testAccessLogSkip(t *testing.T) {
	f := newAccessFile(t)
	c := serve(t, "--access-log", f.path, "--access-log-format", "%U", "--loops", "1", "--access-log-skip", "/healthz,404", "--access-log-skip", "/status/5*")
	for _, path := range []string{"/healthz", "/nothing", "/status/503", "/status/403", "/readyz"} {
		c.get(path)
	}
	if got := f.lines(2); got[0] != "/status/403" || got[1] != "/readyz" {
		t.Errorf("the lines are %q", got)
	}
}

func testAccessLogSample(t *testing.T) {
	f := newAccessFile(t)
	c := serve(t, "--access-log", f.path, "--access-log-format", "%U", "--access-log-sample", "4", "--loops", "1")
	for range 8 {
		c.get("/")
	}
	c.get("/status/500")
	if got := strings.Join(f.lines(3), " "); got != "/ / /status/500" {
		t.Errorf("the lines are %q", got)
	}
}

// testAccessLogRotation: files of 1 MiB are renamed, and two of them kept, compressed.
func testAccessLogRotation(t *testing.T) {
	dir := t.TempDir()
	c := serve(t, "--access-log", filepath.Join(dir, "access.log"), "--access-log-format", strings.Repeat("%U ", 50), "--h1-max-target", "64KiB",
		"--access-log-max-size", "1MiB", "--access-log-max-files", "2", "--access-log-max-days", "7", "--access-log-compress")
	conn := c.dial()
	reader := bufio.NewReader(conn)
	request := "GET /nothing/" + strings.Repeat("x", 500) + " HTTP/1.1\r\nHost: x\r\n\r\n" // lines of 16 KiB
	for sent := 0; ; sent++ {
		send(t, conn, request)
		r, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = bytes.NewBuffer(nil).ReadFrom(r.Body)
		if sent%100 != 99 {
			continue
		}
		if old, _ := filepath.Glob(filepath.Join(dir, "access-*.log.gz")); len(old) >= 2 {
			break
		}
		if sent > 100000 {
			t.Fatal("nothing is renamed")
		}
	}
}

// TestAccessLogReopens: SIGUSR1 opens the file again.
func TestAccessLogReopens(t *testing.T) {
	f := newAccessFile(t)
	c := serve(t, "--access-log", f.path, "--access-log-format", "%U")
	c.get("/status/201")
	f.lines(1)
	if err := os.Rename(f.path, f.path+".1"); err != nil {
		t.Fatal(err)
	}
	c.signal(syscall.SIGUSR1)
	f.lines(0)
	c.get("/status/202")
	if got := f.lines(1)[0]; got != "/status/202" {
		t.Errorf("the line is %q", got)
	}
	off := serve(t)
	off.signal(syscall.SIGUSR1)
	off.logs("there is no access log")
	if status, _ := off.get("/"); status != http.StatusOK {
		t.Error("it does not serve any more")
	}
}

// TestAccessLogIsWrittenAtTheEnd: lines of the last moment are there after SIGTERM and after exit code 70.
func TestAccessLogIsWrittenAtTheEnd(t *testing.T) {
	f := newAccessFile(t)
	c := serve(t, "--access-log", f.path, "--access-log-format", "%U")
	c.get("/status/201")
	c.signal(syscall.SIGTERM)
	if code := c.exit(); code != exitClean {
		t.Errorf("exit %d", code)
	}
	f.lines(1)

	f = newAccessFile(t)
	c = serve(t, "--access-log", f.path, "--access-log-format", "%U %{end}x", "--allow-stall", "--stall-timeout", "100ms", "--stall-restarts", "1", "--loops", "1")
	c.get("/status/201")
	for range 2 {
		blamed := c.dial()
		send(t, blamed, "GET /stall/10m HTTP/1.1\r\nHost: x\r\n\r\n")
		rest(t, blamed)
	}
	if code := c.exit(); code != exitStalled {
		t.Errorf("exit %d", code)
	}
	text, err := os.ReadFile(f.path)
	if err != nil || !strings.HasPrefix(string(text), "/status/201 --\n/stall/10m WH\n") {
		t.Errorf("the file has %q, %v", text, err)
	}
}

// TestAccessLogOnStreams: standard output and standard error have the lines; one that is closed is an error.
func TestAccessLogOnStreams(t *testing.T) {
	c := serve(t, "--access-log", "stdout", "--access-log-format", "%U")
	c.get("/status/201")
	if got := c.line(); got != "/status/201\n" {
		t.Errorf("the line is %q", got)
	}
	c = serve(t, "--access-log", "stderr", "--access-log-format", "%U is logged")
	c.get("/status/201")
	c.logs("/status/201 is logged\n")

	cmd := program(nil, "serve", "--listen", "127.0.0.1:0", "--access-log", "stdout")
	cmd.Args = append([]string{"sh", "-c", `exec "$@" >&-`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = toolPath(t, "sh")
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != exitFailure || !strings.Contains(string(out), "standard output is closed") {
		t.Errorf("%v: %s", err, out)
	}
}

// deadAccessLogs start a server whose access log has a target that takes nothing, fails, or is slow. check is called once
// requests were answered: it wants the failure in the server's log, and lines to come again where they can.
var deadAccessLogs = map[string]func(t *testing.T, start func(target string) *child) (c *child, check func()){
	"pipe that is not read": func(t *testing.T, start func(string) *child) (*child, func()) {
		path := namedPipe(t)
		r := openPipe(t, path)
		c := start(path)
		return c, func() {
			c.logs("waits for its target")
			go drainPipe(r)
			c.logs("lines of the access log were dropped")
		}
	},
	"closed pipe": func(t *testing.T, start func(string) *child) (*child, func()) {
		path := namedPipe(t)
		r := openPipe(t, path)
		c := start(path)
		_ = r.Close()
		return c, func() { c.logs("cannot be written") }
	},
	"closed standard output": func(t *testing.T, start func(string) *child) (*child, func()) {
		c := start("stdout")
		_ = c.pipe.Close()
		return c, func() { c.logs("cannot be written") }
	},
	"reader that comes again": func(t *testing.T, start func(string) *child) (*child, func()) {
		path := namedPipe(t)
		r := openPipe(t, path)
		c := start(path)
		c.get("/")
		_ = r.Close()
		return c, func() {
			c.logs("cannot be written")
			r := openPipe(t, path)
			go drainPipe(r)
			for deadline := time.Now().Add(patience); !strings.Contains(c.stderr.String(), "lines of the access log were dropped"); {
				c.get("/")
				if time.Now().After(deadline) {
					t.Fatal("lines do not come again")
				}
			}
		}
	},
	"full disk": func(t *testing.T, start func(string) *child) (*child, func()) {
		c := start("/dev/full")
		return c, func() { c.logs("cannot be written") }
	},
	"deleted file": func(t *testing.T, start func(string) *child) (*child, func()) {
		f := newAccessFile(t)
		c := start(f.path)
		c.get("/")
		if err := os.Remove(f.path); err != nil {
			t.Fatal(err)
		}
		return c, func() {
			for deadline := time.Now().Add(patience); ; {
				c.get("/")
				if _, err := os.Stat(f.path); err == nil {
					return
				}
				if time.Now().After(deadline) {
					t.Fatal("the file is not made again")
				}
			}
		}
	},
	"slow file system": func(t *testing.T, start func(string) *child) (*child, func()) {
		path := namedPipe(t)
		r := openPipe(t, path)
		_, _ = unix.FcntlInt(r.Fd(), unix.F_SETPIPE_SZ, 4096)
		c := start(path)
		go func() {
			p := make([]byte, 512)
			for {
				if _, err := r.Read(p); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}()
		return c, func() { c.logs("waits for its target") }
	},
}

func namedPipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openPipe opens the reading end of a named pipe without waiting for a writer.
func openPipe(t *testing.T, path string) *os.File {
	t.Helper()
	return openFile(t, path, os.O_RDONLY|syscall.O_NONBLOCK)
}

// drainPipe reads until the pipe is closed.
func drainPipe(r *os.File) {
	p := make([]byte, 1<<16)
	for {
		if _, err := r.Read(p); err != nil {
			return
		}
	}
}

// TestAccessLogThatIsNotTaken: whatever its target does, no request is lost or late, and lost lines are counted.
func TestAccessLogThatIsNotTaken(t *testing.T) {
	// More bytes than a queue and a pipe hold together.
	const requests, format = 6000, `%{conn}x ` + "%{Host}i%{Host}i%{Host}i"
	host := strings.Repeat("h", 100)
	ask := func(c *child) time.Duration {
		conn := c.dial()
		reader := bufio.NewReader(conn)
		took := make([]time.Duration, 0, requests)
		for range requests {
			began := time.Now()
			send(t, conn, "GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
			r, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := reader.Discard(int(r.ContentLength)); err != nil || r.StatusCode != http.StatusOK {
				t.Fatalf("answered %d, %v", r.StatusCode, err)
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		return took[len(took)*99/100]
	}
	off := ask(serve(t, "--loops", "1"))
	for name, open := range deadAccessLogs {
		t.Run(name, func(t *testing.T) {
			c, check := open(t, func(target string) *child {
				return serve(t, "--loops", "1", "--access-log", target, "--access-log-format", format)
			})
			if on := ask(c); on > 4*off+5*time.Millisecond {
				t.Errorf("of 100 requests 99 take %v at most, and %v without a log", on, off)
			}
			check()
			if status, _ := c.get("/"); status != http.StatusOK {
				t.Errorf("answered %d", status)
			}
			c.signal(syscall.SIGTERM)
			if code := c.exit(); code != exitClean {
				t.Errorf("exit %d", code)
			}
		})
	}
}

// TestGatewayAccessLog: lines of a gateway have backend, peer and tries.
func TestGatewayAccessLog(t *testing.T) {
	backend := serve(t)
	f := newAccessFile(t)
	g := gate(t, "--to", backend.urls[0], "--access-log", f.path, "--access-log-format", "%U %s %{end}x %{backend_peer}x %{backend_tries}x %{reason}x")
	if status, _ := g.get("/status/201"); status != http.StatusCreated {
		t.Fatalf("answered %d", status)
	}
	if got, want := f.lines(1)[0], fmt.Sprintf("/status/201 201 -- %s 1 -", backend.urls[0]); got != want {
		t.Errorf("the line is %q, want %q", got, want)
	}
	backend.signal(syscall.SIGTERM)
	backend.exit()
	if status, _ := g.get("/"); status != http.StatusBadGateway {
		t.Fatalf("answered %d", status)
	}
	if got := f.lines(2)[1]; !strings.HasPrefix(got, "/ 502 UH ") || !strings.HasSuffix(got, " connect-fail") {
		t.Errorf("the line is %q", got)
	}
}
