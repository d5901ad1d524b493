//go:build linux

package conformance

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

type setting = http2.Setting

// link is a connection over HTTP/2 whose frames are written and read as they are. SETTINGS and PING are acknowledged, and
// credit is given, as long as nothing else is said.
type link struct {
	t      testing.TB
	conn   net.Conn
	mu     sync.Mutex // of writing, and of what follows
	framer *http2.Framer
	block  bytes.Buffer
	enc    *hpack.Encoder
	mute   bool // PINGs are not acknowledged
	stingy bool // no credit is given
	frames chan frame
	queues map[uint32][]frame // read, and not yet asked for
	pings  int                // heard that are no acknowledgements
	credit map[uint32]uint32  // heard by WINDOW_UPDATE
	next   uint32             // identifier of the next request

	settings, acks int     // SETTINGS that were sent, and acknowledged
	initial        int     // the gateway's window of a stream at its start
	ping           [8]byte // the last PING
	flown          int     // content that was sent by flows
	ended          bool    // the content that was taken has ended
}

// frame is a frame of a stream, or of the connection with the identifier 0.
type frame struct {
	kind   http2.FrameType
	stream uint32
	end    bool
	fields []hpack.HeaderField
	data   string
	code   http2.ErrCode
	last   uint32 // of GOAWAY
	err    error  // the connection has ended
}

func (f frame) String() string {
	return fmt.Sprintf("%v of stream %d, end: %v, %v %q %v last %d %v", f.kind, f.stream, f.end, f.fields, short(f.data), f.code, f.last, f.err)
}

func newLink(t testing.TB, c net.Conn) *link {
	_ = c.SetDeadline(time.Now().Add(patience))
	l := &link{t: t, conn: c, framer: http2.NewFramer(c, c), frames: make(chan frame, 1024), queues: map[uint32][]frame{}, credit: map[uint32]uint32{}, next: 1, initial: 65535}
	l.enc = hpack.NewEncoder(&l.block)
	l.framer.AllowIllegalWrites = true
	l.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	t.Cleanup(func() { c.Close() })
	return l
}

// dialLink connects a client to the gateway over HTTP/2.
func (s *site) dialLink(settings ...setting) *link {
	s.Helper()
	var c net.Conn
	var err error
	if s.in == h2 {
		c = s.dialTLS()
	} else if c, err = net.Dial("tcp", s.server.Addrs()[0].String()); err != nil {
		s.Fatal(err)
	}
	l := newLink(s, c)
	_, _ = io.WriteString(c, http2.ClientPreface)
	l.sets(settings...)
	go l.listen()
	return l
}

// acceptLink waits for the next connection over HTTP/2.
func (s *site) acceptLink(settings ...setting) *link {
	s.Helper()
	c := s.acceptConn()
	if s.out == h2 {
		config := tlsOf.Clone()
		config.NextProtos = []string{"h2"}
		c = tls.Server(c, config)
	}
	l := newLink(s, c)
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(c, preface); err != nil || string(preface) != http2.ClientPreface {
		s.Fatalf("preface %q, %v", preface, err)
	}
	l.sets(settings...)
	go l.listen()
	return l
}

// write writes frames.
func (l *link) write(write func(f *http2.Framer)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	write(l.framer)
}

// sets sends SETTINGS.
func (l *link) sets(settings ...setting) {
	l.write(func(f *http2.Framer) {
		l.settings++
		_ = f.WriteSettings(settings...)
	})
}

// raw writes bytes.
func (l *link) raw(p []byte) { l.write(func(*http2.Framer) { _, _ = l.conn.Write(p) }) }

