//go:build linux

package server

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
)

// pullSource is content that the application can always give, as the machine's source.
type pullSource struct {
	x    *exchange
	pull *app.Pull
	left int64 // of its Size; -1: not known
}

// Read implements the machines' Source.
func (s *pullSource) Read(p []byte) (int, error) {
	x := s.x
	x.loop.r.Lend(x.conn, x)
	n, err := x.loop.pull(s.pull, p)
	x.loop.r.Reclaim()
	x.sent += int64(n)
	switch err = s.judge(n, len(p), err); err {
	case nil:
	case io.EOF:
		x.outputEnded(nil)
	default:
		x.outputEnded(err)
	}
	return n, err
}

// judge holds what came against Size, and wants progress.
func (s *pullSource) judge(n, asked int, err error) error {
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
	if err == nil && n == 0 && asked > 0 {
		return io.ErrNoProgress
	}
	return err
}
