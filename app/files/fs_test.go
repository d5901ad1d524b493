package files_test

import (
	"archive/zip"
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/files"
)

//go:embed testdata/site
var embedded embed.FS

// fsHost returns a host that serves fsys.
func fsHost(t testing.TB, fsys fs.FS, options files.Options) *apptest.Host {
	t.Helper()
	d, err := files.FS(fsys, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return apptest.New(d.Serve)
}

// content is that of the large file.
var content = strings.Repeat("0123456789abcdef", 20000)

// zipped returns an archive with these files.
func zipped(t *testing.T, contents map[string]string) *zip.Reader {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range contents {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: modified})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestFileSystems serves the same files from each kind of fs.FS.
func TestFileSystems(t *testing.T) {
	contents := map[string]string{"a.txt": "0123456789", "big.bin": content, "sub/index.html": "<p>index", "list/b.txt": "b"}
	timed, timeless, dir := fstest.MapFS{}, fstest.MapFS{}, t.TempDir()
	for name, content := range contents {
		timed[name] = &fstest.MapFile{Data: []byte(content), ModTime: modified}
		timeless[name] = &fstest.MapFile{Data: []byte(content)}
	}
	if err := os.CopyFS(dir, timed); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	site, err := fs.Sub(embedded, "testdata/site")
	if err != nil {
		t.Fatal(err)
	}
	for name, fsys := range map[string]fs.FS{
		"memory with times": timed, "memory without": timeless, "a root": root.FS(), "an archive": zipped(t, contents), "a part of an embed.FS": site,
	} {
		t.Run(name, func(t *testing.T) {
			host := fsHost(t, fsys, files.Options{List: true})
			host.Do(apptest.Get("/a.txt")).Want(t, 200, "0123456789")
			host.Do(apptest.Get("/a.txt", "Range", "bytes=2-4")).Want(t, 206, "234")
			host.Do(apptest.Get("/sub/")).Want(t, 200, "<p>index")
			if call := host.Do(apptest.Get("/sub")); call.Status != 301 || call.Header.Get("Location") != "./sub/" {
				t.Errorf("without its slash: %d %v", call.Status, call.Header)
			}
			for _, path := range []string{"/missing", "/a.txt/", "/a.txt/b", "/../a.txt", "/./a.txt", "/sub//index.html", "/\x00", "/\xff", "/a\\b"} {
				if call := host.Do(apptest.Get(path)); call.Status != 404 {
					t.Errorf("%q: %d", path, call.Status)
				}
			}
			if call := host.Do(apptest.Get("/list/")); call.Status != 200 || !strings.Contains(string(call.Content), `href="./b.txt"`) {
				t.Errorf("the list: %d %s", call.Status, call.Content)
			}
			call := host.Do(apptest.Get("/a.txt"))
			tag := call.Header.Get("ETag")
			host.Do(apptest.Get("/a.txt", "If-None-Match", tag)).Want(t, 304, "")
			if tag == "" || host.Do(apptest.Get("/sub/")).Header.Get("ETag") == tag {
				t.Errorf("the tag %q", tag)
			}
			if name == "a part of an embed.FS" {
				return // it has no large file
			}
			host.Do(apptest.Get("/big.bin")).Want(t, 200, content)
			host.Do(apptest.Get("/big.bin", "Range", "bytes=100000-200000")).Want(t, 206, content[100000:200001])
			call = host.Do(apptest.Get("/big.bin", "Range", "bytes=300000-300003,0-3"))
			if call.Status != 206 || strings.Count(string(call.Content), "\r\n\r\n0123\r\n") != 2 {
				t.Errorf("two ranges, in the wrong order: %d, %d bytes", call.Status, len(call.Content))
			}
		})
	}
}

// TestValidatorsOfFileSystems has files with and without times change.
func TestValidatorsOfFileSystems(t *testing.T) {
	now := time.Now().Add(-time.Hour)
	fsys := fstest.MapFS{
		"timed": {Data: []byte("one"), ModTime: now}, "timeless": {Data: []byte("one")},
	}
	host := fsHost(t, fsys, files.Options{})
	timed, timeless := host.Do(apptest.Get("/timed")).Header, host.Do(apptest.Get("/timeless")).Header
	if tag := timed.Get("ETag"); !strings.HasPrefix(tag, `W/"`) || !timed.Has("Last-Modified") {
		t.Errorf("with a time: %v", timed)
	}
	if tag := timeless.Get("ETag"); !strings.HasPrefix(tag, `"`) || timeless.Has("Last-Modified") {
		t.Errorf("without a time: %v", timeless)
	}
	// Without a time, no date is a condition.
	date := time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	for _, name := range []string{"If-Modified-Since", "If-Unmodified-Since"} {
		host.Do(apptest.Get("/timeless", name, date)).Want(t, 200, "one")
	}
	host.Do(apptest.Get("/timeless", "Range", "bytes=0-0", "If-Range", date)).Want(t, 200, "one")
	host.Do(apptest.Get("/timeless", "Range", "bytes=0-0", "If-Range", timeless.Get("ETag"))).Want(t, 206, "o")
	host.Do(apptest.Get("/timed", "Range", "bytes=0-0", "If-Range", timed.Get("ETag"))).Want(t, 200, "one")

	fsys["timed"] = &fstest.MapFile{Data: []byte("two"), ModTime: now.Add(time.Second)}
	fsys["timeless"] = &fstest.MapFile{Data: []byte("two")}
	host.Do(apptest.Get("/timed", "If-None-Match", timed.Get("ETag"))).Want(t, 200, "two")
	host.Do(apptest.Get("/timeless", "If-None-Match", timeless.Get("ETag"))).Want(t, 200, "two")
}

// TestEmbeddedFilesAreAnsweredOnTheLoop: the second response is the very same.
func TestEmbeddedFilesAreAnsweredOnTheLoop(t *testing.T) {
	host := fsHost(t, embedded, files.Options{})
	first, second := host.Do(apptest.Get("/testdata/site/a.txt")), host.Do(apptest.Get("/testdata/site/a.txt"))
	second.Want(t, 200, "0123456789")
	if first.Response != second.Response {
		t.Error("the file was read twice")
	}
	site, err := fs.Sub(embedded, "testdata/site")
	if err != nil {
		t.Fatal(err)
	}
	d, err := files.Embedded(site, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	host = apptest.New(d.Serve)
	if first, second := host.Do(apptest.Get("/a.txt")), host.Do(apptest.Get("/a.txt")); first.Response != second.Response {
		t.Error("a part of an embed.FS was read twice")
	}
	d.Close()
	if call := host.Do(apptest.Get("/a.txt")); call.Status != 404 {
		t.Errorf("after Close: %d", call.Status)
	}
}

func ExampleFS() {
	site, err := fs.Sub(embedded, "testdata/site")
	if err != nil {
		panic(err)
	}
	static, err := files.Embedded(site, files.Options{
		Encoded:  true,
		Fallback: "index.html",
		Cache: []files.CacheRule{
			{Pattern: "assets/**", Control: "public, max-age=31536000, immutable"},
			{Pattern: "*.html", Control: "no-cache"},
		},
	})
	if err != nil {
		panic(err)
	}

	host := apptest.New(static.Serve)
	call := host.Do(apptest.Get("/assets/app.js", "Accept-Encoding", "gzip, br"))
	fmt.Println(call.Status, call.Header.Get("Content-Encoding"), call.Header.Get("Cache-Control"))
	call = host.Do(apptest.Get("/users/7", "Accept", "text/html"))
	fmt.Println(call.Status, call.Header.Get("Content-Type"), call.Header.Get("Cache-Control"))
	// Output:
	// 200 br public, max-age=31536000, immutable
	// 200 text/html; charset=utf-8 no-cache
}
