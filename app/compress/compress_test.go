package compress_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/compress"
	"github.com/gatewheel/gatewheel/app/spi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func host(h app.Handler) *apptest.Host { return apptest.New(compress.New(compress.Options{})(h)) }

func answering(resp *app.Response) app.Handler {
	return func(*app.Request) app.Answer { return app.Ready(resp) }
}

// decoded returns the decoded content, as far as it has arrived.
func decoded(t *testing.T, call *apptest.Call) string {
	t.Helper()
	var r io.Reader = bytes.NewReader(call.Content)
	switch call.Header.Get("Content-Encoding") {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		r = z
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		r = z
	}
	b, err := io.ReadAll(r)
	if err != nil && !(errors.Is(err, io.ErrUnexpectedEOF) && !call.Complete) {
		t.Fatalf("decoding: %v", err)
	}
	return string(b)
}

var words = strings.Repeat("all work and no play makes jack a dull boy\n", 100)

func TestNegotiation(t *testing.T) {
	h := host(answering(app.Text(200, words)))
	for accept, want := range map[string]string{
		"":                               "",
		"gzip":                           "gzip",
		"x-gzip":                         "gzip",
		"GZIP":                           "gzip",
		"zstd":                           "zstd",
		"gzip, deflate, br":              "gzip",
		"gzip, deflate, br, zstd":        "zstd",
		"gzip;q=1.0, zstd;q=0.5":         "gzip",
		"gzip ; q=0.2 , zstd ; q=0.1":    "gzip",
		"*":                              "zstd",
		"zstd;q=0, *":                    "gzip",
		"br":                             "",
		"gzip;q=0":                       "",
		"gzip;q=0.5, identity":           "",
		"gzip;q=0.5, identity;q=0.2":     "gzip",
		"identity;q=0":                   "",
		"gzip;q=2":                       "",
		"gzip;q=x":                       "",
		"identity;q=0, gzip;level=9;q=1": "gzip",
	} {
		request := apptest.Get("/")
		if accept != "" {
			request.Fields.Add("Accept-Encoding", accept)
		}
		call := h.Do(request)
		if got := call.Header.Get("Content-Encoding"); got != want {
			t.Errorf("%q: got %q want %q", accept, got, want)
		}
		if decoded(t, call) != words || call.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: fields %v, %d bytes", accept, call.Header, len(call.Content))
		}
		if want != "" && (call.Length != int64(len(call.Content)) || len(call.Content) > len(words)/4) {
			t.Errorf("%q: length %d, %d bytes", accept, call.Length, len(call.Content))
		}
	}
}

func TestUnchangedResponses(t *testing.T) {
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	for why, resp := range map[string]*app.Response{
		"small":          app.Text(200, "small"),
		"an image":       app.Blob(200, "image/png", []byte(words)),
		"encoded":        app.Text(200, words).With("Content-Encoding", "br"),
		"a part":         app.Text(206, words).With("Content-Range", "bytes 0-4299/10000"),
		"no-transform":   app.Text(200, words).With("Cache-Control", "public, no-transform"),
		"a digest":       app.Text(200, words).With("Content-Digest", "sha-256=:x:"),
		"no content":     app.Empty(204),
		"incompressible": app.Blob(200, "text/plain", noise),
		"no media type":  {Status: 200, Content: app.Bytes(words)},
		"an image's 304": {Status: 304, Fields: app.Fields{{Name: "Content-Type", Value: "image/png"}}},
	} {
		call := host(answering(resp)).Do(apptest.Get("/", "Accept-Encoding", "gzip, zstd"))
		if got := call.Header.Get("Content-Encoding"); got != resp.Fields.Get("Content-Encoding") {
			t.Errorf("%s: got %q", why, got)
		}
		if call.Header.Has("Vary") != (why == "incompressible" || why == "a part") {
			t.Errorf("%s: fields %v", why, call.Header)
		}
	}
}

