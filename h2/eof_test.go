package h2

import (
	"io"
	"strings"
	"testing"
)

// noWindow is the SETTINGS of a peer that accepts no content.
func noWindow() string { return settingsFrame(setting{settingInitialWindowSize, 0}) }

// ends sends EOF, and wants the connection to be done after just these frames.
func (p *peer) ends(want ...string) {
	p.t.Helper()
	p.c.EOF()
	p.wants(want...)
	if !p.c.Done() {
		p.t.Fatal("not done")
	}
	if d := p.c.Deadline(); !d.IsZero() {
		p.t.Errorf("deadline %v", d)
	}
}

// EOF within a HEADERS frame leaves no timer.
func TestEOFWithinHeaders(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1)[:12])
	p.c.EOF()
	p.pump()
	if d := p.c.Deadline(); !d.IsZero() {
		t.Errorf("something is due at %v", d)
	}
}

// EOF queues a PING if requests are open.
func TestEOFIsFollowedByPing(t *testing.T) {
	p := connect(t, Config{})
	p.c.EOF()
	if out := p.c.Transmit(nil, 1<<10); len(out) > 0 {
		t.Errorf("%q to a peer that waits for nothing", out)
	}
	p = connect(t, Config{})
	p.writes(p.get(1))
	p.c.EOF()
	if out := p.c.Transmit(nil, 1<<10); string(out) != pingFrame(pingEOF) {
		t.Errorf("%q", out)
	}
}

func TestEOFIdle(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(p.get(1))
		p.answers(1, &hello)
		p.frames()
		p.events = nil
		p.ends()
		p.wantsEvents()
	})
}

// EOF ends a connection without input, or with incomplete input.
func TestEOFWithinPreface(t *testing.T) {
	for _, said := range []string{"", preface()[:10], preface(), preface() + settingsFrame()[:5]} {
		p := newPeer(t, Config{})
		p.frames()
		p.writes(said)
		p.ends()
	}
}

func TestEOFWithinBlock(t *testing.T) {
	p := connect(t, Config{})
	p.writes(frame(frameHeaders, flagEndStream, 1, "\x82"))
	p.ends()
	p.wantsEvents()
}

// A complete request is answered after EOF.
func TestEOFBeforeAnswer(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(p.get(1))
		p.c.EOF()
		p.wants()
		if p.c.Done() {
			t.Fatal("done with a request to be answered")
		}
		p.answers(1, &hello)
		p.wants("HEADERS 1 :status=200 content-type=text/plain content-length=13", "DATA 1 Hello, world! end")
		p.wantsEvents("Request 1 GET a.example/ end")
		if !p.c.Done() {
			t.Fatal("not done")
		}
	})
}

// No window opens after EOF.
func TestEOFBlockedStream(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(noWindow(), p.get(1), p.get(3))
		p.answers(1, &hello)
		p.answers(3, &Response{Status: 200, Source: &feed{ready: "some"}, Length: -1})
		p.frames()
		p.events = nil
		p.ends("RST_STREAM 1 CANCEL", "RST_STREAM 3 CANCEL")
		p.wantsEvents("Reset 1 CANCEL", "Reset 3 CANCEL")
	})
}

// The HEADERS of a late response are sent, even if its content is blocked.
func TestEOFThenBlocked(t *testing.T) {
	p := connect(t, Config{})
	p.writes(noWindow(), p.get(1), p.get(3))
	p.frames()
	p.c.EOF()
	p.answers(1, &hello)
	p.answers(3, &Response{Status: 204})
	p.wants("HEADERS 1 :status=200 content-type=text/plain content-length=13", "HEADERS 3 :status=204 end", "RST_STREAM 1 CANCEL")
	if !p.c.Done() {
		t.Fatal("not done")
	}
}

