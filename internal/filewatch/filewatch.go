// Package filewatch tells when files may have changed: their content, their names, or the
// symbolic links that lead to them.
package filewatch

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is the time without changes after which files are read: a renewal writes the certificate and the key one
// after the other.
const settleTime = 200 * time.Millisecond

// Watch calls Changed when one of its files may have changed, and Periodic at intervals, on
// a goroutine of its own. Its fields are set before Start and not changed afterwards.
type Watch struct {
	Files    []string
	Changed  func()
	First    time.Duration   // before the first call of Periodic; 0 means Every
	Every    time.Duration   // between calls of Periodic
	Periodic func(time.Time) // nil: nothing is called
	Failed   func(error)     // is told that a directory cannot be watched, or that events were lost

	watcher  *fsnotify.Watcher
	decisive map[string]bool // paths whose change matters; their directories have other files too
	settle   time.Duration
	done     chan struct{}
	ended    sync.WaitGroup
	once     sync.Once
}

// Start watches directories, since a renewal replaces a file, or a symbolic link to it, and a watch on the old file would
// report nothing more.
func (w *Watch) Start() error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching files: %w", err)
	}
	w.watcher = watcher
	w.settle = settleTime
	w.done = make(chan struct{})
	if err := w.watchDirectories(); err != nil {
		watcher.Close()
		return err
	}
	w.ended.Go(w.follow)
	return nil
}

// Close ends the watching. It waits for a call of Changed in progress. A Watch that was not
// started is closed too.
func (w *Watch) Close() error {
	if w.watcher == nil {
		return nil
	}
	w.once.Do(func() { close(w.done) })
	err := w.watcher.Close()
	w.ended.Wait()
	return err
}

// watchDirectories watches the directories on the path of each file, links followed. Adding one twice has no effect.
func (w *Watch) watchDirectories() error {
	w.decisive = make(map[string]bool)
	var failures []error
	for _, file := range w.Files {
		names, directories := decisiveFor(file)
		for _, name := range names {
			w.decisive[name] = true
		}
		for _, directory := range directories {
			if err := w.add(directory); err != nil {
				failures = append(failures, fmt.Errorf("watching %s: %w", directory, err))
			}
		}
	}
	return errors.Join(failures...)
}

// add watches directory, or the nearest one above it while it is missing.
func (w *Watch) add(directory string) error {
	for {
		err := w.watcher.Add(directory)
		if directory == "/" || !errors.Is(err, os.ErrNotExist) {
			return err
		}
		directory = filepath.Dir(directory)
	}
}

// longestLinkChain is the kernel's bound on symbolic links in one path.
const longestLinkChain = 40

// decisiveFor walks the path of file as the kernel does. It returns the paths of all elements, a change of which can
// change the file, and the directories in which to watch for that.
func decisiveFor(file string) (names, directories []string) {
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, nil
	}
	at, ahead := "/", strings.Split(file, "/")
	for len(ahead) > 0 {
		part := ahead[0]
		ahead = ahead[1:]
		next := filepath.Join(at, part) // which knows . and .. too
		if next == at || part == ".." {
			at = next
			continue
		}
		names = append(names, next)
		target, err := os.Readlink(next)
		if err != nil {
			at = next
			continue
		}
		if directories = append(directories, at); len(directories) > longestLinkChain {
			return names, directories
		}
		if filepath.IsAbs(target) {
			at = "/"
		}
		ahead = append(strings.Split(target, "/"), ahead...)
	}
	return names, append(directories, filepath.Dir(at))
}

func (w *Watch) follow() {
	var ticker *time.Ticker
	var interval <-chan time.Time
	if w.Periodic != nil {
		ticker = time.NewTicker(cmp.Or(w.First, w.Every))
		defer ticker.Stop()
		interval = ticker.C
	}
	// The first look finds changes since the first load.
	quiet := time.NewTimer(w.settle)
	defer quiet.Stop()
	for {
		select {
		case <-w.done:
			return
		case now := <-interval:
			ticker.Reset(w.Every)
			w.Periodic(now)
		case event, more := <-w.watcher.Events:
			if !more {
				return
			}
			// Reading a file must not count as a change to it.
			if event.Op != fsnotify.Chmod && w.decisive[event.Name] {
				quiet.Reset(w.settle)
			}
		case err, more := <-w.watcher.Errors:
			if !more {
				return
			}
			// Events were lost, so the files are read.
			w.Failed(err)
			quiet.Reset(w.settle)
		case <-quiet.C:
			w.changed()
		}
	}
}

// changed renews the watch, so that no later change is missed, and calls Changed.
func (w *Watch) changed() {
	if err := w.watchDirectories(); err != nil {
		w.Failed(err)
	}
	w.Changed()
}
