package h1

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

const (
	get  = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
	old  = "GET / HTTP/1.0\r\n\r\n"
	kept = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
	asks = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	conn = "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"
	up   = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: tea\r\n\r\n"
)

func pieces(p ...string) *feed { return &feed{pieces: p} }

// One request, one answer.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name, request string
		response      Response
		want          string
		closes        bool
	}{
		{"bytes", get, Response{Status: 200, Fields: []Field{{"A", "b"}, {"C", ""}}, Bytes: []byte("hi")},
			"HTTP/1.1 200 OK\nA: b\nC: \nContent-Length: 2\n\nhi", false},
		{"nothing", get, Response{Status: 404}, "HTTP/1.1 404 Not Found\nContent-Length: 0\n\n", false},
		{"unregistered status", get, Response{Status: 299}, "HTTP/1.1 299 \nContent-Length: 0\n\n", false},
		{"high status", get, Response{Status: 999}, "HTTP/1.1 999 \nContent-Length: 0\n\n", false},
		{"HTTP/1.0", old, Response{Status: 200, Bytes: []byte("hi")},
			"HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nhi", true},
		{"HTTP/1.0, kept", kept, Response{Status: 200, Bytes: []byte("hi")},
			"HTTP/1.1 200 OK\nContent-Length: 2\nConnection: keep-alive\n\nhi", false},
		{"peer asks to close", asks, Response{Status: 200, Bytes: []byte("hi")},
			"HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nhi", true},
		{"application closes", get, Response{Status: 200, Close: true}, "HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n\n", true},
		{"application closes by a field", get, Response{Status: 200, Fields: []Field{{"connection", "x, Close"}}},
			"HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n\n", true},
		{"other options are the machine's", get, Response{Status: 200, Fields: []Field{{"Connection", "keep-alive"}}},
			"HTTP/1.1 200 OK\nContent-Length: 0\n\n", false},
		{"an offer of protocols", get, Response{Status: 426, Fields: []Field{{"Upgrade", "tea"}}},
			"HTTP/1.1 426 Upgrade Required\nUpgrade: tea\nContent-Length: 0\nConnection: upgrade\n\n", false},
		{"an offer to HTTP/1.0", kept, Response{Status: 426, Fields: []Field{{"Upgrade", "tea"}}},
			"HTTP/1.1 426 Upgrade Required\nUpgrade: tea\nContent-Length: 0\nConnection: keep-alive, upgrade\n\n", false},
		{"framing fields are the machine's", get,
			Response{Status: 200, Fields: []Field{{"content-length", "99"}, {"Transfer-Encoding", "gzip"}, {"X-Transfer-Codings", ""}}, Bytes: []byte("hi")},
			"HTTP/1.1 200 OK\nX-Transfer-Codings: \nContent-Length: 2\n\nhi", false},

		{"sized", get, Response{Status: 200, Source: pieces("ab", "c"), Length: 3}, "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", false},
		{"sized, the end told early", get, Response{Status: 200, Source: &feed{pieces: []string{"abc"}, early: true}, Length: 3},
			"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", false},
		{"sized, the end not told", get, Response{Status: 200, Source: pieces("abc", ""), Length: 3},
			"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", false},
		{"sized zero", get, Response{Status: 200, Source: pieces(), Length: 0}, "HTTP/1.1 200 OK\nContent-Length: 0\n\n", false},
		{"chunked", get, Response{Status: 200, Source: pieces("ab", "c"), Length: -1},
			"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n", false},
		{"chunked, the end told early", get, Response{Status: 200, Source: &feed{pieces: []string{"abc"}, early: true}, Length: -1},
			"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n", false},
		{"chunked nothing", get, Response{Status: 200, Source: pieces(), Length: -1},
			"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n0\n\n", false},
		{"trailers", get, Response{Status: 200, Fields: []Field{{"Trailer", "T"}}, Length: -1,
			Source: &feed{pieces: []string{"abc"}, trailers: []Field{{"T", "1"}, {"Content-Length", "7"}, {"U", "2"}}}},
			"HTTP/1.1 200 OK\nTrailer: T\nTransfer-Encoding: chunked\n\n3\nabc\n0\nT: 1\nU: 2\n\n", false},
		{"until the connection closes", kept, Response{Status: 200, Length: -1,
			Source: &feed{pieces: []string{"abc", "def"}, trailers: []Field{{"T", "1"}}}},
			"HTTP/1.1 200 OK\nConnection: close\n\nabcdef", true},

		{"HEAD of bytes", head, Response{Status: 200, Bytes: []byte("hi")}, "HTTP/1.1 200 OK\nContent-Length: 2\n\n", false},
		{"HEAD of nothing", head, Response{Status: 200, Bytes: []byte{}}, "HTTP/1.1 200 OK\nContent-Length: 0\n\n", false},
		{"HEAD, length not known", head, Response{Status: 200}, "HTTP/1.1 200 OK\n\n", false},
		{"HEAD, length from the application", head, Response{Status: 200, Fields: []Field{{"Content-Length", "77"}}, Bytes: []byte("hi")},
			"HTTP/1.1 200 OK\nContent-Length: 77\n\n", false},
		{"HEAD of a source", head, Response{Status: 200, Source: pieces("abc"), Length: 3}, "HTTP/1.1 200 OK\nContent-Length: 3\n\n", false},
		{"HEAD of a stream", head, Response{Status: 200, Source: pieces("abc"), Length: -1}, "HTTP/1.1 200 OK\n\n", false},
		{"204", get, Response{Status: 204, Fields: []Field{{"Content-Length", "2"}}, Bytes: []byte("hi")}, "HTTP/1.1 204 No Content\n\n", false},
		{"205", get, Response{Status: 205, Bytes: []byte("hi")}, "HTTP/1.1 205 Reset Content\nContent-Length: 0\n\n", false},
		{"304", get, Response{Status: 304}, "HTTP/1.1 304 Not Modified\n\n", false},
		{"304, length told", get, Response{Status: 304, Fields: []Field{{"Content-Length", "5"}}},
			"HTTP/1.1 304 Not Modified\nContent-Length: 5\n\n", false},
		{"304 of bytes", get, Response{Status: 304, Bytes: []byte("hi")}, "HTTP/1.1 304 Not Modified\nContent-Length: 2\n\n", false},
		{"CONNECT, declined", conn, Response{Status: 405}, "HTTP/1.1 405 Method Not Allowed\nContent-Length: 0\n\n", false},
		{"upgrade, declined", up, Response{Status: 200, Bytes: []byte("hi")}, "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDialogue(t, Limits{})
			d.app = func(d *dialogue) { d.answers(d.ev.ID, &test.response) }
			d.hear(test.request).says(test.want)
			if done, _ := d.c.Done(); done != test.closes {
				t.Errorf("Done says %v", done)
			}
			if d.c.Pending() != 0 || d.c.Answered() != 1 {
				t.Errorf("pending %d, answered up to %d", d.c.Pending(), d.c.Answered())
			}
		})
	}
}

