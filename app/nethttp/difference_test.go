//go:build linux

package nethttp_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// sameCase is a handler and a request whose response must be that of net/http.
type sameCase struct {
	name    string
	request string // over HTTP/1: lines end with a line feed, GET / if it is empty
	method  string // over HTTP/2, with body; GET if it is empty
	body    string
	only    nethttptest.Mode // empty: both
	handler http.HandlerFunc
	// differs is the reason why the responses differ, if they do; differs1 and differs2 over one protocol.
	differs, differs1, differs2 string
}

// sameCases are the cases of TestResponsesAreThoseOfNetHTTP.
var sameCases = []sameCase{
	{name: "nothing", handler: func(w http.ResponseWriter, r *http.Request) {}},
	{name: "a short text", handler: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }},
	{name: "an empty write", handler: func(w http.ResponseWriter, r *http.Request) { w.Write(nil) }},
	{name: "a status alone", handler: func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(404) }},
	{name: "a page", handler: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html><body>") }},
	{name: "2048 bytes", handler: writes(2048)},
	{name: "2049 bytes", handler: writes(2049)},
	{name: "4096 bytes", handler: writes(4096)},
	{name: "4097 bytes", handler: writes(4097)},
	{name: "many writes", handler: writes(100, 1000, 1000, 3000, 10, 70000, 1)},
	{name: "HEAD of a short text", request: "HEAD / HTTP/1.1\nHost: x\n\n", method: "HEAD",
		handler: func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }},
	{name: "HEAD of nothing", request: "HEAD / HTTP/1.1\nHost: x\n\n", method: "HEAD",
		handler: func(w http.ResponseWriter, r *http.Request) {}},
	{name: "HEAD of much", request: "HEAD / HTTP/1.1\nHost: x\n\n", method: "HEAD", handler: writes(5000, 5000)},
	{name: "HEAD with a length", request: "HEAD / HTTP/1.1\nHost: x\n\n", method: "HEAD",
		handler: func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Content-Length", "1234") }},
	{name: "a length", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
	}},
	{name: "a length and a flush", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "he")
		w.(http.Flusher).Flush()
		io.WriteString(w, "llo")
	}},
	{name: "too little", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "he")
	}},
	{name: "too much", differs: "the response is complete, so that the connection and the stream go on", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
		_, err := io.WriteString(w, "!")
		if r.ProtoMajor == 1 && err != http.ErrContentLength {
			panic(err)
		}
	}},
	{name: "an invalid length", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "five")
		io.WriteString(w, "hello")
	}},
	{name: "204", handler: status(204)},
	{name: "204 with fields of content", differs2: "RFC 9110 section 8.6 forbids the length", handler: status(204, "Content-Type", "text/plain", "Content-Length", "5", "X-A", "b")},
	{name: "304", handler: status(304)},
	{name: "304 with fields of content", handler: status(304, "Content-Type", "text/plain", "Content-Length", "5", "Etag", `"x"`)},
	{name: "205", handler: status(205)},
	{name: "299", handler: status(299)},
	{name: "599", handler: status(599)},
	{name: "600", handler: status(600)},
	{name: "999", handler: status(999)},
	{name: "content for 304", handler: func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(304)
		if _, err := io.WriteString(w, "x"); err != http.ErrBodyNotAllowed {
			panic(err)
		}
	}},
	{name: "no Date", handler: status(200, "Date", "")},
	{name: "a Date", handler: func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Date", "Thu, 01 Jan 1970 00:00:00 GMT") }},
	{name: "no Content-Length", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Length"] = nil
		io.WriteString(w, "hello")
	}},
	{name: "no Content-Type", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		io.WriteString(w, "hello")
	}},
	{name: "a Content-Encoding is not sniffed", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "hello")
	}},
	{name: "fields after the head", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Before", "1")
		w.WriteHeader(200)
		w.Header().Set("X-After", "1")
		w.Header().Del("X-Before")
	}},
	{name: "fields after a short write", handler: func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
		w.Header().Set("X-After", "1")
	}},
	{name: "superfluous WriteHeader", handler: func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(201)
		w.WriteHeader(404)
	}},
	{name: "line breaks in a field", differs2: "net/http drops values over HTTP/2 that it mends over HTTP/1", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Multi"] = []string{"a\r\nb", " c ", ""}
		w.Header()["Bad Name"] = []string{"x"}
	}},
	{name: "raw names", handler: func(w http.ResponseWriter, r *http.Request) { w.Header()["x-LOWER"] = []string{"1"} }},
	{name: "announced trailers", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-T, X-Unset")
		w.Header().Add("Trailer", "X-U")
		io.WriteString(w, "hello")
		w.Header().Set("X-T", "t")
		w.Header().Set("X-U", "u")
		w.Header().Set("X-Other", "o")
	}},
	{name: "trailers by prefix", handler: func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		io.WriteString(w, "hello")
		w.Header().Set(http.TrailerPrefix+"X-T", "t")
	}},
	{name: "trailers by prefix without a flush", differs1: "net/http drops them, though only after short content", handler: func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
		w.Header().Set(http.TrailerPrefix+"X-T", "t")
	}},
	{name: "trailers by prefix before the head", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(http.TrailerPrefix+"X-T", "t")
		io.WriteString(w, "hello")
	}},
	{name: "Connection: close", handler: status(200, "Connection", "close")},
	{name: "Transfer-Encoding: identity", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Transfer-Encoding", "identity")
		io.WriteString(w, "hello")
	}},
	{name: "Transfer-Encoding: chunked", only: nethttptest.H1, handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Transfer-Encoding", "chunked")
		io.WriteString(w, "hello")
	}},
	{name: "a flush alone", handler: func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush() }},
	{name: "informational responses", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(103)
		w.Header().Set("Link", "</b>")
		w.WriteHeader(103)
		w.Header().Del("Link")
		io.WriteString(w, "hello")
	}},
	{name: "an error", handler: func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusTeapot) }},
	{name: "a redirect", handler: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there?x=1", http.StatusFound) }},
	{name: "a panic", handler: func(w http.ResponseWriter, r *http.Request) { panic("at the disco") }},
	{name: "a panic after some content", handler: func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}},
	{name: "the request", differs2: "a request without content has http.NoBody over HTTP/2, too", handler: dumpRequest},
	{name: "a request with much in it", differs1: "a target with a fragment is refused", handler: dumpRequest, only: nethttptest.H1,
		request: "POST /a%2fb/c%20d/%C3%A9?q=1&r=%20;s#f HTTP/1.1\nHost: Example.com:80\ncookie: a=b\nCookie: c=d\nx-y: 1\nX-Y: 2\nContent-Length: 3\nConnection: close\n\nabc"},
	{name: "an absolute target", handler: dumpRequest, only: nethttptest.H1, request: "GET http://other.example/p?q HTTP/1.1\nHost: x\n\n"},
	{name: "two slashes", handler: dumpRequest, only: nethttptest.H1, request: "GET //a//b HTTP/1.1\nHost: x\n\n"},
	{name: "OPTIONS *", handler: dumpRequest, only: nethttptest.H1, request: "OPTIONS * HTTP/1.1\nHost: x\n\n"},
	{name: "HTTP/1.0", handler: dumpRequest, only: nethttptest.H1, request: "GET / HTTP/1.0\n\n"},
	{name: "HTTP/1.0 with keep-alive", handler: dumpRequest, only: nethttptest.H1, request: "GET / HTTP/1.0\nConnection: keep-alive\n\n"},
	{name: "HTTP/1.0 streamed", handler: writes(100, 5000), only: nethttptest.H1, request: "GET / HTTP/1.0\nConnection: keep-alive\n\n"},
	{name: "Pragma", handler: dumpRequest, only: nethttptest.H1, request: "GET / HTTP/1.1\nHost: x\nPragma: no-cache\n\n"},
	{name: "chunked content with trailers", handler: dumpRequest, only: nethttptest.H1,
		request: "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTrailer: X-T, X-Unsent\n\n3\nabc\n0\nX-T: t\nX-Other: o\n\n"},
	{name: "content", handler: dumpRequest, method: "POST", body: "some content", request: "POST / HTTP/1.1\nHost: x\nContent-Length: 12\n\nsome content"},
	{name: "content that is not read", handler: status(200), method: "POST", body: "some content", request: "POST / HTTP/1.1\nHost: x\nContent-Length: 12\n\nsome content"},
	{name: "too much content that is not read", handler: status(200), only: nethttptest.H1,
		request: "POST / HTTP/1.1\nHost: x\nContent-Length: 300000\n\n" + strings.Repeat("x", 300000)},
	{name: "chunks that are not read", handler: status(200), only: nethttptest.H1,
		request: "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n"},
	{name: "too many chunks that are not read", handler: status(200), only: nethttptest.H1,
		request: "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n493e0\n" + strings.Repeat("x", 300000) + "\n0\n\n"},
	{name: "a 100 that the handler asks for", differs1: "the content is asked for even if some of the response was written before", handler: dumpRequest, only: nethttptest.H1,
		request: "POST / HTTP/1.1\nHost: x\nContent-Length: 3\nExpect: 100-continue\n\nabc"},
	{name: "MaxBytesReader", differs1: "net/http calls an unexported method of its own writer; ours drops the rest of the content, as any that is not read", method: "POST", body: "some content", request: "POST / HTTP/1.1\nHost: x\nContent-Length: 12\n\nsome content",
		handler: func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 5))
			fmt.Fprint(w, err)
		}},
	{name: "a read after Close", differs2: "the error is http.ErrBodyReadAfterClose over HTTP/2, too", method: "POST", body: "some content", request: "POST / HTTP/1.1\nHost: x\nContent-Length: 12\n\nsome content",
		handler: func(w http.ResponseWriter, r *http.Request) {
			r.Body.Close()
			_, err := r.Body.Read(make([]byte, 1))
			fmt.Fprint(w, errors.Is(err, http.ErrBodyReadAfterClose))
		}},
	{name: "interfaces", handler: func(w http.ResponseWriter, r *http.Request) {
		_, flusher := w.(http.Flusher)
		_, notifier := w.(http.CloseNotifier) //lint:ignore SA1019 handlers use it
		_, pusher := w.(http.Pusher)
		_, readerFrom := w.(io.ReaderFrom)
		_, writer := w.(io.StringWriter)
		_, reader := w.(io.Reader)
		_, closer := w.(io.Closer)
		fmt.Fprint(w, flusher, notifier, pusher, readerFrom, writer, reader, closer)
	}},
	{name: "values of the context", handler: func(w http.ResponseWriter, r *http.Request) {
		_, server := r.Context().Value(http.ServerContextKey).(*http.Server)
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		fmt.Fprint(w, server, local.Network(), r.Context().Err(), context.Cause(r.Context()))
	}},
	{name: "a controller", handler: func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		fmt.Fprint(w, c.SetReadDeadline(time.Now().Add(time.Hour)), c.SetWriteDeadline(time.Time{}), c.EnableFullDuplex(), c.Flush())
	}},
}

