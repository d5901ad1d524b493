//go:build linux

package server_test

import (
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// A proxy that reads a 100 and a final head at once may take the 100 for all there is (HAProxy 2.6 does). The
// final head follows when content moves, or in another turn if the application waits for none.
func TestContinueLeavesAlone(t *testing.T) {
	const hundred = "HTTP/1.1 100 Continue\r\n\r\n"
	t.Run("content made of the content", func(t *testing.T) {
		s := serve(t, echo)
		l := s.dial()
		l.say(post("/", 5, "Expect: 100-continue"))
		if heard := l.segment(); heard != hundred {
			t.Fatalf("heard %q", heard)
		}
		l.nothing()
		l.say("hello")
		l.hear("POST", 200, "hello")
	})
	t.Run("content of its own", func(t *testing.T) {
		s := serve(t, func(r *app.Request) app.Answer {
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				return app.Then(w.WriteString("first, "), func(app.Done) app.Future[app.Done] {
					return app.Map(app.Copy(w, r.Body), func(int64) (app.Done, error) { return app.Done{}, nil })
				})
			}))
		})
		l := s.dial()
		l.say(post("/", 5, "Expect: 100-continue"))
		l.hear("POST", 100, "")
		response := l.head("POST", 200)
		if heard, err := io.ReadAll(io.LimitReader(response.Body, 7)); err != nil || string(heard) != "first, " {
			t.Fatalf("heard %q, %v", heard, err)
		}
		l.say("hello")
		if heard, err := io.ReadAll(response.Body); err != nil || string(heard) != "hello" {
			t.Fatalf("heard %q, %v", heard, err)
		}
	})
	t.Run("no content at all", func(t *testing.T) {
		s := serve(t, func(r *app.Request) app.Answer {
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				return app.Sleep(r, time.Hour)
			}))
		})
		l := s.dial()
		l.say(post("/", 5, "Expect: 100-continue"))
		l.hear("POST", 100, "")
		l.head("POST", 200)
		l.reset()
	})
}

// Content that turns out malformed before a byte of the answer is out has the 400, whatever the handler did.
func TestMalformedContentOfAStream(t *testing.T) {
	for name, handler := range map[string]app.Handler{"streamed": echo, "whole": hello} {
		s := serve(t, handler)
		l := s.dial()
		l.say(post("/", -1) + "5\r\nhello\r\nwrong\r\n" + get("/never"))
		l.status("POST", 400)
		l.end()
		counts := s.Counts()
		if got := counts.Responses[app.HTTP11]; !maps.Equal(got, map[int]uint64{400: 1}) {
			t.Errorf("%s: %v are counted", name, got)
		}

		// Once its head is out, the answer is cut.
		l = s.dial()
		l.say(post("/", -1) + "5\r\nhello\r\n")
		l.head("POST", 200)
		l.say("wrong\r\n")
		if rest, err := io.ReadAll(l.r); err != nil && name == "whole" || strings.Contains(string(rest), "HTTP/") || strings.HasSuffix(string(rest), "\r\n0\r\n\r\n") {
			t.Errorf("%s: then %q, %v", name, rest, err)
		}
	}
}
