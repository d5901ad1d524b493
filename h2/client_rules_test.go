package h2

import (
	"strings"
	"testing"
)

// clientSituations have stream 3 in each state of a client.
var clientSituations = []struct {
	name string
	make func(s *server)
}{
	{"idle", func(s *server) {}},
	{"not sent", func(s *server) { s.requests(s.get()) }},
	{"open, awaiting", func(s *server) { s.opens() }},
	{"half-closed local, awaiting", func(s *server) {
		s.requests(s.get())
		s.pull()
	}},
	{"open", func(s *server) {
		s.opens()
		s.writes(s.ok(3))
	}},
	{"half-closed local", func(s *server) {
		s.requests(s.get())
		s.pull()
		s.writes(s.ok(3))
	}},
	{"half-closed remote", func(s *server) {
		s.opens()
		s.writes(s.headers(3, flagEndStream, ":status", "200"))
	}},
	{"closed", func(s *server) {
		s.requests(s.get())
		s.pull()
		s.writes(s.headers(3, flagEndStream, ":status", "200"))
	}},
	{"reset by us", func(s *server) {
		s.opens()
		s.c.Reset(3, CodeCancel)
	}},
	{"reset by the server", func(s *server) {
		s.opens()
		s.writes(resetFrame(3))
	}},
	{"above GOAWAY", func(s *server) {
		s.opens()
		s.writes(string(appendGoaway(nil, 1, CodeNoError, "")))
	}},
	{"long closed", func(s *server) {
		for id := StreamID(3); id < 3+2*70; id += 2 {
			s.requests(s.get())
			s.pull()
			s.writes(s.headers(id, flagEndStream, ":status", "200"))
		}
	}},
}

// opens sends a request on stream 3 whose content goes on.
func (s *server) opens() {
	r := s.post("")
	r.Source, r.Length = &feed{}, -1
	if id := s.requests(r); id != 3 {
		s.t.Fatalf("stream %d", id)
	}
	s.pull()
}

// Each frame has the right outcome in each state of a client's stream.
func TestFramesInClientStates(t *testing.T) {
	const (
		proto  = "stream PROTOCOL_ERROR"
		gone   = "stream STREAM_CLOSED"
		broken = "connection PROTOCOL_ERROR"
		dead   = "connection STREAM_CLOSED"
		none   = "ignored"
	)
	everywhere := func(s string) []string { return repeat(s, len(clientSituations)) }
	for _, f := range []struct {
		name string
		make func(s *server) string
		want []string // for each situation
	}{
		{"final HEADERS", func(s *server) string { return s.headers(3, 0, ":status", "200") },
			[]string{broken, broken, "Final", "Final", proto, proto, gone, dead, none, dead, none, none}},
		{"final HEADERS end", func(s *server) string { return s.headers(3, flagEndStream, ":status", "200") },
			[]string{broken, broken, "Final", "Final", proto, proto, gone, dead, none, dead, none, none}},
		{"interim HEADERS", func(s *server) string { return s.headers(3, 0, ":status", "103") },
			[]string{broken, broken, "Interim", "Interim", proto, proto, gone, dead, none, dead, none, none}},
		{"trailers", func(s *server) string { return s.headers(3, flagEndStream, "x", "y") },
			[]string{broken, broken, proto, proto, "Trailers", "Trailers", gone, dead, none, dead, none, none}},
		{"DATA", func(s *server) string { return dataFrame(3, 0, "x") },
			[]string{broken, proto, proto, proto, "Data", "Data", gone, gone, none, gone, none, none}},
		{"DATA end", func(s *server) string { return dataFrame(3, flagEndStream, "x") },
			[]string{broken, proto, proto, proto, "Data", "Data", gone, gone, none, gone, none, none}},
		{"RST_STREAM", func(s *server) string { return resetFrame(3) },
			[]string{broken, broken, "Reset", "Reset", "Reset", "Reset", "Reset", none, none, none, none, none}},
		{"WINDOW_UPDATE", func(s *server) string { return windowFrame(3, 1) },
			[]string{broken, none, none, none, none, none, none, none, none, none, none, none}},
		{"PRIORITY", func(s *server) string { return frame(framePriority, 0, 3, "\x00\x00\x00\x01\x10") }, everywhere(none)},
		{"PRIORITY_UPDATE", func(s *server) string { return frame(framePriorityUpdate, 0, 0, "\x00\x00\x00\x03u=1") }, everywhere(broken)},
		{"CONTINUATION", func(s *server) string { return frame(frameContinuation, flagEndHeaders, 3, "") }, everywhere(broken)},
		{"PUSH_PROMISE", func(s *server) string { return frame(framePushPromise, flagEndHeaders, 3, "\x00\x00\x00\x02\x82") }, everywhere(broken)},
		{"unknown", func(s *server) string { return frame(0xbe, 0xff, 3, "whatever") }, everywhere(none)},
	} {
		for i, situation := range clientSituations {
			t.Run(f.name+" on "+situation.name, func(t *testing.T) {
				s := serverOf(t, Config{})
				situation.make(s)
				if situation.name != "not sent" {
					s.wire.Reset()
					s.pull()
					s.read()
				}
				s.events = nil
				s.writes(f.make(s))
				if got := s.outcome(); got != f.want[i] {
					t.Errorf("got %q, want %q", got, f.want[i])
				}
			})
		}
	}
}

