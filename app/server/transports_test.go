//go:build linux

package server_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// These tests want the same of each transport.

func TestEchoWhileArriving(t *testing.T) {
	s := serve(t, echo)
	s.overBoth(func(t *testing.T, c *http.Client) { echoInSteps(t, s.in(t), c) })
}

// Content larger than all buffers flows in both directions at the same time.
func TestEchoBothWaysAtOnce(t *testing.T) {
	const size = 16 << 20
	s := serve(t, builtIn(t, ""))
	s.overBoth(func(t *testing.T, c *http.Client) {
		reader, writer := io.Pipe()
		go func() {
			// The pipe is written as the transport reads it.
			_, err := io.Copy(writer, io.LimitReader(forever{}, size))
			writer.CloseWithError(err)
		}()
		response, err := c.Do(s.to("POST", "/echo", reader))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if n, err := io.Copy(io.Discard, response.Body); n != size || err != nil {
			t.Fatalf("%d bytes came back, %v", n, err)
		}
	})
}

// Trailer fields arrive in both directions, after content or none, announced or not.
func TestTrailers(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(app.Copy(w, r.Body), func(int64) app.Future[app.Done] {
				w.Trailer("Got", r.Trailers().Get("sent"))
				return app.Ready(app.Done{})
			})
		}).With("Trailer", "Got"))
	})
	s.overBoth(func(t *testing.T, c *http.Client) {
		for _, content := range []string{"", "content"} {
			request := s.to("POST", "/", io.NopCloser(strings.NewReader(content)))
			request.Trailer = http.Header{"Sent": {"a trailer"}}
			response, err := c.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil || string(got) != content || response.Trailer.Get("Got") != "a trailer" {
				t.Errorf("content %q, %v, trailers %v", got, err, response.Trailer)
			}
		}
	})
}

// A connection beyond the limit is refused in the words of its protocol, and there is room again when one leaves.
func TestTooManyConnections(t *testing.T) {
	for name, c := range map[string]struct {
		option func(*server.Config)
		dial   func(*site, *tls.Config) *line
	}{
		"cleartext": {func(*server.Config) {}, func(s *site, _ *tls.Config) *line { return s.dial() }},
		"TLS":       {withIdentity(issue(t, "a.test", nil)), (*site).dialTLS},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, hello, c.option, func(c *server.Config) { c.MaxConnections = 2 })
			first, second := c.dial(s, anyone()), c.dial(s, anyone())
			for _, l := range []*line{first, second} {
				l.say(get("/"))
				l.hear("GET", 200, "Hello, World!")
			}
			third := c.dial(s, anyone())
			third.say(get("/"))
			response := third.hear("GET", 503, "too many connections, try again in a while")
			if response.Header.Get("Retry-After") == "" || !response.Close {
				t.Errorf("fields %v", response.Header)
			}
			third.end()
			_ = third.Close()
			if n := s.Stats().Refused; n != 1 {
				t.Errorf("%d were refused", n)
			}
			_ = second.Close()
			settled(t, "one has left", func() bool { return s.Stats().Connections == 1 })
			fourth := c.dial(s, anyone())
			fourth.say(get("/"))
			fourth.hear("GET", 200, "Hello, World!")
		})
	}
}

// RFC 9113 section 8.7: GOAWAY without a processed stream makes all requests safe to be repeated.
func TestTooManyConnectionsOverHTTP2(t *testing.T) {
	s := serve(t, hello, withIdentity(issue(t, "a.test", nil)), func(c *server.Config) { c.MaxConnections = 1 })
	first := s.dialTLS(anyone())
	first.say(get("/"))
	first.hear("GET", 200, "Hello, World!")
	config := anyone()
	config.NextProtos = []string{"h2"}
	second := s.dialTLS(config)
	wantHTTP2(t, second)
	f, err := http2.NewFramer(second.Conn, second.r).ReadFrame()
	if goaway, ok := f.(*http2.GoAwayFrame); !ok || goaway.ErrCode != http2.ErrCodeNo || goaway.LastStreamID != 0 {
		t.Fatalf("heard %v, %v, want GOAWAY with no stream processed", f, err)
	}
	second.end()
}
