//go:build linux

package server_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// post is the head of a request with n bytes of content; -1: chunked.
func post(path string, n int, fields ...string) string {
	length := "Content-Length: " + strconv.Itoa(n)
	if n < 0 {
		length = "Transfer-Encoding: chunked"
	}
	return "POST " + path + " HTTP/1.1\r\nHost: a\r\n" + length + "\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

func get(path string, fields ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
}

// whole answers with all of the content, and the trailers behind it.
func whole(r *app.Request) app.Answer {
	return app.Map(r.Body.ReadAll(1<<20), func(all []byte) (*app.Response, error) {
		text := string(all)
		for _, f := range r.Trailers() {
			text += "|" + f.Name + "=" + f.Value
		}
		return app.Text(200, text), nil
	})
}

// digest answers with the content's length and hash.
func digest(r *app.Request) app.Answer {
	hash := sha256.New()
	buf := make([]byte, 8<<10)
	count := r.Body.Each(buf, func(p []byte) app.Future[app.Done] {
		hash.Write(p)
		return app.Ready(app.Done{})
	})
	return app.Map(count, func(n int64) (*app.Response, error) {
		return app.Text(200, fmt.Sprint(n, " ", hex.EncodeToString(hash.Sum(nil)))), nil
	})
}

// RFC 9110 section 10.1.1: the peer is told to go on when the application reads, and not before.
func TestContinueWhenTheApplicationReads(t *testing.T) {
	begin := make(chan func(), 1)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[app.Done](r)
		begin <- func() { p.Resolve(app.Done{}) }
		return app.Then(f, func(app.Done) app.Answer { return whole(r) })
	})
	l := s.dial()
	l.say(post("/", 5, "Expect: 100-continue"))
	read := <-begin
	l.nothing()
	read()
	l.hear("POST", 100, "")
	l.say("hello")
	l.hear("POST", 200, "hello")
	l.say(get("/next"))
	(<-begin)()
	l.hear("GET", 200, "")
}

// An answer that does not wait for the content ends the connection: the peer may or may not send it.
func TestAnswerInPlaceOfContinue(t *testing.T) {
	s := serve(t, hello)
	l := s.dial()
	l.say(post("/", 5, "Expect: 100-continue"))
	if !l.hear("POST", 200, "Hello, World!").Close {
		t.Error("the connection is said to go on")
	}
	l.say("hello" + get("/never"))
	l.end()
}

// Chunks with extensions, and trailers, reach the application.
func TestChunkedContentWithTrailers(t *testing.T) {
	s := serve(t, whole)
	l := s.dial()
	l.say(post("/", -1) + "4;a=b\r\nGate\r\n5\r\nwheel\r\n0\r\nSum: 9\r\nX-Later: yes\r\n\r\n")
	l.hear("POST", 200, "Gatewheel|Sum=9|X-Later=yes")
	l.say(get("/"))
	l.hear("GET", 200, "")
}

// 103 Early Hints leave ahead of the answer, in time.
func TestEarlyHints(t *testing.T) {
	later := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		if err := r.Inform(103, app.Fields{{Name: "Link", Value: "</style.css>; rel=preload"}}); err != nil {
			return app.Fail(err)
		}
		p, f := app.Promised[*app.Response](r)
		later <- p
		return f
	})
	l := s.dial()
	l.say(get("/"))
	if hints := l.hear("GET", 103, ""); hints.Header.Get("Link") != "</style.css>; rel=preload" {
		t.Errorf("fields %v", hints.Header)
	}
	(<-later).Resolve(app.Text(200, "page"))
	l.hear("GET", 200, "page")

	c := s.dial2()
	c.request(1, "GET", "/", true)
	if status := c.headers(1).status; status != "103" {
		t.Errorf("status %s", status)
	}
	(<-later).Resolve(app.Text(200, "page"))
	if status := c.headers(1).status; status != "200" {
		t.Errorf("status %s", status)
	}
}

