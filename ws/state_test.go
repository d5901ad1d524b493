package ws

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// states are ways to reach each state.
var states = map[state]func(*player){
	open:   func(*player) {},
	within: func(p *player) { p.hear(wire(first("a"))) },
	closing: func(p *player) {
		_ = p.conn.Close(CloseNormal, "")
	},
	closingWithin: func(p *player) {
		p.hear(wire(first("a")))
		_ = p.conn.Close(CloseNormal, "")
	},
	closed: func(p *player) { p.hear(wire(closeOf(1000, ""))) },
	failed: func(p *player) { p.hear([]byte("\xff\xff")) },
}

var inputs = map[input][]byte{
	gotWhole: wire(text("w")), gotFirst: wire(first("f")), gotMore: wire(more("m")), gotLast: wire(last("l")),
	gotPing: wire(ping("p")), gotPong: wire(pong("q")), gotClose: wire(closeOf(1001, "")),
	violate: []byte("\x83\x80"),
}

// Every state of either role meets every input, and the table describes the result.
func TestStatesAndInputs(t *testing.T) {
	for role, name := range roleNames {
		t.Run(name, func(t *testing.T) { checkInputs(t, Role(role)) })
	}
}

func checkInputs(t *testing.T, role Role) {
	for from, reach := range states {
		for what := range numInputs {
			p := newPlayer(role, Deflate{}, nil)
			reach(p)
			p.receive(nil)
			if p.conn.state != from {
				t.Fatalf("reached state %d, not %d", p.conn.state, from)
			}
			p.events, p.sent = nil, nil
			want := transitions[from][what]
			if what == sendClose {
				err := p.conn.Close(CloseGoingAway, "")
				if (err == nil) != (want != illegal) || err != nil && err != ErrClosed {
					t.Errorf("state %d: Close: %v", from, err)
				}
				want = p.conn.state
			} else {
				p.hear(inputs[what])
			}
			switch {
			case from.over():
				want = from
			case want == illegal:
				want = failed
			}
			if p.conn.state != want {
				t.Errorf("state %d, input %d: state %d, want %d", from, what, p.conn.state, want)
			}
			checkReaction(t, p, from, what)
		}
	}
}

// checkReaction checks what the application and the peer see of an input.
func checkReaction(t *testing.T, p *player, from state, what input) {
	t.Helper()
	events, out := strings.Join(p.events, " "), p.frames(t)
	wantEvents, wantOut := "", ""
	switch {
	case from.over():
		if from == failed {
			events = ""
		}
	case what == sendClose:
		return
	case transitions[from][what] == illegal || what == violate:
		wantEvents, wantOut = "error:1002", "close:1002"
	case what == gotWhole:
		wantEvents = "text:w"
	case what == gotLast:
		wantEvents = "text:al"
	case what == gotPing:
		wantEvents, wantOut = "ping:p", "pong:p"
	case what == gotPong:
		wantEvents = "pong:q"
	case what == gotClose:
		wantEvents, wantOut = "close:1001", "close:1001"
	}
	if from == closing || from == closingWithin {
		// Nothing is sent behind a Close, and messages are read past.
		wantOut = ""
		if strings.HasPrefix(wantEvents, "text") {
			wantEvents = ""
		}
	}
	if events != wantEvents || out != wantOut {
		t.Errorf("state %d, input %d: events %q, want %q; frames %q, want %q", from, what, events, wantEvents, out, wantOut)
	}
}

// Each command in each state of either role: after a Close nothing is queued any more.
func TestStatesAndCommands(t *testing.T) {
	for role, name := range roleNames {
		t.Run(name, func(t *testing.T) { checkCommands(t, Role(role)) })
	}
}

func checkCommands(t *testing.T, role Role) {
	prepared, err := Prepare(Text, []byte("p"))
	if err != nil {
		t.Fatal(err)
	}
	commands := map[string]func(*Conn) error{
		"Send":         func(c *Conn) error { return c.Send(Text, []byte("x")) },
		"SendPrepared": func(c *Conn) error { return c.SendPrepared(prepared) },
		"Begin":        func(c *Conn) error { return c.Begin(Binary) },
		"Write":        func(c *Conn) error { return c.Write([]byte("x")) },
		"End":          (*Conn).End,
		"Ping":         func(c *Conn) error { return c.Ping(nil) },
		"Close":        func(c *Conn) error { return c.Close(CloseNormal, "") },
	}
	for from, reach := range states {
		for name, command := range commands {
			p := newPlayer(role, Deflate{}, nil)
			reach(p)
			p.receive(nil)
			var want error
			switch {
			case from >= closing:
				want = ErrClosed
			case name == "Write" || name == "End":
				want = ErrNoMessage
			}
			if err := command(&p.conn); err != want {
				t.Errorf("state %d: %s: %v, want %v", from, name, err, want)
			}
			if want != nil && p.conn.Queued() > 0 {
				t.Errorf("state %d: %s queued something", from, name)
			}
		}
	}
}

