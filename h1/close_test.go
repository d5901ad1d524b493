package h1

import (
	"errors"
	"strings"
	"testing"
)

const (
	ok      = "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"
	okLast  = "HTTP/1.1 200 OK\nContent-Length: 2\nConnection: close\n\nok"
	expects = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
)

var okay = &Response{Status: 200, Bytes: []byte("ok")}

func TestDrain(t *testing.T) {
	t.Run("idle: ends at once", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.hear(get).says(ok)
		d.c.Drain()
		d.says("").ends(true, true)
		d.hear(get).says("")
	})
	t.Run("the last answer says close", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(get+get).answers(1, okay).answers(2, okay)
		d.c.Drain()
		d.says(ok+okLast).ends(true, true)
	})
	t.Run("a request that has come in part is answered", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.hear(get[:9])
		d.c.Drain()
		d.ends(false, false).hear(get[9:]+get).says(okLast).ends(true, true)
	})
	t.Run("content is read to its end", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.hear(postHost + "Content-Length: 4\r\n\r\nab")
		d.c.Drain()
		d.hear("cd"+get).says(okLast).ends(true, true)
	})
	t.Run("after a head that is out", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(get).answers(1, &Response{Status: 200, Source: pieces("a", "", "b"), Length: 2})
		d.says("HTTP/1.1 200 OK\nContent-Length: 2\n\na")
		d.c.Drain()
		d.c.Resume(1)
		d.says("b").ends(true, true)
	})
}

func TestEndAfterNewest(t *testing.T) {
	t.Run("idle: nothing happens", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.c.EndAfterNewest()
		d.ends(false, false).hear(get).says(ok)
	})
	t.Run("the last answer says close", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(get+get).answers(1, okay).answers(2, okay)
		d.c.EndAfterNewest()
		d.says(ok+okLast).ends(true, true)
	})
	t.Run("a part of another request has come", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(get+get[:9]).answers(1, okay)
		d.c.EndAfterNewest()
		d.says(ok).hear(get[9:]).answers(2, okay)
		d.c.EndAfterNewest()
		d.says(okLast).ends(true, true)
	})
	t.Run("after a head that is out", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(get).answers(1, &Response{Status: 200, Source: pieces("a", "", "b"), Length: 2})
		d.says("HTTP/1.1 200 OK\nContent-Length: 2\n\na")
		d.c.EndAfterNewest()
		d.c.Resume(1)
		d.says("b").ends(false, false)
	})
}

func TestClosingAnswer(t *testing.T) {
	// Requests after it are forgotten.
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(get+get+postChunks).answers(3, okay)
	d.answers(2, &Response{Status: 200, Bytes: []byte("ok"), Close: true})
	if err := d.c.Respond(3, okay); err != ErrGone || d.c.Pending() != 2 {
		t.Error(err, d.c.Pending())
	}
	d.hear("5\r\nhello\r\n")
	if d.ev.Kind != Closed {
		t.Error(d.ev.Kind)
	}
	d.answers(1, okay).says(ok+okLast).ends(true, true)

	// The content of its own request is still an event.
	d = newDialogue(t, Limits{})
	d.app = silent
	d.hear(postChunks).answers(1, &Response{Status: 200, Source: pieces("a", "", "b"), Length: -1, Close: true}).said()
	d.trace = nil
	d.hear("5\r\nhello\r\n0\r\n\r\n"+get).tells("1 data hello", "1 end")

	// A peer that said close needs no lingering, unless it sends on.
	d = newDialogue(t, Limits{})
	d.hear(asks).says(okLast).ends(true, false)
	d.hear("x").ends(true, true)
}

