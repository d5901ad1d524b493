package h1

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// A dialogue plays a peer and an application around one connection: hear gives
// bytes to the machine, as a session would, and said returns what it wrote.
type dialogue struct {
	t     testing.TB
	c     Conn
	sh    *Shared
	ev    Event
	kept  []byte
	trace []string
	err   error
	// app acts on every event but NeedMore; nil: answer 200 with "ok" when a
	// request is complete.
	app func(d *dialogue)
}

func newDialogue(t testing.TB, l Limits) *dialogue { return newDialogueOn(t, NewShared(l)) }

func newDialogueOn(t testing.TB, sh *Shared) *dialogue {
	d := &dialogue{t: t, sh: sh}
	d.c.Init(d.sh)
	return d
}

// silent is an application that gives no response by itself.
func silent(*dialogue) {}

func answerOK(d *dialogue) {
	if d.ev.Kind == Request && d.ev.Head.ContentLength == 0 || d.ev.Kind == End {
		if err := d.c.Respond(d.ev.ID, &Response{Status: 200, Bytes: []byte("ok")}); err != nil && err != ErrGone {
			d.t.Fatal(err)
		}
	}
}

// hear presents more bytes and follows events until none is left.
func (d *dialogue) hear(more string) *dialogue {
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
		case NeedMore, Blocked, Closed, Switched:
			return d
		}
		if d.app == nil {
			answerOK(d)
		} else {
			d.app(d)
		}
	}
	d.t.Fatal("Next does not come to rest")
	return d
}

// note records an event in words; pieces of content join.
func (d *dialogue) note(err error) {
	ev := &d.ev
	switch {
	case err != nil:
		d.trace = append(d.trace, err.Error())
	case ev.Kind == Request:
		d.trace = append(d.trace, describe(ev.ID, &ev.Head))
	case ev.Kind == Data:
		begin := fmt.Sprintf("%d data ", ev.ID)
		if last := len(d.trace) - 1; last >= 0 && strings.HasPrefix(d.trace[last], begin) {
			d.trace[last] += string(ev.Data)
			return
		}
		d.trace = append(d.trace, begin+string(ev.Data))
	case ev.Kind == End:
		d.trace = append(d.trace, strings.TrimSpace(fmt.Sprintf("%d end %s", ev.ID, fieldWords(ev.Trailers))))
	}
}

func describe(id uint64, h *Head) string {
	s := fmt.Sprintf("%d %s", id, h.Method)
	word := func(name, value string) {
		if value != "" {
			s += " " + name + "=" + value
		}
	}
	word([...]string{"origin", "absolute", "authority", "asterisk"}[h.Form], h.Target)
	word("scheme", h.Scheme)
	word("host", h.Authority)
	word("path", h.Path)
	word("query", h.Query)
	s += fmt.Sprintf(" 1.%d length=%d", h.Minor, h.ContentLength)
	if h.ExpectContinue {
		s += " expects"
	}
	if h.KeepAlive {
		s += " keeps"
	}
	word("upgrade", h.Upgrade)
	return s + " " + fieldWords(h.Fields)
}

func fieldWords(fields []Field) string {
	words := make([]string, len(fields))
	for i, f := range fields {
		words[i] = fmt.Sprintf("%s:%q", f.Name, f.Value)
	}
	return strings.Join(words, " ")
}

// said pulls all that the machine has to say.
func (d *dialogue) said() string { return pullAll(d.c.Transmit) }

func pullAll(transmit func(dst []byte, room int) []byte) string {
	var out []byte
	for {
		next := transmit(out, 1<<16)
		if len(next) == len(out) {
			return string(next)
		}
		out = next
	}
}

// says checks the next output. Lines may be written with LF alone; then all
// ends of lines, those of content too, are taken for CR LF.
func (d *dialogue) says(want string) *dialogue {
	d.t.Helper()
	checkOutput(d.t, d.said(), want)
	return d
}

func checkOutput(t testing.TB, got, want string) {
	t.Helper()
	if !strings.Contains(want, "\r\n") {
		want = strings.ReplaceAll(want, "\n", "\r\n")
	}
	if got != want {
		t.Errorf("the machine says\n%q, want\n%q", got, want)
	}
}

// tells checks the events since the last call.
func (d *dialogue) tells(want ...string) *dialogue {
	d.t.Helper()
	checkTrace(d.t, &d.trace, want)
	return d
}

func checkTrace(t testing.TB, trace *[]string, want []string) {
	t.Helper()
	if !slices.Equal(*trace, want) {
		t.Errorf("the machine tells\n%s\nwant\n%s", strings.Join(*trace, "\n"), strings.Join(want, "\n"))
	}
	*trace = nil
}

// ends checks Done.
func (d *dialogue) ends(done, linger bool) *dialogue {
	d.t.Helper()
	if gotDone, gotLinger := d.c.Done(); gotDone != done || gotLinger != linger {
		d.t.Errorf("Done says %v, %v, want %v, %v", gotDone, gotLinger, done, linger)
	}
	return d
}

func (d *dialogue) answers(id uint64, r *Response) *dialogue {
	d.t.Helper()
	if err := d.c.Respond(id, r); err != nil {
		d.t.Errorf("Respond(%d): %v", id, err)
	}
	return d
}

// resumes announces that the Source of a response has more.
func (d *dialogue) resumes(id uint64) *dialogue {
	d.c.Resume(id)
	return d
}

// play runs one connection over the pieces and returns all that came of it.
func play(t testing.TB, l Limits, app func(*dialogue), pieces ...string) (trace []string, out string, d *dialogue) {
	t.Helper()
	return playOn(t, NewShared(l), app, pieces...)
}

func playOn(t testing.TB, sh *Shared, app func(*dialogue), pieces ...string) (trace []string, out string, d *dialogue) {
	t.Helper()
	d = newDialogueOn(t, sh)
	d.app = app
	for _, piece := range pieces {
		d.hear(piece)
		for d.ev.Kind == Blocked {
			said := d.said()
			if said == "" {
				break
			}
			out += said
			d.hear("")
		}
	}
	return d.trace, out + d.said(), d
}

// splitAt splits in into pieces of sizes that cuts chooses.
func splitAt(in string, cuts uint64) (pieces []string) {
	for in != "" {
		n := min(1+int(cuts&7)*int(cuts>>3&3), len(in))
		cuts = cuts>>5 | cuts<<59
		pieces = append(pieces, in[:n])
		in = in[n:]
	}
	return pieces
}

func bytesOf(s string) []string { return strings.Split(s, "") }

// feed is a Source that gives its pieces one by one; an empty piece is a pause.
type feed struct {
	pieces   []string
	trailers []Field
	err      error // after the last piece; nil: io.EOF
	early    bool  // return the end along with the last piece
}

func (f *feed) Read(p []byte) (int, error) {
	end := f.err
	if end == nil {
		end = io.EOF
	}
	if len(f.pieces) == 0 {
		return 0, end
	}
	n := copy(p, f.pieces[0])
	f.pieces[0] = f.pieces[0][n:]
	if f.pieces[0] == "" {
		f.pieces = f.pieces[1:]
	}
	if len(f.pieces) == 0 && f.early {
		return n, end
	}
	return n, nil
}

func (f *feed) Trailers() []Field { return f.trailers }
