package ws

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
)

// fragments is a compressed message whose last frame does not come.
func fragments(body []byte, size int) []byte {
	var in []byte
	for i, f := range packed(Binary, body, size) {
		f.fin = false
		if i > 0 {
			f.op = Continuation
		}
		in = append(in, f.bytes()...)
	}
	return in
}

// held returns the memory of a connection's unfinished message.
func (c *Conn) held() int {
	c.sh.plain.release()
	if c.inf == nil {
		return 0
	}
	return cap(c.inf.window.b)
}

// A compressed message is handed out as its fragments come, so that one that
// never ends holds no more than its window.
func TestUnfinishedMessageHoldsItsWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	noise := sample(rng, 2, 2<<20)
	p := newPlayer(Server, noContext, nil)
	in := fragments(newPeer(false, false).compress(noise), 1000)
	var ev Event
	var got []byte
	for len(in) > 0 {
		n, err := p.conn.Next(in[:min(len(in), 10000)], &ev)
		if err != nil {
			t.Fatal(err)
		}
		got, in = append(got, ev.Data...), in[n:]
		if held := p.conn.held(); held > 1<<15 {
			t.Fatalf("%d bytes are held", held)
		}
	}
	if behind := len(noise) - len(got); behind > 1000 || !bytes.Equal(got, noise[:len(got)]) {
		t.Errorf("%d bytes have not been handed out", behind)
	}
}

// Connections of a loop share the memory in which they inflate, and none sees
// what another has left there.
func TestConnectionsInflateInTurns(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	var sh Shared
	var players [6]*player
	var input [6][]byte
	var want [6][][]byte
	for i := range players {
		ext := noContext
		if i%2 == 1 {
			ext = bothContexts
		}
		players[i] = new(player)
		players[i].conn.Init(&sh, Server, ext, nil)
		other := newPeer(i%2 == 1, false)
		for range 30 {
			m := sample(rng, rng.IntN(4), rng.IntN(90000))
			want[i] = append(want[i], m)
			input[i] = append(input[i], wire(packed(Binary, other.compress(m), 1+rng.IntN(30000))...)...)
		}
	}
	for left := len(players); left > 0; {
		i := rng.IntN(len(players))
		if len(input[i]) == 0 {
			continue
		}
		n := min(len(input[i]), rng.IntN(20000))
		players[i].receive(input[i][:n])
		if input[i] = input[i][n:]; len(input[i]) == 0 {
			left--
		}
		if rng.IntN(50) == 0 {
			sh.Renew()
		}
	}
	for i, p := range players {
		if p.err != nil || len(p.bodies) != len(want[i]) {
			t.Fatalf("connection %d: %v, %d messages", i, p.err, len(p.bodies))
		}
		for j := range want[i] {
			if !bytes.Equal(p.bodies[j], want[i][j]) {
				t.Errorf("connection %d, message %d is wrong", i, j)
			}
		}
	}
}

// Beyond a megabyte a message may be only so many times as large as its
// compressed form.
func TestInflationRatio(t *testing.T) {
	zeros := newPeer(false, false).compress(make([]byte, 4<<20))
	million := newPeer(false, false).compress(make([]byte, 1<<20))
	words := newPeer(false, false).compress(sample(rand.New(rand.NewPCG(3, 3)), 3, 4<<20))
	for _, d := range []dialogue{
		{name: "bomb", in: wire(packed(Binary, zeros, 1<<20)...), events: "error:1009", out: "close:1009"},
		{name: "small bomb", in: wire(packed(Binary, million, 1<<20)...), events: "binary:1048576"},
		{name: "text", in: wire(packed(Binary, words, 1<<20)...), events: "binary:4194304"},
		{name: "any ratio", set: &Settings{Ratio: -1}, in: wire(packed(Binary, zeros, 1<<20)...), events: "binary:4194304"},
		{name: "low ratio", set: &Settings{Ratio: 2}, in: wire(packed(Binary, words, 1<<20)...), events: "error:1009", out: "close:1009"},
	} {
		t.Run(d.name, func(t *testing.T) {
			p := newPlayer(Server, noContext, d.set)
			p.receive(d.in)
			p.want(t, d.events, d.out)
		})
	}
}