// listen reads frames until the connection ends.
func (l *link) listen() {
	for {
		got, err := l.framer.ReadFrame()
		if err != nil {
			if s, ok := err.(http2.StreamError); ok {
				l.t.Errorf("a malformed head: %v %v", s, s.Cause)
				continue
			}
			l.frames <- frame{err: err}
			return
		}
		f := frame{kind: got.Header().Type, stream: got.Header().StreamID}
		switch got := got.(type) {
		case *http2.SettingsFrame:
			l.mu.Lock()
			if got.IsAck() {
				l.acks++
			} else {
				if v, ok := got.Value(http2.SettingInitialWindowSize); ok {
					l.initial = int(v)
				}
				_ = l.framer.WriteSettingsAck()
			}
			l.mu.Unlock()
			continue
		case *http2.PingFrame:
			l.mu.Lock()
			if !got.IsAck() {
				l.pings++
				l.ping = got.Data
				if !l.mute {
					_ = l.framer.WritePing(true, got.Data)
				}
			}
			l.mu.Unlock()
			continue
		case *http2.WindowUpdateFrame:
			l.mu.Lock()
			l.credit[f.stream] += got.Increment
			l.mu.Unlock()
			continue
		case *http2.PriorityUpdateFrame:
			continue
		case *http2.MetaHeadersFrame:
			f.fields, f.end = got.Fields, got.StreamEnded()
		case *http2.DataFrame:
			f.data, f.end = string(got.Data()), got.StreamEnded()
			l.mu.Lock()
			if n := got.Length; n > 0 && !l.stingy {
				_ = l.framer.WriteWindowUpdate(0, n)
				if !f.end {
					_ = l.framer.WriteWindowUpdate(f.stream, n)
				}
			}
			l.mu.Unlock()
		case *http2.RSTStreamFrame:
			f.code = got.ErrCode
		case *http2.GoAwayFrame:
			f.stream, f.code, f.last = 0, got.ErrCode, got.LastStreamID
		}
		l.frames <- f
	}
}

// frame returns the next frame of a stream for which mine reports true, or the end of the connection.
func (l *link) frame(mine func(f frame) bool) frame {
	l.t.Helper()
	for id, queue := range l.queues {
		if len(queue) > 0 && mine(queue[0]) {
			l.queues[id] = queue[1:]
			return queue[0]
		}
	}
	for {
		select {
		case f := <-l.frames:
			if f.err != nil {
				l.frames <- f // for later
				return f
			}
			if mine(f) {
				return f
			}
			l.queues[f.stream] = append(l.queues[f.stream], f)
		case <-time.After(patience / 2):
			l.t.Fatal("no frame")
		}
	}
}

// of returns the next frame of a stream.
func (l *link) of(stream uint32) frame {
	l.t.Helper()
	return l.frame(func(f frame) bool { return f.stream == stream })
}

// closes fails the test unless the gateway ends the connection.
func (l *link) closes() {
	l.t.Helper()
	for {
		f := <-l.frames
		if f.err != nil {
			l.frames <- f
			if isTimeout(f.err) {
				l.t.Error("the connection goes on")
			}
			return
		}
	}
}

// encode returns a header block. It is called while writing.
func (l *link) encode(fields []field) []byte {
	l.block.Reset()
	for _, f := range fields {
		_ = l.enc.WriteField(hpack.HeaderField{Name: f.name, Value: f.value})
	}
	return bytes.Clone(l.block.Bytes())
}

// headers sends a header block.
func (l *link) headers(stream uint32, end bool, fields []field) {
	l.write(func(f *http2.Framer) {
		block := l.encode(fields)
		const most = 16384
		first := block[:min(len(block), most)]
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndStream: end, EndHeaders: len(first) == len(block), BlockFragment: first})
		for block = block[len(first):]; len(block) > 0; {
			part := block[:min(len(block), most)]
			block = block[len(part):]
			_ = f.WriteContinuation(stream, len(block) == 0, part)
		}
	})
}

// data sends content in frames of at most 16 KiB.
func (l *link) data(stream uint32, content string, end bool) {
	for {
		part := content[:min(len(content), 16384)]
		content = content[len(part):]
		l.write(func(f *http2.Framer) { _ = f.WriteData(stream, end && content == "", []byte(part)) })
		if content == "" {
			return
		}
	}
}

func (l *link) reset(stream uint32, code http2.ErrCode) {
	l.write(func(f *http2.Framer) { _ = f.WriteRSTStream(stream, code) })
}

func (l *link) goaway(last uint32, code http2.ErrCode) {
	l.write(func(f *http2.Framer) { _ = f.WriteGoAway(last, code, nil) })
}

// pinged returns the number of PINGs so far.
func (l *link) pinged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pings
}

// credited returns the credit of a stream so far.
func (l *link) credited(stream uint32) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.credit[stream]
}

