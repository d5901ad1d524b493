//go:build linux

package main

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// transport returns a transport for one version of HTTP.
func transport(version int, secure bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == 1)
	protocols.SetHTTP2(version == 2 && secure)
	protocols.SetUnencryptedHTTP2(version == 2 && !secure)
	return &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true}
}

// TestEndpoints: each endpoint of the README answers over each protocol.
func TestEndpoints(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.txt"), []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serve(t, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--allow-stall", "--root", root)
	uploaded := strings.Repeat("content ", 10_000)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(uploaded)))
	for _, version := range []int{1, 2} {
		for _, url := range c.urls {
			secure := strings.HasPrefix(url, "https:")
			client := &http.Client{Transport: transport(version, secure), Timeout: patience}
			for _, e := range []struct {
				method, path, content string
				status                int
				want                  string // a pattern of the content, or "length " and its length
			}{
				{"GET", "/", "", 200, `^Hello, World!$`},
				{"HEAD", "/", "", 200, `^$`},
				{"GET", "/bytes/70000", "", 200, `length 70000`},
				{"GET", "/bytes/64KiB", "", 200, `length 65536`},
				{"GET", "/stream/70000", "", 200, `length 70000`},
				{"GET", "/drip?bytes=100&every=1ms&size=30", "", 200, `length 100`},
				{"GET", "/delay/5ms", "", 200, ``},
				{"GET", "/delay/1ms:90,2ms:9,3ms:1", "", 200, ``},
				{"GET", "/status/204", "", 204, `^$`},
				{"GET", "/status/418", "", 418, ``},
				{"GET", "/unstable?fail=1&status=502", "", 502, ``},
				{"POST", "/echo", uploaded, 200, `^(?:content )+$`},
				{"POST", "/upload", uploaded, 200, `"bytes":80000,"sha256":"` + sum + `"`},
				{"POST", "/upload?rate=1MiB", "12345", 200, `"bytes":5`},
				{"POST", "/echo?after=1", uploaded, 200, `^(?:content )+$`},
				{"GET", "/delay/p50=1ms,p99=2ms?seed=1", "", 200, `^after `},
				{"POST", "/bytes/1", "12345", 405, ``},
				{"GET", "/drip?sise=1", "", 400, `^[^\n]*sise[^\n]*\n?$`},
				{"GET", "/headers", "", 200, `"method":"GET"`},
				{"GET", "/trailers", "", 200, ``},
				{"GET", "/offload/1ms", "", 200, ``},
				{"GET", "/fanout?n=5&delay=1ms&deadline=10s", "", 200, `5`},
				{"GET", "/file/a.txt", "", 200, `^from a file$`},
				{"GET", "/count", "", 200, `"200":`},
				{"GET", "/healthz", "", 200, ``},
				{"GET", "/readyz", "", 200, ``},
				{"GET", "/stall/1ms", "", 200, ``},
				{"GET", "/stall/1ms?spin=1", "", 200, ``},
				{"GET", "/nowhere", "", 404, ``},
				{"GET", "/bytes/many", "", 400, `^[^\n]*many[^\n]*\n?$`},
				{"GET", "/bytes", "", 400, `^[^\n]*""[^\n]*\n?$`},
				{"GET", "/delay/soon", "", 400, `^[^\n]*soon[^\n]*\n?$`},
				{"GET", "/drip?every=soon", "", 400, `^[^\n]*soon[^\n]*\n?$`},
				{"GET", "/offload/soon", "", 400, `^[^\n]*soon[^\n]*\n?$`},
				{"GET", "/stall/soon", "", 400, `^[^\n]*soon[^\n]*\n?$`},
				{"GET", "/stall/1ms?spin=fast", "", 400, `^[^\n]*fast[^\n]*\n?$`},
				{"GET", "/events?every=soon", "", 400, `^[^\n]*soon[^\n]*\n?$`},
				{"GET", "/ws/flood?size=large", "", 400, `^[^\n]*large[^\n]*\n?$`},
				{"GET", "/fanout?n=many", "", 400, `^[^\n]*many[^\n]*\n?$`},
				{"GET", "/unstable?fail=often", "", 400, `^[^\n]*often[^\n]*\n?$`},
				{"GET", "/count?reset=all", "", 400, `^[^\n]*all[^\n]*\n?$`},
				{"POST", "/upload?rate=fast", "12345", 400, `^[^\n]*fast[^\n]*\n?$`},
				{"POST", "/upload?rate=%zz", "12345", 400, `^[^\n]*%zz[^\n]*\n?$`},
				{"GET", "/status/9000", "", 400, `^[^\n]*9000[^\n]*\n?$`},
			} {
				name := fmt.Sprintf("HTTP/%d secure=%v %s %s", version, secure, e.method, e.path)
				request, err := http.NewRequestWithContext(t.Context(), e.method, url+e.path, strings.NewReader(e.content))
				if err != nil {
					t.Fatal(err)
				}
				r, err := client.Do(request)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				text, err := io.ReadAll(r.Body)
				_ = r.Body.Close()
				if err != nil || r.StatusCode != e.status || r.ProtoMajor != version || !contentIs(string(text), e.want) {
					t.Errorf("%s: answered %s over %s, %.200q, %v", name, r.Status, r.Proto, text, err)
				}
				if e.path == "/trailers" && len(r.Trailer) == 0 {
					t.Errorf("%s: no trailers came", name)
				}
			}
			client.CloseIdleConnections()
		}
	}
}

// TestServerTimingIsTrue: the server's times are not longer than the client's.
func TestServerTimingIsTrue(t *testing.T) {
	c := serve(t)
	begin := time.Now()
	r, err := http.Get(c.urls[0] + "/delay/50ms?timing=1")
	seen := time.Since(begin)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	var queue, handler, first float64
	if _, err := fmt.Sscanf(r.Header.Get("Server-Timing"), "queue;dur=%f, handler;dur=%f, first-byte;dur=%f", &queue, &handler, &first); err != nil {
		t.Fatalf("Server-Timing is %q", r.Header.Get("Server-Timing"))
	}
	if handler < 50 || first < handler || first > float64(seen.Milliseconds())+1 {
		t.Errorf("%q, and the client has waited %v", r.Header.Get("Server-Timing"), seen)
	}
}

// TestEchoAfterForAClientThatDoesNotReadWhileItSends sends more than any buffer takes.
func TestEchoAfterForAClientThatDoesNotReadWhileItSends(t *testing.T) {
	const size = 15 << 20
	conn := serve(t).dial()
	send(t, conn, fmt.Sprintf("POST /echo?after=1 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size))
	send(t, conn, strings.Repeat("x", size))
	r := wantStatus(t, conn, http.StatusOK)
	if n, err := io.Copy(io.Discard, r.Body); n != size || err != nil {
		t.Errorf("%d bytes came back, %v", n, err)
	}
}

func contentIs(text, want string) bool {
	if length, ok := strings.CutPrefix(want, "length "); ok {
		return fmt.Sprint(len(text)) == length
	}
	return regexp.MustCompile(want).MatchString(text)
}
