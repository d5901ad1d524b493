package h2

import (
	"errors"
	"strings"
	"testing"
)

// FuzzClientSplit feeds the same bytes of a server to a client whole and in pieces. Events and output must be equal,
// storage must stay within its bounds, and after the server's last byte nothing may be left.
func FuzzClientSplit(f *testing.F) {
	s := serverOf(f, Config{})
	f.Add(s.ok(3)+dataFrame(3, 0, "hello")+s.headers(3, flagEndStream, "x", "y")+pingFrame(1), []byte{1, 7, 3})
	f.Add(s.headers(5, 0, ":status", "103", "link", "x")+s.headers(5, 0, ":status", "100")+s.headers(5, flagEndStream, ":status", "204"), []byte{20, 1})
	f.Add(frame(frameHeaders, flagEndStream, 3, "\x88")+frame(frameContinuation, flagEndHeaders, 3, "\x0f\x0d\x010"), []byte{9, 2})
	f.Add(settingsFrame(setting{settingInitialWindowSize, 5}, setting{settingMaxConcurrentStreams, 1}, setting{settingHeaderTableSize, 0},
		setting{settingMaxHeaderListSize, 100}, setting{settingEnableConnectProtocol, 1})+windowFrame(0, 9)+windowFrame(7, 9)+resetFrame(5), []byte{2, 2})
	f.Add(string(appendGoaway(nil, maxStreamID, CodeNoError, ""))+string(appendGoaway(nil, 3, CodeEnhanceYourCalm, "bye"))+frame(0xbe, 0, 3, "grease"), []byte{5})
	f.Add(frame(frameHeaders, flagPadded|flagPriority|flagEndHeaders, 9, "\x01\x00\x00\x00\x00\x10\x88\x00")+
		frame(frameData, flagPadded|flagEndStream, 9, "\x02world\x00\x00"), []byte{3})
	f.Add(frame(framePing, flagAck, 0, pingFrame(pingReset)[frameHeaderLen:])+frame(framePushPromise, flagEndHeaders, 3, "\x00\x00\x00\x02\x82"), []byte{4})
	f.Fuzz(func(t *testing.T, input string, cuts []byte) {
		whole := playClient(t, input, nil)
		if pieces := playClient(t, input, cuts); pieces != whole {
			t.Errorf("whole:\n%s\nin pieces:\n%s", whole, pieces)
		}
	})
}

// playClient sends requests, feeds input, split by cuts, and returns events and output as text.
func playClient(t *testing.T, input string, cuts []byte) string {
	s := serverOf(t, Config{}, setting{settingInitialWindowSize, 10}, setting{settingEnableConnectProtocol, 1})
	s.reasons = true
	s.requests(s.get())
	s.requests(s.post("content"))
	s.opensAnother()
	held := s.post("0123456789abcdef")
	held.Expect = true
	s.requests(held)
	tunnel := &ClientRequest{Method: "CONNECT", Protocol: "websocket", Scheme: "http", Authority: "a.example", Path: "/", Source: &feed{ready: "ping"}}
	s.requests(tunnel)
	s.c.Reset(s.requests(s.get()), CodeCancel)
	out := s.c.Transmit(nil, 1<<30)
	for i := 0; len(input) > 0 && s.err == nil; i++ {
		n := len(input)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		s.feed([]byte(input[:n]))
		input = input[n:]
		if len(s.kept) > frameHeaderLen+protocolFrameSize || s.c.Streams() > 6 || len(s.c.out) > 1<<20 {
			t.Fatalf("%d bytes kept, %d streams, %d bytes of output", len(s.kept), s.c.Streams(), len(s.c.out))
		}
	}
	if capacity := s.c.Capacity(); capacity > 0 {
		_, err := s.c.Request(s.get())
		if err != nil && err != ErrTooLarge {
			t.Fatalf("capacity %d: %v", capacity, err)
		}
	}
	out = s.c.Transmit(out, 1<<30)
	s.c.EOF()
	s.pump()
	var e *ConnError
	if errors.As(s.err, &e) {
		s.events = append(s.events, e.Error())
	} else if s.c.Streams() > 0 {
		t.Fatalf("%d streams after the last byte", s.c.Streams())
	}
	out = s.c.Transmit(out, 1<<30)
	if !s.c.Done() || !s.c.Deadline().IsZero() {
		t.Fatal("not done")
	}
	s.c.Close()
	if n := s.sh.idle; n > idleStreams {
		t.Fatalf("%d idle streams", n)
	}
	return strings.Join(s.events, "\n") + "\n" + string(out)
}

// FuzzPair draws more conversations of a client and a server than TestMachinesUnderstandEachOther.
func FuzzPair(f *testing.F) {
	f.Add(uint64(1), 0)
	f.Add(uint64(2), 1)
	f.Fuzz(func(t *testing.T, seed uint64, pieces int) {
		p := newPair(t, seed, max(0, pieces%1000))
		for range 200 {
			p.step()
		}
		p.finish()
		p.compare()
	})
}
