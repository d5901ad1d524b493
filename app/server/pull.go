//go:build linux

package server

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/h1"
)

// pullSource is an app.Pull, as the machine reads it.
type pullSource struct {
	x       *exchange
	pull    *app.Pull
	left    int64 // bytes of its Size; -1: unknown
	waiting bool  // for more from the application
	copies  bool  // sendfile does not work on this file
	failed  error // a panic of Spans, for the next Read
}

var (
	_ h1.FileSource    = (*pullSource)(nil)
	_ h1.TrailerSource = (*trailedSource)(nil)
)

// spanMost is how much of a file is sent in a turn, before other connections have theirs.
const spanMost = 512 << 10

// Send implements h1.FileSource: what is a span of a file in memory goes to the socket by sendfile.
func (s *pullSource) Send(limit int64, behind bool) (sent int64, wait bool) {
	x := s.x
	spans := s.pull.Spans
	if spans == nil || s.copies || s.waiting {
		return 0, false
	}
	if behind {
		return 0, x.conn.FollowWithFile()
	}
	x.firstRead()
	x.loop.r.Lend(x.conn, &x.subject)
	fd, offset, n, err := x.loop.span(spans, int(min(limit, spanMost)))
	x.loop.r.Reclaim()
	if s.failed = err; n == 0 {
		return 0, false
	}
	n, err = x.conn.SendFile(&x.subject, fd, offset, n)
	if err != nil {
		s.copies = true
		return 0, false
	}
	x.loop.r.Lend(x.conn, &x.subject)
	s.failed = x.loop.skip(spans, n)
	x.loop.r.Reclaim()
	x.sent += int64(n)
	if s.left >= 0 {
		s.left -= int64(n)
	}
	return int64(n), true
}

// Read implements the machines' Source.
func (s *pullSource) Read(p []byte) (int, error) {
	x := s.x
	if s.waiting {
		return 0, nil
	}
	x.firstRead()
	if s.failed != nil {
		x.outputEnded(s.failed)
		return 0, s.failed
	}
	x.loop.r.Lend(x.conn, &x.subject)
	n, err := x.loop.pull(s.pull, p)
	x.loop.r.Reclaim()
	x.sent += int64(n)
	switch err = checkRead(s.pull, &s.left, n, len(p), err); err {
	case nil:
		if n == 0 && len(p) > 0 {
			s.wait()
		}
	case io.EOF:
		x.outputEnded(nil)
	default:
		x.outputEnded(err)
	}
	return n, err
}

// trailedSource is a pullSource with trailers.
type trailedSource struct{ *pullSource }

// Trailers implements the machines' TrailerSource. After a panic, which is reported, there are no trailers.
func (s *trailedSource) Trailers() (trailers []app.Field) {
	s.x.loop.runFor(s.x.conn, s.x, func() { trailers = s.pull.Trailers() })
	return trailers
}

// checkRead returns the error of a read of p, given its results and the number of bytes asked for. It does what
// checkLength does. Content that cannot wait must make progress. Content without trailers has ended when its length was
// read, whether it reports that or not; trailers come with the end that it reports.
func checkRead(p *app.Pull, left *int64, n, asked int, err error) error {
	switch err = checkLength(left, n, err); {
	case err != nil || n > 0:
		return err
	case *left == 0 && (p.Trailers == nil || p.Wait == nil):
		return io.EOF
	case asked > 0 && p.Wait == nil:
		return io.ErrNoProgress
	}
	return nil
}

// checkLength returns the error of a read of n bytes. It compares them with the rest of the content's length, which it
// updates; -1 is unknown.
func checkLength(left *int64, n int, err error) error {
	if *left < 0 {
		return err
	}
	switch *left -= int64(n); {
	case *left < 0:
		return app.ErrTooLong
	case *left > 0 && err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}

// wait calls Pull.Wait, in a task: it is user code, which must not run while the machine is pulling. The application
// calls resume when it has more.
func (s *pullSource) wait() {
	s.waiting = true
	x := s.x
	x.loop.r.Post(func() {
		x.loop.run(x, func() { s.pull.Wait(s.resume) })
	})
}

// resume makes the machine read again. It is called by the application, on the loop.
func (s *pullSource) resume() {
	x := s.x
	if !x.enter() {
		return
	}
	defer x.leave()
	if s.waiting && !x.gone && !x.ended {
		s.waiting = false
		x.session.resume(&x.stream)
	}
}
