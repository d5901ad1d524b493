//go:build linux

package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gatewheel/gatewheel/app"
)

// countingUp is what /bytes and /stream give.
func countingUp(n int) []byte {
	var b bytes.Buffer
	for line := 0; b.Len() < n; line++ {
		fmt.Fprintf(&b, "%s%d\n", strings.Repeat(".", 63-len(fmt.Sprint(line%1024))), line%1024)
	}
	return b.Bytes()[:n]
}

func (s *site) to(method, path string, content io.Reader) *http.Request {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url(path), content)
	if err != nil {
		s.t.Fatal(err)
	}
	return request
}

// Contents of many sizes arrive unchanged, many at a time on one connection.
func TestHTTP2ContentsAreExact(t *testing.T) {
	s := serve(t, builtIn(t, ""))
	client := s.client2()
	var wait sync.WaitGroup
	for _, n := range []int{0, 1, 2047, 2048, 2049, 16383, 16384, 16385, 65535, 65536, 65537, 3 << 20} {
		for _, kind := range []string{"bytes", "stream"} {
			wait.Go(func() {
				got, response := get2(t, client, s.to("GET", fmt.Sprintf("/%s/%d", kind, n), nil), 200)
				if !bytes.Equal(got, countingUp(n)) {
					t.Errorf("%s of %d bytes: got %d, or others", kind, n, len(got))
				}
				if kind == "bytes" && response.ContentLength != int64(n) {
					t.Errorf("%d bytes: content-length is %d", n, response.ContentLength)
				}
			})
		}
		wait.Go(func() {
			content := pattern(n)
			got, _ := get2(t, client, s.to("POST", "/echo", strings.NewReader(content)), 200)
			if string(got) != content {
				t.Errorf("echo of %d bytes: got %d, or others", n, len(got))
			}
			size, sum, _ := strings.Cut(digestOf(content), " ")
			got, _ = get2(t, client, s.to("POST", "/upload?rate=100MiB", strings.NewReader(content)), 200)
			if want := fmt.Sprintf("{\"bytes\":%s,\"sha256\":%q}", size, sum); strings.TrimSpace(string(got)) != want {
				t.Errorf("upload: %s, want %s", got, want)
			}
		})
		wait.Go(func() {
			got, response := get2(t, client, s.to("HEAD", fmt.Sprintf("/bytes/%d", n), nil), 200)
			if len(got) != 0 || n > 0 && response.ContentLength != int64(n) {
				t.Errorf("HEAD: %d bytes, length %d", len(got), response.ContentLength)
			}
		})
	}
	wait.Wait()
}

// Field values that would split a response are refused.
func TestHTTP2ResponsesCannotBeSplit(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, "split").With("X", r.QueryValue("x")))
	})
	for _, value := range []string{"a%0d%0ab:%20c", "a%0ab", "%00"} {
		get2(t, s.client2(), s.to("GET", "/?x="+value, nil), 500)
	}
	_, response := get2(t, s.client2(), s.to("GET", "/?x=%20fine%20", nil), 200)
	if x := response.Header.Get("X"); x != "fine" {
		t.Errorf("the space around a value was sent: %q", x)
	}
}

// HTTP/2 in the clear needs its preface, which may arrive byte by byte. An Upgrade field is ignored.
func TestHTTP2ByPriorKnowledgeAlone(t *testing.T) {
	s := serve(t, hello)
	l := s.dial()
	l.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
	if response := l.hear("GET", 200, "Hello, World!"); response.ProtoMajor != 1 {
		t.Errorf("answered over %s", response.Proto)
	}

	slow := s.dial2() // says its preface
	slow.request(1, "GET", "/", true)
	byteByByte := s.dial()
	for i, b := range []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00") {
		byteByByte.say(string(b))
		if i%6 == 0 {
			l.say(get("/"))
			l.hear("GET", 200, "Hello, World!")
		}
	}
	slow.answer(1, "200", "Hello, World!")
	if first, err := byteByByte.r.Peek(9); err != nil || first[3] != 4 {
		t.Errorf("heard %q, %v, want SETTINGS", first, err)
	}

	// Other requests with the method PRI are HTTP/1.
	other := s.dial()
	other.say("PRI / HTTP/1.1\r\nHost: a\r\n\r\n")
	other.hear("PRI", 200, "Hello, World!")
}
