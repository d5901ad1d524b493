package files_test

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/files"
)

var modified = time.Date(2024, time.May, 17, 10, 20, 30, 123456789, time.UTC)

// site makes a directory to serve.
func site(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a.txt":          "0123456789",
		"empty.txt":      "",
		"noext":          "<!doctype html><title>x</title>",
		"page.html":      "<p>page",
		"big.bin":        strings.Repeat("0123456789abcdef", 20000),
		"sub/index.html": "<p>index",
		"bare/b.txt":     "b",
		"bare/<c>.txt":   "c",
		".secret":        "hidden",
		"sp ace%.txt":    "odd",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc", filepath.Join(dir, "outside")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.txt", filepath.Join(dir, "link.txt")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func fileHost(t testing.TB, options files.Options) (*apptest.Host, string) {
	t.Helper()
	dir := site(t)
	served, err := files.Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { served.Close() })
	return apptest.New(served.Serve), dir
}

// TestFilesAnswerAsTheStandardLibrarysFileServer sends each request to both. A
// difference stands in the table with its reason.
func TestFilesAnswerAsTheStandardLibrarysFileServer(t *testing.T) {
	host, dir := fileHost(t, files.Options{List: true})
	reference := http.FileServer(http.Dir(dir))
	date := modified.Format(http.TimeFormat)
	earlier, later := modified.Add(-time.Hour).Format(http.TimeFormat), modified.Add(time.Hour).Format(http.TimeFormat)
	for _, c := range []struct {
		method, path string
		fields       []string
		differs      string // what differs, and why
	}{
		{"GET", "/a.txt", nil, ""},
		{"HEAD", "/a.txt", nil, ""},
		{"GET", "/empty.txt", nil, ""},
		{"GET", "/noext", nil, ""},
		{"GET", "/page.html", nil, ""},
		{"GET", "/link.txt", nil, ""},
		{"GET", "/sp%20ace%25.txt", nil, ""},
		{"GET", "/big.bin", nil, ""},
		{"HEAD", "/big.bin", nil, ""},
		{"GET", "/sub/", nil, ""},
		{"GET", "/none", nil, ""},
		{"GET", "/none/", nil, ""},
		{"GET", "/a.txt/b", nil, ""},
		{"GET", "/sub", nil, "Location: ./sub/ in place of sub/, which a segment with a colon would make a scheme"},
		{"GET", "/sub?x=1", nil, "Location: as above"},
		{"GET", "/sub/index.html", nil, "Status: 200 in place of a redirect to ./, which costs a round trip and gains nothing"},
		{"GET", "/a.txt/", nil, "Status: 404 in place of a redirect to ../a.txt: there is no such directory"},
		{"GET", "/bare/", nil, "Content: the list is a document of its own, with ./ before each reference"},
		{"GET", "/.secret", nil, "Status: 404, hidden files are served on request only"},
		{"GET", "/outside/passwd", nil, "Status: 404, symbolic links that lead out of the root are not followed"},
		{"POST", "/a.txt", nil, "Status: 405, a file does not process content"},
		{"GET", "/%2e%2e/a.txt", nil, "Status: 404 in place of removing the escaped dot segment"},

		{"GET", "/a.txt", []string{"Range", "bytes=0-3"}, ""},
		{"GET", "/a.txt", []string{"Range", "bytes=3-"}, ""},
		{"GET", "/a.txt", []string{"Range", "bytes=-3"}, ""},
		{"GET", "/a.txt", []string{"Range", "bytes=-30"}, ""},
		{"GET", "/a.txt", []string{"Range", "bytes=8-30"}, ""},
		{"GET", "/a.txt", []string{"Range", "bytes=10-"}, ""},
		{"GET", "/a.txt", []string{"Range", "bytes=-0"}, "Status: 416 in place of an empty 206: a suffix of no bytes cannot be satisfied (RFC 9110 section 14.1.2)"},
		{"GET", "/a.txt", []string{"Range", "bytes=5-3"}, "Content-Range: 416 tells the size also when the syntax is wrong"},
		{"GET", "/a.txt", []string{"Range", "bytes=x"}, "Content-Range: as above"},
		{"GET", "/a.txt", []string{"Range", "bytes="}, "Status: 416 in place of 200, a set without ranges is as malformed as any"},
		{"GET", "/a.txt", []string{"Range", "lines=1-2"}, "Status: 200 in place of 416, an unknown unit is ignored (RFC 9110 section 14.2)"},
		{"GET", "/a.txt", []string{"Range", "Bytes=0-3"}, "Status: 206 in place of 416, names of units have no case (RFC 9110 section 14.1)"},
		{"GET", "/a.txt", []string{"Range", "bytes=99999999999999999999-"}, "Content-Range: tells the size; a number too large is no error of syntax"},
		{"GET", "/a.txt", []string{"Range", "bytes=0-1,4-5"}, ""},
		{"GET", "/a.txt", []string{"Range", "bytes=0-1, 20-30 , 4-5"}, ""},
		{"GET", "/a.txt", []string{"Range", "bytes=0-9,0-9"}, ""},
		{"GET", "/a.txt", []string{"Range", "bytes=20-30,40-50"}, ""},
		{"GET", "/empty.txt", []string{"Range", "bytes=0-"}, ""},
		{"GET", "/big.bin", []string{"Range", "bytes=100000-"}, ""},
		{"GET", "/big.bin", []string{"Range", "bytes=0-99999,200000-299999"}, ""},
		{"HEAD", "/a.txt", []string{"Range", "bytes=0-3"}, "Status: 200 in place of 206, Range is defined for GET only (RFC 9110 section 14.2)"},

		{"GET", "/a.txt", []string{"If-Modified-Since", date}, "Last-Modified: 304 has an ETag and needs no other metadata (RFC 9110 section 15.4.5)"},
		{"GET", "/a.txt", []string{"If-Modified-Since", later}, "Last-Modified: as above"},
		{"GET", "/a.txt", []string{"If-Modified-Since", earlier}, ""},
		{"GET", "/a.txt", []string{"If-Modified-Since", "yesterday"}, ""},
		{"GET", "/a.txt", []string{"If-Unmodified-Since", date}, ""},
		{"GET", "/a.txt", []string{"If-Unmodified-Since", earlier}, "Last-Modified: a 412 describes no representation; and there is a line of text"},
		{"GET", "/a.txt", []string{"If-Match", `"other"`}, "Last-Modified: as above"},
		{"GET", "/a.txt", []string{"If-Match", "*"}, ""},
		{"GET", "/a.txt", []string{"If-None-Match", `"other"`, "If-Modified-Since", date}, ""},
		{"GET", "/a.txt", []string{"If-None-Match", "*"}, "Last-Modified: as above"},
		{"GET", "/a.txt", []string{"If-Range", date, "Range", "bytes=0-1"}, ""},
		{"GET", "/a.txt", []string{"If-Range", earlier, "Range", "bytes=0-1"}, ""},
		{"GET", "/a.txt", []string{"If-Range", `"other"`, "Range", "bytes=0-1"}, ""},
		{"GET", "/a.txt", []string{"If-Range", "junk", "Range", "bytes=0-1"}, ""},
	} {
		name := strings.TrimSpace(c.method + " " + c.path + " " + strings.Join(c.fields, " "))
		ours := host.Do(&apptest.Request{Method: c.method, Target: c.path, Fields: apptest.Get("", c.fields...).Fields})
		request := httptest.NewRequest(c.method, c.path, nil)
		for i := 0; i < len(c.fields); i += 2 {
			request.Header.Set(c.fields[i], c.fields[i+1])
		}
		recorder := httptest.NewRecorder()
		reference.ServeHTTP(recorder, request)
		differences := compare(ours, recorder.Result())
		switch {
		case c.differs == "" && len(differences) > 0:
			t.Errorf("%s:\n  %s", name, strings.Join(differences, "\n  "))
		case c.differs != "" && !strings.Contains(strings.Join(differences, "\n"), strings.SplitN(c.differs, ":", 2)[0]):
			t.Errorf("%s: expected a difference (%s), found %q", name, c.differs, differences)
		}
	}
}

