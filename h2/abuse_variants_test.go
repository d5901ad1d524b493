package h2

import (
	"runtime"
	"strings"
	"testing"
)

// assault repeats step, each time on the next stream, until the connection ends, which must be for that budget. The
// peer reads what the machine sends.
func (p *peer) assault(budget Budget, step func(id StreamID) string) {
	p.t.Helper()
	for id := StreamID(1); p.err == nil; id += 2 {
		if id > 20_000 {
			p.t.Fatal("the attack goes on for ever")
		}
		p.writes(step(id))
		p.events = nil
		if p.err == nil {
			p.frames()
		}
	}
	p.wantsEnd(CodeEnhanceYourCalm)
	if p.sh.Stats.Calmed[budget] != 1 {
		p.t.Errorf("counters %v", p.sh.Stats.Calmed)
	}
}

// Each way to make the server reset a stream whose request is in progress (MadeYouReset, CVE-2025-8671) has a budget.
func TestMadeYouReset(t *testing.T) {
	for name, mistake := range map[string]func(p *peer, id StreamID) string{
		"WINDOW_UPDATE of 0":        func(p *peer, id StreamID) string { return p.get(id) + windowFrame(id, 0) },
		"window overflow":           func(p *peer, id StreamID) string { return p.get(id) + windowFrame(id, maxWindow) },
		"DATA behind the end":       func(p *peer, id StreamID) string { return p.get(id) + dataFrame(id, 0, "x") },
		"HEADERS behind the end":    func(p *peer, id StreamID) string { return p.get(id) + p.get(id) },
		"trailers without an end":   func(p *peer, id StreamID) string { return p.post(id) + p.headers(id, 0, "x", "y") },
		"malformed trailers":        func(p *peer, id StreamID) string { return p.post(id) + p.headers(id, flagEndStream, "X", "y") },
		"content of wrong length":   func(p *peer, id StreamID) string { return p.promising(id) + dataFrame(id, flagEndStream, "x") },
		"dependency on itself":      func(p *peer, id StreamID) string { return p.get(id) + selfDependency(id) },
		"malformed head":            func(p *peer, id StreamID) string { return p.headers(id, flagEndStream, get("X", "y")...) },
		"empty name, CVE-2019-9516": func(p *peer, id StreamID) string { return p.headers(id, flagEndStream, get("", "")...) },
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{})
			p.assault(ProvokedBudget, func(id StreamID) string { return mistake(p, id) })
		})
	}
}

func selfDependency(id StreamID) string {
	return frame(framePriority, 0, id, string([]byte{byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id), 0}))
}

// CONTINUATION frames without content (CVE-2024-27316) end the connection as those with some do.
func TestEmptyContinuations(t *testing.T) {
	p := connect(t, Config{})
	p.writes(frame(frameHeaders, flagEndStream, 1, "\x82"))
	p.assault(BlockBudget, func(StreamID) string { return frame(frameContinuation, 0, 1, "") })
}

// SETTINGS that change the windows of many streams back and forth have a budget.
func TestWindowsToAndFro(t *testing.T) {
	p := connect(t, Config{})
	for id := StreamID(1); id < 400; id += 2 {
		p.writes(p.get(id))
		p.answers(id, &Response{Status: 200, Source: &feed{}, Length: -1})
	}
	p.frames()
	p.assault(SettingsBudget, func(id StreamID) string {
		return settingsFrame(setting{settingInitialWindowSize, uint32(id % 4)})
	})
}

// Evicted entries of the table take no memory.
func TestTableChurn(t *testing.T) {
	p := connect(t, Config{})
	churn := "\x82\x86\x84\x01\x09a.example" + strings.Repeat("\x40\x01x\x01y", 300)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for id := StreamID(1); id < 2000; id += 2 {
		p.writes(frame(frameHeaders, flagEndHeaders|flagEndStream, id, churn))
		p.events = nil
		if p.err != nil {
			t.Fatal(p.err)
		}
		p.answers(id, &Response{Status: 204})
		p.sent()
	}
	if after := heap(); after > before+1<<20 {
		t.Errorf("%d bytes are held", after-before)
	}
	if d := p.c.decoder; d.size > tableSize || len(d.ring) > 128 {
		t.Errorf("%d bytes in %d places", d.size, len(d.ring))
	}
}

// A peer with an open HTTP/2 window that reads nothing (CVE-2019-9517) makes the machine encode no more than it was
// asked to give.
func TestNothingIsEncodedAhead(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingInitialWindowSize, maxWindow}), windowFrame(0, 1<<30))
	for id := StreamID(1); id < 400; id += 2 {
		p.writes(p.get(id))
		p.answers(id, &Response{Status: 200, Bytes: []byte(kib(64))})
	}
	if queued := len(p.c.out); queued > 256<<10 {
		t.Errorf("%d bytes are encoded", queued)
	}
}
