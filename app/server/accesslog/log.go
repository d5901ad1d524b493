//go:build linux

package accesslog

import (
	"errors"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/internal/loglimit"
	"github.com/gatewheel/gatewheel/internal/logqueue"
)

// Options configure a Log.
type Options struct {
	// Target is "stdout", "stderr" or the path of a file, a named pipe or a device. A file is created, appended to, and
	// opened again when it was renamed or deleted.
	Target string
	// Format is a preset or a format, see Compile; "" is combined.
	Format string
	// Skip are the requests that are not logged: paths such as /healthz and /static/*, compared with the path as it was
	// received; statuses such as 304; classes such as 2xx.
	Skip []string
	// Sample logs one of so many requests of each loop; 0 and 1 log all. Requests without a response or with a status
	// of 500 and more, those that somebody has ended early, and events are always logged.
	Sample int
	// MaxSize limits a file, in bytes, rounded up to MiB; 0: no limit. A file beyond is renamed, with the time in its
	// name, and a new one begun.
	MaxSize int64
	// MaxFiles is the number of renamed files that are kept, MaxDays the number of days; 0: no limit.
	MaxFiles, MaxDays int
	// Compress compresses renamed files with gzip.
	Compress bool
	// Queue is the memory for lines that wait, in bytes a loop; 0 means 1 MiB. It is rounded up to a power of 2.
	Queue int
	// Logger gets failures of the target; nil: nobody does.
	Logger *zap.Logger
}

const (
	defaultQueue = 1 << 20
	// closeTimeout bounds Close.
	closeTimeout = 500 * time.Millisecond
)

// ErrTimeout is the error of Close when the target did not take the last lines in time.
var ErrTimeout = errors.New("access log: the target does not take the last lines")

// Log writes a line for each request. It is a server.Observer. Methods may be called on any goroutine, and on a nil *Log,
// which is closed.
type Log struct {
	format *Format
	skip   *skips
	sample int
	size   int // of a lane's ring
	logger *zap.Logger

	mu    sync.Mutex // of writes to lanes
	lanes atomic.Pointer[[]*lane]

	wake      chan struct{}
	flushes   chan chan struct{}
	done      chan struct{} // closed when the writer has ended
	closing   atomic.Bool
	reopening atomic.Bool
	lost      atomic.Uint64 // lines that the target did not take
	slow      loglimit.Limit
	target    target
}

// Check reports the mistakes of o that can be found without opening the target. The error for a format is a
// *FormatError.
func (o *Options) Check() error {
	_, _, err := o.compile()
	return err
}

func (o *Options) compile() (*Format, *skips, error) {
	text := o.Format
	if text == "" {
		text = "combined"
	}
	format, err := Compile(text)
	if err != nil || len(o.Skip) == 0 {
		return format, nil, err
	}
	skip, err := parseSkips(o.Skip)
	return format, skip, err
}

// Open opens the target and starts the goroutine that writes to it.
func Open(o Options) (*Log, error) {
	format, skip, err := o.compile()
	if err != nil {
		return nil, err
	}
	t, err := openTarget(&o)
	if err != nil {
		return nil, err
	}
	if o.Queue <= 0 {
		o.Queue = defaultQueue
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	l := &Log{
		format: format, skip: skip, sample: o.Sample, size: 1 << bits.Len(uint(o.Queue-1)),
		logger: logqueue.Wrap(o.Logger), target: t,
		wake: make(chan struct{}, 1), flushes: make(chan chan struct{}), done: make(chan struct{}),
	}
	l.lanes.Store(&[]*lane{})
	w := &writer{log: l, target: t, batch: make([]byte, 0, batchSize), checked: time.Now()}
	w.slow = time.AfterFunc(time.Hour, l.warnSlow)
	w.slow.Stop()
	go w.run()
	return l, nil
}

// Loop implements server.Observer.
func (l *Log) Loop(int) server.LoopObserver {
	q := &lane{log: l, size: l.size}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append(append([]*lane(nil), *l.lanes.Load()...), q)
	l.lanes.Store(&all)
	l.wakeWriter() // so that it marks the lane as one that it waits for
	return q
}

// ResponseFields implements server.FieldObserver.
func (l *Log) ResponseFields() []string { return l.format.response }

func (l *Log) all() []*lane { return *l.lanes.Load() }

// wakeWriter wakes the writer. It does not block.
func (l *Log) wakeWriter() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// warnSlow logs that the target has not taken lines for a while. A loop is not told: its lines are dropped when its
// queue is full.
func (l *Log) warnSlow() {
	if _, ok := l.slow.Allow(time.Now()); !ok {
		return
	}
	l.logger.Warn("the access log waits for its target: lines are dropped when their queue is full", zap.Duration("for", slowWrite))
}

// Dropped returns the number of lines that were lost: their queue was full, or the target did not take them.
func (l *Log) Dropped() uint64 {
	if l == nil {
		return 0
	}
	n := l.lost.Load()
	for _, q := range l.all() {
		n += q.dropped.Load()
	}
	return n
}

// Reopen has the file opened again, by its name. It does not wait for that.
func (l *Log) Reopen() {
	if l != nil {
		l.reopening.Store(true)
		l.wakeWriter()
	}
}

// Flush waits until the target has taken the lines of requests that had ended before, for at most limit, and reports
// whether it has. Not on a loop.
func (l *Log) Flush(limit time.Duration) bool {
	if l == nil {
		return true
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	done := make(chan struct{})
	select {
	case l.flushes <- done:
	case <-l.done:
		return true
	case <-timer.C:
		return false
	}
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// Close writes the lines that wait and closes the target. It waits for at most 500 ms, and fails with ErrTimeout if the
// target does not take them. Lines of later requests are dropped without being counted.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.closing.Store(true)
	l.wakeWriter()
	select {
	case <-l.done:
		return nil
	case <-time.After(closeTimeout):
		l.target.interrupt()
		return ErrTimeout
	}
}