func TestFieldsOfACompressedResponse(t *testing.T) {
	resp := app.Text(200, words).With("ETag", `"1"`).With("Accept-Ranges", "bytes").With("Vary", "Origin")
	before := fmt.Sprint(resp.Fields)
	call := host(answering(resp)).Do(apptest.Get("/", "Accept-Encoding", "gzip"))
	if call.Header.Get("ETag") != `W/"1"` || call.Header.Has("Accept-Ranges") ||
		call.Header.Joined("Vary") != "Origin, Accept-Encoding" {
		t.Fatalf("fields %v", call.Header)
	}
	if fmt.Sprint(resp.Fields) != before {
		t.Fatal("the handler's response was changed")
	}
}

// RFC 9110 section 15.4.5: a 304 has the ETag and the Vary of the corresponding 200; a 206 has its Vary.
func TestNotModifiedAndPartialFields(t *testing.T) {
	page := func(r *app.Request) app.Answer {
		resp := app.Text(200, words).With("ETag", `"x"`)
		known := r.Fields.Get("If-None-Match")
		switch {
		case r.RawPath == "/image":
			resp = app.Blob(206, "image/png", []byte("png")).With("Content-Range", "bytes 0-2/5000").With("ETag", `"x"`)
		case r.RawPath == "/small":
			resp = app.Text(206, "abc").With("Content-Range", "bytes 0-2/100").With("ETag", `"x"`)
		case r.RawPath == "/parts":
			resp = app.Blob(206, "multipart/byteranges; boundary=b", []byte("...")).With("ETag", `"x"`)
		case r.Fields.Has("Range"):
			resp = app.Text(206, words[:10]).With("Content-Range", "bytes 0-9/"+fmt.Sprint(len(words))).With("ETag", `"x"`)
		case strings.Contains(known, `"x"`) || r.Fields.Has("If-Modified-Since"):
			resp = app.Empty(304).With("ETag", `"x"`)
		}
		return app.Ready(resp)
	}
	h := host(page)
	for _, c := range []struct {
		why, path, coding string
		fields            []string
		status            int
		etag, vary        string
	}{
		{"the whole, compressed", "/", "gzip", nil, 200, `W/"x"`, "Accept-Encoding"},
		{"the whole as it is", "/", "", nil, 200, `"x"`, "Accept-Encoding"},
		{"compressed before", "/", "gzip", []string{"If-None-Match", `"a", W/"x"`}, 304, `W/"x"`, "Accept-Encoding"},
		{"compressed before, asked by another client", "/", "", []string{"If-None-Match", `W/"x"`}, 304, `W/"x"`, "Accept-Encoding"},
		{"not compressed before", "/", "gzip", []string{"If-None-Match", `"x"`}, 304, `"x"`, "Accept-Encoding"},
		{"both before", "/", "gzip", []string{"If-None-Match", `W/"x", "x"`}, 304, `"x"`, "Accept-Encoding"},
		{"by time", "/", "gzip", []string{"If-Modified-Since", "Sat, 28 Nov 2026 10:00:00 GMT"}, 304, `W/"x"`, "Accept-Encoding"},
		{"by time, not compressed", "/", "", []string{"If-Modified-Since", "Sat, 28 Nov 2026 10:00:00 GMT"}, 304, `"x"`, "Accept-Encoding"},
		{"a part", "/", "gzip", []string{"Range", "bytes=0-9"}, 206, `"x"`, "Accept-Encoding"},
		{"several parts", "/parts", "gzip", nil, 206, `"x"`, "Accept-Encoding"},
		{"a part of an image", "/image", "gzip", nil, 206, `"x"`, ""},
		{"a part of something small", "/small", "gzip", nil, 206, `"x"`, ""},
	} {
		call := h.Do(apptest.Get(c.path, append(c.fields, "Accept-Encoding", c.coding)...))
		if call.Status != c.status || call.Header.Get("ETag") != c.etag || call.Header.Get("Vary") != c.vary {
			t.Errorf("%s: %d, %s, Vary: %q; want %d, %s, %q", c.why, call.Status, call.Header.Get("ETag"), call.Header.Get("Vary"), c.status, c.etag, c.vary)
		}
	}
}

