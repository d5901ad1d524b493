package h2

import (
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// attacks has the frames of one step of an attack on each budget.
var attacks = map[Budget]func(p *peer, id StreamID) string{
	// CVE-2023-44487
	ResetBudget: func(p *peer, id StreamID) string { return p.get(id) + resetFrame(id) },
	// CVE-2025-8671
	ProvokedBudget: func(p *peer, id StreamID) string { return p.get(id) + windowFrame(id, 0) },
	RefusedBudget:  func(p *peer, id StreamID) string { return p.get(id) },
	OversizeBudget: func(p *peer, id StreamID) string {
		return p.headers(id, flagEndStream, get("x", strings.Repeat("\x01", 1500))...)
	},
	// CVE-2024-27316
	BlockBudget: func(p *peer, id StreamID) string {
		if id == 3 {
			return frame(frameHeaders, 0, id, "\x82")
		}
		return frame(frameContinuation, 0, 3, "\x82")
	},
	// CVE-2019-9512, 9515, 9518, 9513, 9511
	PingBudget:     func(p *peer, id StreamID) string { return pingFrame(1) },
	SettingsBudget: func(p *peer, id StreamID) string { return settingsFrame() },
	EmptyBudget: func(p *peer, id StreamID) string {
		if id == 3 {
			return p.post(3)
		}
		return dataFrame(3, 0, "")
	},
	PriorityBudget: func(p *peer, id StreamID) string {
		return frame(framePriority, 0, id, "\x00\x00\x00\x01\x10") + frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x01u=1")
	},
	WindowBudget:  func(p *peer, id StreamID) string { return windowFrame(0, 1) },
	StrayBudget:   func(p *peer, id StreamID) string { return dataFrame(1, 0, "x") },
	UnknownBudget: func(p *peer, id StreamID) string { return frame(0xbe, 0, 0, "grease") },
	// CVE-2019-9517 and its like: answers are provoked within the other budgets and not read.
	QueueBudget: func(p *peer, id StreamID) string {
		p.passes(time.Minute)
		return pingFrame(1) + settingsFrame() + dataFrame(1, 0, "")
	},
}

// Each attack ends its connection for the right budget. Another connection of the loop is served
// meanwhile, and memory stays bounded.
func TestAttacks(t *testing.T) {
	for budget := range budgets {
		t.Run(budget.String(), func(t *testing.T) {
			p := connect(t, Config{MaxConcurrentStreams: 10, MaxHeaderListSize: minHeaderListSize})
			p.writes(p.get(1))
			p.answers(1, &hello)
			p.frames()
			other := p.another()

			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			id := StreamID(3)
			for ; p.err == nil; id += 2 {
				if id > 200_000 {
					t.Fatal("the attack goes on for ever")
				}
				p.writes(attacks[budget](p, id))
				p.events = nil
				if budget != QueueBudget && p.err == nil {
					p.frames()
				}
				if id%2000 == 3 {
					other.writes(other.get(id))
					other.answers(id, &hello)
					if f := other.frames(); len(f) != 2 {
						t.Fatalf("the other connection got %v", f)
					}
				}
			}
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
				t.Errorf("heap grew by %d bytes", grown)
			}
			if queued := len(p.c.out); queued > 256<<10 {
				t.Errorf("%d bytes are queued", queued)
			}
			if p.sh.Stats.Calmed[budget] != 1 {
				t.Errorf("counters %v", p.sh.Stats.Calmed)
			}
			p.wantsEnd(CodeEnhanceYourCalm)
		})
	}
}

