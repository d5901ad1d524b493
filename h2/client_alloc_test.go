//go:build !poison

package h2

import (
	"fmt"
	"testing"
)

// A request and its response, whose fields are references to the table, allocate nothing.
func TestAskAllocatesNothing(t *testing.T) {
	x := newAsk(t)
	x.round(t, 20)
	if n := testing.AllocsPerRun(100, func() { x.round(t, 20) }); n > 0 {
		t.Errorf("%v allocations in 20 requests", n)
	}
	// Values that differ are not indexed.
	paths := []string{"/a?token=1", "/b?token=1", "/c?token=1", "/d?token=1", "/e?token=1"}
	i := 0
	if n := testing.AllocsPerRun(100, func() {
		x.ask.Path = paths[i%len(paths)]
		i++
		x.round(t, 1)
	}); n > 0 {
		t.Errorf("%v allocations in a request with another path", n)
	}
}

// Lines that repeat, but are too many for the table, cost an allocation now and then.
func TestTooManyRepeatedLines(t *testing.T) {
	x := newAsk(t)
	agents := make([]string, 45)
	for i := range agents {
		agents[i] = fmt.Sprint("agent", i)
	}
	i := 0
	ask := func() {
		x.ask.Fields[0].Value = agents[i%len(agents)]
		i++
		x.round(t, 1)
	}
	for range 1000 {
		ask()
	}
	if n := testing.AllocsPerRun(1, func() {
		for range 1000 {
			ask()
		}
	}); n > 2*1000/insertEvery {
		t.Errorf("%v allocations in 1000 requests", n)
	}
}

// Equal responses that are literals allocate nothing; what is secret is not kept.
func TestEqualResponsesAllocateNothing(t *testing.T) {
	s := serverOf(t, Config{})
	ask := s.get()
	var ev Event
	var in, out []byte
	round := func(head string) {
		id := s.requests(ask)
		out = s.c.Transmit(out[:0], 1<<20)
		in = append(in[:0], head...)
		putStream(in, id)
		for left := in; len(left) > 0; {
			n, err := s.c.Next(left, &ev)
			if err != nil {
				t.Fatal(err)
			}
			left = left[n:]
		}
		s.c.Consumed(id, len(ev.Data))
	}
	end := byte(flagEndHeaders | flagEndStream)
	bare := frame(frameHeaders, end, 1, "\x88"+literal(0, "content-length", "0")+literal(0, "date", "Sun, 29 Nov 2026 12:00:00 GMT"))
	round(bare)
	if n := testing.AllocsPerRun(100, func() { round(bare) }); n > 0 {
		t.Errorf("%v allocations in a response", n)
	}
	secret := frame(frameHeaders, end, 1, "\x88"+literal(0x10, "set-cookie", "key=1"))
	round(secret)
	if m := s.c.memo(); string(m.block) == secret[frameHeaderLen:] {
		t.Error("a field that is never to be indexed was kept")
	}
}
