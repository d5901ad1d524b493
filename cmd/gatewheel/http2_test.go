//go:build linux

package main

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Conn is a client that reads and writes frames.
type h2Conn struct {
	*http2.Framer
	t    *testing.T
	conn net.Conn
}

// http2 opens an HTTP/2 connection, without reading the server's frames.
func (c *child) http2() *h2Conn {
	c.t.Helper()
	conn := c.dial()
	send(c.t, conn, http2.ClientPreface)
	h := &h2Conn{Framer: http2.NewFramer(conn, conn), t: c.t, conn: conn}
	h.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := h.WriteSettings(); err != nil {
		c.t.Fatal(err)
	}
	return h
}

func (h *h2Conn) get(stream uint32, path string) {
	h.t.Helper()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"},
		{Name: ":authority", Value: "x"}, {Name: ":path", Value: path}} {
		if err := e.WriteField(f); err != nil {
			h.t.Fatal(err)
		}
	}
	err := h.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	if err != nil {
		h.t.Fatal(err)
	}
}

// until reads frames up to the first for which want is true.
func (h *h2Conn) until(what string, want func(http2.Frame) bool) {
	h.t.Helper()
	for {
		f, err := h.ReadFrame()
		if err != nil {
			h.t.Fatalf("no %s: %v", what, err)
		}
		if want(f) {
			return
		}
	}
}

func testH2Settings(t *testing.T) {
	h := serve(t, "--h2-max-concurrent-streams", "7", "--h2-initial-window-size", "128KiB", "--h2-connection-window", "3MiB",
		"--h2-max-frame-size", "20000", "--h2-max-header-list-size", "12345").http2()
	got := map[http2.SettingID]uint32{}
	h.until("SETTINGS", func(f http2.Frame) bool {
		s, ok := f.(*http2.SettingsFrame)
		if !ok || s.IsAck() {
			return false
		}
		_ = s.ForeachSetting(func(s http2.Setting) error {
			got[s.ID] = s.Val
			return nil
		})
		return true
	})
	for id, want := range map[http2.SettingID]uint32{
		http2.SettingMaxConcurrentStreams: 7,
		http2.SettingInitialWindowSize:    128 << 10,
		http2.SettingMaxFrameSize:         20000,
		http2.SettingMaxHeaderListSize:    12345,
	} {
		if got[id] != want {
			t.Errorf("%v is %d, want %d", id, got[id], want)
		}
	}
	h.until("WINDOW_UPDATE", func(f http2.Frame) bool {
		w, ok := f.(*http2.WindowUpdateFrame)
		if ok && (w.StreamID != 0 || w.Increment != 3<<20-65535) {
			t.Errorf("window of stream %d opened by %d", w.StreamID, w.Increment)
		}
		return ok
	})
}

func testH2Off(t *testing.T) {
	conn := serve(t, "--no-h2").dial()
	send(t, conn, http2.ClientPreface)
	if got := rest(t, conn); !strings.HasPrefix(got, "HTTP/1.1 ") {
		t.Errorf("answered %q", got)
	}
	conn = serve(t, "--h2=false").dial()
	send(t, conn, http2.ClientPreface)
	if got := rest(t, conn); !strings.HasPrefix(got, "HTTP/1.1 ") {
		t.Errorf("answered %q", got)
	}
}

func testH2KeepAlive(t *testing.T) {
	serve(t, "--h2-keepalive", "50ms").http2().until("PING", func(f http2.Frame) bool {
		p, ok := f.(*http2.PingFrame)
		return ok && !p.IsAck()
	})
}

func testMaxConnectionAge(t *testing.T) {
	serve(t, "--max-connection-age", "50ms").http2().until("GOAWAY", func(f http2.Frame) bool {
		g, ok := f.(*http2.GoAwayFrame)
		return ok && g.ErrCode == http2.ErrCodeNo
	})
}

// content reads the whole content of a response.
func (h *h2Conn) content(stream uint32) string {
	h.t.Helper()
	var text []byte
	h.until("end of the content", func(f http2.Frame) bool {
		d, ok := f.(*http2.DataFrame)
		if !ok || d.StreamID != stream {
			return false
		}
		text = append(text, d.Data()...)
		return d.StreamEnded()
	})
	return string(text)
}
