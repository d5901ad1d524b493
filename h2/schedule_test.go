package h2

import (
	"fmt"
	"strings"
	"testing"
)

// opens makes the peer's windows large, so that priorities alone decide the order.
func (p *peer) opens() {
	p.writes(settingsFrame(setting{settingInitialWindowSize, 1 << 30}), windowFrame(0, 1<<30))
	p.frames()
}

// asks requests stream id with a priority field, and answers with n frames of content.
func (p *peer) asks(id StreamID, priority string, n int) {
	fields := get()
	if priority != "" {
		fields = get("priority", priority)
	}
	p.writes(p.headers(id, flagEndStream, fields...))
	p.answers(id, &Response{Status: 200, Bytes: make([]byte, n*frameContent)})
}

// order returns the streams of the DATA frames in the output.
func (p *peer) order() string {
	var ids []string
	for _, f := range p.frames() {
		var id int
		if n, _ := fmt.Sscanf(f, "DATA %d", &id); n == 1 {
			ids = append(ids, fmt.Sprint(id))
		}
	}
	return strings.Join(ids, " ")
}

func TestTurns(t *testing.T) {
	for name, tt := range map[string]struct {
		priorities [3]string
		want       string
	}{
		"without a signal":        {[3]string{"", "", ""}, "1 3 5 1 3 5 1 3 5"},
		"incremental":             {[3]string{"i", "i", "i"}, "1 3 5 1 3 5 1 3 5"},
		"one after another":       {[3]string{"u=3", "u=3", "u=3"}, "1 1 1 3 3 3 5 5 5"},
		"urgent first":            {[3]string{"u=5", "u=1", "u=3"}, "3 3 3 5 5 5 1 1 1"},
		"signal and none":         {[3]string{"", "u=3", ""}, "1 3 5 3 1 3 5 1 5"},
		"urgent incremental ones": {[3]string{"u=1, i", "", "u=1, i"}, "1 5 1 5 1 5 3 3 3"},
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{})
			p.opens()
			for i, priority := range tt.priorities {
				p.asks(StreamID(1+2*i), priority, 3)
			}
			if got := p.order(); got != tt.want {
				t.Errorf("order %s, want %s", got, tt.want)
			}
		})
	}
}

// The lower urgencies together get a sixteenth.
func TestNothingStarves(t *testing.T) {
	p := connect(t, Config{})
	p.opens()
	p.asks(1, "u=0", 64)
	p.asks(3, "u=6", 4)
	p.asks(5, "u=2", 4)
	order := strings.Fields(p.order())
	var lower []string
	for _, id := range order[:64] {
		if id != "1" {
			lower = append(lower, id)
		}
	}
	if got := strings.Join(lower, " "); got != "5 3 5 3" {
		t.Errorf("lower urgencies sent %s", got)
	}
}

func TestPriorityUpdate(t *testing.T) {
	p := connect(t, Config{})
	p.opens()
	// RFC 9218 section 7.1: an update may come first.
	p.writes(frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x05u=0"))
	p.asks(1, "", 2)
	p.asks(3, "", 2)
	p.asks(5, "", 2)
	p.writes(frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x03u=1"))
	if got := p.order(); got != "5 5 3 3 1 1" {
		t.Errorf("order %s", got)
	}
}

func TestSmallBesideBulk(t *testing.T) {
	// A small response waits for one frame of a download.
	p := connect(t, Config{})
	p.opens()
	p.asks(1, "", 100)
	p.wire.Write(p.c.Transmit(nil, 100<<10))
	p.read()
	p.writes(p.get(3))
	p.answers(3, &hello)
	p.wire.Write(p.c.Transmit(nil, 40<<10))
	frames := p.read()
	if want := "DATA 3 Hello, world! end"; frames[1] != want && frames[2] != want {
		t.Errorf("frames %v", frames)
	}
}