// compare tells where two answers differ. Failures differ in their text.
func compare(ours *apptest.Call, theirs *http.Response) (differences []string) {
	add := func(what string, a, b any) {
		if a != b {
			differences = append(differences, fmt.Sprintf("%s: %v, the standard library has %v", what, a, b))
		}
	}
	add("Status", ours.Status, theirs.StatusCode)
	for _, name := range []string{"Content-Range", "Location", "Last-Modified", "Accept-Ranges"} {
		if theirs.StatusCode < 400 || name == "Content-Range" || name == "Last-Modified" {
			add(name, ours.Header.Get(name), theirs.Header.Get(name))
		}
	}
	content, _ := io.ReadAll(theirs.Body)
	if theirs.StatusCode >= 300 || ours.Status >= 300 {
		return differences
	}
	ourType, ourParams, _ := mime.ParseMediaType(ours.Header.Get("Content-Type"))
	theirType, theirParams, _ := mime.ParseMediaType(theirs.Header.Get("Content-Type"))
	add("Content-Type", ourType, theirType)
	if ourType == "multipart/byteranges" {
		add("Content", parts(string(ours.Content), ourParams["boundary"]), parts(string(content), theirParams["boundary"]))
		return differences
	}
	add("Content", string(ours.Content), string(content))
	if text := theirs.Header.Get("Content-Length"); text != "" {
		add("Content-Length", fmt.Sprint(ours.Length), text)
	}
	return differences
}

