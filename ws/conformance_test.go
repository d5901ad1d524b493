package ws

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The classes of the Autobahn testsuite except for UTF-8 (utf8_test.go), limits
// (limits_test.go) and compression (deflate_test.go).

// 1: frames of every length form, text and binary, empty ones included.
func TestFraming(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536} {
		text := fmt.Sprintf("text:%d", n)
		if n <= 40 {
			text = strings.TrimSuffix("text:"+strings.Repeat("*", n), ":")
		}
		dialogue{name: fmt.Sprint("text ", n), in: wire(textOf(n)), events: text, out: text}.run(t)
		binary := fmt.Sprintf("binary:%d", n)
		dialogue{name: fmt.Sprint("binary ", n), in: wire(binaryOf(n)), events: binary, out: binary}.run(t)
	}
}

// 2: pings are answered with their payload, pongs are not answered.
func TestPings(t *testing.T) {
	full := strings.Repeat("\xfe", 125)
	var ten []frameOf
	var tenPings, tenPongs []string
	for i := range 10 {
		s := fmt.Sprint("payload-", i)
		ten = append(ten, ping(s))
		tenPings, tenPongs = append(tenPings, "ping:"+s), append(tenPongs, "pong:"+s)
	}
	for _, d := range []dialogue{
		{name: "empty", in: wire(ping("")), events: "ping", out: "pong"},
		{name: "text", in: wire(ping("Hello")), events: "ping:Hello", out: "pong:Hello"},
		{name: "binary", in: wire(ping("\x00\xff\xfe\xfd")), events: "ping:\x00\xff\xfe\xfd", out: "pong:\x00\xff\xfe\xfd"},
		{name: "125 bytes", in: wire(ping(full)), events: "ping:125", out: "pong:125"},
		{name: "126 bytes", in: wire(ping(full + "x")), events: "error:1002", out: "close:1002"},
		{name: "unsolicited pong", in: wire(pong("")), events: "pong"},
		{name: "unsolicited pong with payload", in: wire(pong("x")), events: "pong:x"},
		{name: "pong then ping", in: wire(pong("a"), ping("b")), events: "pong:a ping:b", out: "pong:b"},
		{name: "ten pings", in: wire(ten...), events: strings.Join(tenPings, " "), out: strings.Join(tenPongs, " ")},
	} {
		d.run(t)
	}
}

// 3: reserved bits without an extension fail the connection, in any frame and
// without touching what came before.
func TestReservedBits(t *testing.T) {
	for bits := 1; bits < 8; bits++ {
		for _, f := range []frameOf{text("Hello"), binaryOf(3), ping("x"), pong("x"), closeOf(1000, "")} {
			f.rsv1, f.rsv2, f.rsv3 = bits&4 != 0, bits&2 != 0, bits&1 != 0
			dialogue{name: fmt.Sprintf("%03b %s", bits, opName(f.op)), in: wire(text("before"), f, ping("")),
				events: "text:before error:1002", out: "text:before close:1002"}.run(t)
		}
		f := last("x")
		f.rsv1, f.rsv2, f.rsv3 = bits&4 != 0, bits&2 != 0, bits&1 != 0
		dialogue{name: fmt.Sprintf("%03b continuation", bits), in: wire(first("a"), f),
			events: "error:1002", out: "close:1002"}.run(t)
	}
}

// 4: opcodes that the RFC reserves.
func TestReservedOpcodes(t *testing.T) {
	for _, op := range []Opcode{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		for _, payload := range []string{"", "payload"} {
			f := frameOf{fin: true, op: op, payload: []byte(payload), masked: true}
			dialogue{name: fmt.Sprintf("%d %q", op, payload), in: wire(text("before"), f, ping("")),
				events: "text:before error:1002", out: "text:before close:1002"}.run(t)
		}
	}
}

