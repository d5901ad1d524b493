package h2

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// FuzzSplit feeds the same input whole and in pieces, and then answers some requests. Events and output
// must be equal, and storage must stay within its bounds.
func FuzzSplit(f *testing.F) {
	p := connect(f, Config{})
	f.Add(p.get(1)+pingFrame(1)+p.get(3), []byte{1, 7, 3})
	f.Add(p.post(5)+dataFrame(5, 0, "hello")+frame(frameData, flagPadded|flagEndStream, 5, "\x02world\x00\x00"), []byte{20, 1})
	f.Add(frame(frameHeaders, flagEndStream, 1, "\x82\x86")+frame(frameContinuation, flagEndHeaders, 1, "\x84\x41\x01a"), []byte{9, 2})
	f.Add(frame(frameHeaders, flagPadded|flagPriority|flagEndHeaders, 1, "\x01\x00\x00\x00\x00\x10\x82\x86\x84\x41\x01a\x00")+
		frame(frameHeaders, flagEndStream|flagEndHeaders, 1, "\x00\x01x\x01y"), []byte{3})
	f.Add(settingsFrame(setting{settingInitialWindowSize, 5})+windowFrame(0, 9)+resetFrame(1)+
		frame(framePriority, 0, 7, "\x00\x00\x00\x01\x10")+frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x03u=1, i"), []byte{2, 2})
	f.Add(string(appendGoaway(nil, 0, CodeNoError, "bye"))+frame(0xbe, 0, 3, "grease"), []byte{5})
	f.Fuzz(func(t *testing.T, input string, cuts []byte) {
		whole := play(t, input, nil)
		if pieces := play(t, input, cuts); pieces != whole {
			t.Errorf("whole:\n%s\nin pieces:\n%s", whole, pieces)
		}
	})
}

// play feeds input, split by cuts, and returns events and output as text.
func play(t *testing.T, input string, cuts []byte) string {
	p := connect(t, Config{EnableConnectProtocol: true, MaxConcurrentStreams: 16})
	for i := 0; len(input) > 0 && p.err == nil; i++ {
		n := len(input)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		p.feed([]byte(input[:n]))
		input = input[n:]
		if len(p.kept) > frameHeaderLen+protocolFrameSize || p.c.Streams() > 16 || len(p.c.out) > 1<<20 {
			t.Fatalf("%d bytes kept, %d streams, %d bytes of output", len(p.kept), p.c.Streams(), len(p.c.out))
		}
	}
	for id := StreamID(1); id < 64; id += 4 {
		p.c.Respond(id, &hello)
	}
	p.pump()
	var e *ConnError
	if errors.As(p.err, &e) {
		p.events = append(p.events, e.Error())
	}
	out := p.c.Transmit(nil, 1<<30)
	out = p.c.Transmit(out, p.leaves(t))
	if p.pump(); !p.c.Done() {
		t.Fatalf("%d streams hold a connection whose peer has sent its last byte", p.c.Streams())
	}
	return strings.Join(p.events, "\n") + "\n" + string(out)
}

// leaves sends EOF and answers the open requests: half of them with Bytes, half with a Source. It
// returns room for all output.
func (p *peer) leaves(t *testing.T) int {
	p.c.EOF()
	p.pump()
	var open []StreamID
	p.c.Each(func(id StreamID, _ any) { open = append(open, id) })
	for _, id := range open {
		content := &tailed{feed{ready: "bit", tail: []Field{{"x", "y"}}}}
		r := &hello
		if id&2 != 0 {
			r = &Response{Status: 200, Source: content, Length: -1}
		}
		if p.c.Respond(id, r) == nil && r != &hello {
			p.sent()
			content.err = io.EOF
			p.c.Resume(id)
		}
	}
	if d := p.c.Deadline(); !d.IsZero() {
		t.Fatalf("something is due at %v", d)
	}
	return 1 << 30
}
