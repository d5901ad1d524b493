//go:build linux

package interop

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/target"
)

// fetched are the parts of files that a page asks for. A difference from Go's FileServer stands beside the request,
// with its reason.
var fetched = []struct {
	Path    string `json:"path"`
	Range   string `json:"range"`
	differs string
}{
	{Path: "/file/a.txt"},
	{Path: "/file/a.txt", Range: "bytes=0-3"},
	{Path: "/file/a.txt", Range: "bytes=5-"},
	{Path: "/file/a.txt", Range: "bytes=-7"},
	{Path: "/file/a.txt", Range: "bytes=-7000"},
	{Path: "/file/a.txt", Range: "bytes=999-5000"},
	{Path: "/file/a.txt", Range: "bytes=1000-"},
	{Path: "/file/a.txt", Range: "bytes=0-0,-1"},
	{Path: "/file/a.txt", Range: "bytes=100-199, 300-399,5000-"},
	{Path: "/file/a.txt", Range: "bytes=0-999,0-999"},
	{Path: "/file/none.txt", Range: "bytes=0-3"},
	{Path: "/file/a.txt", Range: "bytes=5-3", differs: "Content-Range: 416 tells the size also when the syntax is wrong"},
	{Path: "/file/a.txt", Range: "bytes=-0", differs: "Status: 416 in place of an empty 206, a suffix of no bytes cannot be satisfied"},
	{Path: "/file/a.txt", Range: "lines=1-2", differs: "Status: 200 in place of 416, an unknown unit is ignored"},
}

// media is how long the sound is that is sought in: longer than a browser reads ahead, so that it has to ask for parts.
const media = 12 << 20

// sound is a WAV file of so many bytes at 8 kHz, whose samples tell their place.
func sound(size int) []byte {
	head := []byte("RIFF????WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x40\x1f\x00\x00\x01\x00\x08\x00data????")
	binary.LittleEndian.PutUint32(head[4:], uint32(size-8))
	binary.LittleEndian.PutUint32(head[40:], uint32(size-len(head)))
	all := append(make([]byte, 0, size), head...)
	for i := len(all); i < size; i++ {
		all = append(all, byte(i*2654435761>>16))
	}
	return all
}

func filesToFetch(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"a.txt":     bytes.Repeat([]byte("0123456789"), 100),
		"audio.wav": sound(media),
		"video.wav": sound(media),
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		// A file that was changed just now has no strong validator.
		past := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// exchange is what a browser has asked for, and what it got.
type exchange struct {
	Path, Kind, Protocol string
	Asked                map[string]string
	Status               int
	Answered             map[string]string
}

func (e *exchange) asked(name string) string    { return field(e.Asked, name) }
func (e *exchange) answered(name string) string { return field(e.Answered, name) }

// field looks a name up, which over HTTP/2 has no capitals.
func field(fields map[string]string, name string) string {
	if v, ok := fields[name]; ok {
		return v
	}
	return fields[strings.ToLower(name)]
}

// ranged is what testdata/ranges.js reports.
type ranged struct {
	Contents     [][]byte
	Exchanges    []exchange
	Audio, Video struct{ Places []float64 }
}

// What a browser asks of files, by pages and for media in which it seeks, is answered as Go's FileServer would.
func TestChromiumRanges(t *testing.T) {
	executable, node := need(t, "chromium", "chromium"), needNode(t, "playwright-core")
	lines, err := json.Marshal(fetched)
	if err != nil {
		t.Fatal(err)
	}
	dir := filesToFetch(t)
	reference := http.StripPrefix("/file/", http.FileServer(http.Dir(dir)))
	for name, protocol := range map[string]string{"cleartext": "http/1.1", "TLS": "h2"} {
		t.Run(name, func(t *testing.T) {
			s := serveTarget(t, target.Config{Root: dir})
			origin := "http://" + s.plain
			if name == "TLS" {
				origin = "https://" + s.secure
			}
			var b ranged
			run(t, &b, node, "testdata/ranges.js", executable, t.TempDir(), origin, string(lines))
			for _, places := range [][]float64{b.Audio.Places, b.Video.Places} {
				if !slices.EqualFunc(places, []float64{0.9, 0.5, 0.97, 0.1}, near) {
					t.Errorf("sought to %v", places)
				}
			}
			var fetches, sought []exchange
			for _, e := range b.Exchanges {
				if e.Protocol != protocol {
					t.Errorf("%s was asked for over %s", e.Path, e.Protocol)
				}
				if e.Kind == "Media" {
					sought = append(sought, e)
				} else {
					fetches = append(fetches, e)
				}
			}
			if len(fetches) != len(fetched) || len(b.Contents) != len(fetched) {
				t.Fatalf("%d requests and %d contents for %d fetches", len(fetches), len(b.Contents), len(fetched))
			}
			for i, line := range fetched {
				e := &fetches[i]
				if e.Path != line.Path || e.asked("Range") != line.Range {
					t.Fatalf("fetch %d asked for %s %q, want %s %q", i, e.Path, e.asked("Range"), line.Path, line.Range)
				}
				judge(t, e, b.Contents[i], reference, line.differs)
			}
			parts := 0
			for i := range sought {
				e := &sought[i]
				if e.Status == http.StatusPartialContent && !strings.HasPrefix(e.answered("Content-Range"), "bytes 0-") {
					parts++
				}
				judge(t, e, s.again(e, origin), reference, "")
			}
			if parts < 2 {
				t.Errorf("media were asked for in %d parts: the browser has not sought", parts)
			}
			if got := s.Counts().Responses[map[string]string{"http/1.1": app.HTTP11, "h2": app.HTTP2}[protocol]][http.StatusPartialContent]; got < uint64(parts) {
				t.Errorf("the server has counted %d partial answers, want %d at least", got, parts)
			}
		})
	}
}

func near(a, b float64) bool { return a-b < 0.001 && b-a < 0.001 }

// again sends the browser's request once more and gives the content: what comes for media the browser keeps to itself.
func (s *site) again(e *exchange, origin string) []byte {
	s.t.Helper()
	request := e.request(s.t, origin)
	transport := &http.Transport{TLSClientConfig: insecure, ForceAttemptHTTP2: true, DisableCompression: true}
	defer transport.CloseIdleConnections()
	r, err := transport.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	content, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != e.Status {
		s.t.Errorf("%s %q again: %s, %v, the browser got %d", e.Path, e.asked("Range"), r.Status, err, e.Status)
	}
	return content
}

// request is the browser's, with the fields that decide about the answer.
func (e *exchange) request(t *testing.T, origin string) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+e.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Range", "If-Range", "If-None-Match", "If-Modified-Since", "Accept-Encoding"} {
		if v := e.asked(name); v != "" {
			request.Header.Set(name, v)
		}
	}
	return request
}