// An invalid response returns an error and queues nothing, and another response
// can be given.
func TestApplicationErrors(t *testing.T) {
	field := func(name, value string) *Response {
		return &Response{Status: 200, Fields: []Field{{"A", "b"}, {name, value}}, Bytes: []byte("hi")}
	}
	for _, test := range []struct {
		request  string
		response *Response
		want     error
	}{
		{get, field("X", "a\r\nSet-Cookie: b"), ErrField},
		{get, field("X", "a\nb"), ErrField},
		{get, field("X", "a\rb"), ErrField},
		{get, field("X", "a\x00b"), ErrField},
		{get, field("X", "0123456789abcde\n"), ErrField},
		{get, field("X", "0123456789abcdef\x7f"), ErrField},
		{get, field("X\n", "a"), ErrField},
		{get, field("X ", "a"), ErrField},
		{get, field("X:", "a"), ErrField},
		{get, field("", "a"), ErrField},
		{get, field("Connection", "close\r\nX: y"), ErrField},
		{get, field("Content-Length", "\r\n"), ErrField},
		{head, field("Content-Length", "2x"), ErrField},
		{head, &Response{Status: 200, Fields: []Field{{"Content-Length", "1"}, {"Content-Length", "1"}}}, ErrField},
		{up, &Response{Status: 101}, ErrField},
		{get, &Response{Status: 101, Fields: []Field{{"Upgrade", "tea"}}}, ErrStatus},
		{get, &Response{Status: 199}, ErrStatus},
		{get, &Response{Status: 100}, ErrStatus},
		{get, &Response{Status: 0}, ErrStatus},
		{get, &Response{Status: -200}, ErrStatus},
		{get, &Response{Status: 1000}, ErrStatus},
	} {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(test.request)
		if err := d.c.Respond(1, test.response); !errors.Is(err, test.want) {
			t.Errorf("%+v: %v, want %v", test.response, err, test.want)
		}
		d.says("").ends(false, false)
		d.answers(1, &Response{Status: 500}).said()
		if err := d.c.Respond(1, hello); err != ErrGone {
			t.Errorf("a second answer: %v", err)
		}
		for _, id := range []uint64{0, 2, 77} {
			if err := d.c.Respond(id, hello); err != ErrGone {
				t.Errorf("an answer to %d: %v", id, err)
			}
		}
	}
}

