package h2

import (
	"testing"
	"time"
)

func TestSettingsTimeout(t *testing.T) {
	p := newPeer(t, Config{})
	p.frames()
	if err := p.passes(9 * time.Second); err != nil {
		t.Fatal(err)
	}
	p.writes(preface(), settingsFrame())
	p.err = p.passes(time.Second)
	p.wantsEnd(CodeSettingsTimeout)
}

func TestBlockTimeout(t *testing.T) {
	p := connect(t, Config{})
	p.writes(frame(frameHeaders, flagEndStream, 1, "\x82"))
	if err := p.passes(9 * time.Second); err != nil {
		t.Fatal(err)
	}
	p.writes(frame(frameContinuation, 0, 1, "\x86"))
	p.err = p.passes(time.Second)
	p.wantsEnd(CodeEnhanceYourCalm)
}

// The timer of a header block starts with the first part of its HEADERS frame.
func TestBlockTimeoutWithinHeaders(t *testing.T) {
	p := connect(t, Config{})
	slow := p.get(1)
	p.writes(slow[:10])
	if err := p.passes(9 * time.Second); err != nil {
		t.Fatal(err)
	}
	p.writes(slow[10:])
	p.wantsEvents("Request 1 GET a.example/ end")
	slow = frame(frameHeaders, flagEndStream, 3, "\x82")
	p.writes(slow[:9])
	if err := p.passes(9 * time.Second); err != nil {
		t.Fatal(err)
	}
	p.writes(slow[9:] + frame(frameContinuation, 0, 3, "\x86"))
	p.err = p.passes(time.Second)
	p.wantsEnd(CodeEnhanceYourCalm)
}

func TestNoDeadlineWhileIdle(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	p.answers(1, &hello)
	p.frames()
	if d := p.c.Deadline(); !d.IsZero() {
		t.Errorf("deadline %v", d)
	}
}

func TestKeepAlive(t *testing.T) {
	p := connect(t, Config{KeepAlive: time.Minute, KeepAliveTimeout: 10 * time.Second})
	if err := p.passes(50 * time.Second); err != nil {
		t.Fatal(err)
	}
	p.writes(pingFrame(7))
	p.frames()
	p.passes(50 * time.Second)
	p.wants() // a minute has passed, but not of silence
	p.passes(10 * time.Second)
	p.wants("PING 67775f616c697665 false")
	p.writes(string(appendPing(nil, flagAck, pingKeepAlive)))
	p.wantsEvents()
	p.passes(time.Minute)
	p.wants("PING 67775f616c697665 false")
	p.err = p.passes(10 * time.Second)
	p.wantsEnd(CodeNoError)
}

func TestKeepAliveTakesAnySign(t *testing.T) {
	p := connect(t, Config{KeepAlive: time.Minute, KeepAliveTimeout: 10 * time.Second})
	p.passes(time.Minute)
	p.frames()
	p.writes(p.get(1))
	if err := p.passes(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	p.passes(time.Minute)
	p.wants("PING 67775f616c697665 false")
}

func TestDrain(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(p.get(1))
		p.c.Drain(p.now)
		p.wants("GOAWAY 2147483647 NO_ERROR", "PING 67775f647261696e false")
		// A request in flight is served.
		p.writes(p.get(3), string(appendPing(nil, flagAck, pingDrain)))
		p.wants("GOAWAY 3 NO_ERROR")
		p.wantsEvents("Request 1 GET a.example/ end", "Request 3 GET a.example/ end")
		// A later one is refused, so that the client can repeat it elsewhere.
		p.writes(p.get(5))
		p.wantsEvents()
		p.wants("RST_STREAM 5 REFUSED_STREAM")
		p.answers(1, &Response{Status: 204})
		p.answers(3, &Response{Status: 204})
		if p.c.Done() {
			t.Error("done before the responses left")
		}
		p.frames()
		if !p.c.Done() {
			t.Error("not done")
		}
	})
}

// A header block that does not end holds up a drain only shortly.
func TestDrainWithinHeaderBlock(t *testing.T) {
	p := connect(t, Config{})
	p.writes(frame(frameHeaders, flagEndStream, 1, "\x82"))
	p.c.Drain(p.now)
	if err := p.passes(time.Second); err != nil {
		t.Fatal(err)
	}
	p.err = p.passes(drainedBlockTimeout)
	p.wantsEnd(CodeEnhanceYourCalm)
}

// Requests in progress outlive the drain although a header block does not end.
func TestDrainWithinHeaderBlockAndRequest(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1))
	p.writes(frame(frameHeaders, flagEndStream, 3, "\x82"))
	p.c.Drain(p.now)
	if err := p.passes(time.Second); err != nil {
		t.Fatal(err)
	}
	if err := p.passes(8 * time.Second); err != nil {
		t.Fatal(err)
	}
	p.answers(1, &hello)
	if err := p.passes(time.Second); err == nil {
		t.Fatal("the header block may take longer than BlockTimeout")
	}
}

func TestDrainTimeout(t *testing.T) {
	p := connect(t, Config{})
	p.c.Drain(p.now)
	p.frames()
	if err := p.passes(time.Second); err != nil {
		t.Fatal(err)
	}
	p.wants("GOAWAY 0 NO_ERROR")
	if !p.c.Done() {
		t.Error("not done")
	}
}