// parts writes a multipart content without its boundary.
func parts(content, boundary string) string {
	var all strings.Builder
	for r := multipart.NewReader(strings.NewReader(content), boundary); ; {
		part, err := r.NextPart()
		if err != nil {
			fmt.Fprint(&all, err)
			return all.String()
		}
		b, err := io.ReadAll(part)
		fmt.Fprintln(&all, part.Header, string(b), err)
	}
}

func TestFilesByEntityTag(t *testing.T) {
	host, dir := fileHost(t, files.Options{})
	etag := strongTag(t, host, "/a.txt")
	date := modified.Format(http.TimeFormat)
	later := modified.Add(time.Hour).Format(http.TimeFormat)
	for _, c := range []struct {
		why    string
		fields []string
		want   int
	}{
		{"the same", []string{"If-None-Match", etag}, 304},
		{"weakly the same", []string{"If-None-Match", "W/" + etag}, 304},
		{"in a list", []string{"If-None-Match", `"a", ` + etag + `,"b"`}, 304},
		{"in two lines", []string{"If-None-Match", `"a"`, "If-None-Match", etag}, 304},
		{"behind what is malformed", []string{"If-None-Match", "a, " + etag}, 200},
		{"the date is ignored beside it", []string{"If-None-Match", `"a"`, "If-Modified-Since", later}, 200},
		{"the same", []string{"If-Match", etag}, 200},
		{"weakly the same is not enough", []string{"If-Match", "W/" + etag}, 412},
		{"another", []string{"If-Match", `"a"`}, 412},
		{"If-Match comes before If-None-Match", []string{"If-Match", `"a"`, "If-None-Match", etag}, 412},
		{"the date is ignored beside it", []string{"If-Match", etag, "If-Unmodified-Since", "Mon, 01 Jan 2001 00:00:00 GMT"}, 200},
		{"range of the same", []string{"Range", "bytes=0-1", "If-Range", etag}, 206},
		{"range of another", []string{"Range", "bytes=0-1", "If-Range", `"a"`}, 200},
		{"range of weakly the same", []string{"Range", "bytes=0-1", "If-Range", "W/" + etag}, 200},
		{"range of the same date", []string{"Range", "bytes=0-1", "If-Range", date}, 206},
		{"range of a later date", []string{"Range", "bytes=0-1", "If-Range", later}, 200},
		{"304 comes before the range", []string{"Range", "bytes=0-1", "If-None-Match", etag}, 304},
	} {
		call := host.Do(apptest.Get("/a.txt", c.fields...))
		if call.Status != c.want {
			t.Errorf("%s (%q): got %d want %d", c.why, c.fields, call.Status, c.want)
		}
		if call.Status == 304 && (call.Header.Get("ETag") != etag || call.Header.Has("Content-Type")) {
			t.Errorf("304 with %v", call.Header)
		}
	}

	// A file that was changed just now may change again without another tag.
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("9876543210"), 0o644); err != nil {
		t.Fatal(err)
	}
	fresh := host.Do(apptest.Get("/a.txt")).Header
	if call := host.Do(apptest.Get("/a.txt", "Range", "bytes=0-1", "If-Range", fresh.Get("Last-Modified"))); call.Status != 200 {
		t.Errorf("a range by the date of a file that was changed just now: got %d", call.Status)
	}
}

