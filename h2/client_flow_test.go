package h2

import (
	"io"
	"math"
	"strings"
	"testing"
	"time"
)

// Streams are limited to 100 until SETTINGS come, then by the server, downwards too.
func TestCapacity(t *testing.T) {
	s := newServer(t, Config{})
	for range firstStreams {
		s.requests(s.get())
	}
	if _, err := s.c.Request(s.get()); err != ErrCapacity {
		t.Fatal(err)
	}
	s.pull()
	s.writes(settingsFrame(setting{settingMaxConcurrentStreams, 120}))
	s.wantsEvents("Changed")
	if n := s.c.Capacity(); n != 20 {
		t.Errorf("capacity %d", n)
	}
	s.writes(settingsFrame(setting{settingMaxConcurrentStreams, 99}))
	if n := s.c.Capacity(); n != 0 {
		t.Errorf("capacity %d with 100 of 99 open", n)
	}
	for id := StreamID(1); id < 8; id += 2 {
		s.writes(s.headers(id, flagEndStream, ":status", "200"))
	}
	if n := s.c.Capacity(); n != 3 {
		t.Errorf("capacity %d with 96 of 99 open", n)
	}
	// A server without a limit.
	s = serverOf(t, Config{})
	if n := s.c.Capacity(); n != unlimitedStreams {
		t.Errorf("capacity %d", n)
	}
	s = serverOf(t, Config{}, setting{settingMaxConcurrentStreams, math.MaxUint32})
	if n := s.c.Capacity(); n != maxWindow {
		t.Errorf("capacity %d", n)
	}
	s = serverOf(t, Config{}, setting{settingMaxConcurrentStreams, 0})
	if _, err := s.c.Request(s.get()); err != ErrCapacity {
		t.Error(err)
	}
}

// Reset streams count until the server has acknowledged a PING behind them. One PING serves many.
func TestResetsCountUntilPinged(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		s.writes(settingsFrame(setting{settingMaxConcurrentStreams, 10}))
		for range 6 {
			s.requests(s.get())
		}
		s.pull()
		s.read()
		s.events = nil
		s.c.Reset(3, CodeCancel)
		s.c.Reset(5, CodeNoError) // means nothing from a client
		s.wants("RST_STREAM 3 CANCEL", "PING 67775f7265736574 false", "RST_STREAM 5 CANCEL")
		if n := s.c.Capacity(); n != 4 {
			t.Errorf("capacity %d", n)
		}
		ack := frame(framePing, flagAck, 0, pingFrame(pingReset)[frameHeaderLen:])
		s.writes(ack)
		s.wantsEvents("Changed")
		if n := s.c.Capacity(); n != 5 {
			t.Errorf("capacity %d", n)
		}
		// The next PING waits for a response, or until a quarter of the streams are in doubt.
		s.wants()
		s.writes(s.headers(7, flagEndStream, ":status", "200"))
		s.wantsEvents("Final 7 200 end")
		s.wants("PING 67775f7265736574 false")
		s.writes(ack)
		s.c.Reset(9, CodeCancel)
		s.wants("RST_STREAM 9 CANCEL")
		s.c.Reset(11, CodeCancel)
		s.wants("RST_STREAM 11 CANCEL", "PING 67775f7265736574 false")
		s.writes(ack)
		// What was in flight is discarded.
		s.writes(s.headers(9, 0, ":status", "200"), dataFrame(9, 0, "late"), s.headers(9, flagEndStream, "x", "y"))
		s.wantsEvents("Changed", "Changed")
		if n := s.c.Capacity(); n != 9 || s.err != nil {
			t.Errorf("capacity %d, %v", n, s.err)
		}
	})
}

// Windows of open streams follow SETTINGS_INITIAL_WINDOW_SIZE, below 0 too.
func TestClientWindows(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		s.writes(settingsFrame(setting{settingInitialWindowSize, 4}))
		s.requests(s.post("0123456789"))
		s.wants("SETTINGS ack", "HEADERS 3"+postHead+" content-length=10", "DATA 3 0123")
		s.writes(settingsFrame(setting{settingInitialWindowSize, 2}), windowFrame(3, 1))
		s.wants("SETTINGS ack")
		s.writes(windowFrame(3, 2))
		s.wants("DATA 3 4")
		s.writes(settingsFrame(setting{settingInitialWindowSize, 3}))
		s.wants("SETTINGS ack", "DATA 3 5")
		s.writes(settingsFrame(setting{settingInitialWindowSize, 100}))
		s.wants("SETTINGS ack", "DATA 3 6789 end")
		s.writes(windowFrame(3, maxWindow))
		s.wants("RST_STREAM 3 FLOW_CONTROL_ERROR", "PING 67775f7265736574 false")
	})
}

