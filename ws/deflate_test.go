package ws

import (
	"bytes"
	stdflate "compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

var noContext = Deflate{On: true, ServerNoContext: true, ClientNoContext: true, ServerWindowBits: 15, ClientWindowBits: 15}
var bothContexts = Deflate{On: true, ServerWindowBits: 15, ClientWindowBits: 15}

// peer is the other end of a compressed connection, built on the standard
// library: the independent judge.
type peer struct {
	buf     bytes.Buffer
	flate   *stdflate.Writer
	context bool   // its own
	window  []byte // what the machine has sent, if it keeps its context
	keeps   bool   // whether it does
}

func newPeer(context, keeps bool) *peer {
	p := &peer{context: context, keeps: keeps}
	p.flate, _ = stdflate.NewWriter(&p.buf, 6)
	return p
}

// compress gives a message as the peer sends it.
func (p *peer) compress(message []byte) []byte {
	p.buf.Reset()
	if !p.context {
		p.flate.Reset(&p.buf)
	}
	_, _ = p.flate.Write(message)
	_ = p.flate.Flush()
	return bytes.TrimSuffix(bytes.Clone(p.buf.Bytes()), []byte("\x00\x00\xff\xff"))
}

// inflate reads a message that the machine sent.
func (p *peer) inflate(t testing.TB, packed []byte) []byte {
	t.Helper()
	tail := "\x00\x00\xff\xff\x01\x00\x00\xff\xff"
	r := stdflate.NewReaderDict(io.MultiReader(bytes.NewReader(packed), strings.NewReader(tail)), p.window)
	message, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("peer cannot inflate: %v", err)
	}
	if p.keeps {
		p.window = append(p.window, message...)
		p.window = p.window[max(0, len(p.window)-32<<10):]
	}
	return message
}

// messages reads all messages that the machine sent.
func (p *peer) messages(t testing.TB, sent []byte) (list [][]byte) {
	t.Helper()
	var body []byte
	packed := false
	for _, f := range parseFrames(t, sent) {
		if f.op.control() {
			continue
		}
		if f.op != Continuation {
			body, packed = nil, f.rsv1
		}
		body = append(body, f.payload...)
		if !f.fin {
			continue
		}
		if packed {
			body = p.inflate(t, body)
		}
		list = append(list, body)
	}
	return list
}

// packed is a compressed message of the client in fragments of a size.
func packed(op Opcode, body []byte, fragment int) (frames []frameOf) {
	for i := 0; i == 0 || len(body) > 0; i++ {
		n := min(fragment, len(body))
		f := frameOf{op: op, rsv1: i == 0, fin: n == len(body), masked: true, payload: body[:n]}
		frames = append(frames, f)
		op, body = Continuation, body[n:]
	}
	return frames
}

// sample is a message of one of the kinds that Autobahn compresses.
func sample(rng *rand.Rand, kind, size int) []byte {
	b := make([]byte, size)
	switch kind {
	case 0: // repetitive
		copy(b, bytes.Repeat([]byte("Hello, compressed world! "), size/25+1))
	case 1: // JSON
		copy(b, jsonish(size))
	case 2: // random: does not compress
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
	default: // words at random: references of every distance
		words := strings.Fields("the quick brown fox jumps over lazy dog pack my box with five dozen liquor jugs")
		var s strings.Builder
		for s.Len() < size {
			s.WriteString(words[rng.IntN(len(words))])
			s.WriteByte(' ')
		}
		copy(b, s.String())
	}
	return b
}

// 12 and 13: echo of messages of many sizes with every combination of
// parameters, in one frame and in fragments.
func TestCompressionParameters(t *testing.T) {
	for _, bits := range []uint8{8, 9, 12, 15} {
		for contexts := range 4 {
			if bits%4 == 0 && (contexts == 1 || contexts == 2) {
				continue // both contexts or none will do for these windows
			}
			ext := Deflate{On: true, ServerNoContext: contexts&1 != 0, ClientNoContext: contexts&2 != 0,
				ServerWindowBits: bits, ClientWindowBits: 15}
			t.Run(fmt.Sprintf("%+v", ext), func(t *testing.T) { checkEcho(t, ext) })
		}
	}
}

