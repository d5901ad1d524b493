//go:build linux

package server_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	upstream "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/router"
)

// calling is a handler that passes each request on to the server with that URL.
func calling(url string, timeout time.Duration) app.Handler {
	c := upstream.New(upstream.Options{Timeout: timeout})
	var routes router.Router
	routes.Handle("GET /users/{id}", func(r *app.Request) app.Answer {
		return app.Map(c.Do(r, &upstream.Request{URL: url + r.Target}), func(resp *upstream.Response) (*app.Response, error) {
			return resp.Response(), nil
		})
	})
	return routes.Serve
}

// failedCalls returns the lines about failed calls.
func (s *site) failedCalls() (lines []map[string]any) {
	for _, line := range s.logs.FilterMessage("call to another server failed").All() {
		lines = append(lines, line.ContextMap())
	}
	return lines
}

func TestFailedCallIsLoggedOnce(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	url := "http://" + silent.Addr().String()
	s := serve(t, calling(url, 50*time.Millisecond))
	l := s.dial()
	for range 3 {
		l.say("GET /users/7?token=secret HTTP/1.1\r\nHost: a\r\n\r\n")
		l.status("GET", 504)
	}
	lines := s.failedCalls()
	if len(lines) != 1 {
		t.Fatalf("%d lines: %v", len(lines), lines)
	}
	line := lines[0]
	if line["reason"] != "head-timeout" || line["origin"] != url || line["route"] != "GET /users/{id}" || line["unlogged"] != int64(0) {
		t.Errorf("got %v", line)
	}
	if text, _ := line["error"].(string); !strings.Contains(text, "after 50ms") || strings.Contains(text, "secret") {
		t.Errorf("got the error %q", text)
	}
}

// A call that ends since the peer has left is no failure of a server.
func TestCallOfAPeerThatHasLeftIsNotLogged(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := serve(t, calling("http://"+silent.Addr().String(), time.Minute), halfClosedSoon)
	l := s.dial()
	l.say(get("/users/7"))
	asked, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer asked.Close()
	if _, err := asked.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	eventually(t, "the call has ended", func() bool { return s.Counts().Upstream.Incomplete["client-gone"] == 1 })
	if lines := s.failedCalls(); len(lines) != 0 {
		t.Errorf("logged %v", lines)
	}
}
