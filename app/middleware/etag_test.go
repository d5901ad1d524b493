package middleware_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/compress"
	"github.com/gatewheel/gatewheel/app/middleware"
)

func TestETag(t *testing.T) {
	own := app.Text(200, "own").With("ETag", `W/"mine"`)
	responses := map[string]*app.Response{
		"/text":   app.Text(200, "text").With("Cache-Control", "max-age=60").With("Content-Location", "/x").With("Vary", "Accept"),
		"/other":  app.Text(200, "other"),
		"/own":    own,
		"/empty":  app.Empty(200),
		"/404":    app.Text(404, "text"),
		"/secret": app.Text(200, "text").With("Cache-Control", "private, no-store"),
		"/large":  app.Text(200, strings.Repeat("x", 1<<20)),
	}
	host := apptest.New(middleware.ETag(func(r *app.Request) app.Answer {
		if r.Path() == "/stream" {
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				return w.WriteString("x")
			}))
		}
		return app.Ready(responses[r.Path()])
	}))
	tag := host.Do(apptest.Get("/text")).Header.Get("ETag")
	if len(tag) != 18 || tag[0] != '"' || host.Do(apptest.Get("/other")).Header.Get("ETag") == tag {
		t.Fatalf("got %q", tag)
	}
	do := func(method, path, known string) *apptest.Call {
		r := apptest.Get(path)
		r.Method = method
		if known != "" {
			r.Fields.Add("If-None-Match", known)
		}
		return host.Do(r)
	}
	for _, c := range []struct {
		method, path, known string
		status              int
	}{
		{"GET", "/text", tag, 304},
		{"HEAD", "/text", tag, 304},
		{"GET", "/text", "W/" + tag, 304},
		{"GET", "/text", `"x", ` + tag, 304},
		{"GET", "/text", "*", 304},
		{"GET", "/text", `"x"`, 200},
		{"GET", "/text", `"x" ` + tag[1:], 200},
		{"GET", "/text", strings.Repeat(`"x",`, 2000), 200},
		{"GET", "/other", tag, 200},
		{"POST", "/text", tag, 200},
		{"GET", "/own", `"mine"`, 304},
		{"GET", "/own", tag, 200},
	} {
		if call := do(c.method, c.path, c.known); call.Status != c.status {
			t.Errorf("%s %s, known %.30s: got %d, want %d", c.method, c.path, c.known, call.Status, c.status)
		}
	}
	for _, path := range []string{"/empty", "/404", "/secret", "/large", "/stream"} {
		if call := do("GET", path, "*"); call.Status == 304 || call.Header.Has("ETag") {
			t.Errorf("%s: got %d %v", path, call.Status, call.Header)
		}
	}
	// RFC 9110 section 15.4.5.
	call := do("GET", "/text", tag)
	if got := fmt.Sprint(call.Header); call.Header.Has("Content-Type") || !strings.Contains(got, "{Cache-Control max-age=60}") ||
		!strings.Contains(got, "{Vary Accept}") || !strings.Contains(got, "{Content-Location /x}") || call.Header.Get("ETag") != tag {
		t.Errorf("the 304 has %v", got)
	}
	if own.Fields.Get("ETag") != `W/"mine"` || responses["/text"].Fields.Has("ETag") {
		t.Error("a response that may be shared has changed")
	}
}

// TestETagWithCompression: the tag of compressed content is weak, and still known.
func TestETagWithCompression(t *testing.T) {
	host := apptest.New(middleware.Chain(always(app.Text(200, strings.Repeat("text ", 1000))), compress.New(compress.Options{}), middleware.ETag))
	call := host.Do(apptest.Get("/", "Accept-Encoding", "gzip"))
	tag := call.Header.Get("ETag")
	if !strings.HasPrefix(tag, "W/") || call.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("got %v", call.Header)
	}
	call = host.Do(apptest.Get("/", "Accept-Encoding", "gzip", "If-None-Match", tag))
	if call.Status != 304 || call.Header.Get("ETag") != tag || !call.Header.HasToken("Vary", "Accept-Encoding") {
		t.Errorf("got %d %v", call.Status, call.Header)
	}
}

func ExampleETag() {
	host := apptest.New(middleware.ETag(always(app.JSON(200, []int{1, 2, 3}))))
	first := host.Do(apptest.Get("/"))
	again := host.Do(apptest.Get("/", "If-None-Match", first.Header.Get("ETag")))
	fmt.Println(first.Status, again.Status, len(again.Content))
	// Output: 200 304 0
}