// Responses given in any order are sent in the order of the requests.
func TestPipelining(t *testing.T) {
	for _, order := range [][]uint64{{1, 2, 3}, {3, 2, 1}, {2, 3, 1}, {3, 1, 2}} {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(get + head + get)
		out := ""
		for _, id := range order {
			d.answers(id, &Response{Status: 200, Bytes: fmt.Append(nil, "answer ", id)})
			out += d.said()
		}
		want := "HTTP/1.1 200 OK\nContent-Length: 8\n\n"
		if want = strings.ReplaceAll(want+"answer 1"+want+want+"answer 3", "\n", "\r\n"); out != want {
			t.Errorf("%v: %q", order, out)
		}
	}
}

func TestPipelineBound(t *testing.T) {
	d := newDialogue(t, Limits{Pipelined: 2})
	d.app = silent
	d.hear(get + get + get + get)
	if d.ev.Kind != Blocked || d.c.Pending() != 2 || d.c.Room() != 0 || len(d.kept) != 2*len(get) {
		t.Fatal(d.ev.Kind, d.c.Pending(), d.c.Room(), len(d.kept))
	}
	// Nothing is blocked while there is nothing to read.
	rest := d.kept
	d.kept = nil
	if d.hear(""); d.ev.Kind != NeedMore {
		t.Error(d.ev.Kind)
	}
	d.kept = rest
	d.answers(2, hello).says("")
	if d.hear(""); d.ev.Kind != Blocked {
		t.Error("an answer that has not left makes no room")
	}
	d.answers(1, hello).said()
	if d.hear(""); d.ev.Kind != NeedMore || d.c.Pending() != 2 {
		t.Error(d.ev.Kind, d.c.Pending())
	}
}

// A source's pauses, resumed.
func TestSourceIsPulled(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(get+get).answers(1, &Response{Status: 200, Source: pieces("ab", "", "cd", "ef", "", ""), Length: -1})
	d.answers(2, &Response{Status: 204})
	if !d.c.Wanting() {
		t.Error("an answer does not want to leave")
	}
	d.says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nab\n")
	if d.c.Wanting() {
		t.Error("a dry source wants to leave")
	}
	d.says("")
	d.c.Resume(2)
	d.says("")
	d.c.Resume(1)
	d.says("4\ncdef\n")
	d.c.Resume(1)
	d.says("")
	d.c.Resume(1)
	d.says("0\n\nHTTP/1.1 204 No Content\n\n").ends(false, false)
	if d.c.Pending() != 0 || d.c.first != nil {
		t.Error("an idle connection holds an exchange")
	}
}

