package inflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// sample returns text whose compressed form has literals, matches of every
// distance, or only stored blocks.
func sample(rng *rand.Rand, kind, size int) []byte {
	b := make([]byte, size)
	switch kind {
	case 0: // zeros
	case 1: // noise
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
	case 2: // few letters
		for i := range b {
			b[i] = 'a' + byte(rng.ExpFloat64()*3)
		}
	default:
		words := strings.Fields("the quick brown fox jumps over lazy dog pack my box with five dozen liquor jugs")
		for n := 0; n < size; {
			n += copy(b[n:], words[rng.IntN(len(words))])
			n += copy(b[n:], " ")
		}
	}
	return b
}

// compress returns p as a DEFLATE stream with sync flushes at random positions.
func compress(rng *rand.Rand, p []byte, level int) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, level)
	for len(p) > 0 {
		n := 1 + rng.IntN(len(p))
		_, _ = w.Write(p[:n])
		if p = p[n:]; rng.IntN(2) == 0 {
			_ = w.Flush()
		}
	}
	_ = w.Close()
	return b.Bytes()
}

// chopped decodes up to 300,000 bytes, with input and room of random sizes.
func chopped(rng *rand.Rand, in, history []byte) (plain []byte, d *Decoder, status Status) {
	d = new(Decoder)
	d.Reset(MaxWindow)
	out := append(make([]byte, 0, len(history)+300_000), history...)
	for {
		piece := in[:min(len(in), rng.IntN(40))]
		if rng.IntN(4) == 0 {
			piece = in
		}
		room := rng.IntN(3000)
		decoded, used, status := d.Decode(out[:len(out):min(cap(out), len(out)+room)], piece)
		out = out[:len(decoded)]
		in = in[used:]
		switch {
		case status == Corrupt, status == NeedInput && len(in) == 0, len(out) == cap(out):
			return out[len(history):], d, status
		case status == NeedInput && used < len(piece):
			panic("input was left")
		}
	}
}

func TestDecodesWhatTheStandardLibraryEncodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for level := flate.HuffmanOnly; level <= 9; level++ {
		for kind := range 4 {
			for _, size := range []int{0, 1, 100, 5000, 70000, 200000} {
				want := sample(rng, kind, size)
				got, d, status := chopped(rng, compress(rng, want, level), nil)
				if status != NeedInput || !d.StreamEnded() || d.Streams() != 1 {
					t.Fatalf("level %d, kind %d, %d bytes: status %d", level, kind, size, status)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("level %d, kind %d, %d bytes: wrong text", level, kind, size)
				}
			}
		}
	}
}

func TestWindowBoundsReferences(t *testing.T) {
	history := []byte("a text that is referred to")
	var b bytes.Buffer
	w, _ := flate.NewWriterDict(&b, 9, history)
	_, _ = w.Write(history)
	_ = w.Close()
	for window, want := range map[int]Status{MaxWindow: NeedInput, len(history): NeedInput, len(history) - 1: Corrupt} {
		var d Decoder
		d.Reset(window)
		out := append(make([]byte, 0, 1000), history...)
		if _, _, status := d.Decode(out, b.Bytes()); status != want {
			t.Errorf("window of %d: status %d", window, status)
		}
	}
}

// A call builds a bounded number of tables, though a stream may hold nothing
// else.
func TestTablesYield(t *testing.T) {
	var block bytes.Buffer
	w, _ := flate.NewWriter(&block, 9)
	_, _ = w.Write(sample(rand.New(rand.NewPCG(3, 4)), 2, 300))
	_ = w.Close()
	in := bytes.Repeat(block.Bytes(), 100)
	var d Decoder
	d.Reset(MaxWindow)
	out, busy := make([]byte, 0, 40000), 0
	for {
		before := d.Tables()
		var used int
		var status Status
		out, used, status = d.Decode(out, in)
		if n := d.Tables() - before; n > maxTables+2 {
			t.Fatalf("%d tables in one call", n)
		}
		if in = in[used:]; status == NeedInput {
			break
		}
		if busy++; status != Busy {
			t.Fatalf("status %d", status)
		}
	}
	if d.Streams() != 100 || len(out) != 30000 || busy < 100*3/(maxTables+3) {
		t.Errorf("%d streams, %d bytes, busy %d times", d.Streams(), len(out), busy)
	}
}

func FuzzAgainstTheStandardLibrary(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	for kind := range 4 {
		f.Add(compress(rng, sample(rng, kind, 300), 6), uint64(kind))
	}
	f.Add([]byte("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), uint64(1))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		// Beyond this size only time is lost.
		if len(in) > 4096 {
			return
		}
		r := flate.NewReader(bytes.NewReader(in))
		want, err := io.ReadAll(io.LimitReader(r, 1<<16))
		if len(want) == 1<<16 {
			return
		}
		got, d, status := chopped(rand.New(rand.NewPCG(seed, 7)), in, nil)
		switch {
		case err == nil && (d.Streams() == 0 || !bytes.HasPrefix(got, want)):
			t.Fatalf("stream of %d bytes: got %d, status %d", len(want), len(got), status)
		case err == io.ErrUnexpectedEOF && status == NeedInput && d.Streams() > 0:
			t.Fatal("an incomplete stream ended")
		case err != nil && err != io.ErrUnexpectedEOF && status != Corrupt:
			// A fault may be found a few bits later than there.
			if _, _, status = chopped(rand.New(rand.NewPCG(seed, 7)), append(in, make([]byte, 16)...), nil); status != Corrupt {
				t.Fatalf("corrupt stream: status %d, error %v", status, err)
			}
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	rng := rand.New(rand.NewPCG(8, 9))
	for kind, name := range []string{"zeros", "noise", "letters", "words"} {
		for _, size := range []int{200, 30000} {
			plain := sample(rng, kind, size)
			var buf bytes.Buffer
			w, _ := flate.NewWriter(&buf, 6)
			_, _ = w.Write(plain)
			_ = w.Close()
			in := buf.Bytes()
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				out := make([]byte, 0, 32<<10)
				var d Decoder
				for b.Loop() {
					d.Reset(MaxWindow)
					d.Decode(out[:0], in)
				}
			})
		}
	}
}
