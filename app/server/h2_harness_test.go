//go:build linux

package server_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/target"
)

// until reads frames up to the first that want accepts, and acknowledges SETTINGS and PING.
func (l *line2) until(what string, want func(http2.Frame) bool) {
	l.t.Helper()
	for {
		frame, err := l.framer.ReadFrame()
		if err != nil {
			l.t.Fatalf("no %s: %v", what, err)
		}
		if want(frame) {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				l.must(l.framer.WriteSettingsAck())
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				l.must(l.framer.WritePing(true, frame.Data))
			}
		}
	}
}

// answered waits for the response head of a stream, with that status.
func (l *line2) answered(stream uint32, status string) {
	l.t.Helper()
	l.until(fmt.Sprint("answer on stream ", stream), func(frame http2.Frame) bool {
		h, ok := frame.(*http2.MetaHeadersFrame)
		if !ok || h.StreamID != stream {
			return false
		}
		if got := h.PseudoValue("status"); got != status {
			l.t.Fatalf("stream %d: status %s, want %s", stream, got, status)
		}
		return true
	})
}

// isReset waits for the reset of a stream with that code.
func (l *line2) isReset(stream uint32, code http2.ErrCode) {
	l.t.Helper()
	l.until(fmt.Sprint("reset of stream ", stream), func(frame http2.Frame) bool {
		r, ok := frame.(*http2.RSTStreamFrame)
		return ok && r.StreamID == stream && r.ErrCode == code
	})
}

// leaves waits for GOAWAY with that code, and returns its last stream.
func (l *line2) leaves(code http2.ErrCode) (last uint32) {
	l.t.Helper()
	l.until("GOAWAY", func(frame http2.Frame) bool {
		g, ok := frame.(*http2.GoAwayFrame)
		if ok {
			last = g.LastStreamID
		}
		return ok && g.ErrCode == code
	})
	return last
}

// over waits for the end of the connection.
func (l *line2) over() {
	l.t.Helper()
	for {
		if _, err := l.framer.ReadFrame(); err != nil {
			if err != io.EOF && err != io.ErrUnexpectedEOF && !strings.Contains(err.Error(), "reset") {
				l.t.Fatalf("not closed: %v", err)
			}
			return
		}
	}
}

// works waits for the acknowledgement of a PING.
func (l *line2) works() {
	l.t.Helper()
	l.must(l.framer.WritePing(false, [8]byte{'w', 'o', 'r', 'k', 's'}))
	l.until("answer to the PING", func(frame http2.Frame) bool {
		p, ok := frame.(*http2.PingFrame)
		return ok && p.IsAck()
	})
}

// get2 returns the content of an HTTP/2 response, which must have that status.
func get2(t *testing.T, client *http.Client, request *http.Request, status int) (content []byte, response *http.Response) {
	t.Helper()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: content broken off: %v", request.URL, err)
	}
	if response.StatusCode != status || response.ProtoMajor != 2 {
		t.Fatalf("%s: %s %d %q, want %d", request.URL, response.Proto, response.StatusCode, content, status)
	}
	return content, response
}

func builtIn(t *testing.T, root string) app.Handler {
	t.Helper()
	h, err := target.New(target.Config{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	return h
}