// outcome returns the outcome of the last frame.
func (s *server) outcome() string {
	if s.err != nil {
		return "connection " + s.c.err.Code.String()
	}
	s.pull()
	for _, f := range s.read() {
		if strings.HasPrefix(f, "RST_STREAM 3 ") && !strings.HasSuffix(f, "CANCEL") {
			return "stream " + strings.TrimPrefix(f, "RST_STREAM 3 ")
		}
	}
	if len(s.events) == 0 {
		return "ignored"
	}
	kind, _, _ := strings.Cut(s.events[0], " ")
	return kind
}

// Connection errors that do not depend on the state of a stream.
func TestClientFrameRules(t *testing.T) {
	for _, tt := range []struct {
		name  string
		frame string
		want  ErrCode
	}{
		{"DATA on stream 0", dataFrame(0, 0, "x"), CodeProtocolError},
		{"DATA on an even stream", dataFrame(2, 0, "x"), CodeProtocolError},
		{"HEADERS on an even stream", frame(frameHeaders, flagEndHeaders, 2, "\x88"), CodeProtocolError},
		{"HEADERS on stream 0", frame(frameHeaders, flagEndHeaders, 0, "\x88"), CodeProtocolError},
		{"RST_STREAM on stream 0", resetFrame(0), CodeProtocolError},
		{"RST_STREAM on an even stream", resetFrame(2), CodeProtocolError},
		{"WINDOW_UPDATE on an even stream", windowFrame(2, 1), CodeProtocolError},
		{"WINDOW_UPDATE of 0", windowFrame(0, 0), CodeProtocolError},
		{"WINDOW_UPDATE overflow", windowFrame(0, maxWindow), CodeFlowControlError},
		{"SETTINGS on a stream", frame(frameSettings, 0, 1, ""), CodeProtocolError},
		{"SETTINGS of 5 bytes", frame(frameSettings, 0, 0, "12345"), CodeFrameSizeError},
		{"ENABLE_PUSH 1", settingsFrame(setting{settingEnablePush, 1}), CodeProtocolError},
		{"ENABLE_PUSH 2", settingsFrame(setting{settingEnablePush, 2}), CodeProtocolError},
		{"ENABLE_CONNECT_PROTOCOL 2", settingsFrame(setting{settingEnableConnectProtocol, 2}), CodeProtocolError},
		{"ENABLE_CONNECT_PROTOCOL withdrawn", settingsFrame(setting{settingEnableConnectProtocol, 1}) +
			settingsFrame(setting{settingEnableConnectProtocol, 0}), CodeProtocolError},
		{"INITIAL_WINDOW_SIZE 2^31", settingsFrame(setting{settingInitialWindowSize, 1 << 31}), CodeFlowControlError},
		{"MAX_FRAME_SIZE 16383", settingsFrame(setting{settingMaxFrameSize, 16383}), CodeProtocolError},
		{"PING on a stream", frame(framePing, 0, 1, "12345678"), CodeProtocolError},
		{"GOAWAY on a stream", frame(frameGoaway, 0, 1, "12345678"), CodeProtocolError},
		{"GOAWAY that grows", string(appendGoaway(nil, 1, CodeNoError, "")) + string(appendGoaway(nil, 3, CodeNoError, "")), CodeProtocolError},
		{"frame too long", "\x00\x40\x01\x00\x00\x00\x00\x00\x01", CodeFrameSizeError},
		{"index beyond the table", frame(frameHeaders, flagEndHeaders, 3, "\xfe"), CodeCompressionError},
		{"block interrupted", frame(frameHeaders, 0, 3, "\x88") + pingFrame(1), CodeProtocolError},
		{"block of another stream", frame(frameHeaders, 0, 3, "\x88") + frame(frameContinuation, flagEndHeaders, 1, "\x88"), CodeProtocolError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clientDialogue(t, Config{}, func(s *server) {
				s.requests(s.get())
				s.pull()
				s.read()
				s.writes(tt.frame)
				s.wantsEnd(tt.want)
				// The error is sticky.
				s.err, s.events = nil, nil
				s.writes(pingFrame(1))
				if s.err == nil || len(s.events) > 0 {
					t.Error("the connection goes on")
				}
				if _, err := s.c.Request(s.get()); err != ErrDraining {
					t.Errorf("a request: %v", err)
				}
			})
		})
	}
}

