package h1

import (
	"fmt"
	"strings"
	"testing"
)

// A clientDialogue plays a caller and a server around one client: hear gives bytes of
// the server to the machine, said returns what it wrote.
type clientDialogue struct {
	t     testing.TB
	c     Client
	sh    *Shared
	ev    ClientEvent
	kept  []byte
	trace []string
	err   error
}

func newClientDialogue(t testing.TB, l Limits) *clientDialogue {
	return newClientDialogueOn(t, NewShared(l))
}

func newClientDialogueOn(t testing.TB, sh *Shared) *clientDialogue {
	d := &clientDialogue{t: t, sh: sh}
	d.c.Init(sh)
	return d
}

// asks queues a request and pulls it.
func (d *clientDialogue) asks(r *ClientRequest) *clientDialogue {
	d.t.Helper()
	if err := d.c.Request(r); err != nil {
		d.t.Fatalf("Request: %v", err)
	}
	d.said()
	return d
}

// hear presents more bytes and follows events until none is left.
func (d *clientDialogue) hear(more string) *clientDialogue {
	d.t.Helper()
	d.kept = append(d.kept, more...)
	for range 1 << 20 {
		n, err := d.c.Next(d.kept, &d.ev)
		if n < 0 || n > len(d.kept) {
			d.t.Fatalf("Next consumed %d of %d bytes", n, len(d.kept))
		}
		d.note(err)
		d.kept = d.kept[n:]
		if err != nil {
			d.err = err
			continue
		}
		switch d.ev.Kind {
		case NeedMore, Closed, Switched:
			return d
		}
	}
	d.t.Fatal("Next does not come to rest")
	return d
}

// note records an event in words; pieces of content join.
func (d *clientDialogue) note(err error) {
	ev := &d.ev
	switch {
	case err != nil:
		d.trace = append(d.trace, err.Error())
	case ev.Kind == Interim:
		d.trace = append(d.trace, "interim "+describeResponse(&ev.Head))
	case ev.Kind == Final:
		d.trace = append(d.trace, "final "+describeResponse(&ev.Head))
	case ev.Kind == Data:
		if last := len(d.trace) - 1; last >= 0 && strings.HasPrefix(d.trace[last], "data ") {
			d.trace[last] += string(ev.Data)
			return
		}
		d.trace = append(d.trace, "data "+string(ev.Data))
	case ev.Kind == End:
		d.trace = append(d.trace, strings.TrimSpace("end "+fieldWords(ev.Trailers)))
	case ev.Kind == Switched:
		if last := len(d.trace) - 1; last < 0 || d.trace[last] != "switched" {
			d.trace = append(d.trace, "switched")
		}
	}
}

func describeResponse(h *ResponseHead) string {
	s := fmt.Sprintf("%d %q 1.%d length=%d", h.Status, h.Reason, h.Minor, h.ContentLength)
	if h.Stated >= 0 {
		s += fmt.Sprintf(" stated=%d", h.Stated)
	}
	if h.KeepAlive {
		s += " keeps"
	}
	if h.Upgrade != "" {
		s += " upgrade=" + h.Upgrade
	}
	return strings.TrimSpace(s + " " + fieldWords(h.Fields))
}

// eof presents the end of the connection.
func (d *clientDialogue) eof() *clientDialogue {
	d.t.Helper()
	if err := d.c.EOF(); err != nil {
		d.trace = append(d.trace, err.Error())
		d.err = err
	}
	return d.hear("")
}

// said pulls all that the machine has to say.
func (d *clientDialogue) said() string { return pullAll(d.c.Transmit) }

// says checks the next output, as dialogue.says does.
func (d *clientDialogue) says(want string) *clientDialogue {
	d.t.Helper()
	checkOutput(d.t, d.said(), want)
	return d
}

// tells checks the events since the last call.
func (d *clientDialogue) tells(want ...string) *clientDialogue {
	d.t.Helper()
	checkTrace(d.t, &d.trace, want)
	return d
}

// checks compares what the caller may do with the connection.
func (d *clientDialogue) checks(idle, done bool) *clientDialogue {
	d.t.Helper()
	if d.c.Idle() != idle || d.c.Done() != done {
		d.t.Errorf("idle %v, done %v, want %v, %v", d.c.Idle(), d.c.Done(), idle, done)
	}
	return d
}

func fault(err error) (Fault, bool) {
	e, ok := err.(*ResponseError)
	if !ok {
		return 0, false
	}
	return e.Fault, true
}
