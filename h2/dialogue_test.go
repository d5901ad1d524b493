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

// peer is the other end of a machine under test. It writes frames and compares events and frames with those wanted.
// x/net's framer reads what the machine sends.
type peer struct {
	t      testing.TB
	sh     *Shared
	c      *Conn
	now    time.Time
	how    delivery
	kept   []byte // what Next has not consumed
	owed   []byte // the rest of a frame that was fed in part
	events []string
	err    error
	wire   bytes.Buffer
	framer *http2.Framer
	block  bytes.Buffer
	enc    *hpack.Encoder
}

// delivery is how input is split between calls of Next.
type delivery int

const (
	whole      delivery = iota
	byteByByte          // each Next sees one byte more
	trailing            // a part of the next frame stands behind
)

// dialogue runs script with each delivery, after the prefaces of both sides.
func dialogue(t *testing.T, cfg Config, script func(p *peer)) {
	t.Helper()
	for how, name := range []string{"whole", "byte by byte", "trailing bytes"} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, cfg)
			p.how = delivery(how)
			script(p)
		})
	}
}

// connect returns a peer that has exchanged prefaces and acknowledgements with a new connection.
func connect(t testing.TB, cfg Config) *peer {
	t.Helper()
	p := newPeer(t, cfg)
	p.exchangesPrefaces()
	return p
}

// another returns such a peer of another connection of the same loop.
func (p *peer) another() *peer {
	q := newPeerOf(p.t, p.sh, p.now)
	q.exchangesPrefaces()
	return q
}

func (p *peer) exchangesPrefaces() {
	p.t.Helper()
	p.writes(preface(), settingsFrame(), frame(frameSettings, flagAck, 0, ""))
	p.frames()
	if p.err != nil || len(p.events) > 0 {
		p.t.Fatalf("prefaces: %v, %v", p.err, p.events)
	}
}

// newPeer returns a peer that has sent nothing to a new connection.
func newPeer(t testing.TB, cfg Config) *peer {
	t.Helper()
	sh, err := NewShared(cfg)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_000_000_000, 0)
	sh.Tick(now)
	return newPeerOf(t, sh, now)
}

func newPeerOf(t testing.TB, sh *Shared, now time.Time) *peer {
	p := &peer{t: t, sh: sh, c: new(Conn), now: now}
	p.c.Init(sh, 0.5)
	p.framer = http2.NewFramer(nil, &p.wire)
	p.framer.ReadMetaHeaders = hpack.NewDecoder(tableSize, nil)
	p.framer.SetMaxReadFrameSize(maxFrameSize)
	p.enc = hpack.NewEncoder(&p.block)
	return p
}

func preface() string { return Preface }

func frame(typ frameType, flags uint8, id StreamID, payload string) string {
	return string(appendFrameHeader(nil, frameHeader{uint32(len(payload)), typ, flags, id})) + payload
}

func settingsFrame(list ...setting) string { return string(appendSettings(nil, list...)) }

func windowFrame(id StreamID, n uint32) string { return string(appendWindowUpdate(nil, id, n)) }

func resetFrame(id StreamID) string { return string(appendReset(nil, id, CodeCancel)) }

func pingFrame(v uint64) string { return string(appendPing(nil, 0, v)) }

func dataFrame(id StreamID, flags uint8, content string) string {
	return frame(frameData, flags, id, content)
}

// encode returns a header block of the given names and values.
func (p *peer) encode(fields ...string) string {
	p.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return p.block.String()
}

// headers returns a HEADERS frame with a complete block.
func (p *peer) headers(id StreamID, flags uint8, fields ...string) string {
	return frame(frameHeaders, flags|flagEndHeaders, id, p.encode(fields...))
}

func get(more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "http", ":authority", "a.example", ":path", "/"}, more...)
}

func post(more ...string) []string {
	return append([]string{":method", "POST", ":scheme", "http", ":authority", "a.example", ":path", "/"}, more...)
}

