//go:build linux

package server_test

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// refuses waits for an answer with that status and sentence, and a reset.
func (l *line2) refuses(stream uint32, status, sentence string, code http2.ErrCode) {
	l.t.Helper()
	l.answered(stream, status)
	l.until("content", func(frame http2.Frame) bool {
		d, ok := frame.(*http2.DataFrame)
		if ok && string(d.Data()) != sentence+"\n" {
			l.t.Fatalf("said %q, want %q", d.Data(), sentence)
		}
		return ok
	})
	l.isReset(stream, code)
}

// A malformed request gets a 400 with a sentence, and a reset. It is counted, and one line has the peer and the
// sentence.
func TestHTTP2MalformedRequestGets400(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	s := serve(t, hello, func(c *server.Config) { c.Logger = zap.New(core) })
	l := s.dial2()
	a := newAttacker()
	a.request(1, "GET", "/", true, "x", "a\x01b")
	a.request(3, "GET", "nowhere", true)
	_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, EndHeaders: true, EndStream: true,
		BlockFragment: a.fields(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "user@host")})
	l.say(a.out.String())
	l.refuses(1, "400", "invalid field value", http2.ErrCodeProtocol)
	l.refuses(3, "400", "invalid :path", http2.ErrCodeProtocol)
	l.refuses(5, "400", "invalid :authority", http2.ErrCodeProtocol)
	l.works()
	counts := s.Counts()
	if n, m := counts.Refused[server.MalformedHTTP2], counts.Responses["HTTP/2.0"][400]; n != 3 || m != 3 {
		t.Errorf("%d malformed requests and %d answers are counted, want 3", n, m)
	}
	eventually(t, "a line", func() bool { return logs.FilterMessage("malformed HTTP/2 request").Len() == 1 })
	fields := logs.FilterMessage("malformed HTTP/2 request").All()[0].ContextMap()
	if fields["error"] != "invalid field value" || !strings.HasPrefix(fmt.Sprint(fields["peer"]), "127.0.0.1:") {
		t.Errorf("the line has %v", fields)
	}
}

// Answers of the machine itself are counted like others.
func TestHTTP2Own431IsCounted(t *testing.T) {
	s := serve(t, hello)
	l := s.dial2()
	a := newAttacker()
	a.request(1, "GET", "/", true, bomb[:40]...)
	l.say(a.out.String())
	l.answered(1, "431")
	if n := s.Counts().Responses["HTTP/2.0"][431]; n != 1 {
		t.Errorf("%d are counted", n)
	}
}

// A request with malformed content gets a 400 as long as nothing of its answer has left, even if the handler has
// begun to stream one.
func TestHTTP2MalformedContentGets400(t *testing.T) {
	s := serve(t, builtIn(t, ""))
	l := s.dial2()
	a := newAttacker()
	a.request(1, "POST", "/echo", false, "content-length", "5")
	_ = a.WriteData(1, true, []byte("four"))
	a.request(3, "POST", "/upload", false, "content-length", "5")
	_ = a.WriteData(3, false, []byte("longer"))
	a.request(5, "POST", "/echo", false)
	_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, EndHeaders: true, EndStream: true, BlockFragment: a.fields("Upper", "case")})
	l.say(a.out.String())
	l.refuses(1, "400", "content differs from its content-length", http2.ErrCodeProtocol)
	l.refuses(3, "400", "content differs from its content-length", http2.ErrCodeProtocol)
	l.refuses(5, "400", "invalid field name", http2.ErrCodeProtocol)
	counts := s.Counts().Responses["HTTP/2.0"]
	if counts[400] != 3 || counts[200] != 0 {
		t.Errorf("answers counted: %v", counts)
	}
}

// Requests over a unix socket need no host.
func TestHTTP2UnixSocketNeedsNoHost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	authority := make(chan string, 1)
	s := serve(t, func(r *app.Request) app.Answer {
		authority <- r.Authority
		return app.Ready(app.Empty(204))
	}, func(c *server.Config) { c.Listeners = []reactor.ListenerConfig{{Network: "unix", Address: path}} })
	for _, named := range [][]string{
		{":authority", path}, {":authority", ""}, nil, {"host", path}, {":authority", "%2frun%2Fsocket"}, {":authority", "./socket"},
		{":authority", "run/socket"}, {":authority", "unix:/run/socket"}, {":authority", "unix:socket"}, {":authority", "@name"},
	} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		l := newLine2(s.over(c))
		l.open()
		a := newAttacker()
		block := a.fields(append([]string{":method", "GET", ":scheme", "http", ":path", "/"}, named...)...)
		_ = a.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: block})
		l.say(a.out.String())
		l.answered(1, "204")
		if got := <-authority; got != "" {
			t.Errorf("%q: the host is %q", named, got)
		}
	}
}
