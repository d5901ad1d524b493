package h2

import (
	"fmt"
	"testing"
)

// literal is a field line that is not indexed (RFC 7541 section 6.2.2), or never to be (section 6.2.3).
func literal(first byte, name, value string) string {
	return string([]byte{first, byte(len(name))}) + name + string([]byte{byte(len(value))}) + value
}

// Equal blocks of responses mean the same until a block changes the table.
func TestEqualResponses(t *testing.T) {
	const (
		status = "\x88" // 200
		newest = "\xbe" // the table's newest entry
		resize = "\x20" // empties the table: its size is 0
		full   = "\x3f\xe1\x1f"
	)
	clientDialogue(t, Config{}, func(s *server) {
		answers := func(block, want string) {
			s.t.Helper()
			id := s.requests(s.get())
			s.pull()
			s.writes(frame(frameHeaders, flagEndHeaders|flagEndStream, id, block))
			s.wantsEvents(fmt.Sprintf("Final %d %s end", id, want))
			s.pull()
		}
		equal := status + newest + literal(0, "b", "x")
		answers(status+literal(0x40, "a", "1"), "200 a=1")
		answers(equal, "200 a=1 b=x")
		answers(equal, "200 a=1 b=x")
		answers(status+literal(0, "c", "y"), "200 c=y")
		answers(equal, "200 a=1 b=x")
		answers(equal, "200 a=1 b=x")
		answers(status+literal(0x40, "a", "2"), "200 a=2")
		answers(equal, "200 a=2 b=x")
		answers(resize+full+status+literal(0x40, "a", "3"), "200 a=3")
		answers(equal, "200 a=3 b=x")

		// The lengths are checked each time.
		sized := status + literal(0, "content-length", "1")
		id := s.requests(s.get())
		s.pull()
		s.writes(frame(frameHeaders, flagEndHeaders, id, sized), dataFrame(id, flagEndStream, "!"))
		s.wantsEvents(fmt.Sprintf("Final %d 200 content-length=1", id), fmt.Sprintf("Data %d ! end", id))
		id = s.requests(s.get())
		s.pull()
		s.writes(frame(frameHeaders, flagEndHeaders|flagEndStream, id, sized))
		s.wantsEvents(fmt.Sprintf("Reset %d PROTOCOL_ERROR", id))
	})
}

// A change of the table's size alone counts as a change, in a block that is not remembered itself.
func TestEqualResponsesAfterSizeUpdate(t *testing.T) {
	clientDialogue(t, Config{}, func(s *server) {
		heads := func(block, want string) {
			s.t.Helper()
			id := s.requests(s.get())
			s.pull()
			s.writes(frame(frameHeaders, flagEndHeaders|flagEndStream, id, block))
			s.wantsEvents(fmt.Sprintf("Final %d %s end", id, want))
			s.pull()
		}
		const equal = "\x88\xbe" // 200, the table's newest entry
		heads("\x88"+literal(0x40, "a", "1"), "200 a=1")
		heads(equal, "200 a=1")
		heads(equal, "200 a=1")
		id := s.requests(s.get())
		s.pull()
		const interim = "\x20\x3f\xe1\x1f" + "\x08\x03103" // sizes 0 and 4096; :status 103
		s.writes(frame(frameHeaders, flagEndHeaders, id, interim), frame(frameHeaders, flagEndHeaders|flagEndStream, id, equal))
		s.wantsEnd(CodeCompressionError)
	})
}
