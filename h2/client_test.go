package h2

import (
	"io"
	"strings"
	"testing"
)

// The preface goes out with the first request, before the answer to SETTINGS that came earlier.
func TestClientPreface(t *testing.T) {
	s := newServer(t, Config{})
	s.writes(settingsFrame(setting{settingMaxConcurrentStreams, 7}))
	s.wantsEvents("Changed")
	if s.c.Wanting() || len(s.c.Transmit(nil, 1<<20)) > 0 {
		t.Fatal("output before the first request")
	}
	if n := s.c.Capacity(); n != 7 {
		t.Errorf("capacity %d", n)
	}
	s.requests(s.get())
	s.pull()
	if got := string(s.wire.Next(len(Preface))); got != Preface {
		t.Fatalf("%q", got)
	}
	if got := strings.Join(s.read(), "\n"); got != "SETTINGS 2=0 6=65536 9=1 4=81920\nWINDOW_UPDATE 0 983041\nSETTINGS ack\nHEADERS 1"+getHead+" end" {
		t.Error(got)
	}
}

func TestClientResponses(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		s.requests(s.get())
		s.requests(s.post("content"))
		s.wants("HEADERS 3"+getHead+" end", "HEADERS 5"+postHead+" content-length=7", "DATA 5 content end")
		s.writes(s.headers(3, 0, ":status", "103", "link", "x"), s.headers(3, 0, ":status", "200", "content-length", "5"),
			dataFrame(3, 0, "he"), s.headers(5, flagEndStream, ":status", "404", "x", "y"), dataFrame(3, flagEndStream, "llo"))
		s.wantsEvents("Interim 3 103 link=x", "Final 3 200 content-length=5", "Data 3 he", "Final 5 404 x=y end", "Data 3 llo end")
		s.requests(s.get())
		s.wants("HEADERS 7" + getHead + " end")
		s.writes(s.ok(7), dataFrame(7, 0, "a"), s.headers(7, flagEndStream, "checksum", "1"))
		s.wantsEvents("Final 7 200", "Data 7 a", "Trailers 7 [{checksum 1}]")
		if s.c.Streams() != 0 {
			t.Errorf("%d streams", s.c.Streams())
		}
	})
}

// Content from a Source, with trailers, and content that waits for 100 (Continue).
func TestClientContent(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		src := &tailed{feed{ready: "content", err: io.EOF, tail: []Field{{"Checksum", "1"}}}}
		r := s.post("")
		r.Source, r.Length, r.Expect = src, -1, true
		id := s.requests(r)
		s.wants("HEADERS 3" + postHead + " expect=100-continue")
		s.writes(s.headers(id, 0, ":status", "100"))
		s.wantsEvents("Interim 3 100")
		s.wants("DATA 3 content", "HEADERS 3 checksum=1 end")
		s.writes(s.headers(id, flagEndStream, ":status", "204"))
		s.wantsEvents("Final 3 204 end")
	})
}

func TestClientGoaway(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		s.requests(s.get())
		s.requests(s.get())
		s.pull()
		s.writes(string(appendGoaway(nil, maxStreamID, CodeNoError, "")))
		s.wantsEvents("Goaway 2147483647 NO_ERROR")
		if _, err := s.c.Request(s.get()); err != ErrDraining || s.c.Capacity() != 0 || !s.c.Draining() {
			t.Error(err)
		}
		s.writes(string(appendGoaway(nil, 3, CodeNoError, "")))
		s.wantsEvents("Goaway 3 NO_ERROR", "Reset 5 REFUSED_STREAM unprocessed")
		s.writes(s.headers(3, flagEndStream, ":status", "200"))
		s.wantsEvents("Final 3 200 end")
		s.read()
		s.wants("GOAWAY 0 NO_ERROR")
		if !s.c.Done() {
			t.Error("not done")
		}
	})
}