// writes returns a handler that writes pieces of these sizes.
func writes(sizes ...int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, n := range sizes {
			if written, err := w.Write([]byte(strings.Repeat("a", n))); written != n || err != nil {
				panic(err)
			}
		}
	}
}

// status returns a handler that answers with a status and fields, given as name, value; an empty value stands for none.
func status(code int, fields ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(fields); i += 2 {
			if fields[i+1] == "" {
				w.Header()[fields[i]] = nil
				continue
			}
			w.Header().Set(fields[i], fields[i+1])
		}
		w.WriteHeader(code)
	}
}

// dumpRequest writes what a handler can see of its request.
func dumpRequest(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s %s %d.%d\n", r.Method, r.RequestURI, r.Proto, r.ProtoMajor, r.ProtoMinor)
	fmt.Fprintf(w, "url %#v\n", *r.URL)
	fmt.Fprintf(w, "host %s length %d te %v close %v\n", strings.Split(r.Host, ":")[0], r.ContentLength, r.TransferEncoding, r.Close)
	fmt.Fprintf(w, "trailer %v body %v\n", r.Trailer, r.Body == http.NoBody)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
	}
	content, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%q %v trailer %v\n", content, err, r.Trailer)
	n, err := r.Body.Read(make([]byte, 1))
	fmt.Fprintf(w, "%d %v form %v\n", n, err, r.FormValue("q"))
}

