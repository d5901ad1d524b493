package ws

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// 9: large messages, in one frame and in fragments, whole and chopped. Class 9
// goes up to 16 MiB, which is the default limit.
func TestLargeMessages(t *testing.T) {
	for _, size := range []int{64 << 10, 1 << 20} {
		checkLarge(t, wire(binaryOf(size)), size, 2000)
		checkLarge(t, wire(textOf(size)), size, 64<<10)
	}
	checkLarge(t, wire(textOf(16<<20)), 16<<20, 64<<10)
	checkLarge(t, fragmented(1<<20, 64<<10), 1<<20, 16<<10)
	checkLarge(t, fragmented(1<<20, 64), 1<<20, 8<<10)
}

// fragmented is a binary message of a size in fragments.
func fragmented(size, fragment int) []byte {
	var b []byte
	for left := size; left > 0; left -= fragment {
		f := frameOf{op: Continuation, fin: left <= fragment, masked: true, payload: make([]byte, min(left, fragment))}
		if left == size {
			f.op = Binary
		}
		b = append(b, f.bytes()...)
	}
	return b
}

func checkLarge(t *testing.T, in []byte, size, chop int) {
	t.Helper()
	var c Conn
	c.Init(new(Shared), Server, Deflate{}, nil)
	var whole assembler
	var ev Event
	answered := false
	for len(in) > 0 {
		chunk := in[:min(chop, len(in))]
		n, err := c.Next(chunk, &ev)
		if err != nil {
			t.Fatal(err)
		}
		if ev.Kind == NeedMore && n == 0 {
			chop += 16
		}
		in = in[n:]
		if ev.Kind != Data {
			continue
		}
		if m, ok := whole.add(&ev); ok {
			answered = len(m) == size && c.Send(ev.Op, m) == nil
		}
	}
	if !answered {
		t.Fatalf("message of %d bytes did not come", size)
	}
	var out []byte
	for c.Queued() > 0 {
		before := len(out)
		out = c.Transmit(out, 10000)
		if n := len(out) - before; n > 10000 || n == 0 {
			t.Fatalf("Transmit gave %d bytes", n)
		}
	}
	if f := parseFrames(t, out); len(f) != 1 || len(f[0].payload) != size {
		t.Fatalf("answer in %d frames", len(f))
	}
}

