package files_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/compress"
	"github.com/gatewheel/gatewheel/app/files"
	"github.com/gatewheel/gatewheel/app/middleware"
)

// encodedSite makes files with neighbours and returns how to write more.
func encodedSite(t *testing.T, options files.Options) (host *apptest.Host, write func(name, content string, age time.Duration)) {
	t.Helper()
	dir := t.TempDir()
	now := time.Now().Add(-time.Hour)
	write = func(name, content string, age time.Duration) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"app.js": "plain", "app.js.br": "br", "app.js.zst": "zstd", "app.js.gz": "gzip",
		"one.css": "plain", "one.css.gz": "gzip",
		"bare.txt": "plain",
		"big.js":   strings.Repeat("plain", 20000), "big.js.br": strings.Repeat("br", 40000), "big.js.gz": "gzip",
		"index.html": "<p>plain", "index.html.br": "br",
		"assets/x.js": "x", "assets/deep/y.js": "y",
	} {
		write(name, content, 0)
	}
	d, err := files.Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return apptest.New(d.Serve), write
}

func TestEncodedNeighbours(t *testing.T) {
	host, _ := encodedSite(t, files.Options{Encoded: true})
	for _, c := range []struct{ path, accepts, coding string }{
		{"/app.js", "", ""},
		{"/app.js", "gzip, deflate, br, zstd", "br"},
		{"/app.js", "gzip, zstd", "zstd"},
		{"/app.js", "gzip", "gzip"},
		{"/app.js", "br;q=0.5, gzip;q=0.9", "gzip"},
		{"/app.js", "br;q=0, *", "zstd"},
		{"/app.js", "identity, br;q=0.5", ""},
		{"/app.js", "deflate", ""},
		{"/app.js", "br;q=x", ""},
		{"/app.js", strings.Repeat("x, ", 5000) + "gzip", "gzip"},
		{"/one.css", "br, gzip", "gzip"},
		{"/one.css", "br", ""},
		{"/bare.txt", "br, gzip", ""},
		{"/", "br", "br"},
		{"/big.js", "br", "br"},
		{"/big.js", "gzip", "gzip"},
		{"/big.js", "", ""},
	} {
		for range 2 { // the second response may come from memory
			call := host.Do(apptest.Get(c.path, "Accept-Encoding", c.accepts))
			want := c.coding
			if want == "" {
				want = "plain"
			}
			if call.Status != 200 || !strings.HasSuffix(string(call.Content), want) || call.Header.Get("Content-Encoding") != c.coding {
				t.Errorf("%s for %.30q: %d %.20q %v, want %s", c.path, c.accepts, call.Status, call.Content, call.Header, want)
			}
			if kind := call.Header.Get("Content-Type"); c.path == "/app.js" && kind != "text/javascript; charset=utf-8" {
				t.Errorf("%s is %s", c.path, kind)
			}
			if varies := call.Header.Get("Vary") == "Accept-Encoding"; varies == (c.path == "/bare.txt") {
				t.Errorf("%s: Vary is %q", c.path, call.Header.Get("Vary"))
			}
		}
	}
	// Their own names are files as others.
	if call := host.Do(apptest.Get("/app.js.gz", "Accept-Encoding", "gzip")); call.Header.Has("Content-Encoding") || call.Header.Get("Content-Type") != "application/gzip" {
		t.Errorf("the neighbour itself: %v", call.Header)
	}
}

// TestEncodedNeighboursHaveTheirOwnTags: a range of one is never joined with one of another.
func TestEncodedNeighboursHaveTheirOwnTags(t *testing.T) {
	host, _ := encodedSite(t, files.Options{Encoded: true})
	for _, path := range []string{"/app.js", "/big.js"} {
		tags := map[string]string{}
		for _, coding := range []string{"", "br", "gzip"} {
			tag := strongTag(t, host, path, "Accept-Encoding", coding)
			if other, taken := tags[tag]; taken {
				t.Errorf("%s: %q and %q have the same tag", path, coding, other)
			}
			tags[tag] = coding
		}
		for tag, coding := range tags {
			for _, asked := range []string{"", "br", "gzip"} {
				call := host.Do(apptest.Get(path, "Accept-Encoding", asked, "If-None-Match", tag))
				if want := map[bool]int{true: 304, false: 200}[asked == coding]; call.Status != want || call.Header.Get("Vary") != "Accept-Encoding" {
					t.Errorf("%s as %q, known as %q: %d %v", path, asked, coding, call.Status, call.Header)
				}
				call = host.Do(apptest.Get(path, "Accept-Encoding", asked, "If-Range", tag, "Range", "bytes=0-0"))
				if want := map[bool]int{true: 206, false: 200}[asked == coding]; call.Status != want || call.Header.Get("Content-Encoding") != asked {
					t.Errorf("a range of %s as %q, known as %q: %d %v", path, asked, coding, call.Status, call.Header)
				}
			}
		}
	}
}

