//go:build linux

package nethttp_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// overAll runs a test in every mode.
func overAll(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, s *nethttptest.Site)) {
	for _, mode := range nethttptest.Modes {
		t.Run(string(mode), func(t *testing.T) {
			test(t, nethttptest.Start(t, mode, &http.Server{Handler: handler}))
		})
	}
}

// get returns the response to a GET, with its content.
func get(t *testing.T, s *nethttptest.Site, path string) (*http.Response, string) {
	t.Helper()
	resp, err := s.Client().Get(s.URL + path)
	return read(t, resp, err)
}

func read(t *testing.T, resp *http.Response, err error) (*http.Response, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(content)
}

func TestShortAnswerHasItsLength(t *testing.T) {
	overAll(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "hello, ", r.URL.Path)
	}, func(t *testing.T, s *nethttptest.Site) {
		resp, content := get(t, s, "/world")
		if content != "hello, /world" || resp.ContentLength != 13 {
			t.Errorf("%q of length %d", content, resp.ContentLength)
		}
		if kind := resp.Header.Get("Content-Type"); kind != "text/plain; charset=utf-8" {
			t.Errorf("the content type is %q", kind)
		}
	})
}

func TestLongContentIsStreamed(t *testing.T) {
	overAll(t, func(w http.ResponseWriter, r *http.Request) {
		for range 1000 {
			io.WriteString(w, strings.Repeat("0123456789", 100))
		}
		w.Write(make([]byte, 1<<20))
	}, func(t *testing.T, s *nethttptest.Site) {
		resp, content := get(t, s, "/")
		if len(content) != 1000*1000+1<<20 || resp.ContentLength != -1 {
			t.Errorf("%d bytes, length %d", len(content), resp.ContentLength)
		}
	})
}

func TestContentIsEchoed(t *testing.T) {
	overAll(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	}, func(t *testing.T, s *nethttptest.Site) {
		for _, size := range []int{0, 1, 5000, 64 << 10, 3 << 20} {
			sent := strings.Repeat("x", size)
			resp, err := s.Client().Post(s.URL, "text/plain", strings.NewReader(sent))
			if _, content := read(t, resp, err); content != sent {
				t.Errorf("%d bytes came back as %d", size, len(content))
			}
		}
	})
}
