package ws

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// drainSlowly pulls everything in pieces of random sizes, and checks that no call
// compresses more than a part.
func (p *player) drainSlowly(t *testing.T, rng *rand.Rand) {
	t.Helper()
	p.conn.sh.TakeWork()
	for p.conn.Queued() > 0 {
		room := 1 + rng.IntN(100000)
		before := len(p.sent)
		p.sent = p.conn.Transmit(p.sent, room)
		if n := len(p.sent) - before; n == 0 || n > room {
			t.Fatalf("%d bytes for room of %d", n, room)
		}
		if work := p.conn.sh.TakeWork(); work > deflateWork*partSize>>10+1 {
			t.Fatalf("one call did the work of inflating %d KiB", work)
		}
	}
}

// Long messages are compressed as they leave, whole ones, parts and prepared
// ones, between others and whatever was negotiated.
func TestLongMessagesAreCompressedInParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	long, short := jsonish(5*partSize+100), jsonish(3000)
	noise := sample(rng, 2, 2*partSize)
	var prepared []*Prepared
	for _, m := range [][]byte{long, noise, long[:2*partSize]} {
		p, err := Prepare(Binary, m)
		if err != nil {
			t.Fatal(err)
		}
		prepared = append(prepared, p)
	}
	want := [][]byte{long, short, long, append(bytes.Clone(long), noise...), short, noise, noise, long[:2*partSize], short}
	for _, ext := range []Deflate{noContext, bothContexts, {On: true, ServerWindowBits: 9, ClientWindowBits: 10}, {}} {
		for _, role := range []Role{Server, Client} {
			for _, fragment := range []int{0, 1000} {
				p := newPlayer(role, ext, &Settings{Fragment: fragment})
				c := &p.conn
				if err := errors.Join(c.Send(Text, long), c.Send(Text, short), c.SendPrepared(prepared[0]),
					c.Begin(Binary), c.Write(long), c.Ping(nil), c.Write(noise), c.End(), c.Send(Text, short),
					c.Send(Binary, noise), c.SendPrepared(prepared[1]), c.SendPrepared(prepared[2]), c.Send(Text, short)); err != nil {
					t.Fatal(err)
				}
				p.drainSlowly(t, rng)
				got := newPeer(false, !ext.ServerNoContext).messages(t, p.sent)
				if len(got) != len(want) {
					t.Fatalf("%+v: %d messages", ext, len(got))
				}
				for i := range want {
					if !bytes.Equal(got[i], want[i]) {
						t.Errorf("%+v, role %d: message %d is wrong", ext, role, i)
					}
				}
			}
		}
	}
}

// Pings that wait for room behind a message are answered, though the message
// takes less room than it seemed.
func TestPongsBehindLongMessages(t *testing.T) {
	p := newPlayer(Server, noContext, nil)
	if err := p.conn.Send(Text, bytes.Repeat([]byte("x"), 10*partSize)); err != nil {
		t.Fatal(err)
	}
	var ev Event
	for i := range 10000 {
		if _, err := p.conn.Next(wire(ping(fmt.Sprint(i))), &ev); err != nil {
			t.Fatal(err)
		}
	}
	p.drainSlowly(t, rand.New(rand.NewPCG(5, 5)))
	frames := parseFrames(t, p.sent)
	if last := frames[len(frames)-1]; last.op != opPong || string(last.payload) != "9999" {
		t.Errorf("the last frame is %v %q", last.op, last.payload)
	}
}

// A failure of the connection releases the memory of a long message.
func TestFailureDropsLongMessages(t *testing.T) {
	p := newPlayer(Server, noContext, nil)
	c := &p.conn
	if err := errors.Join(c.Send(Text, jsonish(5*partSize)), c.Send(Text, jsonish(5*partSize)), c.Close(CloseNormal, "")); err != nil {
		t.Fatal(err)
	}
	if err := c.Expire(c.Deadline()); err == nil || c.Queued() > 0 || c.out.pieces != nil || c.out.tail != nil {
		t.Errorf("%v, %d bytes are queued", err, c.Queued())
	}
}

// A long prepared message is not copied, and neither are the parts of its
// compressed form.
func TestPreparedRefersToText(t *testing.T) {
	text := bytes.Repeat([]byte("compressible "), 100_000)
	prepared, err := Prepare(Binary, text)
	if err != nil {
		t.Fatal(err)
	}
	for _, ext := range []Deflate{{}, noContext} {
		a, b := newPlayer(Server, ext, nil), newPlayer(Server, ext, nil)
		for _, p := range []*player{a, b} {
			if err := p.conn.SendPrepared(prepared); err != nil {
				t.Fatal(err)
			}
		}
		if pieces := a.conn.out.pieces; ext.On && &pieces[0].b[0] != &b.conn.out.pieces[0].b[0] ||
			!ext.On && &pieces[1].b[0] != &text[0] {
			t.Errorf("compression %v: the message was copied", ext.On)
		}
	}
}
