package h2

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// feed is a Source whose content is set by the test.
type feed struct {
	ready string
	err   error // once ready is empty
	tail  []Field
}

func (f *feed) Read(p []byte) (int, error) {
	n := copy(p, f.ready)
	f.ready = f.ready[n:]
	if f.ready == "" && n == 0 {
		return 0, f.err
	}
	return n, nil
}

// tailed is a feed with trailers.
type tailed struct{ feed }

func (f *tailed) Trailers() []Field { return f.tail }

func TestPrefaces(t *testing.T) {
	p := newPeer(t, Config{})
	p.wants("SETTINGS 3=250 6=65536 9=1", "WINDOW_UPDATE 0 983041")
	p.writes(preface())
	p.writes(settingsFrame())
	p.wants("SETTINGS ack")

	p = newPeer(t, Config{InitialWindowSize: 1 << 20, MaxFrameSize: 32768, EnableConnectProtocol: true})
	p.wants("SETTINGS 3=250 6=65536 9=1 8=1 4=1048576 5=32768", "WINDOW_UPDATE 0 983041")
}

func TestPrefaceWrong(t *testing.T) {
	p := newPeer(t, Config{})
	p.frames()
	p.writes("GET")
	p.wantsEnd(CodeProtocolError)

	// The preface ends with SETTINGS.
	p = newPeer(t, Config{})
	p.frames()
	p.writes(preface(), pingFrame(1))
	p.wantsEnd(CodeProtocolError)
}

func TestGet(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(p.get(1))
		p.wantsEvents("Request 1 GET a.example/ end")
		p.answers(1, &Response{Status: 200, Fields: []Field{{"Content-Type", "text/plain"}}, Bytes: []byte("hi")})
		p.wants("HEADERS 1 :status=200 content-type=text/plain content-length=2", "DATA 1 hi end")
		p.wantsEvents()
		if p.c.Streams() != 0 {
			t.Fatal("stream is still open")
		}
		if err := p.c.Respond(1, &hello); err != ErrStream {
			t.Fatalf("second response: %v", err)
		}
	})
}

func TestPost(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(p.headers(1, 0, post("content-length", "11")...),
			frame(frameData, flagPadded, 1, "\x03hello \x00\x00\x00"), dataFrame(1, flagEndStream, "world"))
		p.wantsEvents("Request 1 POST a.example/", "Data 1 hello world end")
		p.answers(1, &Response{Status: 204})
		p.wants("HEADERS 1 :status=204 end")
	})
}

func TestRequestEnds(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		// A request may end with an empty frame, or with trailers.
		p.writes(p.post(1), dataFrame(1, flagEndStream, ""))
		p.wantsEvents("Request 1 POST a.example/", "Data 1  end")
		p.writes(p.post(3), dataFrame(3, 0, "x"), p.headers(3, flagEndStream, "checksum", "1"))
		p.wantsEvents("Request 3 POST a.example/", "Data 3 x", "Trailers 3 [{checksum 1}]")
	})
}

func TestContinuation(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		block := p.encode(get("x", strings.Repeat("y", 100))...)
		p.writes(frame(frameHeaders, flagEndStream, 1, block[:7]), frame(frameContinuation, 0, 1, block[7:9]),
			frame(frameContinuation, flagEndHeaders, 1, block[9:]))
		p.wantsEvents("Request 1 GET a.example/ end")
		// RFC 9113 section 6.10 allows fragments without a byte.
		p.writes(frame(frameHeaders, flagEndStream, 3, ""), frame(frameContinuation, 0, 3, ""),
			frame(frameContinuation, flagEndHeaders, 3, p.encode(get()...)))
		p.wantsEvents("Request 3 GET a.example/ end")
	})
}

func TestBodyless(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		head := append([]string{":method", "HEAD"}, get()[2:]...)
		p.writes(p.headers(1, flagEndStream, head...), p.headers(3, flagEndStream, head...), p.get(5), p.get(7))
		p.answers(1, &Response{Status: 200, Bytes: []byte("hi")})
		p.answers(3, &Response{Status: 200, Fields: []Field{{"Content-Length", "77"}}})
		p.answers(5, &Response{Status: 304, Fields: []Field{{"Content-Length", "5"}}})
		p.answers(7, &Response{Status: 204, Fields: []Field{{"Content-Length", "0"}}})
		p.wants("HEADERS 1 :status=200 content-length=2 end", "HEADERS 3 :status=200 content-length=77 end",
			"HEADERS 5 :status=304 content-length=5 end", "HEADERS 7 :status=204 end")
	})
}