func TestPeerLeaves(t *testing.T) {
	p := connect(t, Config{})
	p.writes(p.get(1), string(appendGoaway(nil, 0, CodeNoError, "bye")))
	p.wantsEvents("Request 1 GET a.example/ end", "Goaway NO_ERROR")
	p.frames()
	p.passes(time.Second)
	p.wants("GOAWAY 1 NO_ERROR")
	p.answers(1, &Response{Status: 204})
	p.frames()
	if !p.c.Done() {
		t.Error("not done")
	}
}

func TestMaxAge(t *testing.T) {
	cfg := Config{MaxAge: time.Hour, MaxAgeJitter: 10 * time.Minute, MaxAgeGrace: 10 * time.Second}
	p := connect(t, cfg)
	p.writes(p.get(1))
	if err := p.passes(time.Hour - time.Second); err != nil {
		t.Fatal(err)
	}
	p.wants()
	p.passes(time.Second)
	p.wants("GOAWAY 2147483647 NO_ERROR", "PING 67775f647261696e false")
	p.passes(time.Second)
	p.wants("GOAWAY 1 NO_ERROR")
	p.err = p.passes(9 * time.Second)
	p.wantsEnd(CodeNoError)
	// Jitter spreads the ages of connections.
	var early, late Conn
	early.Init(p.sh, 0)
	late.Init(p.sh, 0.75)
	if got := late.timers[ageTimer] - early.timers[ageTimer]; time.Duration(got) != 7*time.Minute+30*time.Second {
		t.Errorf("spread %v", time.Duration(got))
	}
}

func TestStalledResponses(t *testing.T) {
	for name, open := range map[string]func(p *peer){
		"stream window of 0":  func(p *peer) {},
		"stream window of 1s": func(p *peer) { p.writes(windowFrame(1, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{})
			p.writes(settingsFrame(setting{settingInitialWindowSize, 0}), p.get(1))
			p.answers(1, &Response{Status: 200, Bytes: []byte(kib(1))})
			p.frames()
			for range 59 {
				open(p)
				p.frames()
				if err := p.passes(time.Second); err != nil {
					t.Fatal(err)
				}
			}
			p.wants()
			p.passes(time.Second)
			p.wants("RST_STREAM 1 ENHANCE_YOUR_CALM")
			p.wantsEvents("Request 1 GET a.example/ end", "Reset 1 ENHANCE_YOUR_CALM")
			if p.sh.Stats.Stalled != 1 || p.c.Streams() != 0 {
				t.Error("not counted")
			}
		})
	}
	t.Run("connection window of 0", func(t *testing.T) {
		p := connect(t, Config{})
		p.writes(settingsFrame(setting{settingInitialWindowSize, 1 << 20}), p.get(1), p.get(3))
		p.answers(1, &Response{Status: 200, Bytes: []byte(kib(80))})
		p.frames()
		p.passes(30 * time.Second)
		p.answers(3, &Response{Status: 200, Bytes: []byte(kib(80))})
		p.frames()
		p.passes(29 * time.Second)
		p.wants()
		p.passes(time.Second)
		if f := p.frames(); len(f) != 2 || p.c.Streams() != 0 {
			t.Errorf("frames %v", f)
		}
	})
	t.Run("connection window of 1s", func(t *testing.T) {
		p := connect(t, Config{})
		p.writes(settingsFrame(setting{settingInitialWindowSize, 1 << 20}), p.get(1))
		p.answers(1, &Response{Status: 200, Bytes: []byte(kib(80))})
		p.frames()
		for range 59 {
			p.writes(windowFrame(0, 1))
			p.frames()
			p.passes(time.Second)
		}
		p.wants()
		p.passes(time.Second)
		p.wants("RST_STREAM 1 ENHANCE_YOUR_CALM")
	})
	t.Run("slow but alive", func(t *testing.T) {
		p := connect(t, Config{})
		p.writes(settingsFrame(setting{settingInitialWindowSize, 0}), p.get(1))
		p.answers(1, &Response{Status: 200, Bytes: []byte(kib(60))})
		for range 30 {
			p.writes(windowFrame(1, 2<<10))
			p.frames()
			p.passes(30 * time.Second)
		}
		if p.sh.Stats.Stalled != 0 || p.sh.Stats.Completed != 1 {
			t.Error("a slow reader was cut off")
		}
	})
}

func TestDateChangesOnceASecond(t *testing.T) {
	p := connect(t, Config{})
	date := func() string {
		p.writes(p.get(p.c.history.last + 2 | 1))
		p.answers(p.c.history.last, &hello)
		b := p.c.Transmit(nil, 1<<20)
		return string(b)
	}
	date() // the first block also tells the table's size
	first := date()[frameHeaderLen:]
	p.passes(900 * time.Millisecond)
	if date()[frameHeaderLen:60] != first[:60-frameHeaderLen] {
		t.Error("the date changed within a second")
	}
	p.passes(100 * time.Millisecond)
	if date()[frameHeaderLen:60] == first[:60-frameHeaderLen] {
		t.Error("the date did not change")
	}
}