// Cancellations, PINGs, window updates and priorities of a busy client never add up to an attack.
func TestLongLivedClient(t *testing.T) {
	p := connect(t, Config{})
	src := &feed{}
	id := StreamID(1)
	for range 5000 {
		for range 3 {
			p.writes(p.headers(id, 0, post("te", "trailers")...), dataFrame(id, 0, "request"))
			p.c.Consumed(id, 7)
			src.ready = kib(1)
			p.answers(id, &Response{Status: 200, Source: src, Length: -1})
			p.sent()
			p.writes(windowFrame(id, 1<<10), windowFrame(0, 1<<10), pingFrame(uint64(id)))
			if id%3 == 0 {
				p.writes(resetFrame(id)) // cancelled while it streams
			} else {
				p.writes(frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x01u=1"), dataFrame(id, flagEndStream, ""))
				src.err = io.EOF
				p.c.Resume(id)
				p.sent()
				src.err = nil
			}
			p.events = nil
			id += 2
		}
		if p.err != nil {
			t.Fatalf("cut off at stream %d: %v", id, p.err)
		}
		p.passes(time.Millisecond)
	}
	if p.c.Streams() != 0 {
		t.Errorf("%d streams are left", p.c.Streams())
	}
}

// A client with one open stream that sends PINGs is never cut off.
func TestIdleStreamWithPings(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	p.answers(1, &Response{Status: 200, Source: &feed{}, Length: -1})
	for range 20_000 {
		p.writes(pingFrame(1))
		p.sent()
		p.passes(time.Second)
		if p.err != nil {
			t.Fatal(p.err)
		}
	}
}

func TestOversizedHead(t *testing.T) {
	dialogue(t, Config{MaxHeaderListSize: minHeaderListSize}, func(p *peer) {
		p.writes(p.headers(1, flagEndStream, get("x-large", strings.Repeat("v", 2000))...))
		p.wants(refusal(1, 431, "field lines exceed the limit")...)
		// The table is intact: later blocks can refer to what this one added.
		p.writes(p.headers(3, 0, post("x-large", strings.Repeat("v", 2000))...), dataFrame(3, 0, "late"))
		p.wantsRefusal(3, 431, "field lines exceed the limit", CodeNoError)
		p.writes(p.headers(5, flagEndStream, get("x", "small")...))
		p.wantsEvents("Refused 1 NO_ERROR: field lines exceed the limit", "Refused 3 NO_ERROR: field lines exceed the limit",
			"Request 5 GET a.example/ end")
		if p.sh.Stats.TooLarge != 2 {
			t.Error("not counted")
		}
	})
}

// Small blocks that decode to large sections, by references to one large entry or by the number of
// fields, are answered with 431.
func TestBombs(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.headers(1, flagEndStream, get("x", strings.Repeat("v", 3500))...))
	block := p.encode(get("x", strings.Repeat("v", 3500))...)
	bomb := block + strings.Repeat(block[len(block)-1:], 16_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p.writes(frame(frameHeaders, flagEndHeaders|flagEndStream, 3, bomb))
	many := p.encode(get()...) + strings.Repeat("\x90", 1000) // accept-encoding
	p.writes(frame(frameHeaders, flagEndHeaders|flagEndStream, 5, many))
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
	p.wants(append(refusal(3, 431, "field lines exceed the limit"), refusal(5, 431, "field lines exceed the limit")...)...)
	p.writes(p.get(7))
	p.wantsEvents("Request 1 GET a.example/ end", "Refused 3 NO_ERROR: field lines exceed the limit",
		"Refused 5 NO_ERROR: field lines exceed the limit", "Request 7 GET a.example/ end")
}

func TestBlockTooLarge(t *testing.T) {
	p := connect(t, Config{})
	p.writes(frame(frameHeaders, 0, 1, kib(16)))
	for range 8 {
		p.writes(frame(frameContinuation, 0, 1, kib(16)))
	}
	p.wantsEnd(CodeEnhanceYourCalm)
}

func TestRefusedStreams(t *testing.T) {
	dialogue(t, Config{MaxConcurrentStreams: 1}, func(p *peer) {
		p.writes(p.post(1), p.headers(3, 0, post("x", "in the table")...), dataFrame(3, flagEndStream, "late"))
		p.wants("RST_STREAM 3 REFUSED_STREAM")
		p.writes(resetFrame(1), p.headers(5, flagEndStream, get("x", "in the table")...))
		p.wantsEvents("Request 1 POST a.example/", "Refused 3 REFUSED_STREAM: more streams than SETTINGS_MAX_CONCURRENT_STREAMS",
			"Reset 1 CANCEL", "Request 5 GET a.example/ end")
	})
}

// For a peer that never reads, a bounded amount of output waits.
func TestOutputIsBoundedWithoutReader(t *testing.T) {
	p := connect(t, Config{})
	large := &Response{Status: 200, Bytes: []byte(kib(1))}
	for id := StreamID(1); id < 20_000 && p.err == nil; id += 2 {
		p.writes(p.get(id), windowFrame(0, 2<<10))
		p.c.Respond(id, large)
		p.events = nil
	}
	if n := len(p.c.out); n > 256<<10 || p.c.Streams() > 250 {
		t.Errorf("%d bytes and %d streams wait", n, p.c.Streams())
	}
}

// Answers without content leave no stream open to be counted. A peer that requests them and reads
// nothing is cut off by the size of the output.
func TestHeadsUnread(t *testing.T) {
	for name, fields := range map[string][]Field{"many": nil, "large": {{"x", strings.Repeat("x", 8000)}}} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{})
			for id := StreamID(1); p.err == nil; id += 2 {
				if id > 20_000 {
					t.Fatal("output piles up for ever")
				}
				p.writes(p.get(id))
				p.events = nil
				if p.err == nil {
					p.answers(id, &Response{Status: 204, Fields: fields})
				}
			}
			if size := len(p.c.out); size > 4<<20 {
				t.Fatalf("%d bytes wait", size)
			}
		})
	}
}

// Slow reading is no abuse, and output that was read takes no memory.
func TestHeadsReadSlowly(t *testing.T) {
	p := connect(t, Config{})
	p.frames()
	for id := StreamID(1); id < 200_000; id += 2 {
		p.writes(p.get(id))
		p.events = nil
		p.answers(id, &Response{Status: 204})
		if id > 1000 {
			p.c.Transmit(nil, 64) // more than a head
		}
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
	if size := cap(p.c.out); size > 64<<10 {
		t.Fatalf("output takes %d bytes", size)
	}
}