func (p *peer) get(id StreamID) string { return p.headers(id, flagEndStream, get()...) }

func (p *peer) post(id StreamID) string { return p.headers(id, 0, post()...) }

const marker = 0x7472616963657273 // the PING that stands behind in delivery trailing

// writes feeds frames to the machine.
func (p *peer) writes(frames ...string) {
	p.t.Helper()
	b := append(p.owed, strings.Join(frames, "")...)
	p.owed = nil
	switch p.how {
	case byteByByte:
		for i := range b {
			p.feed(b[i : i+1])
		}
	case trailing:
		ping := pingFrame(marker)
		p.feed(append(b, ping[:12]...))
		p.owed = []byte(ping[12:])
	default:
		p.feed(b)
	}
}

func (p *peer) feed(b []byte) {
	p.kept = append(p.kept, b...)
	p.pump()
}

// pump calls Next until it needs more.
func (p *peer) pump() {
	var ev Event
	for {
		n, err := p.c.Next(p.kept, &ev)
		p.note(&ev)
		p.kept = append([]byte(nil), p.kept[n:]...)
		if err != nil {
			p.err = err
			return
		}
		if ev.Kind == NeedMore {
			return
		}
	}
}

// note records an event as text. Consecutive Data events of a stream become one.
func (p *peer) note(ev *Event) {
	end := ""
	if ev.End {
		end = " end"
	}
	var s string
	switch ev.Kind {
	case NeedMore:
		return
	case Request:
		s = fmt.Sprintf("Request %d %s %s%s%s", ev.Stream, ev.Head.Method, ev.Head.Authority, ev.Head.Path, end)
	case Data:
		begin := fmt.Sprintf("Data %d ", ev.Stream)
		if last := len(p.events) - 1; last >= 0 && strings.HasPrefix(p.events[last], begin) && !strings.HasSuffix(p.events[last], " end") {
			p.events[last] += string(ev.Data) + end
			return
		}
		s = begin + string(ev.Data) + end
	case Trailers:
		s = fmt.Sprintf("Trailers %d %v", ev.Stream, ev.Trailers)
	case Reset:
		s = fmt.Sprintf("Reset %d %v", ev.Stream, ev.Code)
	case Refused:
		s = fmt.Sprintf("Refused %d %v: %s", ev.Stream, ev.Code, ev.Reason)
	case Goaway:
		s = fmt.Sprintf("Goaway %v", ev.Code)
	default:
		s = ev.Kind.String()
	}
	p.events = append(p.events, s)
}