// judge compares an answer with the one that FileServer gives to the very same request.
func judge(t *testing.T, e *exchange, content []byte, reference http.Handler, differs string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	// FileServer has no entity tags of its own, and takes those that are set for it.
	if tag := e.answered("ETag"); tag != "" {
		recorder.Header().Set("ETag", tag)
	}
	request := e.request(t, "http://reference")
	reference.ServeHTTP(recorder, request)
	theirs := recorder.Result()
	row := fmt.Sprintf("%s %v", e.Path, request.Header)
	t.Logf("%-100s %d %s", row, e.Status, e.answered("Content-Range"))
	var differences []string
	compare := func(what string, a, b any) {
		if a != b {
			differences = append(differences, fmt.Sprintf("%s: %v, FileServer has %v", what, a, b))
		}
	}
	compare("Status", e.Status, theirs.StatusCode)
	if theirs.StatusCode != http.StatusNotFound {
		compare("Content-Range", e.answered("Content-Range"), theirs.Header.Get("Content-Range"))
	}
	if e.Status < 300 && theirs.StatusCode < 300 {
		for _, name := range []string{"Accept-Ranges", "Last-Modified"} {
			compare(name, e.answered(name), theirs.Header.Get(name))
		}
		kind, whole := describe(t, content, e.answered("Content-Type"))
		theirKind, theirWhole := describe(t, recorder.Body.Bytes(), theirs.Header.Get("Content-Type"))
		compare("Content-Type", kind, theirKind)
		compare("same content", bytes.Equal(whole, theirWhole), true)
	}
	switch {
	case differs == "" && len(differences) > 0:
		t.Errorf("%s:\n  %s", row, strings.Join(differences, "\n  "))
	case differs != "" && !strings.Contains(strings.Join(differences, "\n"), strings.SplitN(differs, ":", 2)[0]):
		t.Errorf("%s: no difference (%s), but %q", row, differs, differences)
	}
}

// describe gives the type of a content, and the content; one of several parts has no boundary any more, which anybody
// may choose.
func describe(t *testing.T, content []byte, contentType string) (kind string, whole []byte) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatalf("type %q: %v", contentType, err)
	}
	if kind != "multipart/byteranges" {
		return contentType, content
	}
	for r := multipart.NewReader(bytes.NewReader(content), params["boundary"]); ; {
		part, err := r.NextPart()
		if err != nil {
			return kind, fmt.Append(whole, err)
		}
		for _, name := range slices.Sorted(maps.Keys(part.Header)) {
			whole = fmt.Append(whole, name, part.Header[name], "\n")
		}
		one, err := io.ReadAll(part)
		whole = fmt.Append(whole, string(one), err)
	}
}
