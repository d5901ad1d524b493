package h1

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Every state crossed with every input: what is not listed here is illegal.

func TestReadTable(t *testing.T) {
	legal := map[[2]int]reading{}
	may := func(from reading, in readInput, to reading) { legal[[2]int{int(from), int(in)}] = to }
	may(inHead, headPlain, inHead)
	may(inHead, headTurn, atTurn)
	may(inHead, headLength, inLength)
	may(inHead, headChunked, inChunkLine)
	may(inLength, lengthRead, atEnd)
	may(inChunkLine, chunkBegun, inChunk)
	may(inChunkLine, lastChunk, inTrailers)
	may(inChunk, chunkRead, inChunkEnd)
	may(inChunkEnd, chunkEnded, inChunkLine)
	may(inTrailers, trailersRead, atEnd)
	may(atEnd, endEmitted, inHead)
	may(atEnd, endEmittedTurn, atTurn)
	may(atTurn, turnDeclined, inHead)
	may(atTurn, turnTaken, switched)
	for _, from := range []reading{inHead, inLength, inChunkLine, inChunk, inChunkEnd, inTrailers, atEnd, atTurn, shut} {
		may(from, stopped, shut)
		may(from, takenOver, switched)
	}
	for from := reading(0); from < readings; from++ {
		for in := readInput(0); in < readInputs; in++ {
			got := from
			want, ok := legal[[2]int{int(from), int(in)}]
			if !ok {
				want = from
			}
			if got.step(&serverTable, in) != ok || got != want {
				t.Errorf("reading %d, input %d: %d, want %d", from, in, got, want)
			}
		}
	}
}

func TestAnswerTable(t *testing.T) {
	legal := map[[2]int]answering{
		{int(unanswered), int(informed)}:   unanswered,
		{int(unanswered), int(responded)}:  answered,
		{int(unanswered), int(tore)}:       torn,
		{int(answered), int(revoked)}:      unanswered,
		{int(answered), int(headPulled)}:   sending,
		{int(answered), int(tore)}:         torn,
		{int(sending), int(contentPulled)}: complete,
		{int(sending), int(tore)}:          torn,
	}
	for from := answering(0); from < answerings; from++ {
		for in := answerInput(0); in < answerInputs; in++ {
			got := from
			want, ok := legal[[2]int{int(from), int(in)}]
			if !ok {
				want = from
			}
			if got.step(in) != ok || got != want {
				t.Errorf("answering %d, input %d: %d, want %d", from, in, got, want)
			}
		}
	}
}

func TestWriteTable(t *testing.T) {
	legal := map[[2]int]writing{
		{int(open), int(lastPulled)}: finished,
		{int(open), int(answerTorn)}: cut,
		{int(open), int(turnPulled)}: left,
	}
	for from := writing(0); from < writings; from++ {
		for in := writeInput(0); in < writeInputs; in++ {
			got := from
			want, ok := legal[[2]int{int(from), int(in)}]
			if !ok {
				want = from
			}
			if got.step(in) != ok || got != want {
				t.Errorf("writing %d, input %d: %d, want %d", from, in, got, want)
			}
		}
	}
}

// An illegal step is a fault of the machine: the connection ends.
func TestIllegalStep(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(next)
	d.c.read(chunkRead)
	d.ends(true, false).hear(next)
	if d.ev.Kind != Closed || d.c.Err() != errIllegal {
		t.Error(d.ev.Kind, d.c.Err())
	}
}

