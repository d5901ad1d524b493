package h1

import (
	"errors"
	"testing"
)

// takeOver takes the connection from HTTP at the request with that id, and checks what is sent before, which bytes of the
// peer are left, and how many empty lines were consumed before them.
func takeOver(t *testing.T, d *dialogue, id uint64, sent, left string, blank int) {
	t.Helper()
	n, err := d.c.TakeOver(id)
	if err != nil || n != blank {
		t.Fatalf("TakeOver: %d, %v, want %d empty lines", n, err, blank)
	}
	if got := string(d.c.Transmit(nil, 1<<20)); got != sent {
		t.Errorf("sent %q, want %q", got, sent)
	}
	if n, err := d.c.Next(d.kept, &d.ev); n != 0 || err != nil || d.ev.Kind != Switched {
		t.Errorf("Next: %d, %v, %v", n, d.ev.Kind, err)
	}
	if string(d.kept) != left {
		t.Errorf("left %q, want %q", d.kept, left)
	}
	if done, _ := d.c.Done(); done || d.c.Pending() != 0 || d.c.Transmit(nil, 1<<20) != nil {
		t.Error("HTTP goes on")
	}
}

func TestTakeOverLeavesTheBytesAfterTheRequest(t *testing.T) {
	d := newDialogue(t, Limits{Pipelined: 1})
	d.app = silent
	d.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\nGET of another protocol")
	takeOver(t, d, 1, "", "GET of another protocol", 2)
}

func TestTakeOverLeavesUnreadContent(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	d.kept = []byte("0123456789")
	takeOver(t, d, 1, "", "0123456789", 0)
}

// halting is a source of a few bytes, then of none.
type halting struct{ content string }

func (s *halting) Read(p []byte) (int, error) {
	n := copy(p, s.content)
	s.content = s.content[n:]
	return n, nil
}

func TestTakeOverSendsWhatWasQueued(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := d.c.Inform(1, 103, nil); err != nil {
		t.Fatal(err)
	}
	if err := d.c.Respond(1, &Response{Status: 200, Fields: []Field{{"Date", "now"}}, Source: &halting{"hello"}, Length: -1}); err != nil {
		t.Fatal(err)
	}
	takeOver(t, d, 1, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "", 0)
}

func TestTakeOverNeedsTheNewestRequest(t *testing.T) {
	d := newDialogue(t, Limits{Pipelined: 2})
	d.app = silent
	d.hear("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
	if _, err := d.c.TakeOver(1); !errors.Is(err, ErrGone) {
		t.Errorf("TakeOver of the first request: %v", err)
	}
	if _, err := d.c.TakeOver(3); !errors.Is(err, ErrGone) {
		t.Errorf("TakeOver of no request: %v", err)
	}
}

func TestTakeOverNeedsAllInput(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\ndropped")
	if _, err := d.c.TakeOver(1); !errors.Is(err, ErrGone) {
		t.Errorf("TakeOver after input was dropped: %v", err)
	}
}