// Misuse says so, queues nothing and changes nothing.
func TestMisuse(t *testing.T) {
	p := newPlayer(Server, Deflate{}, nil)
	c := &p.conn
	for _, step := range []struct {
		name string
		got  error
		want error
	}{
		{"text that is none", c.Send(Text, []byte("\xff")), ErrText},
		{"control opcode", c.Send(opPing, nil), ErrOpcode},
		{"continuation", c.Begin(Continuation), ErrOpcode},
		{"long ping", c.Ping(make([]byte, 126)), ErrPayload},
		{"code not to be sent", c.Close(CloseAbnormal, ""), ErrCode},
		{"code out of range", c.Close(5000, ""), ErrCode},
		{"reason without a code", c.Close(CloseNoStatus, "x"), ErrCode},
		{"long reason", c.Close(CloseNormal, strings.Repeat("x", 124)), ErrReason},
		{"reason that is no text", c.Close(CloseNormal, "\xff"), ErrReason},
		{"nothing begun", c.End(), ErrNoMessage},
	} {
		if step.got != step.want {
			t.Errorf("%s: %v, want %v", step.name, step.got, step.want)
		}
	}
	p.receive(nil)
	p.want(t, "", "")

	if err := errors.Join(c.Begin(Text), c.Write([]byte("\xe2\x82"))); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		got  error
		want error
	}{
		{"bad byte", c.Write([]byte("x")), ErrText},
		{"end within a character", c.End(), ErrText},
		{"message within a message", c.Send(Text, nil), ErrWithinMessage},
		{"stream within a message", c.Begin(Text), ErrWithinMessage},
	} {
		if step.got != step.want {
			t.Errorf("%s: %v, want %v", step.name, step.got, step.want)
		}
	}
	// The message can go on.
	if err := errors.Join(c.Ping([]byte("p")), c.Write([]byte("\xac!")), c.Write(nil), c.End()); err != nil {
		t.Fatal(err)
	}
	p.receive(nil)
	p.want(t, "", "text-:\xe2\x82 ping:p cont-:\xac! cont")
}

// An error is sticky, and the first one stays.
func TestErrorsAreSticky(t *testing.T) {
	p := newPlayer(Server, Deflate{}, nil)
	p.receive([]byte("\x83\x80"))
	var ev Event
	in := wire(text("x"))
	n, err := p.conn.Next(in, &ev)
	if n != len(in) || err == nil || err != p.err {
		t.Errorf("consumed %d of %d: %v", n, len(in), err)
	}
	if got, want := fmt.Sprint(err), "ws: reserved opcode"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if err := p.conn.EOF(); err != nil {
		t.Errorf("EOF after failure: %v", err)
	}
	if !p.conn.Done() {
		t.Error("not done")
	}
}

// The server ends the transport first; the client waits for that.
func TestDone(t *testing.T) {
	client, server := newPlayer(Client, Deflate{}, nil), newPlayer(Server, Deflate{}, nil)
	if err := client.conn.Close(CloseNormal, "bye"); err != nil {
		t.Fatal(err)
	}
	client.receive(nil)
	var ev Event
	if _, err := server.conn.Next(bytes.Clone(client.sent), &ev); err != nil || ev.Kind != Close || ev.Reason != "bye" {
		t.Fatal(err, ev)
	}
	if server.conn.Done() {
		t.Error("server is done before its Close is pulled")
	}
	server.receive(nil)
	if !server.conn.Done() {
		t.Error("server is not done")
	}
	client.receive(server.sent)
	client.want(t, "close:1000", "close:1000")
	if client.conn.Done() {
		t.Error("client does not wait for the server")
	}
	if err := client.conn.EOF(); err != nil || !client.conn.Done() {
		t.Errorf("client is not done: %v", err)
	}
}

// A client that has failed the connection ends the transport itself, and one whose server
// does not end the transport in time does so too. RFC 6455 sections 7.1.1 and 7.1.7.
func TestClientEndsTransport(t *testing.T) {
	p := newPlayer(Client, Deflate{}, nil)
	p.hear([]byte("\x83\x80"))
	if p.want(t, "error:1002", "close:1002"); !p.conn.Done() {
		t.Error("not done after a failure")
	}
	p = newPlayer(Client, Deflate{}, nil)
	p.hear(wire(closeOf(1000, "")))
	if p.conn.Done() {
		t.Error("done before the server has ended the transport")
	}
	if err := p.conn.Expire(p.conn.Deadline()); err == nil || !p.conn.Done() {
		t.Errorf("not done although the server is silent: %v", err)
	}
}

// Bytes behind the peer's Close frame are ignored by either role.
func TestInputBehindClose(t *testing.T) {
	for role, name := range roleNames {
		p := newPlayer(Role(role), Deflate{}, nil)
		p.hear(wire(closeOf(1000, "")))
		p.receive([]byte("\x83\xff\xff"))
		p.want(t, "close:1000", "close:1000")
		if p.err != nil || len(p.kept) > 0 {
			t.Errorf("%s: %v, %d bytes kept", name, p.err, len(p.kept))
		}
	}
}

// A transport that ends without a Close frame is an abnormal closure, which
// cannot be answered.
func TestEOFWithoutClose(t *testing.T) {
	for role, name := range roleNames {
		for _, from := range []state{open, within, closing, closingWithin} {
			p := newPlayer(Role(role), Deflate{}, nil)
			states[from](p)
			p.receive(nil)
			err := p.conn.EOF()
			var failure *Error
			if !errors.As(err, &failure) || failure.Code != CloseAbnormal || p.conn.Queued() > 0 || !p.conn.Done() {
				t.Errorf("%s: state %d: %v", name, from, err)
			}
		}
	}
}