func TestEmptyContent(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	p.answers(1, &Response{Status: 200})
	p.wants("HEADERS 1 :status=200 content-length=0 end")
}

func TestInform(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	if err := p.c.Inform(1, 103, []Field{{"Link", "</a>"}}); err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{99, 101, 200} {
		if err := p.c.Inform(1, status, nil); err != ErrStatus {
			t.Errorf("status %d: %v", status, err)
		}
	}
	p.answers(1, &hello)
	p.wants("HEADERS 1 :status=103 link=</a>",
		"HEADERS 1 :status=200 content-type=text/plain content-length=13", "DATA 1 Hello, world! end")
	if err := p.c.Inform(1, 103, nil); err != ErrStream {
		t.Errorf("too late: %v", err)
	}
	p.writes(p.get(3))
	if err := p.c.Inform(3, 103, []Field{{"x", "\n"}}); err != ErrField {
		t.Errorf("invalid field: %v", err)
	}
	p.answers(3, &Response{Status: 200, Source: &feed{}, Length: -1})
	if err := p.c.Inform(3, 103, nil); err != ErrAnswered {
		t.Errorf("after the response: %v", err)
	}
	if err := p.c.Respond(3, &hello); err != ErrAnswered {
		t.Errorf("second response: %v", err)
	}
	p.wants("HEADERS 3 :status=200")
}

func TestSource(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	src := &feed{ready: "one"}
	p.answers(1, &Response{Status: 200, Source: src, Length: -1})
	p.wants("HEADERS 1 :status=200", "DATA 1 one")
	p.wants()
	src.ready = "two"
	p.c.Resume(1)
	p.wants("DATA 1 two")
	src.err = io.EOF
	p.c.Resume(1)
	p.wants("DATA 1  end")
}

// meddler is a Source that calls commands within Read.
type meddler struct {
	feed
	meddle func()
}

func (m *meddler) Read(p []byte) (int, error) {
	if m.meddle != nil {
		m.meddle()
		m.meddle = nil
		return 0, nil
	}
	return m.feed.Read(p)
}

// restless is a Source that resumes its stream and has no content.
type restless struct{ p *peer }

func (r *restless) Read([]byte) (int, error) {
	r.p.c.Resume(7)
	return 0, nil
}

func TestCommandsFromInsideRead(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1), p.get(3), p.get(5))
	p.answers(1, &Response{Status: 200, Length: -1, Source: &meddler{feed{ready: "x", err: io.EOF}, func() {
		p.c.Resume(1)
		p.answers(3, &Response{Status: 200, Bytes: []byte("other")})
	}}})
	p.answers(5, &Response{Status: 200, Length: -1, Source: &meddler{meddle: func() { p.c.Reset(5, CodeCancel) }}})
	p.wants("HEADERS 1 :status=200", "HEADERS 5 :status=200", "HEADERS 3 :status=200 content-length=5",
		"DATA 1 x end", "RST_STREAM 5 CANCEL", "DATA 3 other end")

	// A Source that always resumes and has no content does not hold Transmit.
	p.writes(p.get(7))
	src := &restless{p: p}
	p.answers(7, &Response{Status: 200, Length: -1, Source: src})
	p.c.Transmit(nil, 1<<20)
	if !p.c.Wanting() {
		t.Error("the stream was forgotten")
	}
}

func TestTrailers(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1), p.get(3), p.get(5))
	tail := []Field{{"Grpc-Status", "0"}}
	p.answers(1, &Response{Status: 200, Source: &tailed{feed{ready: "x", err: io.EOF, tail: tail}}, Length: -1})
	p.answers(3, &Response{Status: 200, Source: &tailed{feed{err: io.EOF, tail: tail}}, Length: 0})
	p.answers(5, &Response{Status: 200, Source: &tailed{feed{err: io.EOF, tail: []Field{{":status", "0"}}}}, Length: -1})
	p.wants("HEADERS 1 :status=200", "HEADERS 3 :status=200 content-length=0", "HEADERS 5 :status=200",
		"DATA 1 x", "HEADERS 1 grpc-status=0 end", "HEADERS 3 grpc-status=0 end", "RST_STREAM 5 INTERNAL_ERROR")
}

