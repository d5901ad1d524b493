package h2

import (
	"fmt"
	"strings"
	"testing"
)

// TestTransitions spells the RFC's picture out again, edge by edge.
func TestTransitions(t *testing.T) {
	want := map[string]streamState{
		"idle recvHeaders": open, "idle sendHeaders": awaiting,
		"open, awaiting recvHeaders": open, "open, awaiting recvReset": closed, "open, awaiting recvWindow": awaiting,
		"open, awaiting sendHeaders": awaiting, "open, awaiting sendData": awaiting, "open, awaiting sendEnd": awaitingLocal,
		"open, awaiting sendReset": closed, "open, awaiting sendWindow": awaiting,
		"half-closed (local), awaiting recvHeaders": halfClosedLocal, "half-closed (local), awaiting recvReset": closed,
		"half-closed (local), awaiting recvWindow": awaitingLocal, "half-closed (local), awaiting sendReset": closed,
		"half-closed (local), awaiting sendWindow": awaitingLocal,
		"open recvHeaders":                         open, "open recvData": open, "open recvWindow": open,
		"open sendHeaders": open, "open sendData": open, "open sendWindow": open,
		"open recvEnd": halfClosedRemote, "open sendEnd": halfClosedLocal,
		"open recvReset": closed, "open sendReset": closed,
		"half-closed (remote) recvWindow": halfClosedRemote, "half-closed (remote) sendHeaders": halfClosedRemote,
		"half-closed (remote) sendData": halfClosedRemote, "half-closed (remote) sendEnd": closed,
		"half-closed (remote) recvReset": closed, "half-closed (remote) sendReset": closed,
		"half-closed (local) recvHeaders": halfClosedLocal, "half-closed (local) recvData": halfClosedLocal,
		"half-closed (local) recvWindow": halfClosedLocal, "half-closed (local) sendWindow": halfClosedLocal,
		"half-closed (local) recvEnd": closed, "half-closed (local) recvReset": closed, "half-closed (local) sendReset": closed,
		"closed recvReset": closed, "closed recvWindow": closed,
	}
	names := [inputs]string{"recvHeaders", "recvData", "recvEnd", "recvReset", "recvWindow", "sendHeaders", "sendData", "sendEnd", "sendReset", "sendWindow"}
	for s := illegal; s < states; s++ {
		for i := range inputs {
			if key := s.String() + " " + names[i]; s.after(i) != want[key] {
				t.Errorf("%s leads to %v, want %v", key, s.after(i), want[key])
			}
		}
	}
}

// situations have stream 3 in each state.
var situations = []struct {
	name string
	make func(p *peer)
}{
	{"idle", func(p *peer) {}},
	{"open", func(p *peer) { p.writes(p.post(3)) }},
	{"half-closed remote", func(p *peer) { p.writes(p.get(3)) }},
	{"half-closed local", func(p *peer) {
		p.writes(p.post(3))
		p.answers(3, &hello)
	}},
	{"closed", func(p *peer) {
		p.writes(p.get(3))
		p.answers(3, &hello)
	}},
	{"reset by us", func(p *peer) {
		p.writes(p.post(3))
		p.c.Reset(3, CodeCancel)
	}},
	{"reset by peer", func(p *peer) { p.writes(p.post(3), resetFrame(3)) }},
	{"passed over", func(p *peer) { p.writes(p.post(5)) }},
	{"long closed", func(p *peer) {
		for id := StreamID(3); id < 3+2*70; id += 2 {
			p.writes(p.get(id))
			p.answers(id, &hello)
		}
	}},
}