// TestResponsesAreThoseOfNetHTTP runs each case on net/http and on ours.
func TestResponsesAreThoseOfNetHTTP(t *testing.T) {
	for _, mode := range []nethttptest.Mode{nethttptest.H1, nethttptest.H2C} {
		handler := &switchedHandler{}
		ours := nethttptest.Start(t, mode, &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)})
		theirs := startNetHTTP(t, handler)
		for i := range sameCases {
			c := &sameCases[i]
			if c.only != "" && c.only != mode {
				continue
			}
			t.Run(string(mode)+"/"+c.name, func(t *testing.T) {
				handler.Store(&c.handler)
				ask := func(addr string) string { return c.over1(t, addr) }
				if mode == nethttptest.H2C {
					client := ours.Client()
					ask = func(addr string) string { return c.over2(t, client, addr) }
				}
				differs := cmp.Or(c.differs, map[nethttptest.Mode]string{nethttptest.H1: c.differs1, nethttptest.H2C: c.differs2}[mode])
				want, is := ask(theirs), ask(ours.Addr)
				switch {
				case is != want && differs == "":
					t.Errorf("net/http:\n%s\nours:\n%s", want, is)
				case is == want && differs != "":
					t.Errorf("there is no difference, but a reason for one: %s", differs)
				}
			})
		}
	}
}

