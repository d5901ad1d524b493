//go:build linux

package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// webProxy is a proxy of docs/proxies.md, run with the block that stands there.
type webProxy struct {
	name, program string
	block         string // the language of the block in docs/proxies.md
	// config completes the block to a configuration that listens on front.
	config func(block, front, dir string) string
	args   func(file string) []string
}

var webProxies = []webProxy{
	{
		name: "nginx", program: "nginx", block: "nginx",
		config: func(block, front, dir string) string {
			block = strings.Replace(block, "listen 80;", "listen "+front+";", 1)
			var temporary strings.Builder
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				fmt.Fprintf(&temporary, "%s_temp_path %s/%s;\n", kind, dir, kind)
			}
			return fmt.Sprintf("daemon off;\nmaster_process off;\nerror_log stderr;\npid %s/pid;\nevents {}\nhttp {\naccess_log off;\n%s%s\n}\n", dir, &temporary, block)
		},
		args: func(file string) []string { return []string{"-c", file, "-p", filepath.Dir(file)} },
	},
	{
		name: "HAProxy", program: "haproxy", block: "haproxy",
		config: func(block, front, _ string) string { return strings.Replace(block, "bind :80", "bind "+front, 1) },
		args:   func(file string) []string { return []string{"-db", "-f", file} },
	},
	{
		name: "HAProxy over HTTP/2", program: "haproxy", block: "haproxy",
		config: func(block, front, _ string) string {
			block = strings.ReplaceAll(block, " check inter", " proto h2 check inter")
			return strings.Replace(block, "bind :80", "bind "+front, 1)
		},
		args: func(file string) []string { return []string{"-db", "-f", file} },
	},
	{
		name: "Caddy over h2c", program: "caddy", block: "caddy",
		config: func(block, front, _ string) string {
			return "{\n\tadmin off\n}\n" + strings.Replace(block, ":80 {", "http://"+front+" {", 1)
		},
		args: func(file string) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} },
	},
	{
		name: "Caddy", program: "caddy", block: "caddy",
		config: func(block, front, _ string) string {
			block = strings.ReplaceAll(block, "h2c://", "http://")
			return "{\n\tadmin off\n}\n" + strings.Replace(block, ":80 {", "http://"+front+" {", 1)
		},
		args: func(file string) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} },
	},
}

// documentedBlock returns the block of docs/proxies.md in that language.
func documentedBlock(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/proxies.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(page)
	if found == nil {
		t.Fatalf("docs/proxies.md has no block of %s", language)
	}
	return string(found[1])
}

// start runs the proxy in front of two servers and returns its address.
func (p *webProxy) start(t *testing.T, one, two string) (front string) {
	t.Helper()
	block := strings.NewReplacer("127.0.0.1:8080", one, "127.0.0.1:8081", two).Replace(documentedBlock(t, p.block))
	front = testport.Address(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(p.config(block, front, dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(toolPath(t, p.program), p.args(file)...)
	var log synced
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("the log of %s:\n%s", p.name, log.String())
		}
	})
	if !answers(front, ended) {
		t.Fatalf("%s does not start", p.name)
	}
	return front
}

