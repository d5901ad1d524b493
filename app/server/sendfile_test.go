//go:build linux

package server_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/files"
	"github.com/gatewheel/gatewheel/app/server"
)

// madeFile makes a file of random content in a directory of its own.
func madeFile(t *testing.T, size int) (path string, content []byte) {
	t.Helper()
	content = make([]byte, size)
	rand.New(rand.NewSource(int64(size))).Read(content)
	path = filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path, content
}

// servingFiles serves the directory of that file.
func servingFiles(t *testing.T, path string, options ...func(*server.Config)) *site {
	t.Helper()
	dir, err := files.Open(filepath.Dir(path), files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return serve(t, func(r *app.Request) app.Answer {
		if r.Path() == "/hello" {
			return app.Ready(app.Text(200, "hello"))
		}
		return dir.Serve(r)
	}, options...)
}

// timesOpen returns how many descriptors of this process are of the file.
func timesOpen(t *testing.T, path string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(target, path) {
			n++
		}
	}
	return n
}

// Files arrive whole and unchanged over every transport, at all borders of pages, reads and turns.
func TestFilesArriveUnchanged(t *testing.T) {
	id := issue(t, "localhost", nil)
	for _, size := range []int{1, 4096, 65_535, 65_536, 65_537, 131_072, 131_073, 1<<20 + 1, 3<<20 - 4097} {
		path, content := madeFile(t, size)
		plain := servingFiles(t, path)
		secure := servingFiles(t, path, withIdentity(id))
		for name, c := range map[string]struct {
			client *http.Client
			url    string
		}{
			"HTTP/1.1":     {plain.client(), plain.url("/f")},
			"HTTP/2":       {plain.client2(), plain.url("/f")},
			"HTTP/1.1 TLS": {secure.clientTLS(1, anyone()), "https://" + secure.addr + "/f"},
			"HTTP/2 TLS":   {secure.clientTLS(2, anyone()), "https://" + secure.addr + "/f"},
		} {
			for _, span := range [][2]int{{0, size}, {1, size}, {0, size - 1}, {4095, size}, {4096, 70_000}, {4097, 200_001}, {size / 2, size}} {
				from, to := span[0], min(span[1], size)
				if from >= to {
					continue
				}
				request, _ := http.NewRequest("GET", c.url, nil)
				request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, to-1))
				response, err := c.client.Do(request)
				if err != nil {
					t.Fatalf("%s, %d bytes, %v: %v", name, size, span, err)
				}
				got, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || response.StatusCode != 206 || !bytes.Equal(got, content[from:to]) {
					t.Errorf("%s, %d bytes, %v: %d with %d bytes, %v", name, size, span, response.StatusCode, len(got), err)
				}
			}
		}
		eventually(t, "the file is closed", func() bool { return timesOpen(t, path) == 0 })
	}
}

// Several ranges are text and spans in turns.
func TestRangesOfAFileArriveInTheirOrder(t *testing.T) {
	path, content := madeFile(t, 1<<20)
	s := servingFiles(t, path)
	l := s.dial()
	l.say(get("/f", "Range: bytes=0-299999,400000-400001,500000-999999"))
	response, err := http.ReadResponse(l.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{content[:300_000], content[400_000:400_002], content[500_000:1_000_000]} {
		_, rest, found := bytes.Cut(got, append([]byte("\r\n\r\n"), part...))
		if !found {
			t.Fatalf("%d bytes of the file are missing", len(part))
		}
		got = rest
	}
}

// Pipelined responses with files and without do not mix, and a peer that has sent FIN gets them all.
func TestFilesKeepTheirPlaceInAPipeline(t *testing.T) {
	path, content := madeFile(t, 700_001)
	s := servingFiles(t, path)
	l := s.dial()
	l.say(strings.Repeat(get("/f")+get("/hello"), 3))
	if err := l.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		l.hear("GET", 200, string(content))
		l.hear("GET", 200, "hello")
	}
	l.end()
}

