package h2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// Close forgets the last request, which may have credentials.
func TestRequestsAreForgottenWithTheirConnection(t *testing.T) {
	for _, name := range []string{"closed at once", "another request in between"} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{})
			for id := StreamID(1); id < 7; id += 2 {
				p.writes(p.headers(id, flagEndStream, get("authorization", "Basic b3BlbjpzZXNhbWU")...))
			}
			if !remembers(p.sh, "b3BlbjpzZXNhbWU") {
				t.Fatal("the request is not remembered at all")
			}
			if name != "closed at once" {
				p.writes(p.headers(7, flagEndStream, get("x", "1")...))
			}
			p.c.Close()
			if remembers(p.sh, "b3BlbjpzZXNhbWU") {
				t.Error("credentials outlive their connection")
			}
		})
	}
}

// remembers reports whether text is in a memo of sh, or in memory that the memo has for later.
func remembers(sh *Shared, text string) bool {
	for i := range sh.memos {
		m := &sh.memos[i]
		if strings.Contains(fmt.Sprint(m.head.Fields[:cap(m.head.Fields)]), text) || bytes.Contains(m.block[:cap(m.block)], []byte(text)) {
			return true
		}
	}
	return false
}

// Close forgets the last response, which may have cookies, in its block too.
func TestResponsesAreForgottenWithTheirConnection(t *testing.T) {
	const secret = "open-sesame"
	for _, name := range []string{"closed at once", "a shorter response in between", "a change of the table in between", "another connection in between"} {
		t.Run(name, func(t *testing.T) {
			s := serverOf(t, Config{})
			responds := func(s *server, fields string) {
				s.t.Helper()
				id := s.requests(s.get())
				s.pull()
				s.writes(frame(frameHeaders, flagEndHeaders|flagEndStream, id, "\x88"+fields))
				if s.err != nil {
					s.t.Fatal(s.err)
				}
			}
			responds(s, literal(0, "b", "x")+literal(0, "set-cookie", secret))
			if !remembers(s.sh, secret) {
				t.Fatal("the response is not remembered at all")
			}
			switch name {
			case "a shorter response in between":
				responds(s, literal(0, "b", "x"))
			case "a change of the table in between":
				responds(s, literal(0x40, "b", "x"))
			case "another connection in between":
				other := serverOf(t, Config{})
				other.sh, other.c = s.sh, new(Client)
				other.c.Init(s.sh, 0)
				other.c.serial = s.c.serial + memos // shares the memo
				other.pull()
				other.writes(settingsFrame())
				responds(other, literal(0, "b", "x"))
			}
			s.c.Close()
			if remembers(s.sh, secret) {
				t.Error("a cookie outlives its connection")
			}
		})
	}
}

// A block of many references is not remembered: its fields take more memory than it does.
func TestResponsesOfManyFieldsAreNotRemembered(t *testing.T) {
	for n, want := range map[int]bool{maxMemo: true, maxMemo + 1: false} {
		s := serverOf(t, Config{})
		id := s.requests(s.get())
		s.pull()
		block := "\x88" + strings.Repeat("\x90", n) // accept-encoding: gzip, deflate
		s.writes(frame(frameHeaders, flagEndHeaders|flagEndStream, id, block))
		if got := string(s.c.memo().block) == block; got != want {
			t.Errorf("%d fields: remembered %v, want %v", n, got, want)
		}
	}
}

// Equal blocks of requests mean the same until a block changes the table: also one without a request.
func TestEqualRequests(t *testing.T) {
	const (
		get    = "\x82\x86\x84"
		post   = "\x83\x86\x84"
		newest = "\xbf\xbe"              // the table's newest entries
		resize = "\x20" + "\x3f\xe1\x1f" // the table's size is 0, and again 4096
		end    = flagEndHeaders | flagEndStream
	)
	inserted := literal(0x40, "host", "h") + literal(0x40, "a", "2")
	for name, c := range map[string]struct {
		change func(p *peer) // of the table; stream 1 has a request without end, 9 is idle
		want   string        // of the fields of the equal request; empty: COMPRESSION_ERROR
	}{
		"nothing": {func(p *peer) { p.c.Reset(3, CodeCancel) }, "[{host h} {a 1}]"},
		"a request that is refused": {func(p *peer) {
			p.writes(frame(frameHeaders, end, 9, get+inserted))
			p.wantsEvents("Refused 9 REFUSED_STREAM: more streams than SETTINGS_MAX_CONCURRENT_STREAMS")
			p.c.Reset(3, CodeCancel)
		}, "[{host h} {a 2}]"},
		"trailers": {func(p *peer) {
			p.writes(frame(frameHeaders, end, 1, inserted))
			p.wantsEvents("Trailers 1 [{host h} {a 2}]")
			p.c.Reset(3, CodeCancel)
		}, "[{host h} {a 2}]"},
		"a request that is too large": {func(p *peer) {
			p.c.Reset(3, CodeCancel)
			large := strings.Repeat(literal(0, "b", strings.Repeat("x", 100)), 8)
			p.writes(frame(frameHeaders, end, 9, get+large+inserted))
			p.wantsEvents("Refused 9 NO_ERROR: field lines exceed the limit")
		}, "[{host h} {a 2}]"},
		"an update of the table's size alone": {func(p *peer) {
			p.c.Reset(3, CodeCancel)
			p.writes(frame(frameHeaders, end, 9, resize+get+literal(0, "host", "h")))
			p.wantsEvents("Request 9 GET h/ end")
			p.c.Reset(9, CodeCancel)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{MaxConcurrentStreams: 4, MaxHeaderListSize: minHeaderListSize})
			p.writes(frame(frameHeaders, flagEndHeaders, 1, post+literal(0, "host", "h")), frame(frameHeaders, end, 3, get+literal(0x40, "host", "h")+literal(0x40, "a", "1")))
			equal := func(id StreamID) (string, error) {
				in := []byte(frame(frameHeaders, end, id, get+newest))
				for {
					var ev Event
					n, err := p.c.Next(in, &ev)
					if in = in[n:]; err != nil || ev.Kind == Request || n == 0 {
						return fmt.Sprint(ev.Head.Fields), err
					}
				}
			}
			for _, id := range []StreamID{5, 7} {
				if fields, err := equal(id); fields != "[{host h} {a 1}]" || err != nil {
					t.Fatalf("request %d has %s, %v", id, fields, err)
				}
			}
			if p.c.memo().serial != p.c.serial {
				t.Fatal("the request is not remembered")
			}
			p.events = nil
			c.change(p)
			fields, err := equal(11)
			if c.want == "" {
				if p.err = err; err == nil {
					t.Fatalf("the equal request has %s", fields)
				}
				p.wantsEnd(CodeCompressionError)
			} else if fields != c.want || err != nil {
				t.Errorf("the equal request has %s, %v, want %s", fields, err, c.want)
			}
		})
	}
}