// strongTag waits until the file was not changed for so long that its tag is strong.
func strongTag(t *testing.T, host *apptest.Host, path string, fields ...string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if etag := host.Do(apptest.Get(path, fields...)).Header.Get("ETag"); etag != "" && !strings.HasPrefix(etag, "W/") {
			return etag
		}
	}
	t.Fatalf("%s never gets a strong tag", path)
	return ""
}

// TestReplacedFilesAreNotTakenForTheOld: builds and archives give all versions of a file the same
// modification time, and the size may be the same too.
func TestReplacedFilesAreNotTakenForTheOld(t *testing.T) {
	times := map[string]time.Time{
		"the epoch":            time.Unix(0, 0),
		"a second behind it":   time.Unix(1, 0),
		"the first day of ZIP": time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC),
		"SOURCE_DATE_EPOCH":    time.Date(2023, 11, 14, 22, 13, 20, 0, time.UTC),
		"the future":           time.Now().Add(24 * time.Hour),
	}
	replacements := map[string]func(path string) error{
		"written over": func(path string) error { return os.WriteFile(path, []byte("new version"), 0o644) },
		"renamed over": func(path string) error {
			next := path + ".next"
			if err := os.WriteFile(next, []byte("new version"), 0o644); err != nil {
				return err
			}
			return os.Rename(next, path)
		},
	}
	for when, modified := range times {
		for how, replace := range replacements {
			host, dir := fileHost(t, files.Options{})
			path := filepath.Join(dir, "f.txt")
			if err := os.WriteFile(path, []byte("old version"), 0o644); err != nil {
				t.Fatal(err)
			}
			set := func() {
				if err := os.Chtimes(path, modified, modified); err != nil {
					t.Fatal(err)
				}
			}
			set()
			old := strongTag(t, host, "/f.txt")
			date := host.Do(apptest.Get("/f.txt")).Header.Get("Last-Modified")
			if at, err := http.ParseTime(date); err != nil || at.After(time.Now()) {
				t.Errorf("%s: Last-Modified is %q", when, date)
			}
			if call := host.Do(apptest.Get("/f.txt", "If-Match", old)); call.Status != 200 {
				t.Errorf("%s: If-Match with the file's own tag is answered with %d", when, call.Status)
			}
			if call := host.Do(apptest.Get("/f.txt", "If-None-Match", old)); call.Status != 304 {
				t.Errorf("%s: If-None-Match with the file's own tag is answered with %d", when, call.Status)
			}
			if err := replace(path); err != nil {
				t.Fatal(err)
			}
			set()
			for _, fields := range [][]string{
				{"If-None-Match", old},
				{"If-Modified-Since", date},
				{"Range", "bytes=4-", "If-Range", old},
				{"Range", "bytes=4-", "If-Range", date},
			} {
				if call := host.Do(apptest.Get("/f.txt", fields...)); call.Status != 200 || string(call.Content) != "new version" {
					t.Errorf("%s, %s, %q: got %d %q", when, how, fields, call.Status, call.Content)
				}
			}
			if call := host.Do(apptest.Get("/f.txt", "If-Match", old)); call.Status != 412 {
				t.Errorf("%s, %s: If-Match with the old tag: got %d", when, how, call.Status)
			}
		}
	}
}