// One call of Next does a bounded amount of work, whatever the input is.
func TestInflationYields(t *testing.T) {
	// Blocks that announce a code and hold nothing but their end.
	tables := dynamicBlocks(t, 4000)
	p := newPlayer(Server, noContext, nil)
	in := wire(packed(Binary, tables, 1<<20)...)
	var ev Event
	calls, busy := 0, 0
	for ; len(in) > 0 || ev.Kind == Busy; calls++ {
		n, err := p.conn.Next(in, &ev)
		if err != nil {
			t.Fatal(err)
		}
		if in = in[n:]; ev.Kind == Busy {
			busy++
		}
		if work := p.conn.sh.TakeWork(); work > 64 {
			t.Fatalf("a call inflated as much as %d KiB", work)
		}
	}
	if ev.Kind != Data || !ev.Final || len(ev.Data) != 0 || busy < 500 {
		t.Errorf("%d calls, %d of them busy", calls, busy)
	}
}

// dynamicBlocks returns n empty blocks with a code of their own.
func dynamicBlocks(t *testing.T, n int) []byte {
	t.Helper()
	var w bitWriter
	for range n {
		w.add(0, 1) // not final
		w.add(2, 2) // dynamic codes
		w.add(0, 5) // 257 literals and lengths
		w.add(0, 5) // one distance
		w.add(14, 4)
		// The code length alphabet has 1 and 18, each with one bit.
		for _, symbol := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1} {
			length := 0
			if symbol == 18 || symbol == 1 {
				length = 1
			}
			w.add(length, 3)
		}
		w.add(1, 1)
		w.add(127, 7) // 138 zeros
		w.add(1, 1)
		w.add(107, 7) // 118 zeros
		w.add(0, 1)   // the end of block has one bit
		w.add(0, 1)   // so has the distance
		w.add(0, 1)   // end of block
	}
	w.add(0, 3) // the start of the empty stored block that follows
	plain, _ := refInflate(t, append(bytes.Clone(w.bytes()), syncTail...), nil)
	if len(plain) > 0 {
		t.Fatal("the blocks are not empty")
	}
	return w.bytes()
}

// bitWriter collects bits, the lowest first.
type bitWriter struct {
	b []byte
	n int
}

func (w *bitWriter) add(v, n int) {
	for i := range n {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
}

func (w *bitWriter) bytes() []byte { return w.b }

// A bomb of many streams is no cheaper.
func TestStreamsAreBounded(t *testing.T) {
	p := newPlayer(Server, noContext, nil)
	p.receive(wire(packed(Binary, bytes.Repeat([]byte("\x03\x00"), maxFinalBlocks+1), 1<<20)...))
	var failure *Error
	if !errors.As(p.err, &failure) || failure.Code != CloseInvalidPayload {
		t.Error(p.err)
	}
}

// Of too many unfinished messages the oldest is given up, and a message that is
// complete at once takes nothing from the others.
func TestTooManyUnfinishedMessages(t *testing.T) {
	var sh Shared
	begin := fragments(newPeer(false, false).compress([]byte("the start of a message")), 10)
	var players []*player
	for range maxUnfinished + 2 {
		p := new(player)
		p.conn.Init(&sh, Server, noContext, nil)
		p.receive(begin)
		players = append(players, p)
	}
	for _, i := range []int{2, 1, 0, maxUnfinished + 1} {
		p := players[i]
		p.receive(wire(last("")))
		if i < 2 {
			p.want(t, "error:1013", "close:1013")
		} else {
			p.want(t, "binary:22", "")
		}
	}
	if n := sh.unfinished.Len(); n != maxUnfinished-2 {
		t.Errorf("%d are unfinished", n)
	}
	for _, p := range players {
		_ = p.conn.EOF()
	}
	if n := sh.unfinished.Len(); n != 0 {
		t.Errorf("%d are unfinished at the end", n)
	}
}