func TestEOF(t *testing.T) {
	for _, test := range []struct {
		name, in string
		err      error
		out      string
	}{
		{"before any request", "", nil, ""},
		{"after empty lines", "\r\n\r", nil, ""},
		{"between requests", get, nil, okLast},
		{"in a request line", get + "GET", errIncomplete, ok + "!"},
		{"in a head", get + getHost, errIncomplete, ok + "!"},
		{"in content", postHost + "Content-Length: 5\r\n\r\nab", errIncomplete, "!"},
		{"in a chunk", postChunks + "5\r\nab", errIncomplete, "!"},
		{"before trailers", postChunks + "0\r\n", errIncomplete, "!"},
		{"refused already", "\n", nil, "?"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDialogue(t, Limits{})
			d.hear(test.in)
			if err := d.c.EOF(); err != test.err && (err != nil || test.err != nil) {
				t.Errorf("EOF: %v", err)
			}
			want := strings.ReplaceAll(test.out, "\n", "\r\n")
			want = strings.Replace(want, "!", answerTo(errIncomplete), 1)
			want = strings.Replace(want, "?", answerTo(errBareLF), 1)
			d.says(want).ends(true, false)
		})
	}
	t.Run("late answers leave", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(get + get)
		if err := d.c.EOF(); err != nil {
			t.Fatal(err)
		}
		d.ends(false, false).answers(1, okay).says(ok).answers(2, okay).says(okLast).ends(true, false)
	})
	t.Run("blocked requests are answered too", func(t *testing.T) {
		d := newDialogue(t, Limits{Pipelined: 1})
		d.hear(get + get + up + get + "GET /")
		if err := d.c.EOF(); err != nil {
			t.Fatal(err)
		}
		d.says(ok).hear("").says(ok).hear("").says(ok).hear("").says(ok).ends(false, false)
		if d.hear(""); d.err != errIncomplete {
			t.Error(d.err)
		}
		d.says(answerTo(errIncomplete)).ends(true, false)
	})
	t.Run("content that is discarded is not missed", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(postHost+"Content-Length: 5\r\n\r\nab").answers(1, okay).says(ok)
		if err := d.c.EOF(); err != nil {
			t.Fatal(err)
		}
		d.ends(true, false)
	})
}

func TestContinue(t *testing.T) {
	const hundred = "HTTP/1.1 100 Continue\n\n"
	t.Run("once, when asked for", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.hear(expects).says("")
		d.c.Continue(1)
		d.c.Continue(1)
		d.says(hundred).hear("hello").says(ok).ends(false, false)
	})
	t.Run("in its turn", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(get + expects)
		d.c.Continue(2)
		d.says("").answers(1, okay).says(ok + hundred)
	})
	t.Run("by Inform", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.hear(expects)
		if err := d.c.Inform(1, 100, nil); err != nil {
			t.Fatal(err)
		}
		d.says(hundred)
	})
	t.Run("not after content", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.hear(expects + "h")
		d.c.Continue(1)
		d.says("").hear("ello").says(ok)
	})
	t.Run("not unless expected", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(get)
		d.c.Continue(1)
		d.says("")
	})
	t.Run("before an answer that is made of the content", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(expects)
		echo := &Response{Status: 200, Source: pieces("", "hello"), Length: -1, Fields: []Field{{"A", "\n"}}}
		if err := d.c.Respond(1, echo); !errors.Is(err, ErrField) {
			t.Error(err)
		}
		d.says("")
		echo.Fields = nil
		d.answers(1, echo).says(hundred)
		d.hear("hello").says("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n").resumes(1)
		d.says("5\nhello\n0\n\n").ends(false, false)
	})
	// A proxy may read both at once, and take the 100 for all there is.
	t.Run("never in one output with a final head", func(t *testing.T) {
		for _, test := range []struct {
			name    string
			release func(d *dialogue)
		}{
			{"content comes", func(d *dialogue) { d.hear("h") }},
			{"the source has more", func(d *dialogue) { d.resumes(1) }},
		} {
			d := newDialogue(t, Limits{})
			d.app = silent
			d.hear(expects)
			d.c.Continue(1)
			if d.c.Held() != 0 {
				t.Errorf("%s: no head is there to be held", test.name)
			}
			d.answers(1, okay).says(hundred)
			if d.c.Held() != 1 || d.c.Wanting() {
				t.Errorf("%s: held %d, wanting %v", test.name, d.c.Held(), d.c.Wanting())
			}
			test.release(d)
			d.says(ok).hear("ello")
			if d.c.Held() != 0 {
				t.Errorf("%s: still held", test.name)
			}
		}
	})
	t.Run("not if content comes first", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(expects)
		if err := d.c.Inform(1, 103, []Field{{"A", "b"}}); err != nil {
			t.Fatal(err)
		}
		d.c.Continue(1)
		if err := d.c.Inform(1, 102, nil); err != nil {
			t.Fatal(err)
		}
		d.hear("hello").says("HTTP/1.1 103 Early Hints\nA: b\n\nHTTP/1.1 102 Processing\n\n").answers(1, okay).says(ok)
	})
	t.Run("not before a refusal", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(expects).answers(1, &Response{Status: 403, Source: pieces("no"), Length: 2})
		d.says("HTTP/1.1 403 Forbidden\nContent-Length: 2\nConnection: close\n\nno").ends(true, true)
	})
	// The peer may send the content or another request.
	t.Run("answered without content: closes", func(t *testing.T) {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(expects).answers(1, okay)
		d.c.Continue(1)
		d.says(okLast).ends(true, true).hear(get)
		if d.ev.Kind != Closed {
			t.Error(d.ev.Kind)
		}
	})
}

