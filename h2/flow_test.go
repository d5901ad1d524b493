package h2

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

func kib(n int) string { return strings.Repeat("x", n<<10) }

func TestReceiveWindows(t *testing.T) {
	p := connect(t, Config{InitialWindowSize: 65536, ConnectionWindow: 128 << 10})
	p.writes(p.post(1))
	for range 4 {
		p.writes(dataFrame(1, 0, kib(16)))
	}
	// The connection is credited on receipt, the stream when the application consumes.
	p.wants("WINDOW_UPDATE 0 65536")
	p.c.Consumed(1, 16<<10)
	p.wants()
	p.c.Consumed(1, 20<<10)
	p.wants("WINDOW_UPDATE 1 36864")
	p.writes(dataFrame(1, 0, kib(16)), dataFrame(1, 0, kib(16)))
	p.frames()
	// One byte beyond the window is too much (RFC 9113 section 6.9.1).
	p.writes(dataFrame(1, 0, strings.Repeat("x", 4097)))
	p.wants("RST_STREAM 1 FLOW_CONTROL_ERROR")
}

func TestReceiveConnectionWindow(t *testing.T) {
	p := connect(t, Config{InitialWindowSize: 1 << 20, ConnectionWindow: 65536, ConnectionBuffer: 65536})
	p.writes(p.post(1))
	for range 4 {
		p.writes(dataFrame(1, 0, kib(16)))
	}
	p.wants()
	p.writes(dataFrame(1, 0, "x"))
	p.wantsEnd(CodeFlowControlError)
}

// ConnectionBuffer bounds what stalled uploads hold. Another one goes on until then.
func TestStalledUploads(t *testing.T) {
	p := connect(t, Config{ConnectionWindow: 65536, ConnectionBuffer: 256 << 10})
	sent, window := 0, 65536
	for id := StreamID(1); window >= 48<<10; id += 2 {
		p.writes(p.post(id))
		for range 3 {
			p.writes(dataFrame(id, 0, kib(16)))
			window -= 16 << 10
			sent += 16 << 10
			for _, f := range p.frames() {
				var n int
				fmt.Sscanf(f, "WINDOW_UPDATE 0 %d", &n)
				window += n
			}
		}
	}
	if p.err != nil || sent < 192<<10 || sent+window > 256<<10 {
		t.Fatalf("%v: %d bytes are buffered and %d may follow", p.err, sent, window)
	}
	// Reset streams hold nothing.
	for id := StreamID(1); p.c.Streams() > 0; id += 2 {
		p.c.Reset(id, CodeCancel)
	}
	p.frames()
	if p.c.unconsumed != 0 || p.c.recvWindow <= 32<<10 {
		t.Fatalf("%d bytes unconsumed, window %d", p.c.unconsumed, p.c.recvWindow)
	}
}

// DATA for closed streams does not close the connection's window.
func TestStrayDataIsCredited(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.post(1))
	p.c.Reset(1, CodeCancel)
	for range 1000 {
		p.writes(frame(frameData, flagPadded, 1, "\xff"+kib(16)[1:]))
		p.frames()
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
}

func TestPaddingIsCredited(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.post(1))
	for range 1000 {
		p.writes(frame(frameData, flagPadded, 1, "\xffx"+strings.Repeat("\x00", 255)))
		p.c.Consumed(1, 1)
		p.frames()
	}
	if p.err != nil || p.c.Streams() != 1 {
		t.Fatal(p.err)
	}
}

func TestWindowBeforeAcknowledgement(t *testing.T) {
	// Until it acknowledges our SETTINGS the peer may use windows of 65535.
	p := newPeer(t, Config{InitialWindowSize: 1000})
	p.writes(preface(), settingsFrame(), p.post(1), dataFrame(1, 0, kib(2)))
	p.frames()
	if p.err != nil || p.c.Streams() != 1 {
		t.Fatal(p.err)
	}
	p.writes(frame(frameSettings, flagAck, 0, ""), p.post(3), dataFrame(3, 0, kib(1)))
	p.wants("RST_STREAM 3 FLOW_CONTROL_ERROR")
	p.writes(dataFrame(1, 0, "x"))
	p.wants("RST_STREAM 1 FLOW_CONTROL_ERROR")
}