// Where there can be no content none is sent, whatever the application gave, and the exchange is over: its
// context ends, and what its content holds open is closed.
func TestAnswersWithoutContent(t *testing.T) {
	over := make(chan string, 4)
	contents := map[string]func() app.Content{
		"bytes": func() app.Content { return app.Bytes("hello") },
		"pull": func() app.Content {
			return &app.Pull{Size: 5, Read: func([]byte) (int, error) { panic("content was read") }}
		},
		"stream": func() app.Content {
			return &app.Stream{Size: 5, Produce: func(*app.Writer) app.Future[app.Done] { panic("content was produced") },
				OnClose: func() { over <- "closed" }}
		},
	}
	s := serve(t, func(r *app.Request) app.Answer {
		status, _ := strconv.Atoi(r.QueryValue("status"))
		kind := r.QueryValue("content")
		ctx := r.Context()
		if kind != "stream" {
			go func() {
				<-ctx.Done()
				over <- context.Cause(ctx).Error()
			}()
		}
		return app.Ready(&app.Response{Status: status, Content: contents[kind]()})
	})
	for _, c := range []struct {
		method string
		status int
	}{{"HEAD", 200}, {"HEAD", 404}, {"GET", 204}, {"GET", 205}, {"GET", 304}} {
		for kind := range contents {
			path := "/?status=" + strconv.Itoa(c.status) + "&content=" + kind
			t.Run(c.method+path, func(t *testing.T) {
				want := app.ErrRequestDone.Error()
				if kind == "stream" {
					want = "closed"
				}
				l := s.in(t).dial()
				l.say(c.method + " " + path + " HTTP/1.1\r\nHost: a\r\n\r\n")
				response := l.hear(c.method, c.status, "")
				if c.method == "HEAD" && response.ContentLength != 5 {
					t.Errorf("length %d", response.ContentLength)
				}
				if got := <-over; got != want {
					t.Errorf("the exchange ended as %q, want %q", got, want)
				}
				l.say(get("/?status=204&content=bytes"))
				l.hear("GET", 204, "")
				<-over

				h := s.in(t).dial2()
				h.request(1, c.method, path, true)
				if head := h.headers(1); head.status != strconv.Itoa(c.status) || !head.end {
					t.Errorf("HTTP/2: %+v", head)
				}
				if got := <-over; got != want {
					t.Errorf("HTTP/2: the exchange ended as %q, want %q", got, want)
				}
			})
		}
	}
}

// Content that nobody reads: a little is skipped and the connection goes on.
func TestUnreadContentIsSkipped(t *testing.T) {
	s := serve(t, hello)
	l := s.dial()
	l.say(post("/", 100<<10))
	l.hear("POST", 200, "Hello, World!")
	l.say(strings.Repeat("x", 100<<10) + get("/"))
	l.hear("GET", 200, "Hello, World!")
}

// Much of it ends the connection. RFC 9112 section 9.6: the answer arrives although the peer still sends.
func TestUnreadContentEndsTheConnection(t *testing.T) {
	s := serve(t, hello)
	for _, length := range []int{64 << 20, -1} {
		l := s.dial()
		sent := l.flood(post("/", length), length < 0)
		if response := l.hear("POST", 200, "Hello, World!"); length > 0 && !response.Close {
			t.Error("the connection is said to go on")
		}
		l.Close()
		if n := <-sent; n >= 64<<20 {
			t.Errorf("the server has taken all %d bytes", n)
		}
	}
}

// Content that is announced to be larger than allowed is refused before it comes; an unannounced one when
// it exceeds the limit.
func TestMaxBody(t *testing.T) {
	s := serve(t, digest, func(c *server.Config) { c.MaxBody = 1000 })
	for name, request := range map[string]string{
		"announced": post("/", 1001),
		"expecting": post("/", 1001, "Expect: 100-continue"),
		"chunked":   post("/", -1) + "3e8\r\n" + strings.Repeat("x", 1000) + "\r\n1\r\nx\r\n0\r\n\r\n",
		"one chunk": post("/", -1) + "3e9\r\n" + strings.Repeat("x", 1001) + "\r\n0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := s.in(t).dial()
			l.say(request)
			l.status("POST", 413)
		})
	}
	l := s.dial()
	l.say(post("/", -1) + "3e8\r\n" + strings.Repeat("x", 1000) + "\r\n0\r\n\r\n")
	l.status("POST", 200)

	for _, length := range []int64{1000, 1001} {
		for _, announced := range []bool{true, false} {
			t.Run(fmt.Sprint("HTTP/2 ", length, announced), func(t *testing.T) {
				request, err := http.NewRequest("POST", s.url("/"), io.LimitReader(forever{}, length))
				if err != nil {
					t.Fatal(err)
				}
				if announced {
					request.ContentLength = length
				}
				response, err := s.in(t).client2().Do(request)
				if err != nil {
					t.Fatal(err)
				}
				response.Body.Close()
				if want := map[int64]int{1000: 200, 1001: 413}[length]; response.StatusCode != want {
					t.Errorf("status %d, want %d", response.StatusCode, want)
				}
			})
		}
	}
}

// A client that sends all of its content before it reads gets the 413 too, however much that is: with the
// content announced and without, in the clear and over TLS. Python's http.client is one.
func TestRefusalIsReadBehindContent(t *testing.T) {
	const size = 24 << 20
	for name, dial := range map[string]func(*testing.T, *site) *line{
		"in the clear": func(t *testing.T, s *site) *line { return s.in(t).dial() },
		"TLS":          func(t *testing.T, s *site) *line { return s.in(t).dialTLS(anyone()) },
	} {
		t.Run(name, func(t *testing.T) {
			limit := func(c *server.Config) { c.MaxBody = 1000 }
			s := serve(t, digest, limit)
			if name == "TLS" {
				s = serve(t, digest, limit, withIdentity(issue(t, "a.test", nil)))
			}
			for range 4 {
				l := dial(t, s)
				l.say(post("/", size))
				for range size >> 20 {
					l.say(strings.Repeat("x", 1<<20))
				}
				l.status("POST", 413)
				l.close()
				l = dial(t, s)
				l.say(post("/", -1))
				for range size >> 20 {
					l.say("100000\r\n" + strings.Repeat("x", 1<<20) + "\r\n")
				}
				l.say("0\r\n\r\n")
				l.status("POST", 413)
				l.close()
			}
		})
	}
}