// linkAsked is a request over HTTP/2.
type linkAsked struct {
	*link
	id   uint32
	read *message
	got  frame // the head
}

// requestFields returns the fields of a request over HTTP/2.
func requestFields(r request, scheme string) []field {
	fields := []field{{":method", r.method}, {":scheme", scheme}, {":authority", or(r.authority, "a.test")}, {":path", r.path}}
	for _, f := range r.fields {
		fields = append(fields, field{strings.ToLower(f.name), f.value})
	}
	if r.size > 0 {
		fields = append(fields, field{"content-length", fmt.Sprint(r.size)})
	}
	return fields
}

// ask sends a request.
func (l *link) ask(r request) *linkAsked {
	scheme := "http"
	if _, secure := l.conn.(*tls.Conn); secure {
		scheme = "https"
	}
	q := l.asks(requestFields(r, scheme), !r.hasContent())
	if r.content != "" {
		l.data(q.id, r.content, !r.open && len(r.trailers) == 0)
	}
	if len(r.trailers) > 0 {
		l.headers(q.id, true, r.trailers)
	}
	return q
}

// asks sends a request with these fields.
func (l *link) asks(fields []field, end bool) *linkAsked {
	q := &linkAsked{link: l, id: l.next}
	l.next += 2
	l.headers(q.id, end, fields)
	return q
}

func (q *linkAsked) more(content string, end bool) { q.data(q.id, content, end) }
func (q *linkAsked) leave()                        { q.reset(q.id, http2.ErrCodeCancel) }

// splitFields makes a head of decoded fields.
func splitFields(all []hpack.HeaderField) (h head) {
	for _, f := range all {
		switch f.Name {
		case ":method":
			h.method = f.Value
		case ":scheme":
			h.scheme = f.Value
		case ":authority":
			h.authority = f.Value
		case ":path":
			h.path = f.Value
		case ":protocol":
			h.protocol = f.Value
		case ":status":
			h.status = f.Value
		default:
			h.fields = append(h.fields, field{f.Name, f.Value})
		}
	}
	return h
}

// cut records a frame that ends a message early.
func (m *message) cut(f frame) bool {
	switch {
	case f.err != nil:
		m.end = "cut"
	case f.kind == http2.FrameRSTStream:
		m.end = "reset " + f.code.String()
	default:
		return false
	}
	return true
}

func (q *linkAsked) head() *message {
	if q.read != nil {
		return q.read
	}
	m := &message{}
	q.read = m
	for {
		f := q.of(q.id)
		if m.cut(f) {
			return m
		}
		if f.kind != http2.FrameHeaders {
			q.t.Errorf("%v in place of a head", f)
			return m
		}
		h := splitFields(f.fields)
		if h.status != "" && h.status[0] == '1' {
			m.interim = append(m.interim, h)
			continue
		}
		m.head, m.whole, q.got = h, f.end, f
		return m
	}
}

func (q *linkAsked) answer() *message {
	m := q.head()
	q.rest(q.id, m)
	return m
}

// takesContent reads content of a message until it has n bytes.
func (l *link) takesContent(id uint32, m *message, n int) {
	l.t.Helper()
	for len(m.content) < n {
		f := l.of(id)
		if m.cut(f) || f.kind != http2.FrameData || f.end {
			l.t.Fatalf("%v after %d bytes, in place of content", f, len(m.content))
		}
		m.content += f.data
	}
}

// rest reads a message to its end.
func (l *link) rest(id uint32, m *message) {
	for !m.whole && m.end == "" {
		f := l.of(id)
		switch {
		case m.cut(f):
		case f.kind == http2.FrameData:
			m.content += f.data
			m.whole = f.end
		case f.kind == http2.FrameHeaders:
			m.trailers = splitFields(f.fields).fields
			if m.whole = f.end; !f.end {
				l.t.Errorf("trailers that do not end the stream: %v", f)
				return
			}
		}
	}
}

// linkHeard is a request that a server has heard over HTTP/2.
type linkHeard struct {
	*link
	id   uint32
	seen message
	got  frame
}