func TestHeadHasTheFieldsOfGet(t *testing.T) {
	h := host(answering(app.Text(200, words)))
	call := h.Do(&apptest.Request{Method: "HEAD", Target: "/", Fields: apptest.Get("/", "Accept-Encoding", "gzip").Fields})
	if call.Header.Get("Content-Encoding") != "gzip" || len(call.Content) > 0 || call.Length != -1 {
		t.Fatalf("fields %v, length %d", call.Header, call.Length)
	}
}

func TestLargeContentIsCompressedOnThePool(t *testing.T) {
	long := strings.Repeat(words, 100)
	h := host(answering(app.Text(200, long)))
	h.HoldPool = true
	call := h.Do(apptest.Get("/", "Accept-Encoding", "gzip"))
	if call.Status != 0 {
		t.Fatal("compressed on the loop")
	}
	h.HoldPool = false
	h.Settle()
	if decoded(t, call) != long || call.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("fields %v", call.Header)
	}
	h.PoolQueue = 0
	if call := h.Do(apptest.Get("/", "Accept-Encoding", "gzip")); call.Header.Has("Content-Encoding") || string(call.Content) != long {
		t.Fatalf("a full pool: fields %v", call.Header)
	}
}

func TestStreamIsFlushedWhenItsProducerPauses(t *testing.T) {
	for _, coding := range []string{"gzip", "zstd"} {
		h := host(func(r *app.Request) app.Answer {
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				n := 0
				return app.While(func() app.Future[bool] {
					n++
					w.WriteString(fmt.Sprintf("tick %d ", n))
					return app.Then(w.WriteString("tock\n"), func(app.Done) app.Future[bool] {
						if n == 3 {
							w.Trailer("Ticks", "3")
							return app.Ready(false)
						}
						return app.Map(app.Sleep(r, time.Second), func(app.Done) (bool, error) { return true, nil })
					})
				})
			}))
		})
		call := h.Do(apptest.Get("/", "Accept-Encoding", coding))
		want := ""
		for n := 1; n <= 3; n++ {
			want += fmt.Sprintf("tick %d tock\n", n)
			if got := decoded(t, call); got != want {
				t.Errorf("%s: got %q want %q", coding, got, want)
			}
			h.Advance(time.Second)
		}
		if !call.Complete || call.Trailer.Get("Ticks") != "3" || call.Length != -1 {
			t.Errorf("%s: complete %v, trailers %v, length %d", coding, call.Complete, call.Trailer, call.Length)
		}
	}
}

func TestStreamsAndPullsKeepTheirContent(t *testing.T) {
	long := strings.Repeat(words, 200)
	for name, h := range map[string]app.Handler{
		"stream": func(*app.Request) app.Answer {
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				rest := long
				return app.While(func() app.Future[bool] {
					n := min(len(rest), 1+rand.IntN(40000))
					part := rest[:n]
					rest = rest[n:]
					return app.Map(w.WriteString(part), func(app.Done) (bool, error) { return rest != "", nil })
				})
			}))
		},
		"pull": func(*app.Request) app.Answer {
			return app.Ready(app.Pulled(200, "text/plain", int64(len(long)), strings.NewReader(long).Read))
		},
		"goroutine": app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
			w.Fields().Set("Content-Type", "text/plain")
			_, err := io.Copy(w, strings.NewReader(long))
			return err
		}),
	} {
		for _, coding := range []string{"gzip", "zstd"} {
			request := apptest.Get("/", "Accept-Encoding", coding)
			request.Slow, request.Room = true, 700
			call := host(h).Do(request)
			for len(call.Take(700)) > 0 {
				if call.Accepted() > 700 {
					t.Fatalf("%d bytes ahead of the peer", call.Accepted())
				}
			}
			if !call.Complete || call.Header.Get("Content-Encoding") != coding || decoded(t, call) != long {
				t.Errorf("%s %s: complete %v, %d bytes, %v", name, coding, call.Complete, len(call.Content), call.Err)
			}
		}
	}
}