// Whatever the room, the same bytes leave, and not much more than the room at
// a time.
func TestRoom(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20000)
	for _, response := range []func() *Response{
		func() *Response { return &Response{Status: 200, Bytes: []byte(long)} },
		func() *Response { return &Response{Status: 200, Source: pieces(long), Length: int64(len(long))} },
		func() *Response { return &Response{Status: 200, Source: pieces(long), Length: -1} },
	} {
		for _, room := range []int{1, 100, 4096, 65536, 1 << 20} {
			d := newDialogue(t, Limits{})
			d.app = silent
			d.hear(get).answers(1, response())
			var out, turn []byte
			for {
				turn = d.c.Transmit(turn[:0], room)
				if len(turn) == 0 {
					break
				}
				if len(turn) > room+leastRead+100 {
					t.Fatalf("%d bytes for a room of %d", len(turn), room)
				}
				out = append(out, turn...)
			}
			if got := content(t, out); got != long {
				t.Errorf("room %d: content of %d bytes", room, len(got))
			}
			if d.c.Pending() != 0 {
				t.Errorf("room %d: not complete", room)
			}
		}
	}
}

// Chunks of every width of header are well formed.
func TestChunkHeaders(t *testing.T) {
	for _, n := range []int{1, 15, 16, 255, 256, 4095, 4096, 65535, 65536, 70000} {
		d := newDialogue(t, Limits{})
		d.app = silent
		want := strings.Repeat("x", n)
		d.hear(get).answers(1, &Response{Status: 200, Source: pieces(want), Length: -1})
		out := d.c.Transmit([]byte("before"), 1<<20)
		if string(out[:6]) != "before" {
			t.Fatal("what was in dst has changed")
		}
		if got := content(t, out[6:]); got != want {
			t.Errorf("%d bytes became %d", n, len(got))
		}
	}
}

type sourceFunc func(p []byte) (int, error)

func (f sourceFunc) Read(p []byte) (int, error) { return f(p) }

// A source that does not keep its word ends the connection; no frame on the
// wire says more or less than its content.
func TestBrokenSources(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name   string
		source Source
		length int64
		want   string
		err    error
	}{
		{"too short", pieces("ab"), 3, "Content-Length: 3\n\nab", ErrLength},
		{"too short, told early", &feed{pieces: []string{"ab"}, early: true}, 3, "Content-Length: 3\n\nab", ErrLength},
		{"too long at once", pieces("abcd"), 3, "Content-Length: 3\n\nabc", ErrLength},
		{"too long later", pieces("abc", "d"), 3, "Content-Length: 3\n\nabc", ErrLength},
		{"an error", &feed{pieces: []string{"ab"}, err: broken}, 3, "Content-Length: 3\n\nab", broken},
		{"an error in chunks", &feed{pieces: []string{"ab", "", "cd"}, err: broken}, -1, "Transfer-Encoding: chunked\n\n2\nab\n", broken},
		{"an invalid trailer", &feed{pieces: []string{"ab", ""}, trailers: []Field{{"A", "\n"}}}, -1, "Transfer-Encoding: chunked\n\n2\nab\n", ErrField},
		{"an impossible count", sourceFunc(func(p []byte) (int, error) { return len(p) + 1, nil }), 3, "Content-Length: 3\n\n", errRead},
		{"a negative count", sourceFunc(func(p []byte) (int, error) { return -1, io.EOF }), -1, "Transfer-Encoding: chunked\n\n", errRead},
	} {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(get+get).answers(1, &Response{Status: 200, Source: test.source, Length: test.length}).answers(2, hello)
		out := d.said()
		d.c.Resume(1)
		out += d.said()
		want := strings.ReplaceAll("HTTP/1.1 200 OK\n"+test.want, "\n", "\r\n")
		if out != want || !errors.Is(d.c.Err(), test.err) {
			t.Errorf("%s: %q, %v", test.name, out, d.c.Err())
		}
		d.ends(true, false)
		if d.c.Pending() != 0 {
			t.Errorf("%s: exchanges are left", test.name)
		}
	}
}

