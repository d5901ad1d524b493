package certs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// settleTime is the time without changes after which files are read: a renewal writes the certificate and the key one
// after the other.
const settleTime = 200 * time.Millisecond

// fileWatch is the goroutine that reloads when files change and rotates ticket keys.
type fileWatch struct {
	watcher  *fsnotify.Watcher
	decisive map[string]bool // paths whose change matters; their directories have other files too
	settle   time.Duration
	done     chan struct{}
	ended    sync.WaitGroup
	once     sync.Once
}

// startWatching watches directories, since a renewal replaces a file, or a symbolic link to it, and a watch on the old
// file would report nothing more.
func (s *Store) startWatching() error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching certificate files: %w", err)
	}
	s.watch.watcher = watcher
	s.watch.settle = settleTime
	s.watch.done = make(chan struct{})
	if err := s.watchDirectories(); err != nil {
		watcher.Close()
		return err
	}
	s.watch.ended.Go(s.follow)
	return nil
}

// watchDirectories watches the directories on the path of each file, links followed. Adding one twice has no effect.
func (s *Store) watchDirectories() error {
	s.watch.decisive = make(map[string]bool)
	var failures []error
	for _, file := range s.files() {
		names, directories := decisiveFor(file)
		for _, name := range names {
			s.watch.decisive[name] = true
		}
		for _, directory := range directories {
			if err := s.watch.add(directory); err != nil {
				failures = append(failures, fmt.Errorf("watching %s: %w", directory, err))
			}
		}
	}
	return errors.Join(failures...)
}

// add watches directory, or the nearest one above it while it is missing.
func (w *fileWatch) add(directory string) error {
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

func (s *Store) files() []string {
	files := append([]string(nil), s.options.ClientCAs...)
	for _, pair := range s.options.Pairs {
		files = append(files, pair.Certificate, pair.Key)
	}
	return files
}

func (s *Store) follow() {
	rotation := time.NewTicker(ticketRotation)
	defer rotation.Stop()
	// The first look finds changes since the first load.
	quiet := time.NewTimer(s.watch.settle)
	defer quiet.Stop()
	for {
		select {
		case <-s.watch.done:
			return
		case now := <-rotation.C:
			s.lookAtExpiry(now)
			if err := s.RotateTicketKeys(); err != nil {
				s.logger.Error("session ticket keys not rotated", zap.Error(err))
			}
		case event, more := <-s.watch.watcher.Events:
			if !more {
				return
			}
			// Reading a file must not count as a change to it.
			if event.Op != fsnotify.Chmod && s.watch.decisive[event.Name] {
				quiet.Reset(s.watch.settle)
			}
		case err, more := <-s.watch.watcher.Errors:
			if !more {
				return
			}
			// Events were lost, so the files are read.
			s.logger.Warn("watching certificate files", zap.Error(err))
			quiet.Reset(s.watch.settle)
		case <-quiet.C:
			s.changed()
		}
	}
}

// changed reloads after a change. It renews the watch first, so that no later change is missed. Reload logs its errors.
func (s *Store) changed() {
	if err := s.watchDirectories(); err != nil {
		s.logger.Warn("watching certificate files", zap.Error(err))
	}
	_ = s.Reload()
}

// Close stops watching. Connections and Config stay usable.
func (s *Store) Close() error {
	s.watch.once.Do(func() { close(s.watch.done) })
	err := s.watch.watcher.Close()
	s.watch.ended.Wait()
	return err
}