// Each frame has the right outcome in each state.
func TestFramesInStates(t *testing.T) {
	frames := []struct {
		name string
		make func(p *peer) string
		want []string // for each situation
	}{
		{"HEADERS", func(p *peer) string { return p.headers(3, 0, "x", "y") },
			[]string{"stream PROTOCOL_ERROR", "stream PROTOCOL_ERROR", "stream STREAM_CLOSED", "stream PROTOCOL_ERROR",
				"connection STREAM_CLOSED", "ignored", "connection STREAM_CLOSED", "connection PROTOCOL_ERROR", "stream STREAM_CLOSED"}},
		{"HEADERS end", func(p *peer) string { return p.headers(3, flagEndStream, "x", "y") },
			[]string{"stream PROTOCOL_ERROR", "Trailers", "stream STREAM_CLOSED", "Trailers",
				"connection STREAM_CLOSED", "ignored", "connection STREAM_CLOSED", "connection PROTOCOL_ERROR", "stream STREAM_CLOSED"}},
		{"DATA", func(p *peer) string { return dataFrame(3, 0, "x") },
			[]string{"connection PROTOCOL_ERROR", "Data", "stream STREAM_CLOSED", "Data",
				"stream STREAM_CLOSED", "ignored", "stream STREAM_CLOSED", "stream STREAM_CLOSED", "stream STREAM_CLOSED"}},
		{"DATA end", func(p *peer) string { return dataFrame(3, flagEndStream, "x") },
			[]string{"connection PROTOCOL_ERROR", "Data", "stream STREAM_CLOSED", "Data",
				"stream STREAM_CLOSED", "ignored", "stream STREAM_CLOSED", "stream STREAM_CLOSED", "stream STREAM_CLOSED"}},
		{"RST_STREAM", func(p *peer) string { return resetFrame(3) },
			[]string{"connection PROTOCOL_ERROR", "Reset", "Reset", "Reset",
				"ignored", "ignored", "ignored", "ignored", "ignored"}},
		{"WINDOW_UPDATE", func(p *peer) string { return windowFrame(3, 1) },
			[]string{"connection PROTOCOL_ERROR", "ignored", "ignored", "ignored",
				"ignored", "ignored", "ignored", "ignored", "ignored"}},
		{"PRIORITY", func(p *peer) string { return frame(framePriority, 0, 3, "\x00\x00\x00\x01\x10") },
			repeat("ignored", len(situations))},
		{"PRIORITY_UPDATE", func(p *peer) string { return frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x03u=1") },
			repeat("ignored", len(situations))},
		{"CONTINUATION", func(p *peer) string { return frame(frameContinuation, flagEndHeaders, 3, "") },
			repeat("connection PROTOCOL_ERROR", len(situations))},
		{"PUSH_PROMISE", func(p *peer) string { return frame(framePushPromise, flagEndHeaders, 3, "\x00\x00\x00\x02") },
			repeat("connection PROTOCOL_ERROR", len(situations))},
		{"unknown", func(p *peer) string { return frame(0xbe, 0xff, 3, "whatever") },
			repeat("ignored", len(situations))},
	}
	for _, f := range frames {
		for i, s := range situations {
			t.Run(f.name+" on "+s.name, func(t *testing.T) {
				p := connect(t, Config{})
				s.make(p)
				p.events = nil
				p.writes(f.make(p))
				if got := p.outcome(); got != f.want[i] {
					t.Errorf("got %q, want %q", got, f.want[i])
				}
			})
		}
	}
}

// outcome returns the outcome of the last frame.
func (p *peer) outcome() string {
	event := ""
	for _, e := range p.events {
		if kind, _, _ := strings.Cut(e, " "); event == "" && kind != "Reset" {
			event = kind
		} else if event == "" && strings.HasSuffix(e, CodeCancel.String()) {
			event = "Reset"
		}
	}
	if p.err != nil {
		return fmt.Sprintf("connection %v", p.c.err.Code)
	}
	for _, f := range p.frames() {
		if strings.HasPrefix(f, "RST_STREAM 3 ") && !strings.HasSuffix(f, "NO_ERROR") && !strings.HasSuffix(f, "CANCEL") {
			return "stream " + strings.TrimPrefix(f, "RST_STREAM 3 ")
		}
	}
	if event == "" {
		return "ignored"
	}
	return event
}

func repeat(s string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}

// Connection errors that do not depend on the state of a stream.
func TestFrameRules(t *testing.T) {
	block := "\x82\x86\x84\x41\x01a"
	for _, tt := range []struct {
		name  string
		frame string
		want  ErrCode
	}{
		{"DATA on stream 0", dataFrame(0, 0, "x"), CodeProtocolError},
		{"HEADERS on stream 0", frame(frameHeaders, flagEndHeaders, 0, block), CodeProtocolError},
		{"HEADERS on an even stream", frame(frameHeaders, flagEndHeaders, 2, block), CodeProtocolError},
		{"PRIORITY on stream 0", frame(framePriority, 0, 0, "\x00\x00\x00\x01\x10"), CodeProtocolError},
		{"PRIORITY of 4 bytes", frame(framePriority, 0, 1, "\x00\x00\x00\x01"), CodeFrameSizeError},
		{"PRIORITY on itself", frame(framePriority, 0, 1, "\x00\x00\x00\x01\x10"), CodeProtocolError},
		{"RST_STREAM on stream 0", frame(frameReset, 0, 0, "\x00\x00\x00\x01"), CodeProtocolError},
		{"RST_STREAM of 3 bytes", frame(frameReset, 0, 1, "\x00\x00\x01"), CodeFrameSizeError},
		{"SETTINGS on a stream", frame(frameSettings, 0, 1, ""), CodeProtocolError},
		{"SETTINGS of 5 bytes", frame(frameSettings, 0, 0, "12345"), CodeFrameSizeError},
		{"SETTINGS ack with payload", frame(frameSettings, flagAck, 0, "123456"), CodeFrameSizeError},
		{"ENABLE_PUSH 2", settingsFrame(setting{settingEnablePush, 2}), CodeProtocolError},
		{"INITIAL_WINDOW_SIZE 2^31", settingsFrame(setting{settingInitialWindowSize, 1 << 31}), CodeFlowControlError},
		{"MAX_FRAME_SIZE 16383", settingsFrame(setting{settingMaxFrameSize, 16383}), CodeProtocolError},
		{"MAX_FRAME_SIZE 2^24", settingsFrame(setting{settingMaxFrameSize, 1 << 24}), CodeProtocolError},
		{"NO_RFC7540_PRIORITIES changed", settingsFrame(setting{settingNoRFC7540Priorities, 1}), CodeProtocolError},
		{"PING on a stream", frame(framePing, 0, 1, "12345678"), CodeProtocolError},
		{"PING of 7 bytes", frame(framePing, 0, 0, "1234567"), CodeFrameSizeError},
		{"GOAWAY on a stream", frame(frameGoaway, 0, 1, "12345678"), CodeProtocolError},
		{"GOAWAY of 7 bytes", frame(frameGoaway, 0, 0, "1234567"), CodeFrameSizeError},
		{"WINDOW_UPDATE of 3 bytes", frame(frameWindowUpdate, 0, 0, "123"), CodeFrameSizeError},
		{"WINDOW_UPDATE of 0", windowFrame(0, 0), CodeProtocolError},
		{"WINDOW_UPDATE overflow", windowFrame(0, maxWindow), CodeFlowControlError},
		{"PRIORITY_UPDATE on a stream", frame(framePriorityUpdate, 0, 1, "\x00\x00\x00\x01u=1"), CodeProtocolError},
		{"PRIORITY_UPDATE for stream 0", frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x00u=1"), CodeProtocolError},
		{"frame too long", frame(frameData, 0, 1, "")[:0] + "\x00\x40\x01\x00\x00\x00\x00\x00\x01", CodeFrameSizeError},
		{"padding too long", frame(frameHeaders, flagEndHeaders|flagPadded, 1, "\x02\x82"), CodeProtocolError},
		{"no room for padding length", frame(frameHeaders, flagEndHeaders|flagPadded, 1, ""), CodeFrameSizeError},
		{"no room for priority", frame(frameHeaders, flagEndHeaders|flagPriority, 1, "1234"), CodeFrameSizeError},
		{"index 0", frame(frameHeaders, flagEndHeaders, 1, "\x80"), CodeCompressionError},
		{"index beyond the table", frame(frameHeaders, flagEndHeaders, 1, "\xfe"), CodeCompressionError},
		{"truncated block", frame(frameHeaders, flagEndHeaders, 1, "\x82\x41\x05ab"), CodeCompressionError},
		{"block interrupted", frame(frameHeaders, 0, 1, "\x82") + pingFrame(1), CodeProtocolError},
		{"block of another stream", frame(frameHeaders, 0, 1, "\x82") + frame(frameContinuation, flagEndHeaders, 3, "\x86"), CodeProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dialogue(t, Config{}, func(p *peer) {
				p.writes(tt.frame)
				p.wantsEnd(tt.want)
				// The error is sticky.
				p.err = nil
				p.writes(pingFrame(1))
				if p.err == nil || len(p.events) > 0 {
					t.Error("the connection goes on")
				}
			})
		})
	}
}

func TestDataRules(t *testing.T) {
	dialogue(t, Config{}, func(p *peer) {
		p.writes(p.post(1), frame(frameData, flagPadded, 1, "\x05abcd"))
		p.wantsEnd(CodeProtocolError)
	})
	dialogue(t, Config{}, func(p *peer) {
		p.writes(p.post(1), p.post(3), windowFrame(1, 0), windowFrame(3, maxWindow))
		p.wants("RST_STREAM 1 PROTOCOL_ERROR", "RST_STREAM 3 FLOW_CONTROL_ERROR")
	})
	dialogue(t, Config{}, func(p *peer) {
		// RFC 7540 section 5.3.1: a dependency on itself.
		p.writes(p.post(7), frame(framePriority, 0, 7, "\x00\x00\x00\x07\x10"),
			p.post(9), frame(frameHeaders, flagEndHeaders|flagEndStream|flagPriority, 9, "\x00\x00\x00\x09\x10"))
		p.wants(append(append([]string{"RST_STREAM 7 PROTOCOL_ERROR"}, refusal(9, 400, "stream depends on itself")...), "RST_STREAM 9 PROTOCOL_ERROR")...)
		p.wantsEvents("Request 7 POST a.example/", "Reset 7 PROTOCOL_ERROR", "Request 9 POST a.example/", "Reset 9 PROTOCOL_ERROR")
	})
	dialogue(t, Config{}, func(p *peer) {
		p.writes(frame(frameHeaders, flagEndHeaders|flagPriority, 1, "\x00\x00\x00\x01\x10"+p.encode(get()...)), p.get(3))
		p.wantsEvents("Refused 1 PROTOCOL_ERROR: stream depends on itself", "Request 3 GET a.example/ end")
		p.wantsRefusal(1, 400, "stream depends on itself", CodeProtocolError)
	})
}

// Each event has the right outcome in each life.
func TestLife(t *testing.T) {
	for _, tt := range []struct {
		in   life
		want [lifeEvents]life // of drainBegins, drainEnds, inputEnds, failure
	}{
		{serving, [lifeEvents]life{draining, serving, ended, failed}},
		{draining, [lifeEvents]life{draining, drained, ended, failed}},
		{drained, [lifeEvents]life{drained, drained, ended, failed}},
		{ended, [lifeEvents]life{ended, ended, ended, failed}},
		{failed, [lifeEvents]life{failed, failed, failed, failed}},
	} {
		for e, want := range tt.want {
			c := machine{life: tt.in}
			if moved := c.advance(lifeEvent(e)); c.life != want || moved != (want != tt.in) {
				t.Errorf("event %d leads from %d to %d, want %d", e, tt.in, c.life, want)
			}
		}
	}
}
