package nethttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/events"
	"github.com/gatewheel/gatewheel/app/files"
	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// fromOver runs a test with a server of net/http that serves h, over HTTP/1.1 and HTTP/2.
func fromOver(t *testing.T, h app.Handler, test func(t *testing.T, s *httptest.Server)) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			s := httptest.NewUnstartedServer(nethttp.From(h))
			s.Config.ErrorLog = log.New(io.Discard, "", 0)
			if s.EnableHTTP2 = http2; http2 {
				s.StartTLS()
			} else {
				s.Start()
			}
			defer s.Close()
			s.Client().Timeout = time.Minute
			test(t, s)
		})
	}
}

// fetch returns the response to a request, with its content.
func fetch(t *testing.T, s *httptest.Server, method, path string, content io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, content)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestFromPassesTheRequest(t *testing.T) {
	fromOver(t, func(r *app.Request) app.Future[*app.Response] {
		host := r.Authority
		if r.Protocol != app.HTTP2 {
			host = r.Fields.Get("Host")
		}
		return app.Ready(app.Text(200, fmt.Sprintf("%s %s %s %s %v %v %v", r.Method, r.Target, r.RawPath, r.RawQuery,
			host == r.Authority, r.Conn().Peer.IsValid(), r.Scheme == "https" == (r.Conn().TLS != nil))))
	}, func(t *testing.T, s *httptest.Server) {
		resp, content := fetch(t, s, "DELETE", "/a%2Fb?c=d", nil)
		if want := "DELETE /a%2Fb?c=d /a%2Fb c=d true true true"; content != want || resp.ContentLength != int64(len(want)) {
			t.Errorf("%q of length %d, want %q", content, resp.ContentLength, want)
		}
		if head, _ := fetch(t, s, "HEAD", "/", nil); head.ContentLength <= 0 {
			t.Errorf("HEAD states the length %d", head.ContentLength)
		}
	})
}

func TestFromStreamsBothWays(t *testing.T) {
	fromOver(t, func(r *app.Request) app.Future[*app.Response] {
		return app.Ready(&app.Response{Status: 200, Content: r.Body.Pull()})
	}, func(t *testing.T, s *httptest.Server) {
		const size = 4 << 20
		resp, content := fetch(t, s, "POST", "/", io.LimitReader(zeros{}, size))
		if len(content) != size || resp.StatusCode != 200 {
			t.Errorf("status %d, %d bytes", resp.StatusCode, len(content))
		}
		if _, content := fetch(t, s, "POST", "/", strings.NewReader("short")); content != "short" {
			t.Errorf("short content is %q", content)
		}
	})
}

// zeros is an endless source of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestFromStopsAProducerWhosePeerDoesNotRead(t *testing.T) {
	written := make(chan int, 1000)
	fromOver(t, func(r *app.Request) app.Future[*app.Response] {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			piece := make([]byte, 1<<20)
			var more func(n int) app.Future[app.Done]
			more = func(n int) app.Future[app.Done] {
				written <- n
				return app.Then(w.Write(piece), more)
			}
			return more(0)
		}))
	}, func(t *testing.T, s *httptest.Server) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, resp.Body, 4<<20); err != nil {
			t.Fatal(err)
		}
		cancel()
		resp.Body.Close()
		s.Close() // waits for the handler
		if n := len(written); n > 500 {
			t.Errorf("%d MiB were written", n)
		}
		for len(written) > 0 {
			<-written
		}
	})
}

func TestFromSendsTrailersAndInterimResponses(t *testing.T) {
	fromOver(t, func(r *app.Request) app.Future[*app.Response] {
		if err := r.Inform(103, app.Fields{{Name: "Link", Value: "</style.css>"}}); err != nil {
			return app.Failed[*app.Response](err)
		}
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			w.Trailer("X-Sum", "42")
			return app.Map(w.Write([]byte("content")), func(int) (app.Done, error) { return app.Done{}, nil })
		}))
	}, func(t *testing.T, s *httptest.Server) {
		link := ""
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			link = h.Get("Link")
			return nil
		}})
		req, err := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		content, err := io.ReadAll(resp.Body)
		if err != nil || string(content) != "content" || resp.Trailer.Get("X-Sum") != "42" {
			t.Errorf("%q, %v, trailers %v", content, err, resp.Trailer)
		}
		if link != "</style.css>" || resp.Header.Get("Link") != "" {
			t.Errorf("the hint is %q, the response has %q", link, resp.Header.Get("Link"))
		}
	})
}

