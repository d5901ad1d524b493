//go:build linux

package interop

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// TestFileServer: http.FileServer answers ranges, conditions, HEAD, directories and files beyond any buffer.
func TestFileServer(t *testing.T) {
	dir := t.TempDir()
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, content := range map[string][]byte{"large.bin": large, "small.txt": []byte("0123456789")} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	const small = "/small.txt"
	inEachMode(t, http.FileServer(http.Dir(dir)), func(t *testing.T, c asker) {
		whole := c.expect(small, 200, "0123456789")
		if got := whole.Header.Get("Last-Modified"); got != modified.Format(http.TimeFormat) || whole.ContentLength != 10 {
			t.Errorf("Last-Modified %q, Content-Length %d", got, whole.ContentLength)
		}
		if _, got := c.get("/large.bin"); got != string(large) {
			t.Errorf("the large file: %d bytes, or others", len(got))
		}
		if head, got := c.read(c.open("HEAD", "/large.bin", nil)); head.ContentLength != int64(len(large)) || got != "" {
			t.Errorf("HEAD: Content-Length %d, %d bytes", head.ContentLength, len(got))
		}
		c.expect("/large.bin", 206, string(large[1<<20:1<<20+100]), "Range", "bytes=1048576-1048675")
		if part := c.expect(small, 206, "234", "Range", "bytes=2-4"); part.Header.Get("Content-Range") != "bytes 2-4/10" {
			t.Errorf("Content-Range %q", part.Header.Get("Content-Range"))
		}
		c.expect(small, 206, "89", "Range", "bytes=-2")
		c.expect(small, 416, "invalid range: failed to overlap\n", "Range", "bytes=10-")
		c.expect(small, 304, "", "If-Modified-Since", modified.Format(http.TimeFormat))
		c.expect(small, 412, "", "If-Unmodified-Since", modified.Add(-time.Hour).Format(http.TimeFormat))
		c.expect(small, 200, "0123456789", "Range", "bytes=2-4", "If-Range", modified.Add(-time.Hour).Format(http.TimeFormat))
		c.expect("/absent", 404, "404 page not found\n")
		if list, _ := c.get("/"); list.StatusCode != 200 || list.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("the directory: %s %q", list.Status, list.Header.Get("Content-Type"))
		}
		c.expectTwoRanges(small)
	})
}

// expectTwoRanges asks for two ranges, which are the parts of a multipart response.
func (c asker) expectTwoRanges(path string) {
	c.Helper()
	response := c.open("GET", path, nil, "Range", "bytes=0-1,4-5")
	_, values, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		c.Fatal(err)
	}
	parts := multipart.NewReader(response.Body, values["boundary"])
	for _, want := range []string{"01", "45"} {
		part, err := parts.NextPart()
		if err != nil {
			c.Fatal(err)
		}
		if got, _ := io.ReadAll(part); string(got) != want {
			c.Errorf("part %q, want %q", got, want)
		}
	}
}

// proxyTo returns a ReverseProxy whose requests have this client's protocol.
func proxyTo(t *testing.T, address string, client *http.Client) *httputil.ReverseProxy {
	t.Helper()
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport:     client.Transport,
		ErrorLog:      log.New(io.Discard, "", 0),
		FlushInterval: -1,
	}
}

// proxied is a handler behind a ReverseProxy: it streams, sends trailers, echoes content and cuts a response.
func proxied(streamed steps) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/streamed", func(w http.ResponseWriter, r *http.Request) {
		streamed.stream(func(s string) {
			io.WriteString(w, s)
			w.(http.Flusher).Flush()
		})
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Length")
		w.Header().Set("X-Forwarded", r.Header.Get("X-Forwarded-For"))
		content, _ := io.ReadAll(r.Body) // net/http drops what a ReverseProxy has not read when its response begins.
		w.Write(content)
		w.Header().Set("X-Length", fmt.Sprint(len(content)))
	})
	mux.HandleFunc("/abort", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "some")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	return mux
}

// expectProxied asks for everything that proxied has.
func (c asker) expectProxied(streamed steps) {
	c.Helper()
	c.expectSteps(streamed, c.open("GET", "/streamed", nil).Body)
	content := string(bytes.Repeat([]byte("x"), 300<<10))
	response, got := c.read(c.open("POST", "/echo", bytes.NewReader([]byte(content))))
	if got != content || response.Header.Get("X-Forwarded") != "127.0.0.1" {
		c.Errorf("echo: %d bytes of %d, X-Forwarded-For %q", len(got), len(content), response.Header.Get("X-Forwarded"))
	}
	if got, want := response.Trailer.Get("X-Length"), fmt.Sprint(len(content)); got != want {
		c.Errorf("trailer %q, want %q", got, want)
	}
	cut := c.open("GET", "/abort", nil)
	if got, err := io.ReadAll(cut.Body); err == nil || string(got) != "some" {
		c.Errorf("a response that is cut: %q, %v", got, err)
	}
}

// TestReverseProxyAsHandler: a ReverseProxy served by us passes on what a server of net/http answers.
func TestReverseProxyAsHandler(t *testing.T) {
	streamed := make(steps)
	backend := httptest.NewServer(proxied(streamed))
	defer backend.Close()
	proxy := proxyTo(t, backend.URL, backend.Client())
	inEachMode(t, proxy, func(t *testing.T, c asker) { c.expectProxied(streamed) })
}

// TestReverseProxyInFront: a ReverseProxy served by net/http passes on what we answer.
func TestReverseProxyInFront(t *testing.T) {
	for _, mode := range nethttptest.Modes {
		t.Run(string(mode), func(t *testing.T) {
			streamed := make(steps)
			site := nethttptest.Start(t, mode, &http.Server{Handler: proxied(streamed)})
			front := httptest.NewServer(proxyTo(t, site.URL, site.Client()))
			defer front.Close()
			asker{t, front.Client(), front.URL}.expectProxied(streamed)
		})
	}
}