// hear reads the head of the next request.
func (l *link) hear() *linkHeard {
	l.t.Helper()
	f := l.frame(func(f frame) bool {
		if f.kind != http2.FrameHeaders {
			return false
		}
		return splitFields(f.fields).method != ""
	})
	if f.kind != http2.FrameHeaders || f.err != nil {
		l.t.Fatalf("%v in place of a request", f)
	}
	q := &linkHeard{link: l, id: f.stream, got: f}
	q.seen.head, q.seen.whole = splitFields(f.fields), f.end
	return q
}

func (q *linkHeard) request() *head { return &q.seen.head }

func (q *linkHeard) content() *message {
	q.rest(q.id, &q.seen)
	return &q.seen
}

func statusFields(status string, fields []string) []field {
	return append([]field{{":status", status}}, fieldsOf(fields...)...)
}

func (q *linkHeard) interim(status string, fields ...string) {
	q.headers(q.id, false, statusFields(status, fields))
}

func (q *linkHeard) head(end bool, status string, fields ...string) {
	q.headers(q.id, end, statusFields(status, fields))
}

func (q *linkHeard) data(content string, end bool) { q.link.data(q.id, content, end) }
func (q *linkHeard) trailers(fields ...string)     { q.headers(q.id, true, fieldsOf(fields...)) }
func (q *linkHeard) breakOff()                     { q.reset(q.id, http2.ErrCodeInternal) }

func (q *linkHeard) abandoned() {
	q.t.Helper()
	m := q.content()
	if m.whole && m.method == "GET" {
		m.cut(q.of(q.id))
	}
	if m.end == "" || m.end == "cut" {
		q.t.Errorf("the request is not reset: %v", m)
	}
}

// talker is a connection of a client, of either protocol.
type talker interface{ ask(r request) asked }

type lineTalker struct{ *line }

func (l lineTalker) ask(r request) asked { return l.line.ask(r) }

type linkTalker struct{ *link }

func (l linkTalker) ask(r request) asked { return l.link.ask(r) }

// dial connects a client to the gateway.
func (s *site) dial() talker {
	s.Helper()
	if s.in.isHTTP2() {
		return linkTalker{s.dialLink()}
	}
	return lineTalker{s.dialLine()}
}

// ask sends a request over a new connection.
func (s *site) ask(r request) asked {
	s.Helper()
	return s.dial().ask(r)
}

// listener is a connection of the gateway to the server, of either protocol.
type listener interface {
	hear() heard
	// ends fails the test unless the gateway ends the connection.
	ends()
	// end ends the connection.
	end()
}

type lineListener struct{ *line }

func (l lineListener) hear() heard { return l.line.hear() }
func (l lineListener) ends()       { l.isClosed() }
func (l lineListener) end()        { l.Close() }

type linkListener struct{ *link }

func (l linkListener) hear() heard { return l.link.hear() }
func (l linkListener) ends()       { l.closes() }
func (l linkListener) end()        { l.conn.Close() }

// accept waits for the next connection to the server.
func (s *site) accept() listener {
	s.Helper()
	if s.out.isHTTP2() {
		return linkListener{s.acceptLink(setting{ID: http2.SettingEnableConnectProtocol, Val: 1})}
	}
	return lineListener{s.acceptLine()}
}

// none fails the test if the gateway has opened another connection to the server.
func (s *site) none() {
	s.Helper()
	select {
	case c := <-s.accepted:
		s.Errorf("another connection to the server: %v", c.RemoteAddr())
	default:
	}
}

// linkOf returns the link of a connection over HTTP/2.
func linkOf(l listener) *link { return l.(linkListener).link }

// secret sends a request with one field that is never indexed.
func (l *link) secret(fields []field, name string) *linkAsked {
	q := &linkAsked{link: l, id: l.next}
	l.next += 2
	l.secrets(q.id, fields, name)
	return q
}

// secrets sends a header block with one field that is never indexed, and ends the stream.
func (l *link) secrets(stream uint32, fields []field, name string) {
	l.write(func(f *http2.Framer) {
		l.block.Reset()
		for _, f := range fields {
			_ = l.enc.WriteField(hpack.HeaderField{Name: f.name, Value: f.value, Sensitive: f.name == name})
		}
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndStream: true, EndHeaders: true, BlockFragment: l.block.Bytes()})
	})
}