// A stream's window opens as content is consumed, the connection's on receipt.
func TestClientCredits(t *testing.T) {
	s := serverOf(t, Config{ResponseWindow: 64 << 10})
	s.requests(s.get())
	s.requests(s.get())
	s.pull()
	s.read()
	s.writes(s.ok(3), s.ok(5))
	for range 4 {
		s.writes(dataFrame(3, 0, kib(15)))
	}
	s.wants()
	s.c.Consumed(3, 40<<10)
	s.wants("WINDOW_UPDATE 3 40960")
	for range 11 {
		// Nothing of stream 5 is consumed except to go on.
		for range 3 {
			s.writes(dataFrame(5, 0, kib(16)))
		}
		s.c.Consumed(5, 48<<10)
	}
	s.wants("WINDOW_UPDATE 5 49152", "WINDOW_UPDATE 5 49152", "PING 67775f67726f7774 false", "WINDOW_UPDATE 5 49152", "WINDOW_UPDATE 5 49152",
		"WINDOW_UPDATE 5 49152", "WINDOW_UPDATE 5 49152", "WINDOW_UPDATE 5 49152", "WINDOW_UPDATE 5 49152",
		"WINDOW_UPDATE 5 49152", "WINDOW_UPDATE 0 536576", "WINDOW_UPDATE 5 49152", "WINDOW_UPDATE 5 49152")
	// A stream that overruns its window is reset; the connection goes on.
	for range 5 {
		s.writes(dataFrame(3, 0, kib(16)))
	}
	s.wants("RST_STREAM 3 FLOW_CONTROL_ERROR", "PING 67775f7265736574 false")
}

func TestClientGoawayRules(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		// The last stream may shrink. A code tells why.
		for range 3 {
			s.requests(s.get())
		}
		s.pull()
		s.read()
		s.writes(s.ok(7))
		s.writes(string(appendGoaway(nil, 5, CodeEnhanceYourCalm, "calm")), string(appendGoaway(nil, 3, CodeNoError, "")))
		// Stream 7 has a response: the server has processed it in spite of its GOAWAY.
		s.wantsEvents("Final 7 200", "Goaway 5 ENHANCE_YOUR_CALM", "Reset 7 REFUSED_STREAM",
			"Goaway 3 NO_ERROR", "Reset 5 REFUSED_STREAM unprocessed")
		s.writes(s.headers(3, flagEndStream, ":status", "200"))
		s.wants("GOAWAY 0 NO_ERROR")
		if !s.c.Done() {
			t.Error("not done")
		}
	})
}

// REFUSED_STREAM means that a request was not processed, unless its response has begun.
func TestUnprocessed(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		s.requests(s.get())
		s.requests(s.get())
		s.opensAnother()
		s.pull()
		refused := func(id StreamID, code ErrCode) string { return string(appendReset(nil, id, code)) }
		s.writes(refused(3, CodeRefusedStream), s.ok(5), refused(5, CodeRefusedStream),
			s.headers(7, flagEndStream, ":status", "413"), refused(7, CodeNoError))
		s.wantsEvents("Reset 3 REFUSED_STREAM unprocessed", "Final 5 200", "Reset 5 REFUSED_STREAM",
			"Final 7 413 end", "Reset 7 NO_ERROR end")
	})
}

func (s *server) opensAnother() StreamID {
	r := s.post("")
	r.Source, r.Length = &feed{}, -1
	return s.requests(r)
}

// After the server's last byte each request ends. Those that were not sent are surely not processed.
func TestClientEOF(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		s.requests(s.get())
		s.opensAnother()
		s.pull()
		s.writes(s.headers(5, flagEndStream, ":status", "200"))
		s.requests(s.get())
		if s.c.Unprocessed(3) || !s.c.Unprocessed(7) {
			t.Error("which requests were pulled is unknown")
		}
		s.c.EOF()
		s.pump()
		got := strings.Join(s.events, "\n")
		for _, want := range []string{"Final 5 200 end", "Reset 3 STREAM_CLOSED", "Reset 5 STREAM_CLOSED end", "Reset 7 STREAM_CLOSED unprocessed"} {
			if !strings.Contains(got+"\n", want+"\n") {
				t.Errorf("no %q in\n%s", want, got)
			}
		}
		if !s.c.Done() || s.c.Wanting() || s.c.Streams() != 0 || !s.c.Deadline().IsZero() {
			t.Error("not done")
		}
	})
}