// 5: fragments, with control frames between them and nothing else.
func TestFragmentation(t *testing.T) {
	wrong := dialogue{events: "error:1002", out: "close:1002"}
	for _, d := range []dialogue{
		{name: "ping in fragments", in: wire(frameOf{op: opPing, payload: []byte("a"), masked: true}, last("b")), events: wrong.events, out: wrong.out},
		{name: "pong in fragments", in: wire(frameOf{op: opPong, payload: []byte("a"), masked: true}, last("b")), events: wrong.events, out: wrong.out},
		{name: "close in fragments", in: wire(frameOf{op: opClose, masked: true}), events: wrong.events, out: wrong.out},
		{name: "two fragments", in: wire(first("frag1"), last("frag2")), events: "text:frag1frag2", out: "text:frag1frag2"},
		{name: "ping between", in: wire(first("a"), ping("p"), last("b")), events: "ping:p text:ab", out: "pong:p text:ab"},
		{name: "pong between", in: wire(first("a"), pong("p"), last("b")), events: "pong:p text:ab", out: "text:ab"},
		{name: "pings between all", in: wire(first("a"), ping("1"), more("b"), ping("2"), more("c"), ping("3"), last("d")),
			events: "ping:1 ping:2 ping:3 text:abcd", out: "pong:1 pong:2 pong:3 text:abcd"},
		{name: "empty first", in: wire(first(""), last("b")), events: "text:b", out: "text:b"},
		{name: "empty middle", in: wire(first("a"), more(""), more(""), last("b")), events: "text:ab", out: "text:ab"},
		{name: "empty last", in: wire(first("a"), last("")), events: "text:a", out: "text:a"},
		{name: "all empty", in: wire(first(""), more(""), last("")), events: "text", out: "text"},
		{name: "continuation of nothing", in: wire(last("x")), events: wrong.events, out: wrong.out},
		{name: "continuation of nothing, not final", in: wire(more("x"), text("b")), events: wrong.events, out: wrong.out},
		{name: "continuation after a message", in: wire(text("a"), last("x")), events: "text:a error:1002", out: "text:a close:1002"},
		{name: "continuation after fragments", in: wire(first("a"), last("b"), more("c")), events: "text:ab error:1002", out: "text:ab close:1002"},
		{name: "message within", in: wire(first("a"), text("b")), events: wrong.events, out: wrong.out},
		{name: "first within", in: wire(first("a"), first("b")), events: wrong.events, out: wrong.out},
		{name: "close within", in: wire(first("a"), closeOf(1001, "")), events: "close:1001", out: "close:1001"},
	} {
		d.run(t)
	}
}

// 7: the closing handshake, and codes and reasons of every range.
func TestClosing(t *testing.T) {
	long := strings.Repeat("*", 123)
	for _, d := range []dialogue{
		{name: "after a message", in: wire(text("a"), closeOf(1000, "")), events: "text:a close:1000", out: "text:a close:1000"},
		{name: "two closes", in: wire(closeOf(1000, ""), closeOf(1001, "")), events: "close:1000", out: "close:1000"},
		{name: "ping after close", in: wire(closeOf(1000, ""), ping("x")), events: "close:1000", out: "close:1000"},
		{name: "message after close", in: wire(closeOf(1000, ""), text("x")), events: "close:1000", out: "close:1000"},
		{name: "fragment after close", in: wire(first("a"), closeOf(1000, ""), last("b")), events: "close:1000", out: "close:1000"},
		{name: "empty", in: wire(closeWith(nil)), events: "close:1005", out: "close"},
		{name: "one byte", in: wire(closeWith([]byte{3})), events: "error:1002", out: "close:1002"},
		{name: "reason", in: wire(closeOf(1000, "bye")), events: "close:1000:bye", out: "close:1000"},
		{name: "longest reason", in: wire(closeOf(1000, long)), events: "close:1000:" + long, out: "close:1000"},
		{name: "too long", in: wire(closeOf(1000, long+"*")), events: "error:1002", out: "close:1002"},
		{name: "reason is not UTF-8", in: wire(closeOf(1000, "\xce\xba\xe1\xbd\xb9\xed\xa0\x80")), events: "error:1007", out: "close:1007"},
		{name: "reason is cut UTF-8", in: wire(closeOf(1000, "\xce")), events: "error:1007", out: "close:1007"},
	} {
		d.run(t)
	}
	for _, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		s := fmt.Sprint("close:", code)
		dialogue{name: s, in: wire(closeOf(code, "")), events: s, out: s}.run(t)
	}
	for _, code := range []int{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		for _, reason := range []string{"", "reason"} {
			dialogue{name: fmt.Sprint("close:", code, reason), in: wire(closeOf(code, reason)),
				events: "error:1002", out: "close:1002"}.run(t)
		}
	}
}

// RFC 6455 section 5.1 and 5.2: rules that the suite leaves out.
func TestHeaderRules(t *testing.T) {
	unmasked := text("a")
	unmasked.masked = false
	key := string(testKey[:])
	for name, in := range map[string]string{
		"unmasked":                string(wire(unmasked)),
		"unmasked ping":           "\x89\x00",
		"16-bit length of 125":    "\x82\xfe\x00\x7d" + key,
		"16-bit length of 0":      "\x82\xfe\x00\x00" + key,
		"64-bit length of 65535":  "\x82\xff\x00\x00\x00\x00\x00\x00\xff\xff" + key,
		"64-bit length of 0":      "\x82\xff\x00\x00\x00\x00\x00\x00\x00\x00" + key,
		"length of 64 bits":       "\x82\xff\x80\x00\x00\x00\x00\x01\x00\x00" + key,
		"ping with 16-bit length": "\x89\xfe\x00\x05" + key + "12345",
	} {
		dialogue{name: name, in: []byte(in), events: "error:1002", out: "close:1002"}.run(t)
	}
}

