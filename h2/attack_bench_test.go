package h2

import (
	"strings"
	"testing"
)

// attackInput is the input of a peer that tries to cause much work for each byte.
type attackInput struct {
	cfg   Config
	input []byte
}

// replay feeds the input to fresh connections in reads of 64 KiB, answers each request and consumes all content.
func (a *attackInput) replay(b *testing.B) {
	first := connect(b, a.cfg)
	sh := first.sh
	var ev Event
	var out []byte
	b.SetBytes(int64(len(a.input)))
	b.ReportAllocs()
	for b.Loop() {
		c := new(Conn)
		c.Init(sh, 0)
		c.input = awaitFrame
		for from := 0; from < len(a.input); {
			in := a.input[from:min(from+64<<10, len(a.input))]
			used := 0
			for {
				n, err := c.Next(in[used:], &ev)
				if err != nil {
					b.Fatal(err)
				}
				used += n
				if ev.Kind == NeedMore {
					break
				}
				switch ev.Kind {
				case Request:
					if ev.End {
						c.Respond(ev.Stream, &Response{Status: 204})
					}
				case Data:
					c.Consumed(ev.Stream, len(ev.Data))
				}
			}
			from += used
			out = c.Transmit(out[:0], 1<<20)
		}
		c.Close()
	}
}

// BenchmarkAttack measures the time for attacks that stay within all budgets.
func BenchmarkAttack(b *testing.B) {
	b.Run("references to a long value", func(b *testing.B) {
		p := connect(b, Config{})
		var in strings.Builder
		in.WriteString(p.headers(1, flagEndStream, get("x", strings.Repeat("v", 3500))...))
		head := p.encode(get("x", strings.Repeat("v", 3500))...)
		for id := StreamID(3); in.Len() < 1<<20; id += 2 {
			in.WriteString(frame(frameHeaders, flagEndHeaders|flagEndStream, id, head+strings.Repeat(head[len(head)-1:], 16)+"\x00\x01y\x01"+string(rune('a'+id%16))))
		}
		(&attackInput{input: []byte(in.String())}).replay(b)
	})
	b.Run("table churn", func(b *testing.B) {
		p := connect(b, Config{})
		var in strings.Builder
		head := p.encode(get()...)
		in.WriteString(frame(frameHeaders, flagEndHeaders|flagEndStream, 1, head))
		fresh := "\x82\x86\x84\x01\x01a" // :authority as a literal
		for id := StreamID(3); in.Len() < 1<<20; id += 2 {
			in.WriteString(frame(frameHeaders, flagEndHeaders|flagEndStream, id, fresh+strings.Repeat("\x40\x01x\x01y", 500)))
		}
		(&attackInput{input: []byte(in.String())}).replay(b)
	})
	b.Run("DATA of 1 byte", func(b *testing.B) {
		p := connect(b, Config{})
		(&attackInput{input: []byte(p.post(1) + strings.Repeat(dataFrame(1, 0, "x"), 100_000))}).replay(b)
	})
	b.Run("padded DATA of 1 byte", func(b *testing.B) {
		p := connect(b, Config{})
		(&attackInput{input: []byte(p.post(1) + strings.Repeat(frame(frameData, flagPadded, 1, "\x00x"), 100_000))}).replay(b)
	})
}
