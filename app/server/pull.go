//go:build linux

package server

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
)

// pullSource is an app.Pull as a source of the machine.
type pullSource struct {
	x       *exchange
	pull    *app.Pull
	left    int64 // bytes of its Size; -1: unknown
	waiting bool  // for more from the application
}

// Read implements the machines' Source.
func (s *pullSource) Read(p []byte) (int, error) {
	x := s.x
	if s.waiting {
		return 0, nil
	}
	x.loop.r.Lend(x.conn, &x.subject)
	n, err := x.loop.pull(s.pull, p)
	x.loop.r.Reclaim()
	x.sent += int64(n)
	switch err = s.check(n, len(p), err); err {
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

// check returns the error of a read, given its results: it compares them with Size, and requires progress.
func (s *pullSource) check(n, asked int, err error) error {
	if s.left >= 0 {
		s.left -= int64(n)
		switch {
		case s.left < 0:
			return app.ErrTooLong
		case s.left > 0 && err == io.EOF:
			return io.ErrUnexpectedEOF
		case s.left == 0 && err == nil && n == 0:
			return io.EOF
		}
	}
	if err == nil && n == 0 && asked > 0 && s.pull.Wait == nil {
		return io.ErrNoProgress
	}
	return err
}

// wait asks the application to call resume when it has more. That is user code, which must not run while the machine is
// pulling, so it goes through the inbox.
func (s *pullSource) wait() {
	s.waiting = true
	x := s.x
	x.loop.r.Post(func() {
		x.loop.run(x, func() { s.pull.Wait(s.resume) })
	})
}

// resume is called by the application.
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
