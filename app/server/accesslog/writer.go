//go:build linux

package accesslog

import (
	"bytes"
	"errors"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/loglimit"
)

const (
	// batchSize is the most that is written at once; it exceeds every line.
	batchSize = 256 << 10
	// age is the time for which lines wait for others.
	age = 100 * time.Millisecond
	// checkInterval is the least time between two looks at the name of the file.
	checkInterval = time.Second
	// slowWrite is the time after which a write that lasts is logged.
	slowWrite = time.Second
)

// writer writes the lines of all lanes to the target, on a goroutine of its own.
type writer struct {
	log    *Log
	target target
	batch  []byte
	torn   []byte // the rest of a line whose beginning the target has taken
	first  int    // the lane whose turn is next

	checked  time.Time // of target.check
	failing  bool      // the log has been told that writes fail
	astray   bool      // the log has been told that the file cannot be opened again
	reported uint64    // dropped lines that the log has been told of
	limit    loglimit.Limit
	slow     *time.Timer // of a write in progress
}

// run writes until the Log is closed.
func (w *writer) run() {
	defer close(w.log.done)
	for w.awaitLines() {
		for w.awaitAge() {
			if !w.drain() {
				break
			}
		}
	}
	w.drain()
	_ = w.target.close()
}

// awaitLines waits until a lane has a line, and reports false if the Log is closed.
func (w *writer) awaitLines() bool {
	for !w.log.closing.Load() {
		idle := true
		for _, q := range w.log.all() {
			q.waiting.Store(true)
			idle = idle && q.isEmpty()
		}
		if !idle {
			return true
		}
		select {
		case <-w.log.wake:
			w.reopenIfAsked()
		case done := <-w.log.flushes:
			w.drain()
			close(done)
		}
	}
	return false
}

// awaitAge waits until lines are to be written, and reports false if the Log is closed.
func (w *writer) awaitAge() bool {
	timer := time.NewTimer(age)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.log.wake:
		w.reopenIfAsked()
	case done := <-w.log.flushes:
		w.drain()
		close(done)
	}
	return !w.log.closing.Load()
}

func (w *writer) reopenIfAsked() {
	if !w.log.reopening.Swap(false) {
		return
	}
	w.discardTorn()
	w.checked = time.Now()
	w.tellOpened(w.target.reopen())
}

// drain writes what the lanes have now, and reports whether that was anything. Lines that come meanwhile wait.
func (w *writer) drain() bool {
	lanes, wrote := w.log.all(), false
	// The bytes that are in the lanes now fit into so many batches, of which each is more than half full.
	for range 1 + 2*len(lanes)*w.log.size/batchSize {
		w.batch = w.batch[:0]
		for i := range lanes {
			w.batch = lanes[(w.first+i)%len(lanes)].take(w.batch)
		}
		w.first++
		if len(w.batch) == 0 {
			break
		}
		wrote = true
		w.write()
	}
	return wrote
}

// write writes the batch. The target takes it whole, or lines are dropped: all but one whose beginning it has taken,
// which is completed first the next time.
func (w *writer) write() {
	w.slow.Reset(slowWrite)
	defer w.slow.Stop()
	if now := time.Now(); now.Sub(w.checked) >= checkInterval {
		w.checked = now
		opened, err := w.target.check()
		if opened {
			w.discardTorn()
		}
		if opened || err != nil {
			w.tellOpened(err)
		}
	}
	if len(w.torn) > 0 {
		n, err := w.target.write(w.torn)
		if w.torn = w.torn[n:]; len(w.torn) > 0 {
			w.drop(w.batch)
			w.endTorn(err)
			w.tell(err)
			return
		}
	}
	n, err := w.target.write(w.batch)
	if n < len(w.batch) {
		rest := w.batch[n:]
		if n > 0 && w.batch[n-1] != '\n' {
			end := bytes.IndexByte(rest, '\n') + 1
			w.torn = append([]byte(nil), rest[:end]...)
			rest = rest[end:]
		}
		w.drop(rest)
		w.endTorn(err)
	}
	w.tell(err)
}

// endTorn replaces the rest of a line by its end if the reader of a pipe has left: the next reader would take the rest
// for a line.
func (w *writer) endTorn(err error) {
	if len(w.torn) > 1 && errors.Is(err, unix.EPIPE) {
		w.discardTorn()
		w.torn = []byte{'\n'}
	}
}

// drop counts lines that are not written.
func (w *writer) drop(lines []byte) {
	w.log.lost.Add(uint64(bytes.Count(lines, []byte{'\n'})))
}

// discardTorn drops the rest of a line whose beginning is in a file that is left.
func (w *writer) discardTorn() {
	if len(w.torn) > 1 {
		w.drop(w.torn)
	}
	w.torn = nil
}

// tell logs a failure once until a success, and then how many lines were lost.
func (w *writer) tell(err error) {
	switch {
	case err != nil && !w.failing:
		w.failing = true
		w.log.logger.Warn("the access log cannot be written: lines are dropped until it can", zap.Error(err))
	case err == nil:
		lost := w.log.Dropped() - w.reported
		if !w.failing && lost == 0 {
			return
		}
		if _, ok := w.limit.Allow(time.Now()); !ok {
			return
		}
		w.reported += lost
		w.log.logger.Warn("lines of the access log were dropped", zap.Uint64("lines", lost))
		w.failing = false
	}
}

// tellOpened logs once that the file could not be opened again. Lines go on into the one that is open, if any.
func (w *writer) tellOpened(err error) {
	if err != nil && !w.astray {
		w.log.logger.Warn("the file of the access log cannot be opened again; it is tried every second", zap.Error(err))
	}
	w.astray = err != nil
}