// A request of which nothing was pulled is withdrawn when the connection fails: it may be sent again elsewhere.
func TestFailureWithdrawsRequests(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		s.requests(s.get())
		s.pull()
		s.requests(s.post("content"))
		s.requests(s.get())
		s.writes(frame(frameData, 0, 99, "x"))
		s.pull()
		if f := s.read(); len(f) != 2 || f[0] != "HEADERS 3"+getHead+" end" || f[1] != "GOAWAY 0 PROTOCOL_ERROR" {
			t.Errorf("%v", f)
		}
		if s.c.Unprocessed(3) || !s.c.Unprocessed(5) && s.c.streams.find(5) != nil || !s.c.Unprocessed(7) {
			t.Error("which requests were sent is unknown")
		}
	})
}

func TestPong(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		s.c.Ping()
		s.c.Ping() // is on its way
		s.wants("PING 67775f5f70696e67 false")
		s.writes(frame(framePing, flagAck, 0, pingFrame(pingCaller)[frameHeaderLen:]))
		s.wantsEvents("Pong")
	})
}

func TestClientDrain(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		s.requests(s.get())
		s.c.Drain()
		s.wants("HEADERS 3" + getHead + " end")
		if _, err := s.c.Request(s.get()); err != ErrDraining || s.c.Done() {
			t.Error(err)
		}
		s.writes(s.headers(3, flagEndStream, ":status", "200"))
		s.wantsEvents("Final 3 200 end")
		s.wants("GOAWAY 0 NO_ERROR")
		if !s.c.Done() {
			t.Error("not done")
		}
	})
	s := newServer(t, Config{})
	if s.c.Drain(); !s.c.Done() {
		t.Error("a connection without a request is not done")
	}
}

// Identifiers end (RFC 9113 section 5.1.1).
func TestClientIdentifiersEnd(t *testing.T) {
	s := serverOf(t, Config{})
	s.c.next = maxStreamID
	s.requests(s.get())
	if _, err := s.c.Request(s.get()); err != ErrDraining || s.c.Capacity() != 0 || !s.c.Draining() {
		t.Error(err)
	}
}

func TestClientTimers(t *testing.T) {
	// SETTINGS that are not acknowledged.
	s := newServer(t, Config{})
	if !s.c.Deadline().IsZero() {
		t.Error("something is due before the first request")
	}
	s.requests(s.get())
	s.pull()
	s.wire.Next(len(Preface))
	s.read()
	s.err = s.passes(10 * time.Second)
	s.wantsEnd(CodeSettingsTimeout)

	// A header block that does not end.
	s = serverOf(t, Config{})
	s.requests(s.get())
	s.pull()
	s.read()
	s.writes(frame(frameHeaders, 0, 3, "\x88"))
	s.err = s.passes(10 * time.Second)
	s.wantsEnd(CodeEnhanceYourCalm)

	// Content that the server does not take.
	s = serverOf(t, Config{}, setting{settingInitialWindowSize, 1})
	s.requests(s.post("content"))
	s.requests(s.get())
	s.wants("HEADERS 3"+postHead+" content-length=7", "HEADERS 5"+getHead+" end", "DATA 3 c")
	if err := s.passes(61 * time.Second); err != nil {
		t.Fatal(err)
	}
	s.wantsEvents("Reset 3 CANCEL")
	s.wants("RST_STREAM 3 CANCEL", "PING 67775f7265736574 false")
	if !s.c.Deadline().IsZero() || s.c.Streams() != 1 {
		t.Error("a resetsPinged connection has a deadline")
	}
}

// A request that is sent is not stalled, even if its last byte has used up the window: its response may take long.
func TestSentRequestsAreNotStalled(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		s.writes(settingsFrame(setting{settingInitialWindowSize, 7}))
		s.requests(s.post("content"))
		r := s.post("")
		r.Source, r.Length = &feed{ready: "content", err: io.EOF}, 7
		s.requests(r)
		s.pull()
		held := s.post("")
		held.Source, held.Length, held.Expect = &feed{err: io.EOF}, -1, true
		id := s.requests(held)
		s.writes(settingsFrame(setting{settingInitialWindowSize, 0}))
		s.c.Resume(id)
		s.pull()
		s.c.Proceed(id)
		for range 3 {
			if err := s.passes(61 * time.Second); err != nil {
				t.Fatal(err)
			}
		}
		s.wantsEvents("Changed", "Changed")
		if s.c.Streams() != 3 {
			t.Errorf("%d streams", s.c.Streams())
		}
	})
}

