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

// A client that sends all of its content before it reads must not wait for a handler that writes without reading.
func TestUnreadContentDoesNotHoldUpAStream(t *testing.T) {
	const size = 200 << 10
	overAll(t, func(w http.ResponseWriter, r *http.Request) {
		for range 4 << 20 / 1024 {
			if _, err := w.Write(make([]byte, 1024)); err != nil {
				return
			}
		}
		_, err := r.Body.Read(make([]byte, 1))
		w.Header().Set(http.TrailerPrefix+"Read", fmt.Sprint(err))
	}, func(t *testing.T, s *nethttptest.Site) {
		resp, err := s.Client().Post(s.URL, "text/plain", strings.NewReader(strings.Repeat("x", size)))
		if _, content := read(t, resp, err); len(content) != 4<<20 {
			t.Errorf("%d bytes", len(content))
		}
	})
}

func TestFullDuplex(t *testing.T) {
	overAll(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := c.EnableFullDuplex(); err != nil {
			panic(err)
		}
		for piece := make([]byte, 10); ; {
			n, err := r.Body.Read(piece)
			w.Write(piece[:n])
			c.Flush()
			if err != nil {
				return
			}
		}
	}, func(t *testing.T, s *nethttptest.Site) {
		content, writer := io.Pipe()
		request, _ := http.NewRequest("POST", s.URL, content)
		go writer.Write([]byte("0123456789"))
		resp, err := s.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		for range 3 {
			echo := make([]byte, 10)
			if _, err := io.ReadFull(resp.Body, echo); err != nil || string(echo) != "0123456789" {
				t.Fatalf("%q came back: %v", echo, err)
			}
			writer.Write(echo)
		}
		writer.Close()
	})
}
