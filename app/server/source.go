//go:build linux

package server

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/h1"
	"github.com/gatewheel/gatewheel/h2"
)

// sourceReader is content of a response that runs no user code, as the machine reads it. The loop uses it again. It
// belongs to the loop.
type sourceReader struct {
	x        *exchange // nil: it is not in use
	source   spi.Source
	left     int64 // bytes of its length; -1: unknown
	trailers app.Fields
	waiting  bool // for more content
	// awaitsEnd is set once WaitEnd of source was called: source may call resume, even when it is closed.
	awaitsEnd bool
	ready     func() // resume
}

var (
	_ h1.TrailerSource = (*sourceReader)(nil)
	_ h2.TrailerSource = (*sourceReader)(nil)
)

// sourceReader returns a reader of content for x.
func (l *loop) sourceReader(x *exchange, content spi.Source) *sourceReader {
	s := l.sources.Take()
	if s == nil {
		s = &sourceReader{}
		s.ready = s.resume
	}
	s.x, s.source, s.left, s.trailers = x, content, content.Length(), nil
	return s
}

// free keeps s for reuse once its exchange has ended. One that waits for content or for the end is left to the garbage
// collector: its content may still call resume.
func (s *sourceReader) free() {
	l, waits := s.x.loop, s.waiting || s.awaitsEnd
	s.x, s.source, s.waiting, s.awaitsEnd = nil, nil, false, false
	if waits {
		l.sources.Forget()
		return
	}
	l.sources.Give(s)
}

// Read implements the machines' Source.
func (s *sourceReader) Read(p []byte) (int, error) {
	x := s.x
	if x == nil || s.waiting {
		return 0, nil
	}
	x.firstRead()
	for {
		n, err := s.source.Read(p)
		x.sent += int64(n)
		switch err = checkLength(&s.left, n, err); {
		case err == io.EOF:
			s.trailers = s.source.Trailers() // the end frees s
			x.outputEnded(nil)
		case err != nil:
			x.outputEnded(err)
		case n == 0 && len(p) > 0:
			s.waiting = true
			s.source.Wait(s.ready)
			if !s.waiting {
				continue // it has more already
			}
		case n == 0:
			if w, ok := s.source.(spi.EndWaiter); ok {
				s.awaitsEnd = true
				w.WaitEnd(s.ready)
			}
		}
		return n, err
	}
}

// Trailers implements the machines' TrailerSource.
func (s *sourceReader) Trailers() []app.Field { return s.trailers }

// resume makes the machine read again. It is called by the content, on the loop.
func (s *sourceReader) resume() {
	x := s.x
	if x == nil || !x.loop.r.Enter(nil) {
		return
	}
	defer x.loop.r.Leave()
	if s.waiting = false; !x.gone && !x.ended {
		x.session.resume(&x.stream)
	}
}
