package auth

import (
	"bytes"
	"io"
	"os"

	"github.com/gatewheel/gatewheel/internal/filewatch"
)

// fileSize is the largest file that is read.
const fileSize = 16 << 20

// watchedFile is a file that is read again when it has changed.
type watchedFile struct {
	path    string
	content []byte // of the last successful look
	load    func(content []byte) error
	warn    func(error)
	watch   filewatch.Watch
}

// openFile calls load with the content of the file, and again after each change, on a goroutine of
// its own; what fails then is passed to warn, which may be nil.
func openFile(path string, load func(content []byte) error, warn func(error)) (*watchedFile, error) {
	if warn == nil {
		warn = func(error) {}
	}
	f := &watchedFile{path: path, load: load, warn: warn}
	if err := f.look(); err != nil {
		return nil, err
	}
	f.watch.Files, f.watch.Failed = []string{path}, warn
	f.watch.Changed = func() {
		if err := f.look(); err != nil {
			f.warn(err)
		}
	}
	return f, f.watch.Start()
}

// look loads the file if its content has changed.
func (f *watchedFile) look() error {
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, fileSize+1))
	switch {
	case err != nil:
		return err
	case len(content) > fileSize:
		return &os.PathError{Op: "read", Path: f.path, Err: errTooLarge}
	case f.content != nil && bytes.Equal(content, f.content):
		return nil
	}
	if err := f.load(content); err != nil {
		return err
	}
	f.content = content
	return nil
}

// Close ends the watch.
func (f *watchedFile) Close() { f.watch.Close() }
