//go:build linux

package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/spi"
)

// scripted starts a backend over HTTP/1.1 that calls talk for each connection.
func scripted(t testing.TB, talk func(c net.Conn, r *bufio.Reader)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			go func() {
				defer c.Close()
				talk(c, bufio.NewReader(c))
			}()
		}
	}()
	return l.Addr().String()
}

// readHead reads a request's head as text.
func readHead(r *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := r.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// A final response before the end of the request is passed on whole (RFC 9113 section 8.1, RFC 9112 section 9.6).
func TestEarlyResponses(t *testing.T) {
	refuse := func(r *app.Request) app.Answer {
		return app.Ready(app.Error(413, strings.Repeat("too much ", 1000)))
	}
	pairs(t, refuse, gateway.Options{}, func(t *testing.T, c *http.Client, url string, g *gateway.Gateway) {
		for _, known := range []bool{true, false} {
			var body io.Reader = bytes.NewReader(make([]byte, 32<<20))
			if !known {
				body = io.MultiReader(body)
			}
			resp, err := c.Post(url, "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 413 || err != nil || len(b) < 9000 {
				t.Errorf("%d, %d bytes, %v", resp.StatusCode, len(b), err)
			}
			if resp.ProtoMajor == 1 && !resp.Close {
				t.Error("the client is not told that the connection ends")
			}
		}
		// The gateway goes on.
		if resp, err := c.Get(url); err != nil || resp.StatusCode != 413 {
			t.Errorf("the next request: %v %v", resp, err)
		} else {
			resp.Body.Close()
		}
		eventually(t, "both have ended well", func() bool { return g.Counts().Exchanges[gateway.OK] == 3 })
	})
}

// A response to a whole request leaves the client's connection open.
func TestConnectionsStayOpen(t *testing.T) {
	count := func(r *app.Request) app.Answer {
		return app.Map(r.Body.Discard(), func(n int64) (*app.Response, error) {
			return app.Text(200, strings.Repeat("counted ", 1000)), nil
		})
	}
	pairs(t, count, gateway.Options{}, func(t *testing.T, c *http.Client, url string, _ *gateway.Gateway) {
		for _, body := range []io.Reader{strings.NewReader("known"), io.MultiReader(strings.NewReader("unknown"))} {
			resp, err := c.Post(url, "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 || resp.Close {
				t.Errorf("length %d: %d, close: %v", resp.Request.ContentLength, resp.StatusCode, resp.Close)
			}
		}
	})
}

// A client that leaves ends the backend's request, before and within the response.
func TestClientsThatLeave(t *testing.T) {
	var ended atomic.Int32
	slow := func(r *app.Request) app.Answer {
		context.AfterFunc(r.Context(), func() { ended.Add(1) })
		if r.RawPath == "/head" {
			return app.After(app.Sleep(r, time.Hour), func(app.Done, error) app.Answer { return app.Ready(app.Empty(204)) })
		}
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(w.WriteAll([]byte("begun")), func(app.Done) app.Future[app.Done] { return app.Sleep(r, time.Hour) })
		}))
	}
	pairs(t, slow, gateway.Options{}, func(t *testing.T, c *http.Client, url string, g *gateway.Gateway) {
		before := ended.Load()
		ctx, cancel := context.WithCancel(t.Context())
		request, _ := http.NewRequestWithContext(ctx, "GET", url+"/content", nil)
		resp, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(resp.Body, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		cancel()
		resp.Body.Close()
		eventually(t, "the backend's request ends", func() bool { return ended.Load() == before+1 })

		ctx, cancel = context.WithCancel(t.Context())
		request, _ = http.NewRequestWithContext(ctx, "GET", url+"/head", nil)
		time.AfterFunc(50*time.Millisecond, cancel)
		if resp, err := c.Do(request); err == nil {
			t.Fatalf("answered %s", resp.Status)
		}
		eventually(t, "the other one too", func() bool { return ended.Load() == before+2 })
		eventually(t, "both are counted", func() bool { return g.Counts().Exchanges[gateway.ClientGone] == 2 })
	})
}