func TestSourceBreaksItsWord(t *testing.T) {
	for name, src := range map[string]*feed{
		"too short": {ready: "four", err: io.EOF},
		"too long":  {ready: "sixsix"},
		"error":     {ready: "four", err: errors.New("disk")},
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{})
			p.writes(p.get(1))
			p.answers(1, &Response{Status: 200, Source: src, Length: 5})
			p.wants("HEADERS 1 :status=200 content-length=5", "RST_STREAM 1 INTERNAL_ERROR")
			p.wantsEvents("Request 1 GET a.example/ end", "Reset 1 INTERNAL_ERROR")
		})
	}
}

func TestContentLengthContradicts(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	p.frames()
	for _, v := range []string{"3", "x", "-1", ""} {
		err := p.c.Respond(1, &Response{Status: 200, Fields: []Field{{"content-length", v}}, Bytes: []byte("hi")})
		if err != ErrField {
			t.Errorf("content-length %q: %v", v, err)
		}
	}
	// The field also sets the length of a Source.
	p.answers(1, &Response{Status: 200, Fields: []Field{{"content-length", "4"}}, Source: &feed{ready: "abc", err: io.EOF}, Length: -1})
	p.wants("HEADERS 1 :status=200 content-length=4", "RST_STREAM 1 INTERNAL_ERROR")
}

func TestResponseFields(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	for _, f := range []Field{{"", "v"}, {"a b", "v"}, {":status", "200"}, {"x", "a\r\nb"}, {"x", "a\x00"}, {"x", "a\x01"}, {"ü", "v"}} {
		if err := p.c.Respond(1, &Response{Status: 200, Fields: []Field{{"ok", "v"}, f}}); err != ErrField {
			t.Errorf("%q: %v", f, err)
		}
	}
	for _, status := range []int{0, 100, 199, 1000} {
		if err := p.c.Respond(1, &Response{Status: status}); err != ErrStatus {
			t.Errorf("status %d: %v", status, err)
		}
	}
	p.answers(1, &Response{Status: 599, Fields: []Field{{"X-Odd", "v"}, {"Connection", "close"}, {"Keep-Alive", "1"},
		{"Transfer-Encoding", "chunked"}, {"Upgrade", "h2c"}, {"Proxy-Connection", "close"}, {"Set-Cookie", "a=" + strings.Repeat("b", 200)}}})
	p.wants("HEADERS 1 :status=599 x-odd=v set-cookie=a=" + strings.Repeat("b", 200) + " content-length=0 end")
}

func TestLargeHeadIsSplit(t *testing.T) {
	p := connect(t, Config{})
	p.framer.MaxHeaderListSize = 1 << 20
	p.writes(p.get(1))
	large := strings.Repeat("v", 40_000)
	p.answers(1, &Response{Status: 200, Fields: []Field{{"x", large}}})
	p.wants("HEADERS 1 :status=200 x=" + large + " content-length=0 end")
}

// A response may be complete before its request.
func TestEarlyResponse(t *testing.T) {
	answer := []string{"HEADERS 1 :status=200 content-type=text/plain content-length=13", "DATA 1 Hello, world! end"}
	for name, tt := range map[string]struct {
		length string
		goesOn func(p *peer)
		wants  []string
		events []string
	}{
		"ends": {"", func(p *peer) { p.writes(dataFrame(1, flagEndStream, "rest")) }, nil, []string{"Data 1 rest end"}},
		"errs": {"1", func(p *peer) { p.writes(dataFrame(1, flagEndStream, "rest")) },
			[]string{"RST_STREAM 1 PROTOCOL_ERROR"}, []string{"Reset 1 PROTOCOL_ERROR"}},
		"is reset": {"", func(p *peer) { p.writes(resetFrame(1)) }, nil, []string{"Reset 1 CANCEL"}},
		"lingers": {"", func(p *peer) { p.passes(earlyGrace) },
			[]string{"RST_STREAM 1 NO_ERROR"}, []string{"Reset 1 NO_ERROR"}},
		"is too long": {"65536", func(p *peer) { p.wants(); p.passes(earlyGrace) },
			[]string{"RST_STREAM 1 NO_ERROR"}, []string{"Reset 1 NO_ERROR"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{})
			if tt.length == "" {
				p.writes(p.post(1))
			} else {
				p.writes(p.headers(1, 0, post("content-length", tt.length)...))
			}
			p.answers(1, &hello)
			p.wants(answer...)
			p.events = nil
			tt.goesOn(p)
			p.wants(tt.wants...)
			p.wantsEvents(tt.events...)
			if p.c.Streams() != 0 {
				t.Error("the stream is open")
			}
		})
	}
}