func TestFromWaitsForFutures(t *testing.T) {
	fromOver(t, func(r *app.Request) app.Future[*app.Response] {
		switch r.RawPath {
		case "/timer":
			return app.Map(app.Sleep(r, time.Millisecond), func(app.Done) (*app.Response, error) { return app.Text(200, "slept"), nil })
		case "/pool":
			return app.Map(app.Offload(r, func(context.Context) (string, error) { return "worked", nil }),
				func(s string) (*app.Response, error) { return app.Text(200, s), nil })
		case "/error":
			return app.Failed[*app.Response](app.Statusf(418, "short and stout"))
		case "/panic":
			panic("as asked")
		}
		return app.Ready(app.Empty(204))
	}, func(t *testing.T, s *httptest.Server) {
		for _, c := range []struct {
			path    string
			status  int
			content string
		}{{"/timer", 200, "slept"}, {"/pool", 200, "worked"}, {"/error", 418, "short and stout\n"}, {"/panic", 500, ""}, {"/", 204, ""}} {
			if resp, content := fetch(t, s, "GET", c.path, nil); resp.StatusCode != c.status || c.content != "" && content != c.content {
				t.Errorf("%s: %d %q", c.path, resp.StatusCode, content)
			}
		}
	})
}

func TestFromServesBlockingHandlersFilesAndEvents(t *testing.T) {
	dir := t.TempDir()
	long := bytes.Repeat([]byte("line\n"), 100_000)
	if err := os.WriteFile(filepath.Join(dir, "long.txt"), long, 0o600); err != nil {
		t.Fatal(err)
	}
	tree, err := files.Open(dir, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	blocking := app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
		content, err := io.ReadAll(r.Body.Reader())
		if err != nil {
			return err
		}
		_, err = w.Write(bytes.ToUpper(content))
		return err
	})
	fromOver(t, func(r *app.Request) app.Future[*app.Response] {
		switch r.RawPath {
		case "/blocking":
			return blocking(r)
		case "/events":
			return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
				return s.Send(events.Event{Data: "one"})
			}))
		}
		return tree.Serve(r)
	}, func(t *testing.T, s *httptest.Server) {
		if _, content := fetch(t, s, "POST", "/blocking", strings.NewReader("hello")); content != "HELLO" {
			t.Errorf("the blocking handler answers %q", content)
		}
		if resp, content := fetch(t, s, "GET", "/long.txt", nil); content != string(long) || resp.ContentLength != int64(len(long)) {
			t.Errorf("the file has %d bytes, stated %d", len(content), resp.ContentLength)
		}
		if _, content := fetch(t, s, "GET", "/events", nil); !strings.Contains(content, "data: one\n") {
			t.Errorf("events: %q", content)
		}
	})
}

func TestFromAbortsContentThatFails(t *testing.T) {
	fromOver(t, func(r *app.Request) app.Future[*app.Response] {
		return app.Ready(app.Pulled(200, "text/plain", -1, func(p []byte) (int, error) {
			return copy(p, "part"), errors.New("broken")
		}))
	}, func(t *testing.T, s *httptest.Server) {
		resp, err := s.Client().Get(s.URL)
		if err != nil {
			return // nothing of it has arrived
		}
		defer resp.Body.Close()
		if content, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("%q is complete", content)
		}
	})
}

// A WebSocket needs a connection that can be taken from HTTP.
func TestFromRefusesWebSocketsWithoutAConnection(t *testing.T) {
	h := nethttp.From(func(r *app.Request) app.Future[*app.Response] {
		return app.Ready(websocket.Accept(&websocket.Endpoint{}))
	})
	r := httptest.NewRequest("GET", "/", nil)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 501 {
		t.Errorf("status %d", w.Code)
	}
}