func TestSendWindows(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(settingsFrame(setting{settingInitialWindowSize, 3}))
		p.wants("SETTINGS ack")
		p.writes(p.get(1))
		p.answers(1, &hello)
		p.wants("HEADERS 1 :status=200 content-type=text/plain content-length=13", "DATA 1 Hel")
		p.writes(windowFrame(1, 2))
		p.wants("DATA 1 lo")
		// RFC 9113 section 6.9.2: the window becomes negative.
		p.writes(settingsFrame(setting{settingInitialWindowSize, 0}), windowFrame(1, 3))
		p.wants("SETTINGS ack")
		p.writes(windowFrame(1, 1))
		p.wants("DATA 1 ,")
		p.writes(settingsFrame(setting{settingInitialWindowSize, 100}))
		p.wants("SETTINGS ack", "DATA 1  world! end")
	})
}

func TestWindowsShrinkWhileScheduled(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	p.answers(1, &Response{Status: 200, Bytes: []byte(kib(32))})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 0}))
	p.wants("HEADERS 1 :status=200 content-length=32768", "SETTINGS ack")
	p.writes(settingsFrame(setting{settingInitialWindowSize, 40000}))
	p.wants("SETTINGS ack", "DATA 1 (16384 bytes)", "DATA 1 (16384 bytes) end")
}

func TestInitialWindowOverflow(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1), windowFrame(1, maxWindow-protocolWindow), settingsFrame(setting{settingInitialWindowSize, protocolWindow + 1}))
	p.wantsEnd(CodeFlowControlError)
}

func TestConnectionWindow(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 1 << 20}), p.get(1))
	p.answers(1, &Response{Status: 200, Bytes: []byte(kib(80))})
	total := 0
	for _, f := range p.frames() {
		var n int
		fmt.Sscanf(f, "DATA 1 (%d", &n)
		total += n
	}
	if total != protocolWindow {
		t.Fatalf("%d bytes", total)
	}
	// A response without content needs no window.
	p.writes(p.get(3))
	p.answers(3, &Response{Status: 404})
	p.wants("HEADERS 3 :status=404 content-length=0 end")
	p.writes(windowFrame(0, 1<<20))
	p.wants("DATA 1 (16384 bytes)", "DATA 1 x end")
}

func TestPeerFrameSize(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingMaxFrameSize, 1 << 20}), p.get(1))
	p.answers(1, &Response{Status: 200, Bytes: []byte(kib(40))})
	// More urgent content would wait for larger frames.
	p.wants("SETTINGS ack", "HEADERS 1 :status=200 content-length=40960", "DATA 1 (16384 bytes)", "DATA 1 (16384 bytes)", "DATA 1 (8192 bytes) end")
}

func TestRoomIsKept(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	p.answers(1, &Response{Status: 200, Source: &tailed{feed{ready: kib(60), err: io.EOF}}, Length: -1})
	for room := 10; p.c.Wanting(); room += 97 {
		b := p.c.Transmit(nil, room)
		if len(b) == 0 || len(b) > room+leastFrame+frameHeaderLen {
			t.Fatalf("%d bytes in room for %d", len(b), room)
		}
		p.wire.Write(b)
	}
	last := p.read()
	if !strings.HasSuffix(last[len(last)-1], " end") {
		t.Fatal(last[len(last)-1])
	}
}

// Congested is true while complete responses wait, until they have left or were reset.
func TestCongested(t *testing.T) {
	p := connect(t, Config{MaxUnsent: 1 << 17})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 0}), p.get(1), p.get(3), p.get(5))
	p.answers(1, &Response{Status: 200, Bytes: make([]byte, 100<<10)})
	p.sent()
	if p.c.Congested() {
		t.Fatal("congested by one response")
	}
	p.answers(3, &Response{Status: 200, Bytes: make([]byte, 100<<10)})
	p.answers(5, &Response{Status: 200, Source: &feed{ready: kib(200)}, Length: -1}) // pulled, so not counted
	if !p.c.Congested() {
		t.Fatal("not congested by two")
	}
	p.writes(resetFrame(3))
	if p.c.Congested() {
		t.Fatal("congested by what was reset")
	}
	p.writes(windowFrame(1, 1<<20), windowFrame(0, 1<<20))
	p.sent()
	if p.c.unsent != 0 {
		t.Errorf("%d bytes are left", p.c.unsent)
	}
}