// What a backend breaks off never looks complete (RFC 9112 section 8).
func TestBackendsThatBreakOff(t *testing.T) {
	for _, c := range []struct {
		says   string
		status int // 0: the response breaks off
		reason gateway.Reason
	}{
		{"", 502, gateway.UpstreamEOF},
		{"HTTP/1.1 200 OK\r\nConten", 502, gateway.UpstreamEOF},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", 0, gateway.UpstreamEOF},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", 0, gateway.UpstreamEOF},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n12345\r\n", 0, gateway.UpstreamMalformed},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", 502, gateway.UpstreamMalformed},
		{"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n1", 502, gateway.UpstreamMalformed},
		{"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 502, gateway.UpstreamMalformed},
		{"SSH-2.0-OpenSSH\r\n\r\n", 502, gateway.UpstreamMalformed},
		{"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", 502, gateway.UpstreamMalformed},
	} {
		backend := scripted(t, func(conn net.Conn, r *bufio.Reader) {
			readHead(r)
			io.WriteString(conn, c.says)
		})
		for _, in := range []bool{false, true} {
			address, g := forward(t, gateway.Options{}, "http://"+backend)
			resp, err := clientOf(t, in).Post("http://"+address, "", nil)
			if err != nil {
				if c.status != 0 {
					t.Errorf("%q: %v", c.says, err)
				}
			} else {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
				if c.status != 0 && (resp.StatusCode != c.status || err != nil) || c.status == 0 && err == nil {
					t.Errorf("%q (HTTP/2: %v): %d, content %v; want %d", c.says, in, resp.StatusCode, err, c.status)
				}
			}
			eventually(t, fmt.Sprintf("%q is counted as %v", c.says, c.reason), func() bool { return g.Counts().Exchanges[c.reason] == 1 })
		}
	}
}

// Trailers go both ways, announced or not, but for those that a recipient would need before the content.
func TestTrailersThrough(t *testing.T) {
	mirror := func(r *app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(app.Copy(w, r.Body), func(int64) app.Future[app.Done] {
				w.Trailer("X-Sum", "1")
				w.Trailer("X-Forwarded-User", "root")
				for _, f := range r.Trailers() {
					w.Trailer(f.Name, f.Value)
				}
				return app.Ready(app.Done{})
			})
		}))
	}
	pairs(t, mirror, gateway.Options{}, func(t *testing.T, c *http.Client, url string, g *gateway.Gateway) {
		request, _ := http.NewRequest("POST", url, io.MultiReader(strings.NewReader("content")))
		request.Header.Set("TE", "trailers")
		request.Trailer = http.Header{"X-Mine": {"2"}, "Authorization": {"Basic x"}}
		resp, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(b) != "content" || err != nil {
			t.Errorf("%q %v", b, err)
		}
		if got := resp.Trailer; got.Get("X-Sum") != "1" || got.Get("X-Mine") != "2" || len(got) != 2 {
			t.Errorf("trailers: %v", got)
		}
	})
}

// Each 1xx is passed on, and a 100 where the client waits for it.
func TestInterimResponses(t *testing.T) {
	hints := func(r *app.Request) app.Answer {
		_ = r.Inform(103, app.Fields{{Name: "Link", Value: "</a.css>"}})
		_ = r.Inform(102, nil)
		return echo(r)
	}
	pairs(t, hints, gateway.Options{}, func(t *testing.T, c *http.Client, url string, g *gateway.Gateway) {
		var got []string
		trace := &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				got = append(got, fmt.Sprint(code, " ", h.Get("Link")))
				return nil
			},
			Got100Continue: func() { got = append(got, "continue") },
		}
		request, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "POST", url, strings.NewReader("content"))
		request.Header.Set("Expect", "100-continue")
		resp, err := c.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		text := strings.Join(got, ", ")
		if string(b) != "content" || !strings.Contains(text, "103 </a.css>") || !strings.Contains(text, "102 ") {
			t.Errorf("%q, interim: %s", b, text)
		}
	})
}

// A backend that never says 100 gets the content after a second; one that answers at once gets none.
func TestExpectations(t *testing.T) {
	silent := scripted(t, func(c net.Conn, r *bufio.Reader) {
		head := readHead(r)
		if !strings.Contains(head, "Expect: 100-continue\r\n") {
			t.Errorf("no expectation in %q", head)
		}
		b := make([]byte, 7)
		_, _ = io.ReadFull(r, b)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n%s", b)
	})
	refuses := scripted(t, func(c net.Conn, r *bufio.Reader) {
		readHead(r)
		io.WriteString(c, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
		if b, _ := io.ReadAll(r); len(b) > 0 {
			t.Errorf("content behind a 417: %q", b)
		}
	})
	for backend, want := range map[string]int{silent: 200, refuses: 417} {
		address, _ := forward(t, gateway.Options{}, "http://"+backend)
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n")
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, nil)
		if err == nil && resp.StatusCode == 100 {
			io.WriteString(c, "content")
			resp, err = http.ReadResponse(r, nil)
		}
		if err != nil || resp.StatusCode != want {
			t.Errorf("%v %v, want %d", resp, err, want)
		}
	}
}