func TestEOFConnectionWindow(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 1 << 20}), p.get(1), p.get(3))
	p.frames()
	p.answers(1, &Response{Status: 200, Bytes: make([]byte, protocolWindow+1)})
	source := &feed{}
	p.answers(3, &Response{Status: 200, Source: source, Length: -1})
	p.sent()
	p.wire.Reset()
	p.c.EOF()
	p.wants("RST_STREAM 1 CANCEL")
	// A stream without more content can end.
	source.err = io.EOF
	p.c.Resume(3)
	p.wants("DATA 3  end")
	if !p.c.Done() {
		t.Fatal("not done")
	}
}

func TestEOFIncompleteRequest(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(p.post(1), dataFrame(1, 0, "half"))
		p.events = nil
		p.ends("RST_STREAM 1 CANCEL")
		p.wantsEvents("Reset 1 CANCEL")
	})
}

// The rest of a request that was answered early is not needed.
func TestEOFAfterEarlyAnswer(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.post(1))
	p.answers(1, &hello)
	p.frames()
	p.events = nil
	p.ends("RST_STREAM 1 NO_ERROR")
	p.wantsEvents("Reset 1 NO_ERROR")
}

// A tunnel gets the end of its input, and may still send.
func TestEOFTunnel(t *testing.T) {
	p := connect(t, Config{EnableConnectProtocol: true})
	p.writes(p.headers(1, 0, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/", ":authority", "a.example"))
	words := &feed{}
	p.answers(1, &Response{Status: 200, Source: words, Length: -1})
	p.frames()
	p.events = nil
	p.c.EOF()
	p.wantsEvents("Data 1  end")
	p.wants()
	words.ready, words.err = "bye", io.EOF
	p.c.Resume(1)
	p.wants("DATA 1 bye end")
	if !p.c.Done() {
		t.Fatal("not done")
	}
}

// The end of a response needs no window: neither an empty frame with END_STREAM nor trailers.
func TestEndWithoutWindow(t *testing.T) {
	for name, tail := range map[string][]Field{"bare": nil, "trailers": {{"grpc-status", "0"}}} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{})
			p.writes(settingsFrame(setting{settingInitialWindowSize, 4}), p.get(1))
			p.frames()
			source := &tailed{feed{ready: "four", tail: tail}}
			p.answers(1, &Response{Status: 200, Source: source, Length: -1})
			p.wants("HEADERS 1 :status=200", "DATA 1 four")
			p.c.Resume(1)
			p.wants() // it was no end
			source.err = io.EOF
			p.c.Resume(1)
			if tail == nil {
				p.wants("DATA 1  end")
			} else {
				p.wants("HEADERS 1 grpc-status=0 end")
			}
			if p.c.Streams() != 0 {
				t.Fatal("the stream is still open")
			}
		})
	}
}

// eager is a Source that returns io.EOF right after its last byte.
type eager struct{ strings.Reader }

func (e *eager) Read(p []byte) (int, error) {
	n, _ := e.Reader.Read(p)
	if e.Len() == 0 && n < len(p) {
		return n, io.EOF
	}
	if e.Len() == 0 && len(p) == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// A response that fits its window exactly ends with it, whether its length is known or not.
func TestContentFillsWindow(t *testing.T) {
	for _, length := range []int64{-1, 4} {
		p := connect(t, Config{})
		p.writes(settingsFrame(setting{settingInitialWindowSize, 4}), p.get(1))
		p.frames()
		p.answers(1, &Response{Status: 200, Source: &eager{*strings.NewReader("four")}, Length: length})
		if f := p.frames(); f[len(f)-1] != "DATA 1 four end" {
			t.Fatalf("%d: %v", length, f)
		}
	}
}

// A window that opens before the end is used.
func TestWindowOpensBeforeEnd(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 4}), p.get(1))
	p.frames()
	source := &feed{ready: "four"}
	p.answers(1, &Response{Status: 200, Source: source, Length: -1})
	p.frames()
	source.ready, source.err = "more", io.EOF
	p.c.Resume(1)
	p.writes(windowFrame(1, 4))
	p.wants("DATA 1 more end")
}
