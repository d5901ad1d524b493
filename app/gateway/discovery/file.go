package discovery

import (
	"context"
	"fmt"

	"github.com/gatewheel/gatewheel/internal/filewatch"
)

// File is a Source of endpoints in a file, which is read again when it changes, also by a
// swap of a symbolic link that leads to it. A file that cannot be read or has mistakes
// leaves what was known in force.
type File struct {
	// Path is the path of the file.
	Path string
	// Read returns the sources that the file names.
	Read func(path string) ([]Source, error)
	// Failed, if not nil, is told why the file cannot be used, once for each failure. It is
	// called on a goroutine of the source.
	Failed func(error)
}

// Watch implements Source.
func (f *File) Watch(ctx context.Context, found func([]Endpoint)) {
	changed := make(chan struct{}, 1)
	change := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	w := &filewatch.Watch{Files: []string{f.Path}, Changed: change, Failed: f.fail}
	if err := w.Start(); err != nil {
		f.fail(err)
	}
	defer func() { _ = w.Close() }()
	change()
	stop := func() {}
	defer func() { stop() }()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		sources, err := f.Read(f.Path)
		if err != nil {
			f.fail(fmt.Errorf("%s: %w", f.Path, err))
			continue
		}
		stop()
		stop = watch(ctx, Join(sources...), found)
	}
}

// watch begins to watch a source on a goroutine of its own. stop ends it, and waits.
func watch(ctx context.Context, s Source, found func([]Endpoint)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Watch(ctx, found)
	}()
	return func() {
		cancel()
		<-ended
	}
}

func (f *File) fail(err error) {
	if f.Failed != nil {
		f.Failed(err)
	}
}
