package ws

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A dialogue is what a peer sends and what it wants to see from a machine that echoes
// messages. Each runs with a server and with a client: whole, byte by byte, and with
// something behind it.
type dialogue struct {
	name string
	role Role   // of the machine; run tries both
	in   []byte // as a client sends it; a client receives it with the masking reversed
	// events are separated by blanks: text:Hello binary:4 (a length) ping:x pong:x
	// close:1000:bye error:1002.
	events string
	// out are the frames sent, likewise: text:Hello text-:frag (not final)
	// cont:frag pong:x close:1000. A compressed frame has a ~ before its colon.
	out string
	ext Deflate
	set *Settings
}

func (d dialogue) run(t *testing.T) {
	t.Helper()
	for _, d.role = range []Role{Server, Client} {
		t.Run(fmt.Sprintf("%s/%s", roleNames[d.role], d.name), d.check)
	}
}

var roleNames = [...]string{Server: "server", Client: "client"}

func (d dialogue) check(t *testing.T) {
	for _, size := range []int{len(d.in) + 1, 1, 7} {
		p := d.play(d.in, size)
		p.want(t, d.events, d.out)
	}
	p := d.play(append(bytes.Clone(d.in), ping("more").bytes()...), len(d.in)+100)
	if p.conn.state.over() {
		p.want(t, d.events, d.out)
	} else {
		p.want(t, d.events+" ping:more", d.out+" pong:more")
	}
}

// play feeds the dialogue to a machine in chunks of a size.
func (d dialogue) play(in []byte, size int) *player {
	p := newPlayer(d.role, d.ext, d.set)
	p.echo = true
	in = bytes.Clone(in)
	if d.role == Client {
		in = reverseMasking(in)
	}
	for len(in) > 0 {
		n := min(size, len(in))
		p.receive(in[:n])
		in = in[n:]
	}
	return p
}

// player holds a connection as a session does, and writes down what happens.
type player struct {
	conn   Conn
	whole  assembler
	kept   []byte
	echo   bool
	events []string
	bodies [][]byte
	sent   []byte
	err    error
}

func newPlayer(role Role, ext Deflate, set *Settings) *player {
	p := new(player)
	sh := new(Shared)
	sh.Tick(time.Unix(1000, 0))
	p.conn.Init(sh, role, ext, set)
	return p
}

// hear receives what a client sends, or a server if the player is a client.
func (p *player) hear(in []byte) {
	if p.conn.role == Client {
		in = reverseMasking(in)
	}
	p.receive(in)
}

// receive presents what was kept along with more.
func (p *player) receive(more []byte) {
	p.kept = append(p.kept, more...)
	var ev Event
	for {
		n, err := p.conn.Next(p.kept, &ev)
		if err != nil {
			if p.err == nil {
				p.note("error", fmt.Sprint(err.(*Error).Code))
			}
			p.err = err
			p.kept = nil
			break
		}
		p.event(&ev)
		p.kept = p.kept[n:]
		if ev.Kind == NeedMore || ev.Kind == Closed {
			break
		}
	}
	p.kept = bytes.Clone(p.kept)
	p.sent = p.conn.Transmit(p.sent, 1<<30)
}

func (p *player) event(ev *Event) {
	switch ev.Kind {
	case Data:
		m, whole := p.whole.add(ev)
		if !whole {
			break
		}
		m = bytes.Clone(m)
		p.bodies = append(p.bodies, m)
		p.note(opName(ev.Op), show(ev.Op, m))
		if p.echo {
			if err := p.conn.Send(ev.Op, m); err != nil && err != ErrClosed {
				p.note("misuse", err.Error())
			}
		}
	case Ping:
		p.note("ping", show(Text, ev.Data))
	case Pong:
		p.note("pong", show(Text, ev.Data))
	case Close:
		p.note("close", fmt.Sprint(ev.Code), ev.Reason)
	}
}

func (p *player) note(parts ...string) {
	p.events = append(p.events, strings.TrimSuffix(strings.Join(parts, ":"), ":"))
}

// frames shows what was sent.
func (p *player) frames(t testing.TB) string {
	var shown []string
	for _, f := range parseFrames(t, p.sent) {
		name := opName(f.op)
		if !f.fin {
			name += "-"
		}
		if f.rsv1 {
			name += "~"
		}
		text := show(f.op, f.payload)
		if f.op == opClose {
			text = ""
			if len(f.payload) > 0 {
				text = fmt.Sprint(binary.BigEndian.Uint16(f.payload))
			}
		}
		shown = append(shown, strings.TrimSuffix(name+":"+text, ":"))
	}
	return strings.Join(shown, " ")
}

func (p *player) want(t testing.TB, events, out string) {
	t.Helper()
	if got := strings.Join(p.events, " "); got != strings.TrimSpace(events) {
		t.Errorf("events\n got %.400s\nwant %.400s", got, events)
	}
	if got := p.frames(t); got != strings.TrimSpace(out) {
		t.Errorf("frames\n got %.400s\nwant %.400s", got, out)
	}
}

func opName(op Opcode) string {
	switch op {
	case Continuation:
		return "cont"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case opClose:
		return "close"
	case opPing:
		return "ping"
	case opPong:
		return "pong"
	}
	return fmt.Sprintf("op%x", uint8(op))
}

// show writes a payload down: short ones as they are, others by their length.
func show(op Opcode, p []byte) string {
	if op == Binary || len(p) > 40 {
		return fmt.Sprint(len(p))
	}
	return strings.ReplaceAll(string(p), " ", "_")
}

// Frames of a client, masked.

func text(s string) frameOf { return frameOf{fin: true, op: Text, payload: []byte(s), masked: true} }
func ping(s string) frameOf { return frameOf{fin: true, op: opPing, payload: []byte(s), masked: true} }
func pong(s string) frameOf { return frameOf{fin: true, op: opPong, payload: []byte(s), masked: true} }
func binaryOf(n int) frameOf {
	return frameOf{fin: true, op: Binary, payload: make([]byte, n), masked: true}
}
func textOf(n int) frameOf   { return text(strings.Repeat("*", n)) }
func first(s string) frameOf { return frameOf{op: Text, payload: []byte(s), masked: true} }
func more(s string) frameOf  { return frameOf{op: Continuation, payload: []byte(s), masked: true} }
func last(s string) frameOf {
	return frameOf{fin: true, op: Continuation, payload: []byte(s), masked: true}
}
func closeWith(s []byte) frameOf {
	return frameOf{fin: true, op: opClose, payload: s, masked: true}
}

func closeOf(code int, reason string) frameOf {
	return closeWith(append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

func wire(frames ...frameOf) []byte {
	var b []byte
	for _, f := range frames {
		b = append(b, f.bytes()...)
	}
	return b
}