// A directory that is replaced, or a link that is switched, shows at the next request: so do tools
// that deploy a site.
func TestTheDirectoryIsWhatIsThereNow(t *testing.T) {
	top := t.TempDir()
	release := func(name string) {
		dir := filepath.Join(top, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(top, "current")
	release("one")
	if err := os.Symlink("one", link); err != nil {
		t.Fatal(err)
	}
	served, err := files.Open(link, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	host := apptest.New(served.Serve)
	strongTag(t, host, "/a.txt")
	wants := func(want string) {
		t.Helper()
		for range 2 {
			host.Do(apptest.Get("/a.txt")).Want(t, 200, want)
		}
	}
	wants("one")

	release("two")
	next := link + ".next"
	if err := os.Symlink("two", next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, link); err != nil {
		t.Fatal(err)
	}
	wants("two")

	if err := os.RemoveAll(filepath.Join(top, "two")); err != nil {
		t.Fatal(err)
	}
	if call := host.Do(apptest.Get("/a.txt")); call.Status != 404 {
		t.Errorf("a directory that is gone: got %d", call.Status)
	}
	release("two")
	wants("two")
}

func TestNamesAreBytes(t *testing.T) {
	host, dir := fileHost(t, files.Options{List: true})
	if err := os.WriteFile(filepath.Join(dir, "bare", "caf\xe9.txt"), []byte("latin"), 0o644); err != nil {
		t.Fatal(err)
	}
	host.Do(apptest.Get("/bare/caf%E9.txt")).Want(t, 200, "latin")
	const entry = `<a href="./caf%E9.txt">caf` + "\uFFFD" + `.txt</a>`
	if call := host.Do(apptest.Get("/bare/")); !strings.Contains(string(call.Content), entry) {
		t.Errorf("%s is not in %s", entry, call.Content)
	}
}

// RFC 9110 section 9.3.7, as for the paths of a router.
func TestOptionsOfAFile(t *testing.T) {
	host, _ := fileHost(t, files.Options{})
	got := host.Do(&apptest.Request{Method: "OPTIONS", Target: "/a.txt"})
	if got.Status != 204 || got.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("got %d, Allow: %q", got.Status, got.Header.Get("Allow"))
	}
}

// Pipes and sockets are not served, hence not listed; nor are links to them.
func TestAListHasFilesAndDirectoriesOnly(t *testing.T) {
	host, dir := fileHost(t, files.Options{List: true})
	if err := syscall.Mkfifo(filepath.Join(dir, "bare", "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("pipe", filepath.Join(dir, "bare", "link-to-pipe")); err != nil {
		t.Fatal(err)
	}
	if call := host.Do(apptest.Get("/bare/")); call.Status != 200 || strings.Contains(string(call.Content), "pipe") {
		t.Errorf("got %d %s", call.Status, call.Content)
	}
}

// A link that leads out of the directory is neither served nor listed, and somebody is told.
func TestLinksOutOfTheDirectoryAreReported(t *testing.T) {
	var reported []string
	host, _ := fileHost(t, files.Options{List: true, OnError: func(_ *app.Request, name string, err error) {
		reported = append(reported, name)
	}})
	if call := host.Do(apptest.Get("/outside/passwd")); call.Status != 404 {
		t.Errorf("got %d", call.Status)
	}
	if call := host.Do(apptest.Get("/none")); call.Status != 404 {
		t.Errorf("got %d", call.Status)
	}
	list := host.Do(apptest.Get("/"))
	if strings.Contains(string(list.Content), "outside") || !strings.Contains(string(list.Content), "link.txt") {
		t.Errorf("the list is %s", list.Content)
	}
	if !slices.Equal(reported, []string{"outside/passwd", "outside"}) {
		t.Errorf("reported: %q", reported)
	}
}

func TestWellKnownIsNotHidden(t *testing.T) {
	host, dir := fileHost(t, files.Options{})
	for _, name := range []string{".well-known/security.txt", ".well-known/.x", "sub/.well-known/x", ".well-known-not/x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{
		"/.well-known/security.txt": 200, "/.well-known/.x": 404, "/sub/.well-known/x": 404, "/.well-known-not/x": 404,
	} {
		if call := host.Do(apptest.Get(name)); call.Status != want {
			t.Errorf("%s: got %d, want %d", name, call.Status, want)
		}
	}
}

// Options.Fields describe the file: an answer without it must not be cached for a year.
func TestOptionalFieldsBelongToTheFile(t *testing.T) {
	host, _ := fileHost(t, files.Options{Fields: app.Fields{{Name: "Cache-Control", Value: "max-age=31536000"}}})
	etag := strongTag(t, host, "/a.txt")
	for _, c := range []struct {
		status int
		fields []string
	}{
		{200, nil},
		{206, []string{"Range", "bytes=0-1"}},
		{304, []string{"If-None-Match", etag}},
		{412, []string{"If-Match", `"other"`}},
		{416, []string{"Range", "bytes=100-"}},
	} {
		call := host.Do(apptest.Get("/a.txt", c.fields...))
		if has := call.Header.Has("Cache-Control"); call.Status != c.status || has != (c.status < 400) {
			t.Errorf("%q: got %d, Cache-Control: %v", c.fields, call.Status, has)
		}
	}
}

func TestNoWayOutOfTheRoot(t *testing.T) {
	host, _ := fileHost(t, files.Options{List: true, Hidden: true})
	for _, path := range []string{
		"/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd",
		"/sub/../../etc/passwd", "/outside/passwd", "/outside/", "/outside", "/a.txt%00.html", "/./a.txt",
		"/" + strings.Repeat("long", 100), "/sub//index.html",
	} {
		if call := host.Do(apptest.Get(path)); call.Status != 404 {
			t.Errorf("%s: got %d %q", path, call.Status, call.Content)
		}
	}
}

func TestAPipeIsNotWaitedFor(t *testing.T) {
	host, dir := fileHost(t, files.Options{})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	host.Do(apptest.Get("/pipe")).Want(t, 403, "Forbidden\n")
}

func TestDirectoriesAreRefusedOrListedByChoice(t *testing.T) {
	host, _ := fileHost(t, files.Options{})
	if call := host.Do(apptest.Get("/bare/")); call.Status != 403 {
		t.Errorf("got %d", call.Status)
	}
	host, _ = fileHost(t, files.Options{List: true})
	call := host.Do(apptest.Get("/bare/"))
	for _, want := range []string{`<a href="./b.txt">b.txt</a>`, `<a href="./%3Cc%3E.txt">&lt;c&gt;.txt</a>`} {
		if !strings.Contains(string(call.Content), want) {
			t.Errorf("%s is not in %s", want, call.Content)
		}
	}
	if call := host.Do(apptest.Get("/")); strings.Contains(string(call.Content), ".secret") {
		t.Errorf("hidden files are listed: %s", call.Content)
	}
}

func TestFilesAreReadAsThePeerTakesThem(t *testing.T) {
	host, _ := fileHost(t, files.Options{})
	call := host.Do(&apptest.Request{Target: "/big.bin", Slow: true, Room: 1000})
	if call.Accepted() != 1000 || host.Goroutines() != 0 {
		t.Fatalf("%d bytes ahead of the peer, %s", call.Accepted(), host)
	}
	for len(call.Take(1000)) > 0 {
	}
	if !call.Complete || len(call.Content) != 320000 {
		t.Fatalf("%d bytes, complete: %v, %v", len(call.Content), call.Complete, call.Err)
	}
}

func TestAFileThatShrinksAbortsTheResponse(t *testing.T) {
	host, dir := fileHost(t, files.Options{})
	call := host.Do(&apptest.Request{Target: "/big.bin", Slow: true, Room: 1000})
	if err := os.Truncate(filepath.Join(dir, "big.bin"), 100000); err != nil {
		t.Fatal(err)
	}
	for len(call.Take(1000)) > 0 {
	}
	if !call.Aborted {
		t.Fatal("a content that is shorter than announced looks complete")
	}
}

func TestAFullPoolDelaysAFileThatHasBegun(t *testing.T) {
	host, _ := fileHost(t, files.Options{})
	call := host.Do(&apptest.Request{Target: "/big.bin", Slow: true, Room: 64 << 10})
	host.PoolQueue = 0
	call.Take(64 << 10)
	if refused := host.Do(apptest.Get("/a.txt")); refused.Status != 503 || refused.Header.Get("Retry-After") == "" {
		t.Fatalf("got %d", refused.Status)
	}
	host.PoolQueue = 1
	host.Advance(time.Second)
	for len(call.Take(64<<10)) > 0 {
	}
	if !call.Complete || len(call.Content) != 320000 {
		t.Fatalf("%d bytes, %v", len(call.Content), call.Err)
	}
}

func TestAFileIsClosedWhenThePeerLeaves(t *testing.T) {
	host, _ := fileHost(t, files.Options{})
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := open()
	for range 10 {
		call := host.Do(&apptest.Request{Target: "/big.bin", Slow: true, Room: 1000})
		call.Leave()
	}
	host.HoldPool = true
	late := host.Do(apptest.Get("/big.bin"))
	late.Leave()
	host.HoldPool = false
	host.Settle()
	if now := open(); now != before {
		t.Fatalf("%d descriptors are open, there were %d", now, before)
	}
}
