package reactor

import (
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// certificateSettle is how long files must be quiet before they are read: a renewal writes the
// certificate and the key one after the other.
const certificateSettle = 200 * time.Millisecond

// certificateWatch is the goroutine that reloads when files change and rotates ticket keys.
type certificateWatch struct {
	watcher *fsnotify.Watcher
	settle  time.Duration
	done    chan struct{}
	ended   sync.WaitGroup
	once    sync.Once
}

// startWatching watches directories, not files: a renewal replaces a file, or the symbolic link that
// leads to it, and a watch on the old file would see nothing more.
func (s *CertificateStore) startWatching() error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching certificate files: %w", err)
	}
	s.watch.watcher = watcher
	s.watch.settle = certificateSettle
	s.watch.done = make(chan struct{})
	if err := s.watchDirectories(); err != nil {
		watcher.Close()
		return err
	}
	s.watch.ended.Go(s.follow)
	return nil
}

// watchDirectories adds the directories of all files, and those that symbolic links lead to by now.
// Adding one twice changes nothing.
func (s *CertificateStore) watchDirectories() error {
	for _, file := range s.files() {
		if err := s.watch.watcher.Add(filepath.Dir(file)); err != nil {
			return fmt.Errorf("watching %s: %w", filepath.Dir(file), err)
		}
		target, err := filepath.EvalSymlinks(file)
		if err != nil {
			continue // missing for the moment: its directory tells when it comes
		}
		if err := s.watch.watcher.Add(filepath.Dir(target)); err != nil {
			return fmt.Errorf("watching %s: %w", filepath.Dir(target), err)
		}
	}
	return nil
}

func (s *CertificateStore) files() []string {
	files := append([]string(nil), s.options.ClientCAs...)
	for _, pair := range s.options.Pairs {
		files = append(files, pair.Certificate, pair.Key)
	}
	return files
}

func (s *CertificateStore) follow() {
	rotation := time.NewTicker(ticketRotation)
	defer rotation.Stop()
	quiet := time.NewTimer(0)
	quiet.Stop()
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
		case event := <-s.watch.watcher.Events:
			// Reading a file must not count as a change to it.
			if event.Op != fsnotify.Chmod {
				quiet.Reset(s.watch.settle)
			}
		case err := <-s.watch.watcher.Errors:
			// Events were lost: what they said is in the files.
			s.logger.Warn("watching certificate files", zap.Error(err))
			quiet.Reset(s.watch.settle)
		case <-quiet.C:
			s.changed()
		}
	}
}

// changed reloads after a change. Reload has logged what went wrong.
func (s *CertificateStore) changed() {
	_ = s.Reload()
	if err := s.watchDirectories(); err != nil {
		s.logger.Warn("watching certificate files", zap.Error(err))
	}
}

// Close ends the watching; connections and Config go on.
func (s *CertificateStore) Close() error {
	s.watch.once.Do(func() { close(s.watch.done) })
	err := s.watch.watcher.Close()
	s.watch.ended.Wait()
	return err
}
