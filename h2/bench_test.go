package h2

import (
	"testing"
	"time"
)

// exchangeInput is the input of a load generator: equal requests, which consist of references to the table.
type exchangeInput struct {
	c    *Conn
	sh   *Shared
	ev   Event
	in   []byte
	out  []byte
	next StreamID

	credit []byte
}

func newExchange(t testing.TB, cfg Config) *exchangeInput {
	p := connect(t, cfg)
	x := &exchangeInput{c: p.c, sh: p.sh, next: 3}
	p.writes(p.headers(1, flagEndStream, get("user-agent", "bench")...))
	p.answers(1, &hello)
	p.frames()
	x.in = []byte(p.headers(0, flagEndStream, get("user-agent", "bench")...))
	return x
}

// round makes n requests and answers in one turn.
func (x *exchangeInput) round(t testing.TB, n int) {
	x.sh.Tick(x.sh.base)
	for range n {
		putFrameHeader(x.in, frameHeader{uint32(len(x.in) - frameHeaderLen), frameHeaders, flagEndHeaders | flagEndStream, x.next})
		x.next += 2
		used, err := x.c.Next(x.in, &x.ev)
		if err != nil || used != len(x.in) || x.ev.Kind != Request {
			t.Fatal(used, err, x.ev.Kind)
		}
		if err := x.c.Respond(x.ev.Stream, &hello); err != nil {
			t.Fatal(err)
		}
	}
	x.credit = appendWindowUpdate(x.credit[:0], 0, uint32(n*len(hello.Bytes)))
	x.c.Next(x.credit, &x.ev)
	x.out = x.c.Transmit(x.out[:0], 1<<20)
	if len(x.out) < n*50 {
		t.Fatal("response is missing")
	}
}

func BenchmarkExchange(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(map[int]string{1: "one a turn", 100: "hundred a turn"}[n], func(b *testing.B) {
			x := newExchange(b, Config{})
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				x.round(b, n)
			}
		})
	}
}

// BenchmarkExchangeDecoded is BenchmarkExchange without the memory of the last request.
func BenchmarkExchangeDecoded(b *testing.B) {
	x := newExchange(b, Config{})
	b.ReportAllocs()
	for b.Loop() {
		x.c.memo().serial = 0
		x.round(b, 1)
	}
}

// BenchmarkBulk sends content of 1 MiB, 256 KiB in each turn.
func BenchmarkBulk(b *testing.B) {
	const size = 1 << 20
	x := newExchange(b, Config{})
	content := &Response{Status: 200, Bytes: make([]byte, size)}
	open := windowFrame(0, size) + string(settingsFrame(setting{settingInitialWindowSize, size}))
	if _, err := x.c.Next([]byte(open), &x.ev); err != nil {
		b.Fatal(err)
	}
	credit := []byte(windowFrame(0, size))
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		putFrameHeader(x.in, frameHeader{uint32(len(x.in) - frameHeaderLen), frameHeaders, flagEndHeaders | flagEndStream, x.next})
		x.next += 2
		x.c.Next(x.in, &x.ev)
		if err := x.c.Respond(x.ev.Stream, content); err != nil {
			b.Fatal(err)
		}
		for x.c.Streams() > 0 {
			x.out = x.c.Transmit(x.out[:0], 256<<10)
		}
		x.sh.Tick(x.sh.base.Add(time.Second))
		x.c.Next(credit, &x.ev)
	}
}

// BenchmarkUpload receives content of 1 MiB in frames of 16 KiB, consumed immediately.
func BenchmarkUpload(b *testing.B) {
	const size = 1 << 20
	x := newExchange(b, Config{InitialWindowSize: size})
	head := append([]byte(nil), x.in...)
	data := []byte(dataFrame(1, 0, string(make([]byte, protocolFrameSize))))
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		id := x.next
		x.next += 2
		putFrameHeader(head, frameHeader{uint32(len(head) - frameHeaderLen), frameHeaders, flagEndHeaders, id})
		x.c.Next(head, &x.ev)
		for i := range size / protocolFrameSize {
			flags := uint8(0)
			if i == size/protocolFrameSize-1 {
				flags = flagEndStream
			}
			putFrameHeader(data, frameHeader{protocolFrameSize, frameData, flags, id})
			if _, err := x.c.Next(data, &x.ev); err != nil || x.ev.Kind != Data {
				b.Fatal(err, x.ev.Kind)
			}
			x.c.Consumed(id, len(x.ev.Data))
		}
		x.c.Respond(id, &hello)
		x.out = x.c.Transmit(x.out[:0], 1<<20)
		x.credit = appendWindowUpdate(x.credit[:0], 0, 13)
		x.c.Next(x.credit, &x.ev)
	}
}

// BenchmarkInterleaved sends frames of 100 streams in turn.
func BenchmarkInterleaved(b *testing.B) {
	x := newExchange(b, Config{})
	content := &Response{Status: 200, Bytes: make([]byte, protocolFrameSize)}
	b.ReportAllocs()
	for i := 0; i < b.N; i += 100 {
		for range 100 {
			putFrameHeader(x.in, frameHeader{uint32(len(x.in) - frameHeaderLen), frameHeaders, flagEndHeaders | flagEndStream, x.next})
			x.next += 2
			x.c.Next(x.in, &x.ev)
			if err := x.c.Respond(x.ev.Stream, content); err != nil {
				b.Fatal(err)
			}
		}
		x.c.Next([]byte(windowFrame(0, 100*protocolFrameSize)), &x.ev)
		for x.c.Streams() > 0 {
			x.out = x.c.Transmit(x.out[:0], 256<<10)
		}
	}
}

func TestExchangeAllocatesNothing(t *testing.T) {
	x := newExchange(t, Config{})
	if n := testing.AllocsPerRun(100, func() { x.round(t, 20) }); n > 0 {
		t.Errorf("%v allocations in 20 exchanges", n)
	}
	if n := testing.AllocsPerRun(100, func() { x.c.memo().serial = 0; x.round(t, 1) }); n > 0 {
		t.Errorf("%v allocations in an exchange that is decoded", n)
	}
}