// MaxBody holds also for content that the application leaves unread.
func TestMaxBodyUnread(t *testing.T) {
	started := make(chan *app.Promise[*app.Response], 1)
	s := serve(t, func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		started <- p
		return f
	}, func(c *server.Config) { c.MaxBody = 1000 })
	l := s.dial()
	l.say(post("/", -1) + "ffff\r\n" + strings.Repeat("x", 0xffff) + "\r\n0\r\n\r\n")
	(<-started).Resolve(app.Text(200, "hello"))
	l.hear("POST", 200, "hello")
}

// An application that reads in tiny pieces, with pauses, gets every byte in order and stops nobody.
func TestContentReadInTinyPieces(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		hash := sha256.New()
		n := r.Body.Each(make([]byte, 7), func(p []byte) app.Future[app.Done] {
			hash.Write(p)
			return app.Sleep(r, time.Microsecond)
		})
		return app.Map(n, func(n int64) (*app.Response, error) {
			return app.Text(200, fmt.Sprint(n, " ", hex.EncodeToString(hash.Sum(nil)))), nil
		})
	})
	content := pattern(20_000)
	for name, client := range map[string]*http.Client{"HTTP/1.1": s.client(), "HTTP/2": s.client2()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, err := client.Post(s.url("/"), "text/plain", strings.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if got, _ := io.ReadAll(response.Body); string(got) != digestOf(content) {
				t.Errorf("got %s", got)
			}
		})
	}
}

// An application that takes what came, pauses and asks again is told of what comes later.
func TestContentComesAfterAPause(t *testing.T) {
	asks := make(chan func(), 1)
	s := serve(t, func(r *app.Request) app.Answer {
		var all []byte
		n := r.Body.Each(make([]byte, 100), func(p []byte) app.Future[app.Done] {
			all = append(all, p...)
			p2, f := app.Promised[app.Done](r)
			asks <- func() { p2.Resolve(app.Done{}) }
			return f
		})
		return app.Map(n, func(int64) (*app.Response, error) { return app.Text(200, string(all)), nil })
	})
	l := s.dial()
	l.say(post("/", 10) + "one")
	ask := <-asks
	ask()
	l.say("two")
	(<-asks)()
	l.say("four")
	(<-asks)()
	l.hear("POST", 200, "onetwofour")
}

// A window that closes and opens again does not break content off, whatever gives it.
func TestContentThroughASmallWindow(t *testing.T) {
	content := pattern(50)
	s := serve(t, func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/bytes":
			return app.Ready(app.Text(200, content))
		case "/stream":
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] { return w.WriteString(content) }))
		}
		size, _ := strconv.ParseInt(r.QueryValue("size"), 10, 64)
		return app.Ready(app.Pulled(200, "text/plain", size, strings.NewReader(content).Read))
	})
	for _, path := range []string{"/bytes", "/stream", "/pull?size=50", "/pull?size=-1"} {
		t.Run(path, func(t *testing.T) {
			l := s.in(t).dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 7})
			l.request(1, "GET", path, true)
			l.headers(1)
			got := ""
			for end := false; !end; {
				heard := l.frame()
				f, ok := heard.(*http2.DataFrame)
				if !ok || len(f.Data()) > 7 {
					t.Fatalf("heard %v", heard)
				}
				got += string(f.Data())
				if end = f.StreamEnded(); !end {
					l.must(l.framer.WriteWindowUpdate(1, uint32(len(f.Data()))))
				}
			}
			if got != content {
				t.Errorf("heard %q", got)
			}
		})
	}
}

// However an upload is split into packets, it is the same.
func TestUploadSplitAtEveryByte(t *testing.T) {
	s := serve(t, whole)
	messages := post("/", 11) + "hello world" + post("/", -1) + "6\r\nhello \r\n5;x=y\r\nworld\r\n0\r\nSum: 1\r\n\r\n"
	for split := range len(messages) {
		l := s.dial()
		l.say(messages[:split])
		l.say(messages[split:])
		l.hear("POST", 200, "hello world")
		l.hear("POST", 200, "hello world|Sum=1")
		l.Close()
	}
	l := s.dial()
	for i := range len(messages) {
		l.say(messages[i : i+1])
	}
	l.hear("POST", 200, "hello world")
	l.hear("POST", 200, "hello world|Sum=1")
}
