//go:build linux

package server_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// forever gives as many bytes as one likes.
type forever struct{}

func (forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// pattern is n bytes that tell whether one is missing or out of place.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String()[:n]
}

func digestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return fmt.Sprint(len(content), " ", hex.EncodeToString(sum[:]))
}

// status reads one response and checks its status alone.
func (l *line) status(method string, status int) *http.Response {
	l.t.Helper()
	response, err := http.ReadResponse(l.r, &http.Request{Method: method})
	if err != nil {
		l.t.Fatalf("no response: %v", err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if response.StatusCode != status {
		l.t.Fatalf("heard %d, want %d", response.StatusCode, status)
	}
	return response
}

// head reads the head of a response and leaves its content.
func (l *line) head(method string, status int) *http.Response {
	l.t.Helper()
	response, err := http.ReadResponse(l.r, &http.Request{Method: method})
	if err != nil {
		l.t.Fatalf("no response: %v", err)
	}
	if response.StatusCode != status {
		l.t.Fatalf("heard %d, want %d", response.StatusCode, status)
	}
	return response
}

// nothing checks that no byte is there yet. It can miss one that is on its way, never blame in error.
func (l *line) nothing() {
	l.t.Helper()
	if err := l.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		l.t.Fatal(err)
	}
	if b, err := l.r.Peek(1); err == nil {
		l.t.Fatalf("heard %q too early", b)
	} else if !os.IsTimeout(err) {
		l.t.Fatal(err)
	}
	_ = l.SetDeadline(time.Now().Add(patience))
}

// segment is what the next read of the socket gives.
func (l *line) segment() string {
	l.t.Helper()
	if _, err := l.r.Peek(1); err != nil {
		l.t.Fatal(err)
	}
	heard, _ := l.r.Peek(l.r.Buffered())
	_, _ = l.r.Discard(len(heard))
	return string(heard)
}

// close ends both directions.
func (l *line) close() {
	l.t.Helper()
	if err := l.Close(); err != nil {
		l.t.Fatal(err)
	}
}

// sayMeanwhile says what is too long to be said before anything is heard.
func (l *line) sayMeanwhile(text string) {
	go func() {
		if _, err := io.WriteString(l.Conn, text); err != nil {
			l.t.Error(err)
		}
	}()
}

// finish closes the sending direction.
func (l *line) finish() {
	l.t.Helper()
	if err := l.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		l.t.Fatal(err)
	}
}

// reset closes the connection by a reset.
func (l *line) reset() {
	l.t.Helper()
	if err := l.Conn.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
		l.t.Fatal(err)
	}
	l.close()
}

// flood says text and then sends content, up to 64 MiB and in chunks where the framing wants them, for as
// long as the server takes it. The channel tells how much that was.
func (l *line) flood(text string, chunked bool) <-chan int64 {
	block := strings.Repeat("x", 32<<10)
	if chunked {
		block = "8000\r\n" + block + "\r\n"
	}
	sent := make(chan int64, 1)
	go func() {
		total := int64(0)
		_, err := io.WriteString(l.Conn, text)
		for err == nil && total < 64<<20 {
			var n int
			n, err = io.WriteString(l.Conn, block)
			total += int64(n)
		}
		sent <- total
	}()
	return sent
}

// line2 is a raw HTTP/2 connection.
type line2 struct {
	*line
	framer *http2.Framer
	encode *hpack.Encoder
	block  bytes.Buffer
}

// dial2 connects, and says what every client says first.
func (s *site) dial2(settings ...http2.Setting) *line2 {
	s.t.Helper()
	l := newLine2(s.dial())
	l.open(settings...)
	return l
}

func newLine2(l *line) *line2 {
	l2 := &line2{line: l}
	l2.framer = http2.NewFramer(l.Conn, l.r)
	l2.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	l2.encode = hpack.NewEncoder(&l2.block)
	return l2
}