// answers waits until a server at the address answers requests with 200, and reports whether it
// does before the process ends.
func answers(address string, ended <-chan struct{}) bool {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	deadline := time.After(patience)
	for {
		response, err := client.Get("http://" + address + "/")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-ended:
			return false
		case <-deadline:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestBehindProxies runs each documented proxy in front of two servers. In the end one of them
// leaves under load, and nobody notices.
func TestBehindProxies(t *testing.T) {
	for _, p := range webProxies {
		t.Run(p.name, func(t *testing.T) {
			one := serve(t, "--trust-proxy", "127.0.0.0/8")
			two := serve(t, "--trust-proxy", "127.0.0.0/8")
			front := p.start(t, one.address(), two.address())
			t.Run("the client is known", func(t *testing.T) { clientIsKnown(t, front) })
			t.Run("an upload comes back", func(t *testing.T) { uploadComesBack(t, front) })
			t.Run("events come at once", func(t *testing.T) { eventsComeAtOnce(t, front) })
			t.Run("WebSockets", func(t *testing.T) { webSocketsPass(t, front) })
			t.Run("a rollout", func(t *testing.T) { rollout(t, front, one) })
		})
	}
}

// clientIsKnown: the fields of the proxy count, and what a client invents does not.
func clientIsKnown(t *testing.T, front string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+front+"/headers", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"X-Forwarded-For", "X-Real-IP"} {
		request.Header.Set(field, "6.6.6.6")
	}
	request.Header.Set("X-Forwarded-Proto", "https")
	request.Header.Set("X-Forwarded-Host", "invented.example")
	_, text := answer(t, http.DefaultClient, request)
	var seen struct {
		Client struct{ Address, Scheme, Host string }
	}
	if err := json.Unmarshal([]byte(text), &seen); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	c := seen.Client
	if !strings.HasPrefix(c.Address, "127.0.0.1:") || c.Scheme != "http" || c.Host != front {
		t.Errorf("the client is %+v, want 127.0.0.1, http and %s", c, front)
	}
}

func uploadComesBack(t *testing.T, front string) {
	content := make([]byte, 3<<20)
	_, _ = rand.Read(content)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+front+"/echo?after=1", bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if status, text := answer(t, http.DefaultClient, request); status != http.StatusOK || text != string(content) {
		t.Errorf("status %d and %d bytes, want the %d that were sent", status, len(text), len(content))
	}
}

// eventsComeAtOnce: the first event comes although the second is an hour away.
func eventsComeAtOnce(t *testing.T, front string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+front+"/events?n=2&every=1h", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	stop := time.AfterFunc(patience, func() { _ = response.Body.Close() })
	defer stop.Stop()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if lines.Text() == "data: 1" || lines.Text() == "data:1" {
			return
		}
	}
	t.Errorf("no event came: %v", lines.Err())
}

// webSocketsPass: pages of the proxy's own origin may connect, and others may not.
func webSocketsPass(t *testing.T, front string) {
	w, response := openWebSocket(t, front, "/ws", "Origin: http://"+front)
	if response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the own origin is answered with %s", response.Status)
	}
	for _, text := range []string{"hello", strings.Repeat("x", 100000)} {
		w.say(text)
		for got := ""; got != text; {
			_, part := w.next()
			if got += part; len(got) > len(text) {
				t.Fatalf("%d bytes came back, want %d", len(got), len(text))
			}
		}
	}
	if _, response := openWebSocket(t, front, "/ws", "Origin: http://elsewhere.example"); response.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign origin is answered with %s", response.Status)
	}
}

// openWebSocket sends an opening handshake to an address.
func openWebSocket(t *testing.T, address, path string, fields ...string) (*webSocket, *http.Response) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	w := &webSocket{t: t, conn: conn, in: bufio.NewReader(conn)}
	send(t, conn, "GET "+path+" HTTP/1.1\r\nHost: "+address+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"+strings.Join(append(fields, ""), "\r\n")+"\r\n")
	response, err := http.ReadResponse(w.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	return w, response
}

// rollout stops one server while four clients ask without a pause: each of them gets a 200, before
// and after.
func rollout(t *testing.T, front string, leaver *child) {
	before, done := make(chan struct{}, 4), make(chan struct{})
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			client := &http.Client{Timeout: patience, Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				if err := getOK(client, "http://"+front+"/"); err != nil {
					t.Errorf("request %d: %v", n, err)
					return
				}
				if n == 50 {
					before <- struct{}{}
				}
			}
		})
	}
	ready := time.After(patience)
	for range 4 {
		select {
		case <-before:
		case <-ready:
			t.Error("the clients get no answers")
		}
	}
	leaver.signal(syscall.SIGTERM)
	if code := leaver.exit(); code != 0 {
		t.Errorf("the server that left exited with %d", code)
	}
	close(done)
	clients.Wait()
	for range 20 {
		if err := getOK(http.DefaultClient, "http://"+front+"/"); err != nil {
			t.Errorf("after the rollout: %v", err)
		}
	}
}

func getOK(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.200s", response.Status, text)
	}
	return err
}