// Content that nobody reads is dropped, up to a bound, so that the connection
// can go on.
func TestDiscard(t *testing.T) {
	limits := Limits{Discard: 10}
	early := func(in string) *dialogue {
		d := newDialogue(t, limits)
		d.app = silent
		d.hear(in).answers(1, okay)
		d.trace = nil
		return d
	}
	t.Run("of a known length", func(t *testing.T) {
		d := early(postHost + "Content-Length: 10\r\n\r\n").says(ok)
		d.app = nil
		d.hear("0123456789"+get).says(ok).ends(false, false)
		d.tells(`2 GET origin=/ host=a path=/ 1.1 length=0 keeps Host:"a"`)
	})
	t.Run("of a known length, too long", func(t *testing.T) {
		early(postHost+"Content-Length: 11\r\n\r\n").says(okLast).ends(true, true)
	})
	t.Run("what has been read does not count", func(t *testing.T) {
		early(postHost+"Content-Length: 11\r\n\r\nx").says(ok).ends(false, false)
	})
	t.Run("chunked", func(t *testing.T) {
		d := early(postChunks).says(ok)
		d.app = nil
		d.hear("5\r\nhello\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"+get).says(ok).ends(false, false)
	})
	t.Run("chunked, too long", func(t *testing.T) {
		d := early(postChunks).says(ok)
		d.hear("5\r\nhello\r\n5\r\nhello\r\n1\r\n!").says("").ends(true, true)
		d.hear("\r\n0\r\n\r\n" + get).tells()
	})
	t.Run("a source's length is not known before its end", func(t *testing.T) {
		d := newDialogue(t, limits)
		d.app = silent
		d.hear(postHost+"Content-Length: 11\r\n\r\n").answers(1, &Response{Status: 200, Source: pieces("ok"), Length: 2})
		d.says(ok).ends(true, true)
	})
}

func TestAbort(t *testing.T) {
	// Earlier responses leave first, later ones never.
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(get+get+get).answers(3, okay).answers(2, okay)
	d.c.Abort(2)
	d.says("").ends(false, false).answers(1, okay).says(ok).ends(true, false)
	if d.c.Err() != ErrAborted {
		t.Error(d.c.Err())
	}
	// In the middle of content.
	d = newDialogue(t, Limits{})
	d.app = silent
	d.hear(get).answers(1, &Response{Status: 200, Source: pieces("a", "", "b"), Length: -1}).said()
	d.c.Abort(1)
	d.c.Resume(1)
	d.says("").ends(true, false)
}