// The peer does not stop content that shrinks to nothing; the loop must still get its
// turns.
func TestPullsKeepTheirTrailers(t *testing.T) {
	resp := app.Pulled(200, "text/plain", -1, strings.NewReader(words).Read)
	resp.Content.(*app.Pull).Trailers = func() app.Fields { return app.Fields{{Name: "Sum", Value: "1"}} }
	call := host(answering(resp)).Do(apptest.Get("/", "Accept-Encoding", "gzip"))
	if !call.Complete || call.Header.Get("Content-Encoding") != "gzip" || call.Trailer.Get("Sum") != "1" {
		t.Errorf("got fields %v and trailers %v", call.Header, call.Trailer)
	}
}

func TestEndlessContentYields(t *testing.T) {
	blank := make([]byte, 1<<20)
	for name, size := range map[string]int{"pulled": 0, "single bytes": 1, "small writes": 1000, "large writes": 16 << 10, "writes for the pool, which is full": 1 << 20} {
		given, turns, all := 0, 0, 4<<20
		if size == 1 {
			all = 64 << 10
		}
		var watch func(loop app.Loop)
		watch = func(loop app.Loop) { // runs between any two tasks of the stream's
			loop.Post(func() {
				turns++
				if given < all {
					watch(loop)
				}
			})
		}
		h := host(func(r *app.Request) app.Answer {
			watch(r.Loop())
			if size == 0 {
				return app.Ready(app.Pulled(200, "text/plain", -1, func(p []byte) (int, error) {
					if given += len(p); given >= all {
						return len(p), io.EOF
					}
					return len(p), nil
				}))
			}
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				return app.While(func() app.Future[bool] {
					given += size
					return app.Map(w.WriteAll(blank[:size]), func(app.Done) (bool, error) { return given < all, nil })
				})
			}))
		})
		h.PoolQueue = 0
		call := h.Do(apptest.Get("/", "Accept-Encoding", "gzip"))
		if !call.Complete || turns < 16 {
			t.Errorf("%s: complete: %v, in %d turns", name, call.Complete, turns)
		}
	}
}

func TestEndlessContentEndsWithItsPeer(t *testing.T) {
	given := 0
	h := host(func(r *app.Request) app.Answer {
		return app.Ready(app.Pulled(200, "text/plain", -1, func(p []byte) (int, error) {
			if given += len(p); given == 1<<20 {
				r.Loop().Post(func() { spi.Cancel(r, app.ErrPeerGone) })
			}
			return len(p), nil
		}))
	})
	call := h.Do(apptest.Get("/", "Accept-Encoding", "gzip"))
	if !call.Aborted || given > 2<<20 {
		t.Errorf("aborted: %v, after %d bytes", call.Aborted, given)
	}
}

func TestFailedStreamAborts(t *testing.T) {
	h := host(answering(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
		w.WriteString(words)
		return app.Failed[app.Done](errors.New("torn"))
	})))
	call := h.Do(apptest.Get("/", "Accept-Encoding", "gzip"))
	if !call.Aborted {
		t.Fatal("a content that has failed looks complete")
	}
}

func TestProducerEndsWithItsPeer(t *testing.T) {
	closed := false
	resp := app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
		noise := make([]byte, 1000)
		return app.While(func() app.Future[bool] {
			for i := range noise {
				noise[i] = byte(rand.Uint32())
			}
			return app.Map(w.WriteAll(noise), func(app.Done) (bool, error) { return true, nil })
		})
	})
	resp.Content.(*app.Stream).OnClose = func() { closed = true }
	request := apptest.Get("/", "Accept-Encoding", "gzip")
	request.Slow, request.Room = true, 100
	call := host(answering(resp)).Do(request)
	call.Leave()
	if !closed {
		t.Fatal("the producer goes on")
	}
}

func BenchmarkBytes(b *testing.B) {
	resp := app.Text(200, words)
	h := compress.New(compress.Options{})(answering(resp))
	for _, coding := range []string{"identity", "gzip", "zstd"} {
		b.Run(coding, func(b *testing.B) {
			call := apptest.New(answering(app.Empty(204))).Do(apptest.Get("/", "Accept-Encoding", coding))
			b.SetBytes(int64(len(words)))
			b.ReportAllocs()
			for b.Loop() {
				h(call.Request)
			}
		})
	}
}
