package h2

import (
	"testing"
	"time"
)

func TestBlockedStreamsAreCountedWithTheirTime(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 0}), p.get(1))
	p.answers(1, &hello)
	p.frames()
	if err := p.passes(3 * time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.sh.Stats.StreamWindow; got != (Blockage{}) && got != (Blockage{Times: 1}) {
		t.Errorf("while it is blocked: %v", got)
	}
	p.writes(windowFrame(1, 1000))
	p.frames()
	if got, want := p.sh.Stats.StreamWindow, (Blockage{Times: 1, Lasted: 3 * time.Second}); got != want {
		t.Errorf("blocked streams: %v, want %v", got, want)
	}
	if got := p.sh.Stats.ConnWindow; got != (Blockage{}) {
		t.Errorf("blocked connections: %v", got)
	}
}

func TestBlockedConnectionsAreCountedWithTheirTime(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 1 << 20}), p.get(1))
	p.answers(1, &Response{Status: 200, Bytes: []byte(kib(80))})
	p.frames()
	if err := p.passes(3 * time.Second); err != nil {
		t.Fatal(err)
	}
	p.writes(windowFrame(0, 1<<20))
	p.frames()
	if got, want := p.sh.Stats.ConnWindow, (Blockage{Times: 1, Lasted: 3 * time.Second}); got != want {
		t.Errorf("blocked connections: %v, want %v", got, want)
	}
}

// A response whose content fits its window, and an early one that waits for the end of its request, are blocked by none.
func TestOtherStreamsAreNotBlocked(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1), p.post(3))
	p.answers(1, &hello)
	p.answers(3, &hello)
	p.frames()
	_ = p.passes(500 * time.Millisecond)
	p.writes(dataFrame(3, flagEndStream, ""))
	p.frames()
	if got := p.sh.Stats.StreamWindow; got != (Blockage{}) {
		t.Errorf("blocked streams: %v", got)
	}
}

func TestResetsAreCountedByCode(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1), p.get(3), p.get(5))
	p.writes(resetFrame(1), string(appendReset(nil, 3, 99)), windowFrame(5, 0))
	p.frames()
	s := &p.sh.Stats
	if s.ResetsReceived[CodeCancel] != 1 || s.ResetsReceived[CodeKinds-1] != 1 || s.ResetsSent[CodeProtocolError] != 1 {
		t.Errorf("resets received %v and sent %v", s.ResetsReceived, s.ResetsSent)
	}
	if got := ErrCode(CodeKinds - 1).String(); got != "UNKNOWN_ERROR" {
		t.Errorf("the last kind is %s", got)
	}
}