// switchedHandler calls the handler of the present case.
type switchedHandler struct {
	atomic.Pointer[http.HandlerFunc]
}

func (s *switchedHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*s.Load())(w, r) }

// startNetHTTP starts a server of net/http for HTTP/1 and cleartext HTTP/2, and returns its address.
func startNetHTTP(t *testing.T, handler http.Handler) string {
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = &http.Protocols{}
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// over1 sends the request over HTTP/1 and describes everything that comes back.
func (c *sameCase) over1(t *testing.T, addr string) string {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := strings.ReplaceAll(c.request, "\n", "\r\n")
	if request == "" {
		request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	}
	go io.WriteString(conn, request)
	r := bufio.NewReader(conn)
	var all strings.Builder
	for {
		method, _, _ := strings.Cut(request, " ")
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			fmt.Fprintln(&all, "no response:", err)
			return all.String()
		}
		describe(&all, resp)
		if resp.StatusCode >= 200 {
			fmt.Fprintf(&all, "framing %v, length %d, close %v\n", resp.TransferEncoding, resp.ContentLength, resp.Close)
			break
		}
	}
	_, _ = io.WriteString(conn, "GET /again HTTP/1.1\r\nHost: x\r\n\r\n")
	_, err = r.ReadByte()
	fmt.Fprintln(&all, "closed", err != nil)
	return all.String()
}

// over2 sends the request over HTTP/2.
func (c *sameCase) over2(t *testing.T, client *http.Client, addr string) string {
	method := c.method
	if method == "" {
		method = "GET"
	}
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	request, err := http.NewRequest(method, "http://"+addr+"/", body)
	if err != nil {
		t.Fatal(err)
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(request)
	if err != nil {
		return "no response"
	}
	var all strings.Builder
	describe(&all, resp)
	fmt.Fprintln(&all, "length", resp.ContentLength)
	return all.String()
}

// describe writes a response, with the value of Date replaced.
func describe(all *strings.Builder, resp *http.Response) {
	content, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if _, ok := resp.Header["Date"]; ok && resp.Header.Get("Date") != "Thu, 01 Jan 1970 00:00:00 GMT" {
		resp.Header.Set("Date", "now")
	}
	fmt.Fprintln(all, resp.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		fmt.Fprintf(all, "%s: %q\n", name, resp.Header[name])
	}
	fmt.Fprintf(all, "%q %v\n", content, err != nil)
	for _, name := range slices.Sorted(maps.Keys(resp.Trailer)) {
		fmt.Fprintf(all, "trailer %s: %q\n", name, resp.Trailer[name])
	}
}
