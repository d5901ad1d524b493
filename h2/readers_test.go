package h2

import (
	"io"
	"testing"
)

// spring is a Source that has as many bytes as it was given.
type spring struct{ left int }

func (s *spring) Read(p []byte) (int, error) {
	n := min(len(p), s.left)
	s.left -= n
	return n, nil
}

// checks has CheckReaders called, and returns the frames that follow.
func (p *peer) checks(reset bool, blocked int) []string {
	p.t.Helper()
	if got := p.c.CheckReaders(reset); got != blocked {
		p.t.Errorf("%d streams are blocked, want %d", got, blocked)
	}
	p.pump()
	return p.frames()
}

// A stream is reset at the second check in a row that finds its window in the way, and no sooner; also if the window has
// opened meanwhile, but by too little.
func TestCheckReadersResetsAtTheSecondCheck(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 300}), p.get(1))
	p.answers(1, &Response{Status: 200, Bytes: []byte(kib(1))})
	p.frames()
	if !p.c.WindowsClosed() {
		t.Error("nobody knows that a window is closed")
	}
	if frames := p.checks(true, 1); len(frames) != 0 {
		t.Errorf("the first check has sent %v", frames)
	}
	p.writes(windowFrame(1, 300))
	p.frames()
	if frames := p.checks(false, 1); len(frames) != 0 {
		t.Errorf("a check without resets has sent %v", frames)
	}
	p.events = nil
	if frames := p.checks(true, 0); len(frames) != 1 || frames[0] != "RST_STREAM 1 ENHANCE_YOUR_CALM" {
		t.Errorf("the second check has sent %v", frames)
	}
	p.wantsEvents("Reset 1 ENHANCE_YOUR_CALM")
}

// A response that was short of content between two checks is not the peer's to speed up.
func TestCheckReadersSparesSlowSources(t *testing.T) {
	p := connect(t, Config{})
	src := &spring{left: 300}
	p.writes(settingsFrame(setting{settingInitialWindowSize, 300}), p.get(1))
	p.answers(1, &Response{Status: 200, Source: src, Length: -1})
	p.frames()
	p.checks(true, 1)
	p.writes(windowFrame(1, 300)) // and there is nothing to send
	p.frames()
	p.checks(true, 0)
	src.left = 300
	p.c.Resume(1)
	p.frames()
	p.checks(true, 1)
	p.checks(true, 0)
}

// A window of the connection blocks all streams that wait for it, and none that has nothing to send.
func TestCheckReadersOfTheConnection(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 1 << 20}), p.get(1), p.get(3), p.get(5))
	p.answers(1, &Response{Status: 200, Bytes: []byte(kib(80))})
	p.answers(3, &Response{Status: 200, Bytes: []byte(kib(80))})
	p.frames()
	p.checks(true, 2)
	if frames := p.checks(true, 0); len(frames) != 2 {
		t.Errorf("the second check has sent %v", frames)
	}
	if p.c.Streams() != 1 {
		t.Errorf("%d streams are left", p.c.Streams())
	}
}

// A tunnel may be silent, and its peer may be slow to read.
func TestCheckReadersSparesTunnels(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 0}), p.headers(1, 0, ":method", "CONNECT", ":authority", "a.example:443"))
	p.answers(1, &Response{Status: 200, Source: io.LimitReader(&spring{left: 1000}, 1000), Length: -1})
	p.frames()
	p.checks(true, 0)
	p.checks(true, 0)
	if p.c.Streams() != 1 {
		t.Error("the tunnel is gone")
	}
}
