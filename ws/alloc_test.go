//go:build !race && !poison

package ws

import (
	"bytes"
	"testing"
	"time"
	"unsafe"
)

// The memory promised in the documentation.

func TestEchoAllocatesNothing(t *testing.T) {
	for name, frame := range map[string]frameOf{
		"text": text("a message of thirty-two bytes..."), "binary": binaryOf(60 << 10), "ping": ping("are you there?"),
	} {
		var c Conn
		c.Init(new(Shared), Server, noContext, nil)
		in := frame.bytes()
		wire := bytes.Clone(in)
		out := make([]byte, 0, 100<<10)
		var ev Event
		if n := testing.AllocsPerRun(100, func() {
			copy(in, wire)
			echo(t, &c, in, out, &ev)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestCompressedEchoAllocatesNothing(t *testing.T) {
	var c Conn
	c.Init(new(Shared), Server, noContext, nil)
	wire := wire(packed(Text, newPeer(false, false).compress(jsonish(8000)), 1<<20)...)
	in := bytes.Clone(wire)
	out := make([]byte, 0, 100<<10)
	var ev Event
	if n := testing.AllocsPerRun(100, func() {
		copy(in, wire)
		echo(t, &c, in, out, &ev)
	}); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}

func TestClientSendAllocatesNothing(t *testing.T) {
	var c Conn
	c.Init(new(Shared), Client, Deflate{}, nil)
	out := make([]byte, 0, 1<<10)
	body := []byte("Hello")
	if n := testing.AllocsPerRun(100, func() {
		_ = c.Send(Text, body)
		c.Transmit(out, 1<<10)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Echoes of a client, in the three sizes of the queue's buffers.
func TestClientEchoAllocatesNothing(t *testing.T) {
	for name, in := range map[string][]byte{
		"text": wire(text("a message of thirty-two bytes...")), "binary": wire(binaryOf(60 << 10)), "ping": wire(ping("are you there?")),
		"compressed": wire(packed(Text, newPeer(false, false).compress(jsonish(8000)), 1<<20)...),
	} {
		var c Conn
		c.Init(new(Shared), Client, noContext, nil)
		in = reverseMasking(in)
		out := make([]byte, 0, 100<<10)
		var ev Event
		if n := testing.AllocsPerRun(100, func() { echo(t, &c, in, out, &ev) }); n >= 1 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// An opening handshake of a client: the key, the offer and the fields, their values, and
// the check of the answer.
func TestClientHandshakeLeavesLittle(t *testing.T) {
	sh := new(Shared)
	var policy DeflatePolicy
	hello := &Hello{Key: NewKey(sh), Protocols: []string{"chat"}, Extensions: []string{policy.Offer()}}
	answer := AnswerFields(hello, "chat", "permessage-deflate; server_no_context_takeover")
	if n := testing.AllocsPerRun(100, func() {
		hello := Hello{Key: NewKey(sh), Protocols: hello.Protocols, Extensions: hello.Extensions}
		if _, err := OfferFields(&hello); err != nil {
			t.Fatal(err)
		}
	}); n > 3 {
		t.Errorf("request: %v allocations, want 3", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := CheckAnswer(hello, &policy, 101, answer); err != nil {
			t.Fatal(err)
		}
	}); n > 3 {
		t.Errorf("response: %v allocations, want 3", n)
	}
}

func TestDeadlineAllocatesNothing(t *testing.T) {
	var c Conn
	sh := new(Shared)
	sh.Tick(time.Unix(1, 0))
	c.Init(sh, Server, Deflate{}, &Settings{KeepAlive: time.Second})
	if n := testing.AllocsPerRun(100, func() { _ = c.Deadline() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A handshake's garbage lies among what connections keep: it is the fields of the
// answer, two of their values, and the list of offers.
func TestHandshakeLeavesLittle(t *testing.T) {
	fields := fieldsOf("Upgrade:websocket\nConnection:Upgrade\nSec-WebSocket-Version:13\nSec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ==\n" +
		"Origin:https://example.org\nSec-WebSocket-Extensions:permessage-deflate; server_max_window_bits=10; client_max_window_bits, foo; bar")
	var policy DeflatePolicy
	if n := testing.AllocsPerRun(100, func() {
		hello, err := ParseUpgrade("GET", 1, fields)
		if err != nil {
			t.Fatal(err)
		}
		ext, response := policy.Answer(hello.Extensions)
		if !ext.On || len(AnswerFields(&hello, "", response)) != 4 {
			t.Fatal("compression was declined")
		}
	}); n > 4 {
		t.Errorf("%v allocations, want 4", n)
	}
}

// An idle connection without context takeover is its Conn and nothing else.
func TestConnSize(t *testing.T) {
	const promised = 248
	// The overwriting of borrowed bytes under the tag poison does not count.
	if size := unsafe.Sizeof(Conn{}) - unsafe.Sizeof(lending{}); size > promised {
		t.Errorf("%d bytes, promised %d", size, promised)
	}
}