// While a peer does not read, others are answered by the same loop; it then gets everything.
func TestAFileWaitsForASlowPeer(t *testing.T) {
	path, content := madeFile(t, 24<<20)
	s := servingFiles(t, path, func(c *server.Config) { c.Loops = 1 })
	slow, other := s.dial(), s.dial()
	slow.say(get("/f"))
	for range 50 {
		other.say(get("/hello"))
		other.hear("GET", 200, "hello")
	}
	response, err := http.ReadResponse(slow.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := make([]byte, 0, len(content))
	for piece := 1; len(got) < len(content); piece = min(2*piece, 1<<20) {
		n, err := io.ReadFull(response.Body, got[len(got):min(len(got)+piece, len(content))])
		if got = got[:len(got)+n]; err != nil {
			t.Fatal(err)
		}
		other.say(get("/hello"))
		other.hear("GET", 200, "hello")
	}
	if !bytes.Equal(got, content) {
		t.Error("the content is another")
	}
}

// A peer that reads nothing of a file is reset after the write timeout.
func TestTheWriteTimeoutHoldsForFiles(t *testing.T) {
	path, content := madeFile(t, 24<<20)
	s := servingFiles(t, path, func(c *server.Config) { c.WriteTimeout = 300 * time.Millisecond })
	l := s.dial()
	l.say(get("/f"))
	eventually(t, "the timeout is counted", func() bool { return s.Counts().Refused[server.WriteTimeout] == 1 })
	if n, _ := io.Copy(io.Discard, l.r); n >= int64(len(content)) {
		t.Error("the file was sent whole")
	}
	eventually(t, "the file is closed", func() bool { return timesOpen(t, path) == 0 })
}

// The file is closed when the peer leaves in the middle, whatever the transport.
func TestAFileIsClosedWhenThePeerLeavesInTheMiddle(t *testing.T) {
	path, _ := madeFile(t, 24<<20)
	plain := servingFiles(t, path)
	secure := servingFiles(t, path, withIdentity(issue(t, "localhost", nil)))
	for name, dial := range map[string]func() *line{
		"clear": plain.dial,
		"TLS":   func() *line { return secure.dialTLS(anyone()) },
	} {
		for _, abrupt := range []bool{false, true} {
			l := dial()
			l.say(get("/f"))
			if _, err := io.CopyN(io.Discard, l.r, 100_000); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if tcp, ok := l.Conn.(*net.TCPConn); ok && abrupt {
				_ = tcp.SetLinger(0)
			} else if secured, ok := l.Conn.(*tls.Conn); ok && abrupt {
				_ = secured.NetConn().(*net.TCPConn).SetLinger(0)
			}
			_ = l.Close()
			eventually(t, name+": the file is closed", func() bool { return timesOpen(t, path) == 0 })
		}
	}
}

// A file that becomes shorter while it is sent breaks the response off: it never looks complete.
func TestAFileThatShrinksIsBrokenOff(t *testing.T) {
	path, content := madeFile(t, 24<<20)
	s := servingFiles(t, path)
	s.overBoth(func(t *testing.T, c *http.Client) {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		response, err := c.Get(s.url("/f"))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := os.Truncate(path, 23<<20+100); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		if err == nil || len(got) >= len(content) {
			t.Errorf("%d bytes, and %v", len(got), err)
		}
		if !bytes.Equal(got, content[:len(got)]) {
			t.Error("what has arrived is not of the file")
		}
	})
}

// spans gives a descriptor that sendfile refuses.
type spans struct {
	fd      int
	skipped int
	panics  bool
}

func (s *spans) Span(most int) (int, int64, int) {
	if s.panics {
		panic("span")
	}
	return s.fd, 0, most
}

func (s *spans) Skip(n int) { s.skipped += n }

// Content that sendfile refuses is read; a panic breaks the response off.
func TestSpansThatCannotBeSentAreRead(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	given := &spans{fd: int(r.Fd())}
	s := serve(t, func(r *app.Request) app.Answer {
		content := &app.Pull{Size: 200_000, Read: strings.NewReader(strings.Repeat("x", 200_000)).Read, Spans: given}
		if r.Path() == "/panics" {
			content.Spans = &spans{panics: true}
		}
		return app.Ready(&app.Response{Status: 200, Content: content})
	})
	l := s.dial()
	l.say(get("/"))
	l.hear("GET", 200, strings.Repeat("x", 200_000))
	if given.skipped != 0 {
		t.Errorf("%d bytes were skipped", given.skipped)
	}
	l.say(get("/panics"))
	if response, err := http.ReadResponse(l.r, nil); err == nil {
		if n, err := io.Copy(io.Discard, response.Body); err == nil || n > 0 {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}