// wantsEvents compares the events since the last call.
func (p *peer) wantsEvents(want ...string) {
	p.t.Helper()
	p.pump()
	if got := strings.Join(p.events, "\n"); got != strings.Join(want, "\n") {
		p.t.Fatalf("events:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
	p.events = nil
}

// frames pulls the output and returns its frames as text.
func (p *peer) frames() []string {
	p.t.Helper()
	for p.c.Wanting() {
		b := p.c.Transmit(nil, 1<<20)
		if len(b) == 0 {
			break
		}
		p.wire.Write(b)
	}
	return p.read()
}

// read returns the frames in p.wire as text.
func (p *peer) read() []string {
	p.t.Helper()
	var list []string
	for p.wire.Len() > 0 {
		f, err := p.framer.ReadFrame()
		if err != nil {
			p.t.Fatalf("frame from the machine: %v", err)
		}
		if s := render(f); s != "" {
			list = append(list, s)
		}
	}
	return list
}

// render describes a frame; the marker's acknowledgement and the PING that follows an EOF are left out.
func render(f http2.Frame) string {
	id := f.Header().StreamID
	end := ""
	if (f.Header().Type == http2.FrameData || f.Header().Type == http2.FrameHeaders) && f.Header().Flags&flagEndStream != 0 {
		end = " end"
	}
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		s := fmt.Sprintf("HEADERS %d", id)
		for _, hf := range f.Fields {
			if hf.Name != "date" {
				s += " " + hf.Name + "=" + hf.Value
			}
		}
		return s + end
	case *http2.DataFrame:
		if len(f.Data()) > 32 {
			return fmt.Sprintf("DATA %d (%d bytes)%s", id, len(f.Data()), end)
		}
		return fmt.Sprintf("DATA %d %s%s", id, f.Data(), end)
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("RST_STREAM %d %v", id, ErrCode(f.ErrCode))
	case *http2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %d %v", f.LastStreamID, ErrCode(f.ErrCode))
	case *http2.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW_UPDATE %d %d", id, f.Increment)
	case *http2.PingFrame:
		if f.Data == [8]byte([]byte(pingFrame(marker)[frameHeaderLen:])) || f.Data == [8]byte([]byte(pingFrame(pingEOF)[frameHeaderLen:])) {
			return ""
		}
		return fmt.Sprintf("PING %x %v", f.Data, f.IsAck())
	case *http2.SettingsFrame:
		if f.IsAck() {
			return "SETTINGS ack"
		}
		s := "SETTINGS"
		f.ForeachSetting(func(v http2.Setting) error {
			s += fmt.Sprintf(" %d=%d", v.ID, v.Val)
			return nil
		})
		return s
	}
	return f.Header().String()
}

// wants compares the frames of the output.
func (p *peer) wants(want ...string) {
	p.t.Helper()
	if got := strings.Join(p.frames(), "\n"); got != strings.Join(want, "\n") {
		p.t.Fatalf("frames:\n%s\nwant:\n%s", got, strings.Join(want, "\n"))
	}
}

// refusal returns the frames of a refusal as text, without the reset.
func refusal(id StreamID, status int, reason string) []string {
	head := fmt.Sprintf("HEADERS %d :status=%d content-type=text/plain; charset=utf-8 content-length=%d", id, status, len(reason)+1)
	content := fmt.Sprintf("DATA %d %s\n end", id, reason)
	if n := len(reason) + 1; n > 32 {
		content = fmt.Sprintf("DATA %d (%d bytes) end", id, n)
	}
	return []string{head, content}
}

// wantsRefusal compares the frames of the output with a refusal and a reset.
func (p *peer) wantsRefusal(id StreamID, status int, reason string, code ErrCode) {
	p.t.Helper()
	p.wants(append(refusal(id, status, reason), fmt.Sprintf("RST_STREAM %d %v", id, code))...)
}

// wantsEnd compares the connection error, and checks that GOAWAY is the last frame.
func (p *peer) wantsEnd(code ErrCode) {
	p.t.Helper()
	var e *ConnError
	if !errors.As(p.err, &e) || e.Code != code {
		p.t.Fatalf("error %v, want %v", p.err, code)
	}
	frames := p.frames()
	if len(frames) == 0 || !strings.HasSuffix(frames[len(frames)-1], code.String()) {
		p.t.Fatalf("no GOAWAY: %v", frames)
	}
	if !p.c.Done() {
		p.t.Fatal("not done after GOAWAY")
	}
}

// passes advances the clock by d.
func (p *peer) passes(d time.Duration) error {
	p.now = p.now.Add(d)
	p.sh.Tick(p.now)
	if due := p.c.Deadline(); due.IsZero() || due.After(p.now) {
		return nil
	}
	return p.c.Expire(p.now)
}

func (p *peer) answers(id StreamID, r *Response) {
	p.t.Helper()
	if err := p.c.Respond(id, r); err != nil {
		p.t.Fatalf("Respond(%d): %v", id, err)
	}
}

// sent pulls the output and drops it.
func (p *peer) sent() {
	for p.c.Wanting() {
		if len(p.c.Transmit(nil, 1<<20)) == 0 {
			return
		}
	}
}