// A gateway that forwards to itself finds out (RFC 9110 section 7.6.3).
func TestLoops(t *testing.T) {
	var front atomic.Pointer[app.Handler]
	address, _ := serveOn(t, func(r *app.Request) app.Answer { return (*front.Load())(r) })
	b := backendOf(t, "http://"+address)
	g := gateway.New(b, gateway.Options{Via: "gw"})
	handler := app.Handler(g.Serve)
	front.Store(&handler)
	resp, err := clientOf(t, false).Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 508 {
		t.Errorf("%s", resp.Status)
	}
}

// What comes out of a gateway is framed anew; nothing that could be a second request leaves it.
func TestSmuggling(t *testing.T) {
	heads := make(chan string, 16)
	backend := scripted(t, func(c net.Conn, r *bufio.Reader) {
		for {
			head := readHead(r)
			if head == "" {
				return
			}
			if i := strings.Index(head, "Content-Length: "); i >= 0 {
				var n int
				fmt.Sscan(head[i+len("Content-Length: "):], &n)
				b := make([]byte, n)
				_, _ = io.ReadFull(r, b)
				head += string(b)
			}
			heads <- head
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	address, _ := forward(t, gateway.Options{}, "http://"+backend)
	for _, c := range []struct {
		name, says string
		status     int
	}{
		{"both framings", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 31\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x10\r\n\r\n", 400},
		{"an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", 400},
		{"an unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n", 400},
		{"chunked twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"a bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
		{"a bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", 400},
		{"a space before the colon", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n", 400},
		{"a folded line", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"a NUL in Host", "GET / HTTP/1.1\r\nHost: a\x00\r\n\r\n", 400},
		{"userinfo", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
		{"a nominated length", "POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 3\r\n\r\nabc", 400},
		{"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405},
		{"an upgrade to h2c", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n", 200},
		{"absolute-form and another Host", "GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n", 200},
		{"GET with content", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789", 200},
	} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		io.WriteString(conn, c.says)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		conn.Close()
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("%s: %v %v, want %d", c.name, resp, err, c.status)
			continue
		}
		if c.status != 200 {
			continue
		}
		head := <-heads
		switch lower := strings.ToLower(head); {
		case strings.Contains(lower, "upgrade"), strings.Contains(lower, "http2-settings"), strings.Contains(lower, "connection:"):
			t.Errorf("%s: the backend saw %q", c.name, head)
		case strings.Contains(c.name, "absolute") && !strings.HasPrefix(head, "GET /c HTTP/1.1\r\nHost: b\r\n"):
			t.Errorf("%s: the backend saw %q", c.name, head)
		case strings.Contains(c.name, "content") && !strings.HasSuffix(head, "\r\n\r\n0123456789"):
			t.Errorf("%s: the backend saw %q", c.name, head)
		}
	}
	select {
	case head := <-heads:
		t.Errorf("the backend saw a request that nobody has sent: %q", head)
	default:
	}
}

// Clients of HTTP/1.0 get neither chunks nor interim responses.
func TestOldClients(t *testing.T) {
	backend, _ := serveOn(t, func(r *app.Request) app.Answer {
		_ = r.Inform(103, nil)
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] { return w.WriteAll([]byte("hello")) }))
	})
	address, _ := forward(t, gateway.Options{}, "h2c://"+backend)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET / HTTP/1.0\r\nHost: a\r\n\r\n")
	b, err := io.ReadAll(c)
	if text := string(b); err != nil || !strings.HasPrefix(text, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(text, "\r\n\r\nhello") || strings.Contains(text, "chunked") {
		t.Errorf("%q %v", b, err)
	}
}

// What one side has marked as never indexed is marked on the other (RFC 7541 section 6.2.3).
func TestSecretsStayOutOfTables(t *testing.T) {
	backend, _ := serveOn(t, func(r *app.Request) app.Answer {
		marked := spi.Sensitive(r)
		resp := app.Text(200, fmt.Sprint(marked != nil && marked("x-secret"), marked != nil && marked("x-other")))
		resp.Fields.Add("X-Answer", "1")
		resp.Fields.Add("X-Open", "2")
		resp.Sensitive = func(name string) bool { return strings.EqualFold(name, "x-answer") }
		return app.Ready(resp)
	})
	address, _ := forward(t, gateway.Options{}, "h2c://"+backend)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, http2.ClientPreface)
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"},
		{Name: ":authority", Value: "a"}, {Name: "x-secret", Value: "s", Sensitive: true}, {Name: "x-other", Value: "o"}} {
		_ = e.WriteField(f)
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	for content := ""; content == ""; {
		f, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			for _, h := range f.RegularFields() {
				if h.Sensitive != (h.Name == "x-answer") {
					t.Errorf("%s is marked: %v", h.Name, h.Sensitive)
				}
			}
		case *http2.DataFrame:
			if content = string(f.Data()); content != "true false" {
				t.Errorf("the backend saw the marks %s, want true false", content)
			}
		}
	}
}

// HEAD, 204 and 304 have no content, and HEAD and 304 the length that it would have.
func TestResponsesWithoutContent(t *testing.T) {
	backend := func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/204":
			return app.Ready(app.Empty(204))
		case "/304":
			return app.Ready(app.Empty(304).With("ETag", `"a"`))
		}
		return app.Ready(app.Text(200, "twelve bytes"))
	}
	pairs(t, backend, gateway.Options{}, func(t *testing.T, c *http.Client, url string, g *gateway.Gateway) {
		for _, want := range []struct {
			method, path string
			status       int
			length       string
		}{{"HEAD", "/", 200, "12"}, {"GET", "/204", 204, ""}, {"GET", "/304", 304, ""}, {"GET", "/", 200, "12"}, {"HEAD", "/204", 204, ""}} {
			request, _ := http.NewRequest(want.method, url+want.path, nil)
			resp, err := c.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != want.status || resp.Header.Get("Content-Length") != want.length || err != nil || len(b) > 0 != (want.method == "GET" && want.status == 200) {
				t.Errorf("%s %s: %d, Content-Length %q, %d bytes, %v", want.method, want.path, resp.StatusCode, resp.Header.Get("Content-Length"), len(b), err)
			}
		}
		if n := g.Counts().Exchanges[gateway.OK]; n != 5 {
			t.Errorf("%d exchanges are ok, want 5", n)
		}
	})
}

// A backend that closes kept connections without a word costs no GET, and no POST is processed twice.
func TestIdleConnectionsThatClose(t *testing.T) {
	var gets, posts atomic.Int32
	backend := scripted(t, func(c net.Conn, r *bufio.Reader) {
		for range 2 {
			head := readHead(r)
			switch {
			case strings.HasPrefix(head, "GET"):
				gets.Add(1)
			case strings.HasPrefix(head, "POST"):
				posts.Add(1)
			default:
				return
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	address, _ := forward(t, gateway.Options{}, "http://"+backend)
	c := clientOf(t, false)
	for i := range 200 {
		resp, err := c.Get("http://" + address)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("GET %d: %s", i, resp.Status)
		}
	}
	failed := 0
	for range 100 {
		resp, err := c.Post("http://"+address, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			failed++
		}
	}
	if n := int(posts.Load()); n > 100 {
		t.Errorf("100 POSTs were processed %d times", n)
	}
	t.Logf("%d GETs seen of 200, %d POSTs of 100, %d failed", gets.Load(), posts.Load(), failed)
}

// Content that does not have its stated length is never passed on as if it did (RFC 9113 section 8.1.1).
func TestContentOfAnotherLength(t *testing.T) {
	begun, whole := make(chan bool, 4), make(chan bool, 4)
	backend := scripted(t, func(c net.Conn, r *bufio.Reader) {
		readHead(r)
		begun <- true
		b := make([]byte, 10)
		n, _ := io.ReadFull(r, b)
		whole <- n == 10
	})
	address, _ := forward(t, gateway.Options{}, "http://"+backend)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, http2.ClientPreface)
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range []hpack.HeaderField{{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"}, {Name: ":path", Value: "/"},
		{Name: ":authority", Value: "a"}, {Name: "content-length", Value: "10"}} {
		_ = e.WriteField(f)
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true})
	_ = framer.WriteData(1, false, []byte("12345"))
	<-begun
	_ = framer.WriteData(1, true, nil)
	for done := false; !done; {
		f, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if done = true; f.PseudoValue("status") != "400" {
				t.Errorf("status %s", f.PseudoValue("status"))
			}
		case *http2.RSTStreamFrame:
			done = true
		}
	}
	select {
	case all := <-whole:
		if all {
			t.Error("the backend got a complete request")
		}
	case <-time.After(patience):
		t.Error("the backend's request was not broken off")
	}
}