func checkEcho(t *testing.T, ext Deflate) {
	rng := rand.New(rand.NewPCG(uint64(ext.ServerWindowBits), 7))
	p := newPlayer(Server, ext, &Settings{CompressFrom: 1})
	p.echo = true
	other := newPeer(!ext.ClientNoContext, !ext.ServerNoContext)
	var want [][]byte
	send := func(kind, size, fragment int) {
		m := sample(rng, kind, size)
		op := Text
		if kind == 2 {
			op = Binary
		}
		want = append(want, m)
		p.receive(wire(packed(op, other.compress(m), fragment)...))
	}
	for i, size := range []int{0, 16, 256, 4096, 32768, 131072} {
		send(i%4, size, 1<<20)
		send((i+1)%4, size/2, 7+size/(i+1))
	}
	for range 40 {
		send(rng.IntN(4), rng.IntN(600), 1+rng.IntN(600))
		if rng.IntN(4) == 0 {
			// A message that is not compressed leaves the windows alone.
			plain := sample(rng, 0, 300)
			want = append(want, plain)
			p.receive(wire(text(string(plain))))
		}
	}
	if p.err != nil {
		t.Fatal(p.err)
	}
	got := other.messages(t, p.sent)
	for i := range want {
		if !bytes.Equal(p.bodies[i], want[i]) {
			t.Fatalf("message %d of %d bytes was not understood", i, len(want[i]))
		}
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("message %d of %d bytes came back wrong", i, len(want[i]))
		}
	}
}

// Compressed output refers back by no more than the negotiated window, within a
// message and to earlier ones.
func TestWindowIsKept(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for bits := uint8(8); bits <= 15; bits++ {
		for _, context := range []bool{false, true} {
			for _, role := range []Role{Server, Client} {
				ext := Deflate{On: true, ServerNoContext: !context, ClientNoContext: !context, ServerWindowBits: bits, ClientWindowBits: bits}
				p := newPlayer(role, ext, &Settings{CompressFrom: 1})
				farthest := checkWindow(t, rng, p, bits, context)
				if context && farthest < 1<<bits/2 {
					t.Errorf("%d bits: the farthest reference is %d", bits, farthest)
				}
			}
		}
	}
}

func checkWindow(t *testing.T, rng *rand.Rand, p *player, bits uint8, context bool) (farthest int) {
	var history []byte
	for range 6 {
		m := sample(rng, 3, 1+rng.IntN(2<<bits))
		p.sent = nil
		if err := p.conn.Send(Text, m); err != nil {
			t.Fatal(err)
		}
		p.receive(nil)
		f := parseFrames(t, p.sent)[0]
		if !f.rsv1 {
			continue
		}
		plain, distance := refInflate(t, append(f.payload, syncTail...), history)
		farthest = max(farthest, distance)
		if distance > 1<<bits || !bytes.Equal(plain, m) {
			t.Fatalf("%d bits: reference %d back", bits, distance)
		}
		if context {
			history = append(history, m...)
			history = history[max(0, len(history)-1<<bits):]
		}
	}
	return farthest
}