// The first frame of a server is SETTINGS.
func TestClientWantsSettingsFirst(t *testing.T) {
	for _, first := range []string{pingFrame(1), frame(frameSettings, flagAck, 0, ""), "HTTP/1.1 400 Bad Request\r\n\r\n"} {
		s := newServer(t, Config{})
		s.requests(s.get())
		s.pull()
		s.wire.Next(len(Preface))
		s.read()
		s.writes(first)
		if s.err == nil {
			t.Errorf("%q: no error", first)
		}
	}
}

// A malformed response is an error of its stream (RFC 9113 section 8.1.1); the others go on.
func TestMalformedResponses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fields []string
		end    bool
		want   string
	}{
		{"no :status", []string{"x", "y"}, true, "a response needs :status"},
		{"two :status", []string{":status", "200", ":status", "200"}, true, "repeated pseudo-field"},
		{":status of two digits", []string{":status", "99"}, true, "invalid :status"},
		{":status with a sign", []string{":status", "+20"}, true, "invalid :status"},
		{":status below 100", []string{":status", "099"}, true, "invalid :status"},
		{":status with text", []string{":status", "200 OK"}, true, "invalid :status"},
		{":method", []string{":status", "200", ":method", "GET"}, true, "unknown pseudo-field"},
		{":path first", []string{":path", "/", ":status", "200"}, true, "unknown pseudo-field"},
		{"late :status", []string{"x", "y", ":status", "200"}, true, "pseudo-field behind a regular field"},
		{"101", []string{":status", "101"}, false, "101 in HTTP/2"},
		{"interim that ends", []string{":status", "103"}, true, "interim response with END_STREAM"},
		{"upper case", []string{":status", "200", "X", "y"}, true, "invalid field name"},
		{"connection", []string{":status", "200", "connection", "close"}, true, "connection-specific field"},
		{"te", []string{":status", "200", "te", "gzip"}, true, "te has another value than trailers"},
		{"transfer-encoding", []string{":status", "200", "transfer-encoding", "chunked"}, false, "connection-specific field"},
		{"line feed", []string{":status", "200", "x", "a\nb"}, true, "invalid field value"},
		{"space at the end", []string{":status", "200", "x", "a "}, true, "invalid field value"},
		{"different lengths", []string{":status", "200", "content-length", "1", "content-length", "2"}, false, "different content-lengths"},
		{"bad length", []string{":status", "200", "content-length", "1x"}, false, "invalid content-length"},
		{"length without content", []string{":status", "200", "content-length", "1"}, true, "content-length without content"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clientDialogue(t, Config{}, func(s *server) {
				s.requests(s.get())
				s.requests(s.get())
				s.pull()
				s.read()
				flags := uint8(0)
				if tt.end {
					flags = flagEndStream
				}
				s.reasons = true
				s.writes(s.headers(3, flags, tt.fields...), s.headers(5, flagEndStream, ":status", "200"))
				s.wantsEvents("Reset 3 PROTOCOL_ERROR: "+tt.want, "Final 5 200 end")
				s.wants("RST_STREAM 3 PROTOCOL_ERROR", "PING 67775f7265736574 false")
			})
		})
	}
}

