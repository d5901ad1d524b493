package ws

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// FuzzSplit: however the input is cut, the same happens in either role.
func FuzzSplit(f *testing.F) {
	f.Add(wire(text("Hello"), first("a"), ping("p"), last("b"), closeOf(1000, "bye")), uint8(3), false, false)
	f.Add(wire(packed(Text, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00"), 3)...), uint8(1), true, false)
	f.Add(wire(text("\xe2\x82\xac"), binaryOf(200)), uint8(7), false, false)
	f.Add([]byte("\x81\xfe\x00\x05"), uint8(2), false, false)
	// A header that breaks two rules breaks the same one first in each cut.
	f.Add([]byte("\x80\xff\xff\xff\xff0000\xb6000"), uint8(0), true, false)
	f.Add([]byte("A\x8370%0\xec\x00C"), uint8(0), true, false)
	f.Add([]byte("\x81\x05Hello\x89\x00\x88\x02\x03\xe8"), uint8(1), false, true)
	f.Add([]byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), uint8(1), true, true)
	f.Add([]byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f"), uint8(0), false, true)
	f.Fuzz(func(t *testing.T, in []byte, size uint8, deflate, client bool) {
		d := dialogue{set: &Settings{Message: 1 << 16}}
		if client {
			d.role, in = Client, reverseMasking(in) // the dialogue reverses it again
		}
		if deflate {
			d.ext = bothContexts
		}
		whole, cut := d.play(in, len(in)+1), d.play(in, int(size)+1)
		if a, b := strings.Join(whole.events, " "), strings.Join(cut.events, " "); a != b {
			t.Errorf("events differ\nwhole %s\n  cut %s", a, b)
		}
		// A compressed text may break two rules, of which each cut finds another first: the
		// reasons of Close frames are not compared.
		if a, b := whole.frames(t), cut.frames(t); len(whole.sent) < maxQueuedPongs && a != b {
			t.Errorf("output differs\nwhole %s\n  cut %s", a, b)
		}
	})
}

// FuzzClient: a client survives anything that a server sends.
func FuzzClient(f *testing.F) {
	f.Add([]byte("\x81\x05Hello\x88\x02\x03\xe8"))
	f.Add([]byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		p := newPlayer(Client, bothContexts, &Settings{Message: 1 << 16, KeepAlive: time.Second})
		p.echo = true
		p.receive(in)
		_ = p.conn.Expire(time.Unix(2000, 0))
		p.receive(nil)
		parseFrames(t, p.sent)
	})
}

// FuzzRoundtrip: what one machine sends, the other receives, whatever was
// negotiated.
func FuzzRoundtrip(f *testing.F) {
	f.Add([]byte("Hello, Hello, Hello"), uint8(0), uint8(15), uint16(0))
	f.Add(bytes.Repeat([]byte("abcabcabd"), 1000), uint8(7), uint8(8), uint16(100))
	f.Add([]byte("\xff\x00\xff"), uint8(3), uint8(9), uint16(1))
	f.Fuzz(func(t *testing.T, m []byte, flags, bits uint8, fragment uint16) {
		bits = minWindowBits + bits%8
		ext := Deflate{On: flags&1 != 0, ServerNoContext: flags&2 != 0, ClientNoContext: flags&4 != 0, ServerWindowBits: bits, ClientWindowBits: bits}
		set := &Settings{CompressFrom: 1, Fragment: int(fragment)}
		client, server := newPlayer(Client, ext, set), newPlayer(Server, ext, set)
		server.echo = true
		cut := len(m) * int(flags) / 256
		messages := [][]byte{m, m[:cut], m[cut:], m}
		for i, m := range messages {
			var err error
			if i == 3 {
				err = firstError(client.conn.Begin(Binary), client.conn.Write(m[:cut]), client.conn.Write(m[cut:]), client.conn.End())
			} else {
				err = client.conn.Send(Binary, m)
			}
			if err != nil {
				t.Fatal(err)
			}
			client.receive(nil)
			server.receive(client.sent)
			client.sent = nil
			client.receive(server.sent)
			server.sent = nil
		}
		if client.err != nil || server.err != nil || len(client.bodies) != len(messages) {
			t.Fatalf("%v %v %d", client.err, server.err, len(client.bodies))
		}
		for i, want := range messages {
			if !bytes.Equal(client.bodies[i], want) {
				t.Errorf("message %d came back wrong", i)
			}
		}
	})
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// FuzzInflate: what the machine makes of compressed data is what the standard
// library makes of it.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("\xf2\x48\xcd\xc9\xc9\x07\x00"))
	f.Add(newPeer(false, false).compress(jsonish(5000)))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := newPlayer(Server, noContext, nil)
		p.receive(wire(packed(Binary, body, 1<<20)...))
		want, rest, err := stdInflate(body)
		if err != nil || len(body) == 0 || rest != 0 && rest != len(inflateTail) {
			// Corrupt, or several streams, of which the library reads one.
			return
		}
		if len(p.bodies) != 1 || !bytes.Equal(p.bodies[0], want) {
			t.Errorf("%v, want %d bytes", p.events, len(want))
		}
	})
}

