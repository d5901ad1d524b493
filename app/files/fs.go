package files

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app/internal/entitytag"
)

// FS returns the files of fsys, which may be an embed.FS or an archive (zip.Reader), to be served
// as those of Open are. For a part of an embed.FS (fs.Sub), Embedded is faster, since FS cannot see
// that its files never change. FS fails if an option is invalid.
//
// Files of an embed.FS have entity tags by their content and no Last-Modified, since they have
// no times; they do not change, and small ones are held in memory and answered on the loop. Of
// other file systems, files with a time have a weak entity tag by time and length, unless the
// system describes them as the operating system does (os.Root.FS); files without one are read
// twice, for their sum. fsys is used on the pool only, by several goroutines at a time. Symbolic
// links are followed as fsys does: os.DirFS follows them out of its directory, os.Root.FS does
// not.
func FS(fsys fs.FS, options Options) (*Dir, error) {
	_, embedded := fsys.(embed.FS)
	return newDir(&fileSystem{fsys: fsys, embedded: embedded}, options)
}

// Embedded returns the files of fsys, which must never change, such as those of an embed.FS or of
// fs.Sub of one. They have entity tags by their content, are read once, and small ones are held in
// memory and answered on the loop. It fails if an option is invalid.
func Embedded(fsys fs.FS, options Options) (*Dir, error) {
	return newDir(&fileSystem{fsys: fsys, embedded: true}, options)
}

// fileSystem is an fs.FS as a source, and as its only tree.
type fileSystem struct {
	fsys     fs.FS
	embedded bool     // files never change
	tags     sync.Map // of names to entity tags, if files never change
	closed   atomic.Bool
}

// acquire implements source.
func (s *fileSystem) acquire() (tree, error) {
	if s.closed.Load() {
		return nil, os.ErrClosed
	}
	return s, nil
}

// close implements source.
func (s *fileSystem) close() error {
	s.closed.Store(true)
	return nil
}

// release implements tree.
func (s *fileSystem) release() {}

// absolute implements tree.
func (s *fileSystem) absolute(string) string { return "" }

// stat implements tree.
func (s *fileSystem) stat(name string) (fs.FileInfo, error) { return fs.Stat(s.fsys, name) }

// open implements tree.
func (s *fileSystem) open(name string) (file, fs.FileInfo, error) {
	f, err := s.fsys.Open(name)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	whole, readsAnywhere := f.(file)
	_, onDisk := f.(*os.File)
	switch {
	case readsAnywhere && s.embedded && !onDisk && !info.IsDir():
		return resident{whole}, info, nil
	case readsAnywhere:
		return whole, info, nil
	}
	return &sequential{File: f, reopen: func() (fs.File, error) { return s.fsys.Open(name) }}, info, nil
}

// resident is a file whose content is in memory.
type resident struct{ file }

// validators implements tree.
func (s *fileSystem) validators(name string, f file, info fs.FileInfo, now time.Time) (validators, error) {
	if s.embedded {
		tag, err := s.tag(name, f, info.Size())
		return validators{etag: tag, now: now}, err
	}
	if isFromSystem(info) {
		return fileValidators(info, now), nil
	}
	at := info.ModTime()
	if at.IsZero() {
		tag, err := sumOf(f, info.Size())
		return validators{etag: tag, now: now}, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", info.Size(), at.UnixNano()))
	return validators{etag: entitytag.Weak(entitytag.FromSum(sum[:])), modified: at, changed: at, now: now}, nil
}

// tag returns the entity tag of a file that never changes.
func (s *fileSystem) tag(name string, f file, size int64) (string, error) {
	if tag, ok := s.tags.Load(name); ok {
		return tag.(string), nil
	}
	tag, err := sumOf(f, size)
	if err == nil {
		s.tags.Store(name, tag)
	}
	return tag, err
}

// sumOf returns the entity tag of the content of a file.
func sumOf(f file, size int64) (string, error) {
	sum := sha256.New()
	n, err := io.Copy(sum, io.NewSectionReader(f, 0, size))
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	return entitytag.FromSum(sum.Sum(nil)), err
}

// sequential reads a file that has no ReadAt from its start to its end; a read before the place
// that it has reached opens the file anew. It is for one goroutine at a time.
type sequential struct {
	fs.File
	reopen func() (fs.File, error)
	at     int64
}

// ReadAt implements io.ReaderAt.
func (s *sequential) ReadAt(p []byte, offset int64) (int, error) {
	if offset < s.at {
		again, err := s.reopen()
		if err != nil {
			return 0, err
		}
		s.File.Close()
		s.File, s.at = again, 0
	}
	if skip := offset - s.at; skip > 0 {
		n, err := io.CopyN(io.Discard, s.File, skip)
		s.at += n
		if err != nil {
			return 0, err
		}
	}
	n, err := io.ReadFull(s.File, p)
	s.at += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err
}

// ReadDir implements fs.ReadDirFile.
func (s *sequential) ReadDir(n int) ([]fs.DirEntry, error) {
	if d, ok := s.File.(fs.ReadDirFile); ok {
		return d.ReadDir(n)
	}
	return nil, errNoList
}

var errNoList = errors.New("files: the file system does not list directories")