// Content that misses its length never looks complete.
func TestClientContentMissesItsLength(t *testing.T) {
	for _, src := range []feed{{ready: "abc", err: io.EOF}, {ready: "abcdef", err: io.EOF}, {ready: "ab", err: io.ErrUnexpectedEOF}} {
		s := serverOf(t, Config{})
		r := s.post("")
		r.Source, r.Length = &src, 5
		s.requests(r)
		s.pull()
		frames := s.read()
		if last := frames[len(frames)-2]; last != "RST_STREAM 3 INTERNAL_ERROR" || strings.Contains(strings.Join(frames, ""), " end") {
			t.Errorf("%v", frames)
		}
		s.wantsEvents("Reset 3 INTERNAL_ERROR")
	}
}

// Content waits for 100 (Continue) or Proceed.
func TestExpect(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		r := s.post("content")
		r.Expect = true
		s.requests(r)
		s.requests(r)
		s.requests(r)
		s.pull()
		s.read()
		s.writes(s.headers(3, 0, ":status", "100"), s.headers(5, 0, ":status", "103"), s.headers(7, flagEndStream, ":status", "417"))
		s.wants("DATA 3 content end")
		s.c.Proceed(5)
		s.c.Proceed(5)
		s.wants("DATA 5 content end")
		s.c.Reset(7, CodeNoError)
		s.wants("RST_STREAM 7 CANCEL", "PING 67775f7265736574 false")
	})
}

// A request without content expects nothing (RFC 9110 section 10.1.1).
func TestExpectWithoutContent(t *testing.T) {
	s := serverOf(t, Config{})
	r := s.get()
	r.Expect = true
	s.requests(r)
	s.wants("HEADERS 3" + getHead + " end")
}

func TestClientTunnel(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		r := &ClientRequest{Method: "CONNECT", Protocol: "websocket", Scheme: "http", Authority: "a.example", Path: "/"}
		if accepts, known := s.c.ConnectProtocol(); accepts || !known {
			t.Error("extended CONNECT is accepted")
		}
		if _, err := s.c.Request(r); err != ErrConnectProtocol {
			t.Fatal(err)
		}
		s.writes(settingsFrame(setting{settingEnableConnectProtocol, 1}))
		if accepts, known := s.c.ConnectProtocol(); !accepts || !known {
			t.Error("extended CONNECT is not accepted")
		}
		src := &feed{ready: "ping"}
		r.Source = src
		s.requests(r)
		const head = " :method=CONNECT :scheme=http :authority=a.example :path=/ :protocol=websocket"
		s.wants("SETTINGS ack", "HEADERS 3"+head)
		s.writes(s.headers(3, 0, ":status", "200", "content-length", "9"), dataFrame(3, 0, "pong"))
		s.wants("DATA 3 ping")
		s.wantsEvents("Changed", "Final 3 200 content-length=9", "Data 3 pong")
		s.writes(dataFrame(3, flagEndStream, ""))
		s.wantsEvents("Data 3  end")
		src.err = io.EOF
		s.c.Resume(3)
		s.wants("DATA 3  end")
		if s.c.Streams() != 0 {
			t.Error("the tunnel is open")
		}
		// A server that refuses it gets none of its content.
		r.Source = &feed{ready: "ping"}
		s.requests(r)
		s.pull()
		s.read()
		s.writes(s.headers(5, 0, ":status", "403"), dataFrame(5, flagEndStream, "no"))
		s.wantsEvents("Final 5 403", "Data 5 no end")
		s.wants("DATA 5  end")
		if s.c.Streams() != 0 {
			t.Error("the stream is open")
		}
	})
}

// More urgent content leaves first (RFC 9218).
func TestClientPriority(t *testing.T) {
	s := serverOf(t, Config{}, setting{settingInitialWindowSize, 1 << 20})
	later := s.post(kib(20))
	later.Fields = []Field{{"Priority", "u=5"}}
	sooner := s.post(kib(20))
	sooner.Fields = []Field{{"priority", "u=1"}}
	s.requests(later)
	s.requests(sooner)
	s.wants("HEADERS 3"+postHead+" priority=u=5 content-length=20480", "HEADERS 5"+postHead+" priority=u=1 content-length=20480",
		"DATA 5 (16384 bytes)", "DATA 5 (4096 bytes) end", "DATA 3 (16384 bytes)", "DATA 3 (4096 bytes) end")
}