// Only a reset shows that content has been cut which the connection's end ends.
func TestResets(t *testing.T) {
	for _, test := range []struct {
		request string
		length  int64
		want    bool
	}{{get, -1, false}, {get, 9, false}, {old, 9, false}, {old, -1, true}} {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(test.request).answers(1, &Response{Status: 200, Source: pieces("a", "", "b"), Length: test.length}).said()
		d.c.Abort(1)
		if d.c.Resets() != test.want || d.c.Err() != ErrAborted {
			t.Errorf("%q, length %d: Resets says %v, Err %v", test.request, test.length, d.c.Resets(), d.c.Err())
		}
	}
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(old).answers(1, &Response{Status: 200, Source: pieces("a"), Length: -1})
	if d.c.Abort(1); d.c.Resets() {
		t.Error("no answer has left, a reset tells nothing")
	}
}

func TestRefuse(t *testing.T) {
	slow := &Error{408, "too slow"}
	for _, in := range []string{"", "GET /", postChunks + "5\r\nab"} {
		d := newDialogue(t, Limits{})
		d.hear(in).c.Refuse(slow)
		d.says(answerTo(slow)).ends(true, true)
	}
	// There is nothing to refuse.
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(asks).c.Refuse(slow)
	d.says("").ends(false, false).answers(1, okay).says(okLast)
}

func TestSwitch(t *testing.T) {
	const frames = "\x00\x01not HTTP"
	tea := &Response{Status: 101, Fields: []Field{{"Upgrade", "tea"}, {"Connection", "Upgrade"}}}
	for _, test := range []struct {
		name, request, content string
		response               *Response
		want                   string
	}{
		{"upgrade", up, "", tea, "HTTP/1.1 101 Switching Protocols\nUpgrade: tea\nConnection: upgrade\n\n"},
		{"upgrade after content", strings.Replace(up, "\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n", 1), "hello", tea,
			"HTTP/1.1 101 Switching Protocols\nUpgrade: tea\nConnection: upgrade\n\n"},
		{"CONNECT", conn, "", &Response{Status: 200, Bytes: []byte("none"), Fields: []Field{{"Content-Length", "4"}}}, "HTTP/1.1 200 OK\n\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDialogue(t, Limits{})
			d.app = silent
			d.hear(get + test.request)
			if test.content != "" {
				if err := d.c.Respond(2, test.response); err != ErrStatus {
					t.Errorf("a switch in the middle of content: %v", err)
				}
			}
			d.hear(test.content)
			if d.ev.Kind != NeedMore || d.c.Phase() != Waiting {
				t.Error(d.ev.Kind, d.c.Phase())
			}
			d.hear(frames)
			if d.ev.Kind != Blocked {
				t.Error(d.ev.Kind)
			}
			d.answers(2, test.response).says("").answers(1, &Response{Status: 204})
			d.says("HTTP/1.1 204 No Content\n\n"+test.want).ends(false, false).hear("")
			if d.ev.Kind != Switched || string(d.kept) != frames || d.c.Wanting() || d.c.Pending() != 0 {
				t.Error(d.ev.Kind, string(d.kept), d.c.Wanting(), d.c.Pending())
			}
			if d.hear(""); d.ev.Kind != Switched || d.c.Phase() != Over {
				t.Error(d.ev.Kind, d.c.Phase())
			}
		})
	}
	// Declined: what follows is HTTP.
	for _, request := range []string{up, conn} {
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(request + get)
		if d.ev.Kind != Blocked {
			t.Error(d.ev.Kind)
		}
		d.answers(1, &Response{Status: 426})
		d.app = nil
		d.said()
		d.hear("").says(ok)
	}
}

func TestPhases(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	for _, step := range []struct {
		in   string
		want Phase
	}{
		{"", Between}, {"\r\n", Between}, {"G", InHead}, {"ET / HTTP/1.1\r\nHost: a\r\n", InHead}, {"\r\n", Between},
		{postChunks, InContent}, {"1\r\n", InContent}, {"x\r\n0\r\n", InContent}, {"\r\n", Between}, {conn, Waiting},
	} {
		if got := d.hear(step.in).c.Phase(); got != step.want {
			t.Errorf("after %q: phase %d, want %d", step.in, got, step.want)
		}
	}
	d.c.Release()
	if d.c.Phase() != Over || d.c.Pending() != 0 {
		t.Error(d.c.Phase(), d.c.Pending())
	}
}
