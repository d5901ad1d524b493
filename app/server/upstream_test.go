//go:build linux

package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// overEach runs a test as a subtest for each protocol, against Go's server in the clear.
func overEach(t *testing.T, handler http.HandlerFunc, test func(t *testing.T, d *dialled)) {
	t.Helper()
	for _, protocol := range []string{app.HTTP11, app.HTTP2} {
		t.Run(protocol, func(t *testing.T) {
			address := goServer(t, handler, nil)
			test(t, queries(t).connect(&spi.Dial{Address: address, Protocol: protocol}))
		})
	}
}

// describeRequest answers with the request.
func describeRequest(w http.ResponseWriter, r *http.Request) {
	content, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.Host, r.URL.Path, content)
}

func TestUpstreamRequests(t *testing.T) {
	overEach(t, describeRequest, func(t *testing.T, d *dialled) {
		d.ask(&spi.Outgoing{}).answer(200, "GET a.test / ")
		d.ask(&spi.Outgoing{Method: "POST", Target: "/a", Content: app.Bytes("bytes")}).answer(200, "POST a.test /a bytes")
		text := strings.NewReader("pulled")
		pull := &app.Pull{Size: -1, Read: text.Read}
		d.ask(&spi.Outgoing{Method: "POST", Target: "/b", Content: pull}).answer(200, "POST a.test /b pulled")
		d.ask(&spi.Outgoing{Method: "HEAD"}).answer(200, "")
		d.close()
		if n := d.Counts().Upstream; n.Complete != 4 || n.Reused != 3 || n.Open != 0 || n.Opened[d.up.Protocol()] != 1 {
			t.Errorf("counted %+v", n)
		}
	})
}

// Content of any size goes both ways, whether its length is known or not.
func TestUpstreamContent(t *testing.T) {
	const size = 3 << 20
	overEach(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.Copy(w, r.Body)
	}, func(t *testing.T, d *dialled) {
		text := strings.Repeat("0123456789abcdef", size/16)
		for name, content := range map[string]app.Content{
			"bytes":           app.Bytes(text),
			"pull":            &app.Pull{Size: size, Read: strings.NewReader(text).Read},
			"pull of unknown": &app.Pull{Size: -1, Read: strings.NewReader(text).Read},
			"source":          &textSource{Reader: strings.NewReader(text), size: size},
			"hesitant source": &textSource{Reader: strings.NewReader(text), size: -1, loop: d.loop},
		} {
			d.ask(&spi.Outgoing{Method: "POST", Content: content}).answer(200, text)
			if source, ok := content.(*textSource); ok && source.closed != 1 {
				t.Errorf("%s: closed %d times", name, source.closed)
			}
		}
	})
}

// textSource is a spi.Source. With a loop it has to be waited for now and then.
type textSource struct {
	*strings.Reader
	size   int64
	loop   app.Loop
	reads  int
	closed int
}

func (s *textSource) Length() int64 { return s.size }

func (s *textSource) Read(p []byte) (int, error) {
	if s.reads++; s.loop != nil && s.reads%3 == 0 {
		return 0, nil
	}
	return s.Reader.Read(p)
}

func (s *textSource) Wait(ready func()) { s.loop.Post(ready) }

func (s *textSource) Trailers() app.Fields { return nil }

func (s *textSource) Close() error {
	s.closed++
	return nil
}

// Many calls share an HTTP/2 connection, up to its capacity.
func TestUpstreamConcurrency(t *testing.T) {
	address := goServer(t, http.HandlerFunc(describeRequest), nil)
	d := queries(t).connect(&spi.Dial{Address: address, Protocol: app.HTTP2})
	var calls []*asked
	for i := range 100 {
		calls = append(calls, d.ask(&spi.Outgoing{Target: fmt.Sprintf("/%d", i)}))
	}
	for i, q := range calls {
		q.answer(200, fmt.Sprintf("GET a.test /%d ", i))
	}
}

// A cancelled call ends its request at the server: over HTTP/2 alone, over HTTP/1.1 with its connection.
func TestUpstreamCancel(t *testing.T) {
	cancelled := make(chan struct{}, 1)
	overEach(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/wait" {
			return
		}
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		cancelled <- struct{}{}
	}, func(t *testing.T, d *dialled) {
		q := d.ask(&spi.Outgoing{Target: "/wait"})
		d.await("head", q.headCame)
		d.on(q.call.Release)
		d.await("the server's end", cancelled)
		if d.up.Protocol() == app.HTTP11 {
			if err := d.end(); err != nil {
				t.Errorf("ended with %v", err)
			}
			return
		}
		d.ask(&spi.Outgoing{}).answer(200, "")
		d.close()
	})
}