// An upload with a complete response gets no further window, even if content is consumed. It is reset once the client has had
// time to read the response: curl 7.88 drops a response that a RST_STREAM follows at once.
func TestEarlyResponseToLargeUpload(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.post(1))
	p.answers(1, &hello)
	p.frames()
	p.writes(dataFrame(1, 0, kib(16)), dataFrame(1, 0, kib(16)))
	p.c.Consumed(1, 32<<10)
	p.writes(dataFrame(1, 0, "x"))
	p.passes(earlyGrace - time.Millisecond)
	p.wants()
	p.passes(time.Millisecond)
	p.wants("RST_STREAM 1 NO_ERROR")
	// Frames in flight are ignored.
	p.writes(dataFrame(1, 0, "late"), p.headers(1, flagEndStream, "late", "1"), resetFrame(1), windowFrame(1, 1))
	p.wants()
	if p.c.Streams() != 0 || p.err != nil {
		t.Error(p.c.Streams(), p.err)
	}
}

func TestConnect(t *testing.T) {
	dialogue(t, Config{EnableConnectProtocol: true}, func(p *peer) {
		p.writes(p.headers(1, 0, ":method", "CONNECT", ":authority", "b.example:443"))
		p.writes(p.headers(3, 0, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "a.example", ":path", "/chat"))
		p.wantsEvents("Request 1 CONNECT b.example:443", "Request 3 CONNECT a.example/chat")
		src := &feed{ready: "down"}
		p.answers(3, &Response{Status: 200, Source: src, Length: -1})
		p.writes(dataFrame(3, 0, "up"))
		p.wants("HEADERS 3 :status=200", "DATA 3 down")
		// A tunnel may end in one direction first.
		src.err = io.EOF
		p.c.Resume(3)
		p.wants("DATA 3  end")
		p.writes(dataFrame(3, flagEndStream, "!"))
		p.wantsEvents("Data 3 up! end")
		// RFC 9113 section 8.5: a tunnel has no trailers.
		p.writes(p.headers(1, flagEndStream, "x", "y"))
		p.wants("RST_STREAM 1 PROTOCOL_ERROR")
		p.wantsEvents("Reset 1 PROTOCOL_ERROR")
	})
}

func TestApplicationResets(t *testing.T) {
	p := connect(t, Config{})
	data := frame(frameData, flagPadded, 1, "\x02whole frame\x00\x00")
	p.writes(p.post(1), data[:15])
	p.wantsEvents("Request 1 POST a.example/", "Data 1 whole")
	p.c.Reset(1, CodeCancel)
	p.wants("RST_STREAM 1 CANCEL")
	// The rest of the frame is skipped, with its padding.
	p.writes(data[15:], p.get(3))
	p.wantsEvents("Request 3 GET a.example/ end")
}

func TestValues(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.post(1))
	p.c.SetValue(1, "mine")
	p.c.SetValue(3, "nobody's")
	n := 0
	p.c.Each(func(id StreamID, v any) {
		if n++; id != 1 || v != "mine" {
			t.Errorf("stream %d has %v", id, v)
		}
	})
	if n != 1 {
		t.Errorf("%d streams", n)
	}
	var ev Event
	if _, err := p.c.Next([]byte(dataFrame(1, 0, "x")), &ev); err != nil || ev.Value != "mine" {
		t.Errorf("%v, %v", ev.Value, err)
	}
	p.c.Next([]byte(resetFrame(1)), &ev)
	if ev.Kind != Reset || ev.Value != "mine" || ev.Code != CodeCancel {
		t.Errorf("%v", ev)
	}
}

// Space around a value is no part of it (RFC 9110 section 5.5), and HTTP/2 cannot carry it.
func TestSpaceAroundValues(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	p.answers(1, &Response{Status: 204, Fields: []Field{{"a", " b c\t"}, {"d", " "}}})
	p.wants("HEADERS 1 :status=204 a=b c d= end")
}