// RFC 7692 section 7.2.3: the forms that its examples show.
func TestCompressedForms(t *testing.T) {
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00"
	whole := func(s string) []byte { return wire(packed(Text, []byte(s), 1000)...) }
	for _, d := range []dialogue{
		{name: "one block", in: whole(hello), events: "text:Hello", out: "text:Hello"},
		{name: "fragments", in: wire(packed(Text, []byte(hello), 3)...), events: "text:Hello", out: "text:Hello"},
		{name: "ping between", in: wire(packed(Text, []byte(hello), 4)[0], ping(""), packed(Text, []byte(hello), 4)[1]),
			events: "ping text:Hello", out: "pong text:Hello"},
		{name: "empty fragments", in: wire(frameOf{op: Text, rsv1: true, masked: true}, more(hello), last("")), events: "text:Hello", out: "text:Hello"},
		{name: "stored block", in: whole("\x00\x05\x00\xfa\xffHello\x00"), events: "text:Hello", out: "text:Hello"},
		{name: "final block", in: whole("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), events: "text:Hello", out: "text:Hello"},
		{name: "final block without the empty one", in: whole("\xf3\x48\xcd\xc9\xc9\x07\x00"), events: "text:Hello", out: "text:Hello"},
		{name: "two final blocks", in: whole("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), events: "text:HelloHello", out: "text:HelloHello"},
		{name: "two blocks", in: whole("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), events: "text:Hello", out: "text:Hello"},
		{name: "empty", in: whole("\x00"), events: "text", out: "text"},
		{name: "empty without a block", in: whole(""), events: "text", out: "text"},
		{name: "not compressed", in: wire(text("Hello")), events: "text:Hello", out: "text:Hello"},
		{name: "corrupt", in: whole("\xff\xff\xff"), events: "error:1007", out: "close:1007"},
		{name: "cut", in: whole(hello[:4]), events: "error:1007", out: "close:1007"},
		{name: "reference before the begin", in: whole("\xf2\x00\x11\x00\x00"), events: "error:1007", out: "close:1007"},
		{name: "too many streams", in: whole(strings.Repeat("\x03\x00", 1000)), events: "error:1007", out: "close:1007"},
		{name: "invalid text", in: wire(packed(Text, newPeer(false, false).compress([]byte("bad \xff")), 99)...), events: "error:1007", out: "close:1007"},
		{name: "text cut at its end", in: wire(packed(Text, newPeer(false, false).compress([]byte("\xe2\x82")), 99)...), events: "error:1007", out: "close:1007"},
		{name: "RSV1 on a continuation", in: wire(packed(Text, []byte(hello), 3)[0], frameOf{op: Continuation, rsv1: true, masked: true}), events: "error:1002", out: "close:1002"},
		{name: "RSV1 on a ping", in: wire(frameOf{op: opPing, fin: true, rsv1: true, masked: true}), events: "error:1002", out: "close:1002"},
		{name: "RSV2", in: wire(frameOf{op: Text, fin: true, rsv1: true, rsv2: true, masked: true}), events: "error:1002", out: "close:1002"},
	} {
		d.ext = noContext
		d.run(t)
		d.ext = bothContexts
		d.run(t)
	}
	twice := dialogue{name: "second message refers to the first", ext: bothContexts,
		in: append(whole(hello), whole("\xf2\x00\x11\x00\x00")...), events: "text:Hello text:Hello", out: "text:Hello text:Hello"}
	twice.run(t)
}

// A bomb is stopped at the message limit, long before it is inflated.
func TestBomb(t *testing.T) {
	bomb := newPeer(false, false).compress(make([]byte, 16<<20))
	p := newPlayer(Server, bothContexts, &Settings{Message: 1 << 20})
	in := wire(packed(Binary, bomb, 1<<20)...)
	var ev Event
	total := 0
	for {
		n, err := p.conn.Next(in, &ev)
		if err != nil {
			var failure *Error
			if !errors.As(err, &failure) || failure.Code != CloseTooBig {
				t.Fatal(err)
			}
			break
		}
		in = in[n:]
		if total += len(ev.Data); total > 1<<20 {
			t.Fatalf("%d bytes came out", total)
		}
	}
	p.receive(nil)
	p.want(t, "error:1009", "close:1009")
}

// The compressed form is bounded too, by what its frames announce.
func TestPackedLimit(t *testing.T) {
	set := &Settings{Message: 1000}
	empty := bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), int(set.packed()))
	fits := packed(Binary, empty[:set.packed()+1], int(set.packed()))
	dialogue{name: "announced", ext: noContext, set: set, in: wire(fits...), events: "error:1009", out: "close:1009"}.run(t)
}

// A receiver that holds back gets a large message piece by piece; the input
// behind it waits.
func TestInflatedInPieces(t *testing.T) {
	m := jsonish(10 * plainSize)
	p := newPlayer(Server, noContext, nil)
	in := wire(append(packed(Text, newPeer(false, false).compress(m), 1<<20), ping("x"))...)
	var ev Event
	var got []byte
	pieces := 0
	for final := false; !final; pieces++ {
		n, err := p.conn.Next(in, &ev)
		if err != nil || ev.Kind != Data || ev.First != (pieces == 0) || len(ev.Data) > plainSize {
			t.Fatalf("piece %d: %v %+v", pieces, err, ev.Kind)
		}
		in, got, final = in[n:], append(got, ev.Data...), ev.Final
	}
	if len(in) != len(ping("x").bytes()) {
		t.Fatalf("%d bytes left", len(in))
	}
	if pieces < 10 || !bytes.Equal(got, m) {
		t.Errorf("%d pieces", pieces)
	}
	if _, err := p.conn.Next(in, &ev); err != nil || ev.Kind != Ping {
		t.Error(err, ev.Kind)
	}
}

// A message is only sent compressed if that is worth it.
func TestCompressionThreshold(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	p := newPlayer(Server, noContext, nil)
	for _, m := range [][]byte{sample(rng, 0, 127), sample(rng, 0, 128), sample(rng, 2, 500)} {
		if err := p.conn.Send(Binary, m); err != nil {
			t.Fatal(err)
		}
	}
	p.receive(nil)
	frames := parseFrames(t, p.sent)
	if frames[0].rsv1 || !frames[1].rsv1 || frames[2].rsv1 {
		t.Error(p.frames(t))
	}
	p = newPlayer(Server, noContext, &Settings{CompressFrom: -1})
	if err := errors.Join(p.conn.Send(Binary, make([]byte, 5000)), p.conn.Begin(Text), p.conn.Write(sample(rng, 0, 2000)), p.conn.End()); err != nil {
		t.Fatal(err)
	}
	p.receive(nil)
	p.want(t, "", "binary:5000 text-:2000 cont")
}

// A streamed message is compressed part by part, also along with messages before
// and after it, and fragmented.
func TestStreamedCompressed(t *testing.T) {
	for _, ext := range []Deflate{noContext, bothContexts, {On: true, ServerWindowBits: 9, ClientWindowBits: 15}} {
		for _, fragment := range []int{0, 50} {
			p := newPlayer(Server, ext, &Settings{Fragment: fragment})
			c := &p.conn
			a, b := jsonish(3000), jsonish(7000)[3000:]
			err := errors.Join(c.Send(Text, a), c.Begin(Text), c.Write(a), c.Ping(nil), c.Write(b), c.Write(nil), c.End(),
				c.Begin(Binary), c.End(), c.Send(Text, b))
			if err != nil {
				t.Fatal(err)
			}
			p.receive(nil)
			got := newPeer(false, !ext.ServerNoContext).messages(t, p.sent)
			want := [][]byte{a, append(bytes.Clone(a), b...), {}, b}
			if len(got) != len(want) {
				t.Fatalf("%d messages", len(got))
			}
			for i := range want {
				if !bytes.Equal(got[i], want[i]) {
					t.Errorf("message %d is wrong", i)
				}
			}
		}
	}
}

// A prepared message suits every connection, whatever was negotiated, and leaves
// the windows as they must be.
func TestPrepared(t *testing.T) {
	m := jsonish(9000)
	for _, size := range []int{0, 100, 2000, 9000} {
		prepared, err := Prepare(Text, m[:size])
		if err != nil {
			t.Fatal(err)
		}
		for _, ext := range []Deflate{{}, noContext, bothContexts, {On: true, ServerWindowBits: 9, ClientWindowBits: 10}} {
			for _, role := range []Role{Server, Client} {
				p := newPlayer(role, ext, nil)
				c := &p.conn
				if err := errors.Join(c.Send(Text, m[:3000]), c.SendPrepared(prepared), c.Send(Text, m[1000:4000])); err != nil {
					t.Fatal(err)
				}
				p.receive(nil)
				got := newPeer(false, !ext.ServerNoContext).messages(t, p.sent)
				if len(got) != 3 || string(got[1]) != string(m[:size]) || !bytes.Equal(got[2], m[1000:4000]) {
					t.Errorf("%d bytes, role %d, %+v: wrong", size, role, ext)
				}
			}
		}
	}
	if _, err := Prepare(Text, []byte("\xff")); err != ErrText {
		t.Error(err)
	}
	if _, err := Prepare(opPing, nil); err != ErrOpcode {
		t.Error(err)
	}
}

// An idle connection with both contexts holds no more than was promised.
func TestContextMemory(t *testing.T) {
	p := newPlayer(Server, bothContexts, nil)
	p.echo = true
	other := newPeer(true, true)
	rng := rand.New(rand.NewPCG(9, 9))
	for i := range 50 {
		p.receive(wire(packed(Text, other.compress(sample(rng, 3, 100+i*i*50)), 1<<20)...))
		ctx := p.conn.context
		if held := cap(ctx.in.b) + cap(ctx.out.b); held > MaxContext {
			t.Fatalf("%d bytes held, promised %d", held, MaxContext)
		}
	}
	// The text in the loop's buffer moves to its connection when another needs the buffer.
	p.conn.sh.plain.release()
	if p.err != nil || len(p.conn.context.in.b) != 32<<10 || len(p.conn.context.out.b) != maxHistory {
		t.Errorf("%v: windows of %d and %d bytes", p.err, len(p.conn.context.in.b), len(p.conn.context.out.b))
	}
	if p.conn.inf != nil {
		t.Error("an inflater is held")
	}
}

// inflateTail completes a message for a reader that wants to see the end of the
// stream: syncTail and an empty final block.
const inflateTail = "\x00\x00\xFF\xFF" + "\x01\x00\x00\xFF\xFF"

// stdInflate inflates a message with the standard library; rest are the bytes
// that it left of the message and the tail behind it.
func stdInflate(body []byte) (message []byte, rest int, err error) {
	src := bytes.NewReader(append(bytes.Clone(body), inflateTail...))
	message, err = io.ReadAll(stdflate.NewReader(src))
	return message, src.Len(), err
}