// open says what every client says first.
func (l *line2) open(settings ...http2.Setting) {
	l.t.Helper()
	l.say(http2.ClientPreface)
	l.must(l.framer.WriteSettings(settings...))
}

func (l *line2) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// request sends the head of a request.
func (l *line2) request(stream uint32, method, path string, end bool, fields ...string) {
	l.t.Helper()
	l.block.Reset()
	lines := append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", "a"}, fields...)
	for i := 0; i < len(lines); i += 2 {
		l.must(l.encode.WriteField(hpack.HeaderField{Name: lines[i], Value: lines[i+1]}))
	}
	l.must(l.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: l.block.Bytes(), EndStream: end, EndHeaders: true}))
}

// frame reads on to the next frame that is no connection's business, and acknowledges SETTINGS.
func (l *line2) frame() http2.Frame {
	l.t.Helper()
	for {
		f, err := l.framer.ReadFrame()
		if err != nil {
			l.t.Fatalf("no frame: %v", err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = l.framer.WriteSettingsAck()
			}
		case *http2.WindowUpdateFrame:
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = l.framer.WritePing(true, f.Data)
			}
		default:
			return f
		}
	}
}

type head2 struct {
	status string
	fields map[string]string
	end    bool
}

// headers wants the head of a response (or its trailers) on a stream.
func (l *line2) headers(stream uint32) head2 {
	l.t.Helper()
	heard := l.frame()
	f, ok := heard.(*http2.MetaHeadersFrame)
	if !ok || f.StreamID != stream {
		l.t.Fatalf("heard %v, want HEADERS on stream %d", heard, stream)
	}
	h := head2{status: f.PseudoValue("status"), fields: map[string]string{}, end: f.StreamEnded()}
	for _, line := range f.RegularFields() {
		h.fields[line.Name] = line.Value
	}
	return h
}

// answer wants a whole response on a stream.
func (l *line2) answer(stream uint32, status, content string) {
	l.t.Helper()
	h := l.headers(stream)
	var got []byte
	for end := h.end; !end; {
		heard := l.frame()
		f, ok := heard.(*http2.DataFrame)
		if !ok || f.StreamID != stream {
			l.t.Fatalf("heard %v, want DATA on stream %d", heard, stream)
		}
		got = append(got, f.Data()...)
		end = f.StreamEnded()
	}
	if h.status != status || string(got) != content {
		l.t.Fatalf("heard %s %q, want %s %q", h.status, got, status, content)
	}
}

// contents wants the whole responses of so many streams, in whatever order, and gives their content.
func (l *line2) contents(streams int) map[uint32]string {
	l.t.Helper()
	all := map[uint32]string{}
	for streams > 0 {
		heard := l.frame()
		switch f := heard.(type) {
		case *http2.MetaHeadersFrame:
			if f.StreamEnded() {
				streams--
			}
		case *http2.DataFrame:
			all[f.StreamID] += string(f.Data())
			if f.StreamEnded() {
				streams--
			}
		case *http2.GoAwayFrame:
			// The second step of a drain comes when it comes.
			if f.ErrCode != http2.ErrCodeNo {
				l.t.Fatalf("heard %v, want a response", heard)
			}
		default:
			l.t.Fatalf("heard %v, want a response", heard)
		}
	}
	return all
}

// eventually waits for a condition that the server reaches by itself, looking at what it counts.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-limit.C:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// connect sends a CONNECT, which has neither scheme nor path.
func (l *line2) connect(stream uint32, authority string) {
	l.t.Helper()
	l.block.Reset()
	l.must(l.encode.WriteField(hpack.HeaderField{Name: ":method", Value: "CONNECT"}))
	l.must(l.encode.WriteField(hpack.HeaderField{Name: ":authority", Value: authority}))
	l.must(l.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: l.block.Bytes(), EndHeaders: true}))
}

// readAll is a response's content, or what went wrong with it.
func readAll(response *http.Response) string {
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