// situations are ways into each reading state, with request 1 unanswered.
var situations = []struct {
	name string
	in   string
	want reading
}{
	{"fresh", "", inHead},
	{"between", next, inHead},
	{"in a head", next + "GET /", inHead},
	{"in content", postHost + "Content-Length: 5\r\n\r\nab", inLength},
	{"in large content", postHost + "Content-Length: 5000000\r\n\r\nab", inLength},
	{"expected content", postHost + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", inLength},
	{"in a chunk's line", postChunks + "1", inChunkLine},
	{"in a chunk", postChunks + "5\r\nab", inChunk},
	{"after a chunk", postChunks + "2\r\nab\r", inChunkEnd},
	{"in trailers", postChunks + "0\r\nA: b\r", inTrailers},
	{"at a turn", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", atTurn},
	{"at an upgrade", getHost + "Connection: upgrade\r\nUpgrade: x\r\n\r\n", atTurn},
	{"at the last", getHost + "Connection: close\r\n\r\n", shut},
	{"refused", next + "GET\n", shut},
}

// inputs are what can happen to a connection.
var inputs = []struct {
	name string
	do   func(d *dialogue) error
}{
	{"nothing", func(d *dialogue) error { d.hear(""); return nil }},
	{"a letter", func(d *dialogue) error { d.hear("a"); return nil }},
	{"CR LF", func(d *dialogue) error { d.hear("\r\n"); return nil }},
	{"NUL", func(d *dialogue) error { d.hear("\x00"); return nil }},
	{"a request", func(d *dialogue) error { d.hear(next); return nil }},
	{"many bytes", func(d *dialogue) error { d.hear(string(make([]byte, 300<<10))); return nil }},
	{"answer", func(d *dialogue) error { return d.c.Respond(1, &Response{Status: 200, Bytes: []byte("ok")}) }},
	{"closing answer", func(d *dialogue) error { return d.c.Respond(1, &Response{Status: 200, Close: true}) }},
	{"switching answer", func(d *dialogue) error {
		return d.c.Respond(1, &Response{Status: 101, Fields: []Field{{"Upgrade", "x"}}})
	}},
	{"waiting answer", func(d *dialogue) error {
		return d.c.Respond(1, &Response{Status: 200, Source: &feed{pieces: []string{"a", "", "b"}}, Length: -1})
	}},
	{"short answer", func(d *dialogue) error {
		return d.c.Respond(1, &Response{Status: 200, Source: &feed{}, Length: 9})
	}},
	{"invalid answer", func(d *dialogue) error { return d.c.Respond(1, &Response{Status: 200, Fields: []Field{{"A", "\n"}}}) }},
	{"no such answer", func(d *dialogue) error { return d.c.Respond(77, hello) }},
	{"inform", func(d *dialogue) error { return d.c.Inform(1, 103, nil) }},
	{"continue", func(d *dialogue) error { d.c.Continue(1); return nil }},
	{"resume", func(d *dialogue) error { d.c.Resume(1); return nil }},
	{"abort", func(d *dialogue) error { d.c.Abort(1); return nil }},
	{"drain", func(d *dialogue) error { d.c.Drain(); return nil }},
	{"FIN", func(d *dialogue) error { return d.c.EOF() }},
	{"refuse", func(d *dialogue) error { d.c.Refuse(&Error{408, "too slow"}); return nil }},
	{"pull", func(d *dialogue) error { d.said(); return nil }},
	{"release", func(d *dialogue) error { d.c.Release(); return nil }},
}

// Any two inputs from any stand leave a connection that is sound and ends, if
// it is to end, without hanging.
func TestEveryStandMeetsEveryInput(t *testing.T) {
	for _, stand := range situations {
		for _, one := range inputs {
			for _, two := range inputs {
				d := newDialogue(t, Limits{})
				d.app = silent
				d.hear(stand.in)
				if d.c.reading != stand.want {
					t.Fatalf("%s: reading %d, want %d", stand.name, d.c.reading, stand.want)
				}
				name := fmt.Sprintf("%s, %s, %s", stand.name, one.name, two.name)
				for _, input := range []func(*dialogue) error{one.do, two.do} {
					err := input(d)
					if e, ok := err.(*Error); err != nil && !ok && !sound(err) || ok && e.Status < 400 {
						t.Errorf("%s: %v", name, err)
					}
					invariants(t, name, d)
				}
				finish(t, name, d)
			}
		}
	}
}

func sound(err error) bool {
	_, field := err.(*FieldError)
	return field || slices.Contains([]error{ErrGone, ErrStatus}, err)
}

func invariants(t *testing.T, name string, d *dialogue) {
	t.Helper()
	c := &d.c
	n, unsent := 0, 0
	for ex := c.first; ex != nil; ex = ex.next {
		n++
		unsent += (len(ex.bytes) + 1023) / 1024
		if int(ex.interim) > len(ex.heads) {
			t.Errorf("%s: %d bytes of informational heads, %d of all", name, ex.interim, len(ex.heads))
		}
		if ex.next == nil && ex != c.last {
			t.Errorf("%s: last is not the last", name)
		}
	}
	if n != c.Pending() || (c.first == nil) != (c.last == nil) {
		t.Errorf("%s: %d exchanges, Pending %d", name, n, c.Pending())
	}
	if int(c.unsent) < unsent || n == 0 && c.unsent > 0 {
		t.Errorf("%s: %d KiB are unsent, %d count", name, unsent, c.unsent)
	}
	if done, _ := c.Done(); done && (c.Wanting() || c.reading != shut) {
		t.Errorf("%s: done, but wanting %v, reading %d", name, c.Wanting(), c.reading)
	}
	if c.ending && c.first == nil && c.writing == open {
		t.Errorf("%s: nothing is pending or will be, and the connection does not end", name)
	}
	if c.Err() == errIllegal {
		t.Errorf("%s: an illegal step", name)
	}
	if len(d.said()) == 0 && c.Wanting() {
		t.Errorf("%s: wanting, but nothing comes", name)
	}
}

// finish answers what is pending after the peer's FIN: then the connection is
// done, or another protocol has it.
func finish(t *testing.T, name string, d *dialogue) {
	t.Helper()
	d.hear("")
	_ = d.c.EOF()
	for range 4 {
		for id := d.c.Answered() + 1; id <= d.c.requests; id++ {
			if err := d.c.Respond(id, hello); err != nil && err != ErrGone {
				t.Errorf("%s: answer to %d: %v", name, id, err)
			}
			d.said()
			d.c.Resume(id)
			d.said()
		}
		// Blocked output is sent now.
		d.hear("")
	}
	done, linger := d.c.Done()
	if !done && d.c.writing != left || linger {
		t.Errorf("%s: at the end done %v, linger %v, reading %d, pending %d", name, done, linger, d.c.reading, d.c.Pending())
	}
}

// Requests wait while as many bytes of responses do: a peer that reads nothing does not fill memory.
func TestUnsentAnswersBlock(t *testing.T) {
	d := newDialogue(t, Limits{Unsent: 8 << 10})
	content := strings.Repeat("x", 5000)
	d.app = func(d *dialogue) {
		if d.ev.Kind == Request {
			d.answers(d.ev.ID, &Response{Status: 200, Bytes: []byte(content)})
		}
	}
	d.hear(strings.Repeat(get, 5))
	if d.ev.Kind != Blocked || d.c.Pending() != 2 {
		t.Errorf("event %d, %d pending", d.ev.Kind, d.c.Pending())
	}
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + content
	d.says(answer + answer).hear("").says(answer + answer).hear("").says(answer)
	d.hear(get + get + get).c.Release()
	invariants(t, "released", d)
}