// A source may do with its connection what it likes from inside Read.
func TestSourceActsFromInside(t *testing.T) {
	for name, act := range map[string]func(c *Conn){
		"abort":   func(c *Conn) { c.Abort(1) },
		"drain":   func(c *Conn) { c.Drain() },
		"release": func(c *Conn) { c.Release() },
		"answer":  func(c *Conn) { _ = c.Respond(2, &Response{Status: 204, Close: true}) },
		"resume":  func(c *Conn) { c.Resume(1) },
	} {
		for _, length := range []int64{-1, 2} {
			d := newDialogue(t, Limits{})
			d.app = silent
			d.hear(get + get)
			given := 0
			source := sourceFunc(func(p []byte) (int, error) {
				act(&d.c)
				if given++; given > 2 {
					return 0, io.EOF
				}
				return copy(p, "x"), nil
			})
			d.answers(1, &Response{Status: 200, Source: source, Length: length})
			d.said()
			invariants(t, name, d)
		}
	}
}

func TestInformational(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(get + get)
	hint := []Field{{"Link", "</a.css>; rel=preload"}, {"Content-Length", "7"}}
	for _, id := range []uint64{2, 1} {
		if err := d.c.Inform(id, 103, hint); err != nil {
			t.Fatal(err)
		}
	}
	early := "HTTP/1.1 103 Early Hints\nLink: </a.css>; rel=preload\n\n"
	d.says(early)
	if err := d.c.Inform(1, 102, nil); err != nil {
		t.Fatal(err)
	}
	d.answers(1, &Response{Status: 204})
	d.says("HTTP/1.1 102 Processing\n\n").resumes(1).says("HTTP/1.1 204 No Content\n\n" + early)
	for status, want := range map[int]error{99: ErrStatus, 101: ErrStatus, 200: ErrStatus} {
		if err := d.c.Inform(2, status, nil); err != want {
			t.Errorf("Inform(%d): %v", status, err)
		}
	}
	if err := d.c.Inform(2, 103, []Field{{"A", "\n"}}); !errors.Is(err, ErrField) {
		t.Error(err)
	}
	if err := d.c.Inform(1, 103, nil); err != ErrGone {
		t.Error(err)
	}
	d.says("")

	// HTTP/1.0 does not know them.
	d = newDialogue(t, Limits{})
	d.app = silent
	if err := d.hear(old).c.Inform(1, 103, hint); err != nil {
		t.Error(err)
	}
	d.says("")
}

func TestDate(t *testing.T) {
	d := newDialogue(t, Limits{})
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	d.sh.Tick(now)
	none := &Response{Status: 204}
	d.app = func(d *dialogue) { d.answers(d.ev.ID, none) }
	d.hear(get).says("HTTP/1.1 204 No Content\nDate: Fri, 02 Jan 2026 02:04:05 GMT\n\n")
	d.sh.Tick(now.Add(999 * time.Millisecond))
	d.hear(get).says("HTTP/1.1 204 No Content\nDate: Fri, 02 Jan 2026 02:04:05 GMT\n\n")
	d.sh.Tick(now.Add(time.Second))
	d.hear(get).says("HTTP/1.1 204 No Content\nDate: Fri, 02 Jan 2026 02:04:06 GMT\n\n")
	none.Fields = []Field{{"date", "yesterday"}}
	d.hear(get).says("HTTP/1.1 204 No Content\ndate: yesterday\n\n")
}