// TestEncodedNeighboursComeAndGo changes files between requests, whose answers are in memory.
func TestEncodedNeighboursComeAndGo(t *testing.T) {
	host, write := encodedSite(t, files.Options{Encoded: true})
	want := func(content string) {
		t.Helper()
		for range 2 {
			host.Do(apptest.Get("/one.css", "Accept-Encoding", "br, gzip")).Want(t, 200, content)
		}
		strongTag(t, host, "/one.css", "Accept-Encoding", "br, gzip") // what has changed lately is not held in memory
		host.Do(apptest.Get("/one.css", "Accept-Encoding", "br, gzip")).Want(t, 200, content)
	}
	want("gzip")
	write("one.css.br", "br", 0)
	want("br")
	write("one.css.br", "BR", 0)
	want("BR")
	write("one.css.br", "older than the file", time.Minute)
	want("gzip")
	write("one.css.gz", "older than the file", time.Minute)
	want("plain")
	write("one.css", "plain again", 2*time.Minute)
	want("older than the file")
}

func TestEncodedNeighboursAreNotCompressedAgain(t *testing.T) {
	d, err := files.FS(embedded, files.Options{Encoded: true})
	if err != nil {
		t.Fatal(err)
	}
	host := apptest.New(middleware.Chain(d.Serve, compress.New(compress.Options{MinSize: 1})))
	call := host.Do(apptest.Get("/testdata/site/assets/app.js", "Accept-Encoding", "br, gzip"))
	if call.Want(t, 200, "br"); len(call.Header.Values("Content-Encoding")) != 1 || len(call.Header.Values("Vary")) != 1 {
		t.Errorf("got %v", call.Header)
	}
}

func TestFallback(t *testing.T) {
	host, _ := encodedSite(t, files.Options{Fallback: "index.html", Encoded: true, Cache: []files.CacheRule{{Pattern: "*.html", Control: "no-cache"}}})
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, c := range []struct {
		method, path, accept string
		status               int
	}{
		{"GET", "/users/7", browser, 200},
		{"HEAD", "/users/7", browser, 200},
		{"GET", "/users/", browser, 200},
		{"GET", "/assets/", browser, 200}, // without an index
		{"GET", "/users/7", "*/*", 404},
		{"GET", "/users/7", "", 404},
		{"GET", "/users/7", "application/json", 404},
		{"GET", "/users/7", "text/html;q=0", 404},
		{"GET", "/assets/missing.js", browser, 404},
		{"GET", "/favicon.ico", browser, 404},
		{"GET", "/.env", browser, 404},
		{"GET", "/../users", browser, 404},
		{"POST", "/users/7", browser, 405},
		{"GET", "/bare.txt/users", browser, 200},
	} {
		r := apptest.Get(c.path, "Accept", c.accept)
		r.Method = c.method
		call := host.Do(r)
		if call.Status != c.status {
			t.Errorf("%s %s for %q: %d, want %d", c.method, c.path, c.accept, call.Status, c.status)
			continue
		}
		if c.status == 200 && (call.Header.Get("Cache-Control") != "no-cache" || !call.Header.HasToken("Vary", "Accept") || !call.Header.HasToken("Vary", "Accept-Encoding")) {
			t.Errorf("%s: %v", c.path, call.Header)
		}
	}
	if call := host.Do(apptest.Get("/users/7", "Accept", "x/y")); !call.Header.HasToken("Vary", "Accept") {
		t.Errorf("the 404 has %v", call.Header)
	}
	tag := host.Do(apptest.Get("/users/7", "Accept", browser)).Header.Get("ETag")
	if call := host.Do(apptest.Get("/users/8", "Accept", browser, "If-None-Match", tag)); call.Status != 304 || !call.Header.HasToken("Vary", "Accept") {
		t.Errorf("a page that is known: %d %v", call.Status, call.Header)
	}
	if held := host.Do(apptest.Get("/index.html")); held.Header.HasToken("Vary", "Accept") {
		t.Errorf("the page under its own name: %v", held.Header)
	}
	missing, _ := encodedSite(t, files.Options{Fallback: "missing.html"})
	if call := missing.Do(apptest.Get("/users/7", "Accept", browser)); call.Status != 404 {
		t.Errorf("without the fallback: %d", call.Status)
	}
}

func TestCachePolicy(t *testing.T) {
	host, _ := encodedSite(t, files.Options{
		Encoded: true,
		Fields:  app.Fields{{Name: "Cache-Control", Value: "max-age=1"}, {Name: "X", Value: "y"}},
		Cache: []files.CacheRule{
			{Pattern: "assets/deep/*.js", Control: "no-store"},
			{Pattern: "assets/**", Control: "immutable"},
			{Pattern: "*.html", Control: "no-cache"},
		},
	})
	for path, want := range map[string]string{
		"/assets/x.js": "immutable", "/assets/deep/y.js": "no-store", "/index.html": "no-cache", "/": "no-cache", "/app.js": "max-age=1",
	} {
		for _, known := range []string{"", "*"} {
			call := host.Do(apptest.Get(path, "If-None-Match", known, "Accept-Encoding", "br"))
			if got := call.Header.Values("Cache-Control"); len(got) != 1 || got[0] != want || call.Header.Get("X") != "y" {
				t.Errorf("%s, %d: %v, want %s", path, call.Status, got, want)
			}
		}
	}
	for _, o := range []files.Options{
		{Cache: []files.CacheRule{{Pattern: "[", Control: "x"}}}, {Cache: []files.CacheRule{{Pattern: "a", Control: "x\r\ny"}}},
		{Cache: []files.CacheRule{{Control: "x"}}}, {Fallback: "../x"}, {Fallback: "/x"},
	} {
		if _, err := files.Open(t.TempDir(), o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
		if _, err := files.FS(embedded, o); err == nil {
			t.Errorf("%+v is accepted for an fs.FS", o)
		}
	}
}
