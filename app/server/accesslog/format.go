//go:build linux

// Package accesslog writes a line for each request of a server, in the format of its user, to a file or a stream.
//
// A Log is an observer of a server: its loops render lines and put them into a queue, which they alone fill, and a
// goroutine of the Log writes them. Loops never wait for it: a line that finds its queue full is dropped and counted.
package accesslog

import (
	"sync"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// presets are the formats that have a name; json and logfmt have no text.
var presets = map[string]string{
	"common":   `%h %l %u %t "%r" %>s %b`,
	"combined": `%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`,
	"tiny":     `%m %U%q %s %B %d`,
	"json":     "",
	"logfmt":   "",
}

// Format renders lines. It does not change after Compile.
type Format struct {
	steps      []step
	render     func(l *line) // of json and logfmt, in place of steps
	slots      int           // of a clock
	showsEvent bool          // open and close lines differ
	response   []string      // names of the fields of responses that are shown
}

// step is a literal, then an atom.
type step struct {
	literal string
	append  func(l *line) // nil: none follows
	empty   bool          // no value is nothing, in place of "-"
	quoted  bool          // the atom is between quotation marks
	filter  *statuses     // nil: for every status
}

// lines are for Append.
var lines = sync.Pool{New: func() any { return new(line) }}

// Append appends the line of a request that has ended, or is in progress, with a newline at its end. Any goroutine, if
// r and rec do not change meanwhile.
func (f *Format) Append(dst []byte, r *app.Request, rec *server.Record) []byte {
	l := lines.Get().(*line)
	defer lines.Put(l)
	l.times.texts = l.times.texts[:0] // slots differ between formats
	return append(dst, f.appendTo(l, r, rec)...)
}

// appendTo renders a line into the memory of l.
func (f *Format) appendTo(l *line, r *app.Request, rec *server.Record) []byte {
	l.begin(r, rec)
	defer l.end()
	l.buf = l.buf[:0]
	if f.render != nil {
		f.render(l)
		return l.buf
	}
	for i := range f.steps {
		s := &f.steps[i]
		l.buf = append(l.buf, s.literal...)
		if s.append == nil {
			continue
		}
		before := len(l.buf)
		if s.filter == nil || s.filter.admit(rec.Status) {
			l.quoted = s.quoted
			s.append(l)
		}
		if len(l.buf) == before && !s.empty {
			l.buf = append(l.buf, '-')
		}
	}
	l.buf = append(l.buf, '\n')
	return l.buf
}

// nextSlot returns a slot of the clock.
func (f *Format) nextSlot() int {
	f.slots++
	return slots + f.slots - 1
}

// statuses is the list of a modifier, as in %!200,304{Referer}i.
type statuses struct {
	codes []int
	not   bool
}

func (s *statuses) admit(status int) bool {
	for _, code := range s.codes {
		if code == status {
			return !s.not
		}
	}
	return s.not
}