// A limit holds to the byte, and is applied to what a header announces.
func TestMessageLimit(t *testing.T) {
	limits := &Settings{Message: 10}
	for _, d := range []dialogue{
		{name: "at the limit", in: wire(binaryOf(10)), events: "binary:10", out: "binary:10"},
		{name: "beyond", in: wire(binaryOf(11)), events: "error:1009", out: "close:1009"},
		{name: "header only", in: wire(binaryOf(11))[:6], events: "error:1009", out: "close:1009"},
		{name: "huge", in: []byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff1234"), events: "error:1009", out: "close:1009"},
		{name: "fragments at the limit", in: wire(first("12345"), more("1234"), last("1")), events: "text:1234512341", out: "text:1234512341"},
		{name: "fragments beyond", in: wire(first("12345"), more("12345"), last("1")), events: "error:1009", out: "close:1009"},
		{name: "each message anew", in: wire(binaryOf(10), binaryOf(10)), events: "binary:10 binary:10", out: "binary:10 binary:10"},
	} {
		d.set = limits
		d.run(t)
	}
	for _, d := range []dialogue{
		{name: "frame at the limit", in: wire(binaryOf(4)), events: "binary:4", out: "binary:4"},
		{name: "frame beyond", in: wire(binaryOf(5)), events: "error:1009", out: "close:1009"},
		{name: "frames", in: wire(first("1234"), more("1234"), last("12")), events: "text:1234123412", out: "text:1234123412"},
		{name: "second frame beyond", in: wire(first("1234"), more("12345")), events: "error:1009", out: "close:1009"},
	} {
		d.set = &Settings{Message: 10, Frame: 4}
		d.run(t)
	}
}

// After our Close nothing is kept, so nothing is too large.
func TestNoLimitBehindClose(t *testing.T) {
	p := newPlayer(Server, Deflate{}, &Settings{Message: 10})
	if err := p.conn.Close(CloseNormal, ""); err != nil {
		t.Fatal(err)
	}
	p.receive(wire(binaryOf(1000), closeOf(1000, "")))
	p.want(t, "close:1000", "close:1000")
}

// A peer that pings and does not read costs little: of the pings that wait only
// the latest is answered.
func TestPingFlood(t *testing.T) {
	var c Conn
	c.Init(new(Shared), Server, Deflate{}, nil)
	var ev Event
	for i := range 100000 {
		in := wire(ping(fmt.Sprint(i)))
		if n, err := c.Next(in, &ev); n != len(in) || err != nil || ev.Kind != Ping {
			t.Fatal(n, err, ev.Kind)
		}
		if c.Queued() > maxQueuedPongs+maxControl+2 {
			t.Fatalf("%d bytes queued after %d pings", c.Queued(), i)
		}
	}
	frames := parseFrames(t, c.Transmit(nil, 1<<20))
	if got := string(frames[0].payload); got != "0" {
		t.Errorf("first answer is to %s", got)
	}
	if frames = parseFrames(t, c.Transmit(nil, 1<<20)); len(frames) != 1 || string(frames[0].payload) != "99999" {
		t.Errorf("last answers are %v", frames)
	}
	if c.Queued() > 0 {
		t.Error("something is left")
	}
}

// A drained connection holds no memory, whatever went through it.
func TestIdleHoldsNothing(t *testing.T) {
	ext := Deflate{On: true, ServerNoContext: true, ClientNoContext: true, ServerWindowBits: 15, ClientWindowBits: 15}
	p := newPlayer(Server, ext, nil)
	p.echo = true
	prepared, err := Prepare(Binary, make([]byte, 5000))
	if err != nil {
		t.Fatal(err)
	}
	client := newPlayer(Client, ext, nil)
	for _, err := range []error{
		client.conn.Send(Text, bytes.Repeat([]byte("compressible "), 10000)),
		client.conn.Send(Text, []byte("short")), client.conn.Ping(nil), p.conn.SendPrepared(prepared),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	client.receive(nil)
	p.receive(client.sent)
	if len(p.events) != 3 {
		t.Fatal(p.events)
	}
	c := &p.conn
	if c.out.tail != nil || c.out.pieces != nil || c.inf != nil || c.context != nil || c.pong != nil {
		t.Errorf("idle connection holds %+v", c)
	}
}

// Output is queued in order, copied or referred to, and cut anywhere.
func TestOutputOrder(t *testing.T) {
	p := newPlayer(Server, Deflate{}, nil)
	c := &p.conn
	var want []string
	for i := range 60 {
		size := []int{3, 1500, 20000, 80000}[i%4]
		body := bytes.Repeat([]byte{byte(i)}, size)
		want = append(want, fmt.Sprint("binary:", size))
		if i%8 > 3 {
			prepared, err := Prepare(Binary, body)
			if err == nil {
				err = c.SendPrepared(prepared)
			}
			if err != nil {
				t.Fatal(err)
			}
		} else if err := c.Send(Binary, body); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			p.sent = c.Transmit(p.sent, 7777)
		}
	}
	queued := c.Queued()
	before := len(p.sent)
	for c.Queued() > 0 {
		p.sent = c.Transmit(p.sent, 991)
	}
	if len(p.sent)-before != queued {
		t.Errorf("%d bytes queued, %d pulled", queued, len(p.sent)-before)
	}
	p.want(t, "", strings.Join(want, " "))
	for i, f := range parseFrames(t, p.sent) {
		if !bytes.Equal(f.payload, bytes.Repeat([]byte{byte(i)}, len(f.payload))) {
			t.Fatalf("frame %d is mixed up", i)
		}
	}
}
