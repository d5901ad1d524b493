package h2

import (
	"testing"
	"time"
)

// steps returns how many steps of the attack on b a fresh connection of sh survives.
func steps(p *peer, b Budget) int {
	id := StreamID(3)
	for n := 0; ; n++ {
		if n > 20_000 {
			p.t.Fatal("the attack goes on for ever")
		}
		p.writes(attacks[b](p, id))
		p.events = nil
		if p.err != nil {
			return n
		}
		p.frames()
		id += 2
	}
}

// A connection made long after the start of its loop has the same budgets as the first one.
func TestBudgetsDoNotDependOnTheLoopsAge(t *testing.T) {
	for budget := range budgets {
		if budget == QueueBudget || budget == BlockBudget {
			continue // not forgiven with time
		}
		t.Run(budget.String(), func(t *testing.T) {
			cfg := Config{MaxConcurrentStreams: 10, MaxHeaderListSize: minHeaderListSize}
			first := connect(t, cfg)
			first.writes(first.get(1))
			first.answers(1, &hello)
			first.frames()
			want := steps(first, budget)
			first.passes(time.Hour)
			late := newPeerOf(t, first.sh, first.now)
			late.exchangesPrefaces()
			late.writes(late.get(1))
			late.answers(1, &hello)
			late.frames()
			if got := steps(late, budget); got != want {
				t.Errorf("%d steps after an hour, %d at the start", got, want)
			}
		})
	}
}

// Streams opened after the last GOAWAY, the peer's or ours, are refused within a budget.
func TestStreamsAfterGoawayHaveABudget(t *testing.T) {
	for name, leave := range map[string]func(p *peer){
		"the peer's": func(p *peer) { p.writes(string(appendGoaway(nil, 0, CodeNoError, "bye"))) },
		"ours":       func(p *peer) { p.c.Drain(p.now) },
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{})
			p.writes(p.get(1)) // keeps the connection open
			leave(p)
			p.writes(string(appendPing(nil, flagAck, pingDrain)))
			for id := StreamID(3); p.err == nil; id += 2 {
				if id > 200_000 {
					t.Fatal("never cut off")
				}
				p.writes(p.get(id))
				p.events = nil
				if p.err == nil {
					p.frames()
				}
			}
			p.wantsEnd(CodeEnhanceYourCalm)
			if p.sh.Stats.Calmed[RefusedBudget] != 1 {
				t.Errorf("counters %v", p.sh.Stats.Calmed)
			}
		})
	}
}

// A client with windows of a few bytes may send two WINDOW_UPDATEs for each DATA frame, without any time between.
func TestTinyWindowsAreNoFlood(t *testing.T) {
	for _, window := range []int{1, 7, 255} {
		p := connect(t, Config{})
		p.writes(settingsFrame(setting{settingInitialWindowSize, uint32(window)}), p.get(1))
		const size = 20_000
		p.answers(1, &Response{Status: 200, Bytes: []byte(kib(20)[:size])})
		p.sent()
		for n := 0; n < size && p.err == nil; n += window {
			p.writes(windowFrame(1, uint32(window)), windowFrame(0, uint32(window)))
			p.sent()
		}
		if p.err != nil || p.sh.Stats.Completed != 1 {
			t.Errorf("window of %d: %v, %d responses", window, p.err, p.sh.Stats.Completed)
		}
	}
}

// A client may open both windows for each KiB that it has read.
func TestWindowUpdatesSmallerThanFrames(t *testing.T) {
	p := connect(t, Config{})
	const size = 8 << 20
	p.writes(p.get(1))
	p.answers(1, &Response{Status: 200, Bytes: make([]byte, size)})
	p.sent()
	for n := 0; n < size && p.err == nil; n += 1 << 10 {
		p.writes(windowFrame(1, 1<<10), windowFrame(0, 1<<10))
		if n%(32<<10) == 0 {
			p.sent()
		}
	}
	p.sent()
	if p.err != nil || p.sh.Stats.Completed != 1 {
		t.Errorf("%v, %d responses", p.err, p.sh.Stats.Completed)
	}
}

// Small windows that open steadily are progress, however long the response lasts.
func TestSmallWindowsAreNoStall(t *testing.T) {
	p := connect(t, Config{})
	p.writes(settingsFrame(setting{settingInitialWindowSize, 255}), p.get(1))
	p.answers(1, &Response{Status: 200, Bytes: []byte(kib(60))})
	p.sent()
	for range 60 << 10 / 255 {
		p.writes(windowFrame(1, 255))
		p.sent()
		p.passes(5 * time.Second)
	}
	if p.sh.Stats.Stalled != 0 || p.sh.Stats.Completed != 1 {
		t.Errorf("%+v", p.sh.Stats)
	}
}