// FuzzExtensions: no field value breaks the negotiation, and an answer that is
// given can be read.
func FuzzExtensions(f *testing.F) {
	f.Add(`permessage-deflate; client_max_window_bits="10", foo; bar`)
	f.Fuzz(func(t *testing.T, offer string) {
		keep := DeflatePolicy{ServerContext: true, ClientContext: true}
		ext, response := keep.Answer([]string{offer})
		count := 0
		if !parseExtensions([]string{response}, func(extension) { count++ }) || ext.On != (count == 1) {
			t.Errorf("%q answers %q", response, offer)
		}
		_, _ = keep.Check([]string{offer})
	})
}

// FuzzAnswer: a client takes no answer that does not fit its offer.
func FuzzAnswer(f *testing.F) {
	f.Add(uint16(101), "websocket", "Upgrade", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "chat", "permessage-deflate; server_no_context_takeover; client_max_window_bits=9", true)
	f.Add(uint16(200), "", "", "", "", "permessage-deflate", false)
	f.Fuzz(func(t *testing.T, status uint16, upgrade, connection, accepted, protocol, extensions string, http1 bool) {
		policy := &DeflatePolicy{ClientContext: true, ServerWindowBits: 12, ClientWindowBits: 11}
		hello := &Hello{Protocols: []string{"chat"}, Extensions: []string{policy.Offer()}}
		if http1 {
			hello.Key = "dGhlIHNhbXBsZSBub25jZQ=="
		}
		answer := []Field{{"Upgrade", upgrade}, {"Connection", connection}, {"Sec-WebSocket-Accept", accepted},
			{"Sec-WebSocket-Protocol", protocol}, {"Sec-WebSocket-Extensions", extensions}}
		chosen, ext, err := CheckAnswer(hello, policy, int(status), answer)
		switch {
		case err != nil:
			return
		case chosen != "chat", http1 != (status == 101):
			t.Errorf("status %d, subprotocol %q", status, chosen)
		case http1 && !strings.Contains(accepted, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="):
			t.Errorf("accept %q", accepted)
		case ext.On && (!ext.ServerNoContext || ext.ServerWindowBits > 12 || ext.ClientWindowBits > 11):
			t.Errorf("%q agrees on %+v", extensions, ext)
		}
	})
}

// FuzzUTF8: the check agrees with the standard library on every cut.
func FuzzUTF8(f *testing.F) {
	f.Add([]byte("a\xe2\x82\xac\xf0\x9f\x98\x80"), uint8(2))
	f.Fuzz(func(t *testing.T, p []byte, cut uint8) {
		checkUTF8(t, p, min(int(cut), len(p)))
	})
}
