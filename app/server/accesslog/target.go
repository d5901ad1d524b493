//go:build linux

package accesslog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gopkg.in/natefinch/lumberjack.v2"
)

// target is where lines go. Its methods may block; all but interrupt are called by the writer.
type target interface {
	// write writes whole lines. It reports how many bytes were taken.
	write(p []byte) (int, error)
	// check opens the target again if its file was renamed or deleted. opened reports whether it did.
	check() (opened bool, err error)
	// reopen opens the target again.
	reopen() error
	// interrupt ends a write that blocks, where the system can. Any goroutine.
	interrupt()
	close() error
}

// openTarget opens the target of o. A named pipe without a reader is no error: it may come later.
func openTarget(o *Options) (target, error) {
	if o.MaxSize > 0 && (o.Target == "stdout" || o.Target == "stderr") {
		return nil, fmt.Errorf("access log: %s has no size that could be limited", o.Target)
	}
	switch o.Target {
	case "":
		return nil, errors.New("access log: the target is missing")
	case "stdout":
		return openStream(1, "standard output")
	case "stderr":
		return openStream(2, "standard error")
	}
	if o.MaxSize > 0 {
		return openRotated(o)
	}
	f := &file{path: o.Target}
	if err := f.reopen(); err != nil && !errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("access log: %w", err)
	}
	return f, nil
}

// stream is a descriptor that the process was started with.
type stream struct{ *os.File }

// openStream opens a copy of the descriptor fd. Go's runtime puts /dev/null, for reading and writing, in the place of
// one that was closed when the process started.
func openStream(fd int, name string) (target, error) {
	var stat unix.Stat_t
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err == nil {
		err = unix.Fstat(fd, &stat)
	}
	if err != nil {
		return nil, fmt.Errorf("access log: %s: %w", name, err)
	}
	isNull := stat.Mode&unix.S_IFMT == unix.S_IFCHR && stat.Rdev == unix.Mkdev(1, 3)
	if isNull && flags&unix.O_ACCMODE == unix.O_RDWR {
		return nil, fmt.Errorf("access log: %s is closed, or is /dev/null", name)
	}
	if flags&unix.O_ACCMODE == unix.O_RDONLY {
		return nil, fmt.Errorf("access log: %s is open for reading only", name)
	}
	// A copy: the runtime ends the process when a write to descriptor 1 or 2 finds a closed pipe.
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("access log: %s: %w", name, err)
	}
	return stream{os.NewFile(uintptr(own), name)}, nil
}

func (s stream) write(p []byte) (int, error) { return s.Write(p) }
func (s stream) check() (bool, error)        { return false, nil }
func (s stream) reopen() error               { return nil }
func (s stream) interrupt()                  { _ = s.SetWriteDeadline(time.Unix(1, 0)) }
func (s stream) close() error                { return s.Close() }

// file is a path: a file, a named pipe or a device.
type file struct {
	path string
	open atomic.Pointer[os.File] // nil: it could not be opened yet
	info fs.FileInfo
}

var errNotOpen = errors.New("it is not open")

func (f *file) write(p []byte) (int, error) {
	open := f.open.Load()
	if open == nil {
		return 0, &fs.PathError{Op: "write", Path: f.path, Err: errNotOpen}
	}
	return open.Write(p)
}

// check implements target. A file that cannot be opened again leaves the old one in use.
func (f *file) check() (opened bool, err error) {
	if f.open.Load() != nil {
		if info, err := os.Stat(f.path); err == nil && os.SameFile(info, f.info) {
			return false, nil
		}
	}
	if err := f.reopen(); err != nil {
		return false, err
	}
	return true, nil
}

// reopen implements target. It does not wait for the reader of a named pipe.
func (f *file) reopen() error {
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o640)
	if err != nil {
		return err
	}
	info, err := opened.Stat()
	if err != nil {
		_ = opened.Close()
		return err
	}
	f.info = info
	if old := f.open.Swap(opened); old != nil {
		_ = old.Close()
	}
	return nil
}

// interrupt implements target, for a named pipe that nobody reads.
func (f *file) interrupt() {
	if open := f.open.Load(); open != nil {
		_ = open.SetWriteDeadline(time.Unix(1, 0))
	}
}

func (f *file) close() error {
	if open := f.open.Load(); open != nil {
		return open.Close()
	}
	return nil
}

// rotated is a file that is renamed when it has reached its size.
type rotated struct {
	lumberjack.Logger
	info fs.FileInfo // of the file when check looked last
}

const mebibyte = 1 << 20

func openRotated(o *Options) (target, error) {
	if info, err := os.Stat(o.Target); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("access log: %s is no regular file, and has no size that could be limited", o.Target)
	}
	// lumberjack opens the file for the first line: a mistake is to be found at the start.
	probe, err := os.OpenFile(o.Target, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("access log: %w", err)
	}
	_ = probe.Close()
	r := &rotated{}
	r.Filename, r.MaxBackups, r.MaxAge, r.Compress = o.Target, o.MaxFiles, o.MaxDays, o.Compress
	r.MaxSize = int((o.MaxSize + mebibyte - 1) / mebibyte)
	return r, nil
}

func (r *rotated) write(p []byte) (int, error) { return r.Logger.Write(p) }

// check implements target. The file is closed if another one has its name, and opened by the next line; so it is after a
// rotation of its own, which does no harm.
func (r *rotated) check() (opened bool, err error) {
	info, err := os.Stat(r.Filename)
	if err == nil && r.info != nil && os.SameFile(info, r.info) {
		return false, nil
	}
	r.info = info
	return true, r.Logger.Close()
}

func (r *rotated) reopen() error { return r.Logger.Close() }
func (r *rotated) interrupt()    {}
func (r *rotated) close() error  { return r.Logger.Close() }