// Content that differs from its length, or that may not be, is malformed.
func TestMalformedContentOfResponses(t *testing.T) {
	for _, tt := range []struct {
		name, method, status, length string
		content, after               string // DATA, and what follows it
	}{
		{"too much", "GET", "200", "2", "abc", ""},
		{"too little", "GET", "200", "2", "a", "end"},
		{"too little before trailers", "GET", "200", "2", "a", "trailers"},
		{"HEAD", "HEAD", "200", "1", "a", ""},
		{"204", "GET", "204", "", "a", ""},
		{"304", "GET", "304", "1", "a", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clientDialogue(t, Config{}, func(s *server) {
				r := s.get()
				r.Method = tt.method
				s.requests(r)
				s.pull()
				s.read()
				head := []string{":status", tt.status}
				if tt.length != "" {
					head = append(head, "content-length", tt.length)
				}
				s.writes(s.headers(3, 0, head...))
				flags := uint8(0)
				if tt.after == "end" {
					flags = flagEndStream
				}
				s.writes(dataFrame(3, flags, tt.content))
				if tt.after == "trailers" {
					s.writes(s.headers(3, flagEndStream, "x", "y"))
				}
				if last := s.events[len(s.events)-1]; last != "Reset 3 PROTOCOL_ERROR" {
					t.Errorf("%v", s.events)
				}
				s.wants("RST_STREAM 3 PROTOCOL_ERROR", "PING 67775f7265736574 false")
			})
		})
	}
}

// Responses without content have the length that it would have.
func TestStatedLength(t *testing.T) {
	for _, tt := range []struct {
		method, status string
		length         string
		end            bool
		content        int64
		stated         int64
	}{
		{"GET", "200", "7", false, 7, -1},
		{"GET", "200", "", false, -1, -1},
		{"GET", "200", "", true, 0, -1},
		{"GET", "200", "0", true, 0, -1},
		{"HEAD", "200", "7", true, 0, 7},
		{"HEAD", "200", "7", false, 0, 7},
		{"HEAD", "200", "", true, 0, -1},
		{"GET", "304", "7", true, 0, 7},
		{"GET", "204", "7", true, 0, -1},
	} {
		s := serverOf(t, Config{})
		r := s.get()
		r.Method = tt.method
		s.requests(r)
		s.pull()
		head := []string{":status", tt.status}
		if tt.length != "" {
			head = append(head, "content-length", tt.length)
		}
		flags := uint8(0)
		if tt.end {
			flags = flagEndStream
		}
		var ev Event
		if _, err := s.c.Next([]byte(s.headers(3, flags, head...)), &ev); err != nil || ev.Kind != Final {
			t.Fatal(err, ev.Kind)
		}
		if ev.Response.ContentLength != tt.content || ev.Response.Stated != tt.stated {
			t.Errorf("%v: %d, stated %d", tt, ev.Response.ContentLength, ev.Response.Stated)
		}
	}
}
