package input

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	Attach(r *app.Request, e *ending.Entry, listener ending.Listener) bool
	Spawn(r *app.Request, f func())
})

// File is a file of a form, in a temporary file until the request has ended.
type File struct {
	// Name, FileName and ContentType are those of the Part.
	Name, FileName, ContentType string
	// Size is the length in bytes.
	Size int64

	path  string
	taken atomic.Bool // by Keep, or removed
	spool *spool
}

// ErrFileGone reports that a file was kept or removed before.
var ErrFileGone = errors.New("input: the temporary file is gone")

// Open opens the file for reading. An open file can be read after the request has ended. Any
// goroutine but a loop's, since it may block.
func (f *File) Open() (*os.File, error) {
	if f.taken.Load() {
		return nil, ErrFileGone
	}
	return os.Open(f.path)
}

// Keep renames the file to path, so that it is not removed. MultipartOptions.Dir must be on
// the same file system. It fails with ErrFileGone, and as os.Rename does. Any goroutine but a
// loop's, since it may block.
func (f *File) Keep(path string) error {
	if !f.taken.CompareAndSwap(false, true) {
		return ErrFileGone
	}
	err := os.Rename(f.path, path)
	if err != nil {
		f.taken.Store(false)
		if f.spool.hasEnded() {
			f.remove()
		}
	}
	return err
}

func (f *File) remove() {
	if f.taken.CompareAndSwap(false, true) {
		_ = os.Remove(f.path)
	}
}

// spool has the temporary files of a request.
type spool struct {
	r     *app.Request
	entry ending.Entry

	mu    sync.Mutex // not held while the file system is used
	ended bool
	files []*File // nil: none yet
}

// save makes a temporary file of a part. Off the loop.
func (s *spool) save(p *Part, o MultipartOptions) (*File, error) {
	temporary, err := os.CreateTemp(o.Dir, "upload-*")
	if err != nil {
		return nil, err
	}
	f := &File{Name: p.Name, FileName: p.FileName, ContentType: p.ContentType, path: temporary.Name(), spool: s}
	if !s.add(f) {
		f.remove()
	}
	f.Size, err = io.Copy(temporary, io.LimitReader(p, o.FileLimit+1))
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err == nil && f.Size > o.FileLimit {
		err = app.Statusf(413, "the file %s is larger than %d bytes", quoted(f.FileName), o.FileLimit)
	}
	return f, err
}

// add adds a file, which is removed when the request ends. It reports false if that has
// happened.
func (s *spool) add(f *File) bool {
	s.mu.Lock()
	first := len(s.files) == 0
	s.files = append(s.files, f)
	ended := s.ended
	s.mu.Unlock()
	if ended || !first {
		return !ended
	}
	if core.Attach(s.r, &s.entry, s) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	return false
}

func (s *spool) hasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Ended implements ending.Listener. It may run on the loop, which does not wait for the file
// system.
func (s *spool) Ended(error) {
	s.mu.Lock()
	s.ended = true
	files := s.files
	s.mu.Unlock()
	core.Spawn(s.r, func() {
		for _, f := range files {
			f.remove()
		}
	})
}