// A violation is found in the first two bytes, before a length is there.
func TestViolationsAreFoundEarly(t *testing.T) {
	for role, faults := range map[Role]map[string]string{
		Server: {
			"reserved opcode": "\x83\xff", "reserved bit": "\xa1\xff", "unmasked": "\x81\x7e",
			"continuation of nothing": "\x80\xff", "fragmented ping": "\x09\x80", "long ping": "\x89\xfe",
		},
		Client: {
			"reserved opcode": "\x83\x7f", "reserved bit": "\xa1\x7f", "masked": "\x81\xfe",
			"continuation of nothing": "\x80\x7f", "fragmented ping": "\x09\x00", "long ping": "\x89\x7e",
		},
	} {
		for name, in := range faults {
			p := newPlayer(role, Deflate{}, nil)
			p.receive([]byte(in[:1]))
			p.receive([]byte(in[1:]))
			if p.err == nil {
				t.Errorf("%s: %s: not found in two bytes", roleNames[role], name)
			}
		}
	}
}

// 10: a message that is sent is cut into frames of a configured size.
func TestFragmentsSent(t *testing.T) {
	for _, tc := range []struct {
		size, fragment int
		want           string
	}{
		{65536, 1300, ""},
		{10, 4, "text-:**** cont-:**** cont:**"},
		{8, 4, "text-:**** cont:****"},
		{4, 4, "text:****"},
		{5, 4, "text-:**** cont:*"},
		{0, 4, "text"},
	} {
		p := newPlayer(Server, Deflate{}, &Settings{Fragment: tc.fragment})
		if err := p.conn.Send(Text, bytes.Repeat([]byte("*"), tc.size)); err != nil {
			t.Fatal(err)
		}
		p.receive(nil)
		var total int
		for i, f := range parseFrames(t, p.sent) {
			total += len(f.payload)
			if len(f.payload) > tc.fragment || (i == 0) != (f.op == Text) {
				t.Errorf("frame %d of %d bytes has opcode %d", i, len(f.payload), f.op)
			}
		}
		if total != tc.size {
			t.Errorf("%d of %d bytes", total, tc.size)
		}
		if tc.want != "" {
			p.want(t, "", tc.want)
		}
	}
}

// A client masks every frame, in each way of sending, with a key of its own.
func TestClientMasks(t *testing.T) {
	for name, ext := range map[string]Deflate{"plain": {}, "compressed": noContext} {
		p := newPlayer(Client, ext, &Settings{Fragment: 40 << 10, CompressFrom: 1})
		long := jsonish(200 << 10)
		prepared, err := Prepare(Text, long)
		if err != nil {
			t.Fatal(err)
		}
		c := &p.conn
		if err := errors.Join(c.Send(Text, []byte("Hello")), c.Ping([]byte("x")), c.Send(Text, long), c.SendPrepared(prepared),
			c.Begin(Text), c.Write(long), c.End(), c.Close(1000, "")); err != nil {
			t.Fatal(err)
		}
		for c.Queued() > 0 {
			p.receive(nil)
		}
		frames := parseFrames(t, p.sent)
		seen := make(map[[4]byte]bool)
		for i, f := range frames {
			if !f.masked || seen[f.key] {
				t.Errorf("%s: frame %d, %s: masked %v with %x", name, i, opName(f.op), f.masked, f.key)
			}
			seen[f.key] = true
		}
		if len(frames) < 8 {
			t.Errorf("%s: %d frames", name, len(frames))
		}
	}
}

// The masking keys of two loops, and of a loop's frames, have nothing in common.
func TestMaskingKeysAreFresh(t *testing.T) {
	seen := make(map[uint32]int)
	total := 3 * entropySize / 4
	for range 2 {
		sh := new(Shared)
		for range total {
			seen[sh.key()]++
		}
	}
	// Of 6,000 random numbers of 32 bits about one in 250 runs has two alike.
	if len(seen) < 2*total-3 {
		t.Errorf("%d different keys of %d", len(seen), 2*total)
	}
}

// A server masks nothing and asks for no random bytes.
func TestServerMasksNothing(t *testing.T) {
	p := newPlayer(Server, noContext, nil)
	p.conn.sh.Random = func([]byte) { t.Error("a server asks for random bytes") }
	p.echo = true
	p.receive(wire(text("Hello"), textOf(1000), ping("x"), closeOf(1000, "")))
	for _, f := range parseFrames(t, p.sent) {
		if f.masked {
			t.Errorf("%s is masked", opName(f.op))
		}
	}
	if p.conn.sh.entropy.b != nil {
		t.Error("a server holds random bytes")
	}
}
