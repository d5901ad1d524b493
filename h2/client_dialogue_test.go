package h2

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// server is the other end of a client machine under test, as peer is of a server machine. It writes frames and
// compares events and frames with those wanted.
type server struct {
	t       testing.TB
	sh      *Shared
	c       *Client
	now     time.Time
	how     delivery
	kept    []byte
	owed    []byte
	events  []string
	reasons bool // events of kind Reset have their reason
	err     error
	wire    bytes.Buffer
	framer  *http2.Framer
	block   bytes.Buffer
	enc     *hpack.Encoder
}

// clientDialogue runs script with each delivery, after the prefaces of both sides: stream 1 was used for them.
func clientDialogue(t *testing.T, cfg Config, script func(s *server)) {
	t.Helper()
	for how, name := range []string{"whole", "byte by byte", "trailing bytes"} {
		t.Run(name, func(t *testing.T) {
			s := serverOf(t, cfg)
			s.how = delivery(how)
			script(s)
		})
	}
}

// newServer returns a server to which a new client has sent nothing.
func newServer(t testing.TB, cfg Config) *server {
	t.Helper()
	sh, err := NewShared(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, sh: sh, c: new(Client), now: time.Unix(1_000_000_000, 0)}
	sh.Tick(s.now)
	s.c.Init(sh, 0)
	s.framer = http2.NewFramer(nil, &s.wire)
	s.framer.ReadMetaHeaders = hpack.NewDecoder(tableSize, nil)
	s.framer.SetMaxReadFrameSize(maxFrameSize)
	s.enc = hpack.NewEncoder(&s.block)
	return s
}

// serverOf returns a server that has answered the first request of a new client.
func serverOf(t testing.TB, cfg Config, settings ...setting) *server {
	t.Helper()
	s := newServer(t, cfg)
	s.requests(s.get())
	s.pull()
	s.writes(settingsFrame(settings...), frame(frameSettings, flagAck, 0, ""), s.headers(1, flagEndStream, ":status", "200"))
	s.wantsEvents("Changed", "Final 1 200 end")
	s.pull()
	s.wire.Next(len(Preface))
	s.read()
	return s
}

func (s *server) get() *ClientRequest {
	return &ClientRequest{Method: "GET", Scheme: "http", Authority: "a.example", Path: "/"}
}

func (s *server) post(content string) *ClientRequest {
	return &ClientRequest{Method: "POST", Scheme: "http", Authority: "a.example", Path: "/", Bytes: []byte(content)}
}

// requests queues a request and returns its stream.
func (s *server) requests(r *ClientRequest) StreamID {
	s.t.Helper()
	id, err := s.c.Request(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *server) encode(fields ...string) string {
	s.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		s.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return s.block.String()
}

func (s *server) headers(id StreamID, flags uint8, fields ...string) string {
	return frame(frameHeaders, flags|flagEndHeaders, id, s.encode(fields...))
}

func (s *server) ok(id StreamID) string { return s.headers(id, 0, ":status", "200") }

// writes feeds frames to the client.
func (s *server) writes(frames ...string) {
	b := append(s.owed, strings.Join(frames, "")...)
	s.owed = nil
	switch s.how {
	case byteByByte:
		for i := range b {
			s.feed(b[i : i+1])
		}
	case trailing:
		ping := pingFrame(marker)
		s.feed(append(b, ping[:12]...))
		s.owed = []byte(ping[12:])
	default:
		s.feed(b)
	}
}

func (s *server) feed(b []byte) {
	s.kept = append(s.kept, b...)
	s.pump()
}

func (s *server) pump() {
	var ev Event
	for {
		n, err := s.c.Next(s.kept, &ev)
		s.note(&ev)
		s.kept = append([]byte(nil), s.kept[n:]...)
		if err != nil {
			s.err = err
			return
		}
		if ev.Kind == NeedMore {
			return
		}
	}
}

func (s *server) note(ev *Event) {
	end := ""
	if ev.End {
		end = " end"
	}
	var text string
	switch ev.Kind {
	case NeedMore:
		return
	case Interim, Final:
		text = fmt.Sprintf("%v %d %d", ev.Kind, ev.Stream, ev.Response.Status)
		for _, f := range ev.Response.Fields {
			text += " " + f.Name + "=" + f.Value
		}
		text += end
	case Data:
		begin := fmt.Sprintf("Data %d ", ev.Stream)
		if last := len(s.events) - 1; last >= 0 && strings.HasPrefix(s.events[last], begin) && !strings.HasSuffix(s.events[last], " end") {
			s.events[last] += string(ev.Data) + end
			return
		}
		text = begin + string(ev.Data) + end
	case Trailers:
		text = fmt.Sprintf("Trailers %d %v", ev.Stream, ev.Trailers)
	case Reset:
		text = fmt.Sprintf("Reset %d %v%s", ev.Stream, ev.Code, end)
		if ev.Unprocessed {
			text += " unprocessed"
		}
		if s.reasons {
			text += ": " + ev.Reason
		}
	case Goaway:
		text = fmt.Sprintf("Goaway %d %v", ev.Last, ev.Code)
	default:
		text = ev.Kind.String()
	}
	s.events = append(s.events, text)
}

func (s *server) wantsEvents(want ...string) {
	s.t.Helper()
	s.pump()
	if got := strings.Join(s.events, "\n"); got != strings.Join(want, "\n") {
		s.t.Fatalf("events:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	s.events = nil
}

// pull moves the client's output into s.wire.
func (s *server) pull() {
	for s.c.Wanting() {
		b := s.c.Transmit(nil, 1<<20)
		if len(b) == 0 {
			return
		}
		s.wire.Write(b)
	}
}

func (s *server) read() []string {
	s.t.Helper()
	var list []string
	for s.wire.Len() > 0 {
		f, err := s.framer.ReadFrame()
		if err != nil {
			s.t.Fatalf("frame from the client: %v", err)
		}
		if text := render(f); text != "" {
			list = append(list, text)
		}
	}
	return list
}

func (s *server) wants(want ...string) {
	s.t.Helper()
	s.pull()
	if got := strings.Join(s.read(), "\n"); got != strings.Join(want, "\n") {
		s.t.Fatalf("frames:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// wantsEnd compares the connection error, and checks that GOAWAY is the last frame.
func (s *server) wantsEnd(code ErrCode) {
	s.t.Helper()
	var e *ConnError
	if !errors.As(s.err, &e) || e.Code != code {
		s.t.Fatalf("error %v, want %v", s.err, code)
	}
	s.pull()
	frames := s.read()
	if len(frames) == 0 || frames[len(frames)-1] != fmt.Sprintf("GOAWAY 0 %v", code) {
		s.t.Fatalf("no GOAWAY: %v", frames)
	}
	if !s.c.Done() {
		s.t.Fatal("not done after GOAWAY")
	}
}

// passes advances the clock by d.
func (s *server) passes(d time.Duration) error {
	s.now = s.now.Add(d)
	s.sh.Tick(s.now)
	if due := s.c.Deadline(); due.IsZero() || due.After(s.now) {
		return nil
	}
	return s.c.Expire(s.now)
}

const getHead = " :method=GET :scheme=http :authority=a.example :path=/"
const postHead = " :method=POST :scheme=http :authority=a.example :path=/"
