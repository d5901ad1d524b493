//go:build unix

package logqueue

import (
	"io"
	"os"
	"syscall"
)

// Write implements io.Writer.
func (StderrWriter) Write(p []byte) (n int, err error) {
	raw, err := os.Stderr.SyscallConn()
	if err != nil {
		return 0, err
	}
	for n < len(p) {
		var written int
		var failure error
		// The function reports false for a descriptor that does not block and has no room.
		err := raw.Write(func(fd uintptr) bool {
			written, failure = syscall.Write(int(fd), p[n:])
			return failure != syscall.EAGAIN
		})
		switch {
		case err != nil:
			return n, err
		case failure == syscall.EINTR:
			continue
		case failure != nil:
			return n, os.NewSyscallError("write", failure)
		case written == 0:
			return n, io.ErrUnexpectedEOF
		}
		n += written
	}
	return n, nil
}
