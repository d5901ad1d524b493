// Package logqueue keeps a log that is not read from stopping the program that writes it.
//
// Wrap puts a bounded queue before the core of a zap.Logger. A call that logs never waits: an entry is
// captured, queued, and written to the wrapped core by a goroutine that may block. Entries that find the
// queue full, or that the core fails to write, are dropped and counted; a line with their number follows
// as soon as writing works again.
package logqueue

import (
	"errors"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// maxEntries and maxBytes bound the entries that wait for a blocked writer. A larger entry is queued when
	// nothing else waits.
	maxEntries = 1024
	maxBytes   = 4 << 20
	// SyncTimeout bounds Logger.Sync.
	SyncTimeout = 500 * time.Millisecond
)

// ErrTimeout is returned by Logger.Sync when the log did not take the queued entries within SyncTimeout.
var ErrTimeout = errors.New("logqueue: the log is not being read")

// Wrap returns a Logger that writes to the core of log through a queue, with the options and fields of
// log. A Logger that Wrap returned, or one derived from it by With or Named, is returned as it is.
func Wrap(log *zap.Logger) *zap.Logger {
	if _, ok := log.Core().(*core); ok {
		return log
	}
	return log.WithOptions(zap.WrapCore(func(c zapcore.Core) zapcore.Core {
		return &core{queue: &queue{core: c, entries: make(chan *entry, maxEntries)}}
	}))
}

// Dropped returns how many entries of a Logger from Wrap were lost; 0 for other Loggers. Any goroutine.
func Dropped(log *zap.Logger) uint64 {
	if c, ok := log.Core().(*core); ok {
		return c.queue.dropped.Load()
	}
	return 0
}

// Flush waits until everything that was queued before has been written or dropped, for at most limit, and
// reports whether that is so. For other Loggers than those from Wrap it does nothing. Not on a loop.
func Flush(log *zap.Logger, limit time.Duration) bool {
	if c, ok := log.Core().(*core); ok {
		return c.queue.flush(&entry{done: make(chan struct{})}, limit)
	}
	return true
}

// core is the zapcore.Core of a Logger from Wrap.
type core struct {
	queue  *queue
	fields []zapcore.Field // of Logger.With, captured
}

// Enabled implements zapcore.Core. It asks the wrapped core, which must not block there.
func (c *core) Enabled(level zapcore.Level) bool { return c.queue.core.Enabled(level) }

// With implements zapcore.Core.
func (c *core) With(fields []zapcore.Field) zapcore.Core {
	return &core{queue: c.queue, fields: appendCaptured(c.fields[:len(c.fields):len(c.fields)], fields)}
}

// Check implements zapcore.Core. The writer asks the wrapped core.
func (c *core) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write implements zapcore.Core. It queues the entry and never waits.
func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	all := make([]zapcore.Field, 0, len(c.fields)+len(fields))
	queued := &entry{Entry: e, fields: appendCaptured(append(all, c.fields...), fields)}
	c.queue.add(queued)
	return nil
}

// Sync implements zapcore.Core. It waits for at most SyncTimeout.
func (c *core) Sync() error {
	e := &entry{sync: true, done: make(chan struct{})}
	if !c.queue.flush(e, SyncTimeout) {
		return ErrTimeout
	}
	return e.err
}

// entry is a log entry in the queue, or a mark behind the entries that Flush or Sync waits for.
type entry struct {
	zapcore.Entry
	fields []zapcore.Field
	size   int64

	done chan struct{} // of a mark; closed when the writer gets to it
	sync bool
	err  error // of the core's Sync
}

// queue holds the entries that a goroutine writes to core. The goroutine exists while there are any.
type queue struct {
	core    zapcore.Core
	entries chan *entry
	bytes   atomic.Int64 // of the queued entries
	writing atomic.Bool  // the goroutine exists
	dropped atomic.Uint64
	// reported is how many of the dropped entries the log has been told of. The writer's.
	reported uint64
}

// add queues an entry or drops it. It does not wait: the lock inside the channel is never held during a
// write.
func (q *queue) add(e *entry) {
	e.size = sizeOf(e)
	if waiting := q.bytes.Add(e.size); waiting > maxBytes && waiting > e.size {
		q.drop(e)
		return
	}
	select {
	case q.entries <- e:
		q.start()
	default:
		q.drop(e)
	}
}

func (q *queue) drop(e *entry) {
	q.bytes.Add(-e.size)
	q.dropped.Add(1)
}

func (q *queue) flush(mark *entry, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case q.entries <- mark:
		q.start()
	case <-timer.C:
		return false
	}
	select {
	case <-mark.done:
		return true
	case <-timer.C:
		return false
	}
}

// start sees that the writer runs.
func (q *queue) start() {
	if q.writing.CompareAndSwap(false, true) {
		go q.write()
	}
}

// write writes entries until there are none.
func (q *queue) write() {
	for {
		select {
		case e := <-q.entries:
			q.handle(e)
			continue
		default:
		}
		q.writing.Store(false)
		// An entry that was added before the Store has started no writer.
		if len(q.entries) == 0 || !q.writing.CompareAndSwap(false, true) {
			return
		}
	}
}

func (q *queue) handle(e *entry) {
	if e.done != nil {
		if e.sync {
			e.err = q.core.Sync()
		}
		close(e.done)
		return
	}
	q.bytes.Add(-e.size)
	if !q.writeTo(e.Entry, e.fields) {
		q.dropped.Add(1)
		return
	}
	if lost := q.dropped.Load() - q.reported; lost > 0 {
		told := zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Now(), LoggerName: e.LoggerName, Message: "log lines were dropped"}
		if q.writeTo(told, []zapcore.Field{zap.Uint64("lines", lost)}) {
			q.reported += lost
		}
	}
}

// writeTo writes one entry to the wrapped core, unless that does not want it, and reports whether it did
// not fail. A panic of the core is a failure.
func (q *queue) writeTo(e zapcore.Entry, fields []zapcore.Field) (ok bool) {
	var failed failure
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	if checked := q.core.Check(e, nil); checked != nil {
		checked.ErrorOutput = &failed
		checked.Write(fields...)
	}
	return !bool(failed)
}

// failure is where zap reports that a core could not write.
type failure bool

func (f *failure) Write(p []byte) (int, error) {
	*f = true
	return len(p), nil
}

func (f *failure) Sync() error { return nil }
