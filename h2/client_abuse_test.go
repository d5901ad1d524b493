package h2

import (
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// serverAttacks has the frames of one step of an attack by a server, for each budget that it can use up.
// Requests go on meanwhile where the attack needs them.
var serverAttacks = map[Budget]func(s *server) string{
	BlockBudget: func(s *server) string {
		if s.c.block == nil {
			return frame(frameHeaders, 0, s.asks(), "\x88")
		}
		return frame(frameContinuation, 0, s.c.block.stream, "")
	},
	PingBudget:     func(s *server) string { return pingFrame(1) },
	SettingsBudget: func(s *server) string { return settingsFrame() },
	EmptyBudget: func(s *server) string {
		if s.c.history.last == 1 {
			return s.ok(s.asks())
		}
		return dataFrame(3, 0, "")
	},
	PriorityBudget: func(s *server) string { return frame(framePriority, 0, 1, "\x00\x00\x00\x03\x10") },
	WindowBudget:   func(s *server) string { return windowFrame(0, 1) },
	StrayBudget:    func(s *server) string { return dataFrame(1, 0, "x") },
	UnknownBudget:  func(s *server) string { return frame(0xbe, 0, 0, "grease") },
	QueueBudget: func(s *server) string {
		s.passes(time.Minute)
		return pingFrame(1) + settingsFrame() + dataFrame(1, 0, "")
	},
}

// asks sends a request and returns its stream.
func (s *server) asks() StreamID {
	id := s.requests(s.get())
	s.pull()
	s.wire.Reset()
	return id
}

// Each attack ends its connection for the right budget; memory stays bounded.
func TestAttacksByServers(t *testing.T) {
	for budget := range budgets {
		attack := serverAttacks[budget]
		if attack == nil {
			continue // what counts is requests, or costs the client one request each
		}
		t.Run(budget.String(), func(t *testing.T) {
			s := serverOf(t, Config{MaxHeaderListSize: minHeaderListSize})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for n := 0; s.err == nil; n++ {
				if n > 200_000 {
					t.Fatal("the attack goes on for ever")
				}
				s.writes(attack(s))
				s.events = nil
				if budget != QueueBudget && s.err == nil {
					s.pull()
					s.wire.Reset()
					s.c.pong(pingReset)
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if s.sh.ClientStats.Calmed[budget] != 1 || s.sh.Stats != (Stats{}) {
				t.Errorf("%v", s.err)
			}
			if int64(after.HeapAlloc)-int64(before.HeapAlloc) > 4<<20 {
				t.Errorf("heap %d, then %d", before.HeapAlloc, after.HeapAlloc)
			}
		})
	}
}

// Interim responses are bounded for each request.
func TestEndlessInterims(t *testing.T) {
	s := serverOf(t, Config{})
	s.asks()
	s.asks()
	for range maxInterims {
		s.writes(s.headers(3, 0, ":status", "102"))
	}
	if len(s.events) != maxInterims || s.events[maxInterims-1] != "Interim 3 102" {
		t.Fatalf("%d events", len(s.events))
	}
	s.events = nil
	s.writes(s.headers(3, 0, ":status", "102"), s.headers(5, flagEndStream, ":status", "200"))
	s.wantsEvents("Reset 3 ENHANCE_YOUR_CALM", "Final 5 200 end")
}

// A bomb of references to a large entry is refused once, at the limit.
func TestBombByServer(t *testing.T) {
	s := serverOf(t, Config{})
	s.asks()
	s.asks()
	block := s.encode(":status", "200", "x", strings.Repeat("y", 4000))
	block += strings.Repeat("\xbe", 16000)
	s.reasons = true
	s.writes(frame(frameHeaders, flagEndHeaders, 3, block[:min(len(block), 16384)]))
	s.wantsEvents("Reset 3 PROTOCOL_ERROR: field lines exceed the limit")
	s.writes(s.headers(5, flagEndStream, ":status", "200"))
	s.wantsEvents("Final 5 200 end")
}

// A limit of its own, for one connection.
func TestMaxHead(t *testing.T) {
	s := newServer(t, Config{})
	s.c.Init(s.sh, 2000)
	s.requests(s.get())
	s.pull()
	s.wire.Next(len(Preface))
	if f := s.read(); f[0] != "SETTINGS 2=0 6=2000 9=1 4=81920" {
		t.Error(f)
	}
	s.writes(settingsFrame(), s.headers(1, flagEndStream, ":status", "200", "x", strings.Repeat("y", 2000)))
	s.wantsEvents("Changed", "Reset 1 PROTOCOL_ERROR")

	// One that is larger than that of the loop holds for blocks in many frames, too.
	s = newServer(t, Config{MaxHeaderListSize: minHeaderListSize})
	s.c.Init(s.sh, 200<<10)
	s.requests(s.get())
	s.pull()
	block := s.encode(":status", "200", "x", strings.Repeat("~", 150<<10))
	s.writes(settingsFrame(), frame(frameHeaders, flagEndStream, 1, block[:16000]))
	for block = block[16000:]; len(block) > 16000; block = block[16000:] {
		s.writes(frame(frameContinuation, 0, 1, block[:16000]))
	}
	s.events = nil
	s.writes(frame(frameContinuation, flagEndHeaders, 1, block))
	if len(s.events) != 1 || !strings.HasPrefix(s.events[0], "Final 1 200") {
		t.Error(len(s.events), s.err)
	}
}

// Requests that are cancelled while their responses are in flight cost no connection, however many they are.
func TestCancellationsInFlight(t *testing.T) {
	s := serverOf(t, Config{})
	for range 10_000 {
		id := s.asks()
		s.c.Reset(id, CodeCancel)
		s.writes(s.ok(id), dataFrame(id, 0, "late"), s.headers(id, flagEndStream, "x", "y"))
		s.pull()
		s.wire.Reset()
		s.c.pong(pingReset)
		s.events = nil
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
}

// A server that refuses each request costs no connection either.
func TestRefusalsWithoutEnd(t *testing.T) {
	s := serverOf(t, Config{})
	for range 10_000 {
		s.writes(string(appendReset(nil, s.asks(), CodeRefusedStream)))
	}
	if s.err != nil || len(s.events) != 10_000 {
		t.Fatal(s.err)
	}
}

// Close returns the storage of a client with open requests.
func TestClientCloseReturnsStorage(t *testing.T) {
	s := serverOf(t, Config{})
	for range 100 {
		r := s.post("")
		r.Source, r.Length = &feed{}, -1
		s.requests(r)
	}
	s.c.Close()
	if s.sh.idle < 100 || len(s.sh.buffers) != 1 || len(s.sh.schedules) != 1 || len(s.sh.slots[1]) != 1 {
		t.Errorf("%d streams, %d buffers, %d schedules, %v tables", s.sh.idle, len(s.sh.buffers), len(s.sh.schedules), s.sh.slots)
	}
	var ev Event
	if _, err := s.c.Next(nil, &ev); err == nil || s.c.Wanting() || s.c.Streams() != 0 || s.c.Capacity() != 0 {
		t.Error("a closed connection is alive")
	}
	if _, err := s.c.Request(s.get()); err != ErrDraining {
		t.Error(err)
	}
}

// A Source may use commands while it is read.
func TestClientSourceResetsItself(t *testing.T) {
	s := serverOf(t, Config{})
	r := s.post("")
	src := &resettingSource{s: s}
	r.Source, r.Length = src, -1
	src.id = s.requests(r)
	s.wants("HEADERS 3"+postHead, "RST_STREAM 3 CANCEL", "PING 67775f7265736574 false")
}

type resettingSource struct {
	s  *server
	id StreamID
}

func (src *resettingSource) Read(p []byte) (int, error) {
	src.s.c.Reset(src.id, CodeCancel)
	return 0, io.EOF
}