func TestValues(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(get + get)
	d.c.SetValue(2, "two")
	d.c.SetValue(9, "nine")
	if d.c.Value(1) != nil || d.c.Value(2) != "two" || d.c.Value(9) != nil {
		t.Error(d.c.Value(1), d.c.Value(2), d.c.Value(9))
	}
	d.answers(1, hello).answers(2, hello).said()
	if d.c.Value(2) != nil {
		t.Error("a value outlives its exchange")
	}
}

// A buffer that one large head needed is not kept.
func TestLargeHeadIsNotKept(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(get).answers(1, &Response{Status: 204, Fields: []Field{{"A", strings.Repeat("x", 2*maxKeptHead)}}}).said()
	if got := cap(d.sh.free.heads); got > maxKeptHead {
		t.Errorf("%d bytes are kept", got)
	}
}

func TestErrorTexts(t *testing.T) {
	for err, want := range map[error]string{
		errBareLF: "h1: 400: a line must end with CR LF, not with LF alone",
		&FieldError{"a\nb", "the name is not a token"}: `h1: invalid field "a\nb": the name is not a token`,
	} {
		if err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

// fileSource sends some of its content itself, by the list sends: so many bytes, or -1 for a
// peer that takes nothing now. The rest is read.
type fileSource struct {
	content string
	sends   []int
	sent    []string
	within  func()
}

func (f *fileSource) Read(p []byte) (int, error) {
	n := copy(p, f.content)
	if f.content = f.content[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *fileSource) Send(limit int64, behind bool) (int64, bool) {
	if len(f.sends) == 0 {
		return 0, false
	}
	if behind {
		return 0, true
	}
	n := f.sends[0]
	f.sends = f.sends[1:]
	if f.within != nil {
		f.within()
	}
	if n < 0 {
		return 0, true
	}
	if n > 0 && n <= len(f.content) {
		f.sent = append(f.sent, f.content[:n])
		f.content = f.content[n:]
	}
	return int64(n), n > 0
}

// What a source sends itself counts as content, in its place behind all output.
func TestASourceSendsContentItself(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
	for _, test := range []struct {
		name  string
		sends []int
		outs  []string
	}{
		{"nothing", nil, []string{head + "abcdef"}},
		{"all", []int{6}, []string{head, "", ""}},
		{"in parts", []int{2, -1, 4}, []string{head, "", "", "", ""}},
		{"the beginning", []int{4}, []string{head, "", "ef"}},
		{"the middle", []int{0, 2, 0}, []string{head, "abcdef"}},
	} {
		d := newDialogue(t, Limits{})
		d.app = silent
		source := &fileSource{content: "abcdef", sends: test.sends}
		d.hear(get).answers(1, &Response{Status: 200, Source: source, Length: 6})
		for i, want := range test.outs {
			if got := string(d.c.Transmit(nil, 1<<20)); got != want {
				t.Errorf("%s: output %d is %q, want %q", test.name, i, got, want)
			}
		}
		if d.c.Pending() != 0 || d.c.Err() != nil {
			t.Errorf("%s: %d pending, %v", test.name, d.c.Pending(), d.c.Err())
		}
	}
}

// A source that claims to have sent more than is due, or that ends its response within Send,
// ends the connection.
func TestASourceThatSendsWrongly(t *testing.T) {
	for name, source := range map[string]*fileSource{
		"too much": {content: "abcdef", sends: []int{7}},
		"aborted":  {content: "abcdef", sends: []int{2}},
	} {
		d := newDialogue(t, Limits{})
		d.app = silent
		if name == "aborted" {
			source.within = func() { d.c.Abort(1) }
		}
		d.hear(get).answers(1, &Response{Status: 200, Source: source, Length: 6})
		_ = d.c.Transmit(nil, 1<<20)
		if rest := string(d.c.Transmit(nil, 1<<20)); rest != "" || d.c.Err() == nil {
			t.Errorf("%s: %q, %v", name, rest, d.c.Err())
		}
	}
}
