//go:build linux

package accesslog

import (
	"bytes"
	"sync/atomic"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
)

// lane is the queue of the lines of one loop: a ring of bytes that the loop alone fills and the writer alone empties,
// without a lock. It is a server.LoopObserver.
type lane struct {
	log     *Log
	line    line
	ring    []byte // of 2^n bytes, made for the first line
	size    int    // of ring
	filled  uint64 // bytes that were put into the ring since the start
	emptied uint64 // bytes that the writer had taken when the loop looked last
	hinted  uint64 // filled, when the writer was woken last
	skipped int    // requests since the last one that was sampled

	_         [64]byte      // the fields above are the loop's alone
	published atomic.Uint64 // filled, for the writer
	waiting   atomic.Bool   // the writer waits for a line
	dropped   atomic.Uint64

	_     [64]byte
	taken atomic.Uint64 // bytes that the writer has taken
}

// hintSize is the number of bytes in a lane at which the writer is woken.
const hintSize = 64 << 10

// Opened implements server.LoopObserver. Formats that do not show the event have the line at the end only: two equal
// lines would count twice.
func (q *lane) Opened(r *app.Request, rec *server.Record) {
	if q.log.format.showsEvent && !q.log.skip.matches(rec.Target, rec.Status) {
		q.put(q.log.format.appendTo(&q.line, r, rec))
	}
}

// Finished implements server.LoopObserver.
func (q *lane) Finished(r *app.Request, rec *server.Record) {
	if q.log.skip.matches(rec.Target, rec.Status) || q.unsampled(rec) {
		return
	}
	q.put(q.log.format.appendTo(&q.line, r, rec))
}

// unsampled reports whether a request is left out by sampling: errors and lines of events are not.
func (q *lane) unsampled(rec *server.Record) bool {
	if q.log.sample <= 1 || rec.Event != server.EventNone || rec.Status < 100 || rec.Status >= 500 ||
		rec.End != (spi.Termination{}) && rec.End.By != spi.EndedByNobody {
		return false
	}
	q.skipped++
	if q.skipped < q.log.sample {
		return true
	}
	q.skipped = 0
	return false
}

// maxLine is the size of the longest line that is logged. Values are cut so that only a format of many atoms exceeds it.
const maxLine = batchSize / 2

// put adds a line, or drops and counts it if there is no room.
func (q *lane) put(text []byte) {
	if q.ring == nil {
		q.ring = make([]byte, q.size)
	}
	size := uint64(len(q.ring))
	if len(text) > maxLine {
		q.dropped.Add(1)
		return
	}
	if size-(q.filled-q.emptied) < uint64(len(text)) {
		q.emptied = q.taken.Load()
		if size-(q.filled-q.emptied) < uint64(len(text)) {
			q.dropped.Add(1)
			return
		}
	}
	at := q.filled & (size - 1)
	n := copy(q.ring[at:], text)
	copy(q.ring, text[n:])
	q.filled += uint64(len(text))
	q.published.Store(q.filled)
	if q.waiting.Load() && q.waiting.CompareAndSwap(true, false) || q.filled-q.hinted >= hintSize {
		q.hinted = q.filled
		q.log.wakeWriter()
	}
}

// take moves whole lines to dst, within its capacity. For the writer.
func (q *lane) take(dst []byte) []byte {
	from, to := q.taken.Load(), q.published.Load()
	if from == to {
		return dst
	}
	size := uint64(len(q.ring))
	before := len(dst)
	n := min(to-from, uint64(cap(dst)-before))
	at := from & (size - 1)
	first := min(n, size-at)
	dst = append(dst, q.ring[at:at+first]...)
	dst = append(dst, q.ring[:n-first]...)
	if n < to-from {
		dst = dst[:before+bytes.LastIndexByte(dst[before:], '\n')+1]
	}
	q.taken.Store(from + uint64(len(dst)-before))
	return dst
}

// isEmpty reports whether the writer has taken all. Any goroutine.
func (q *lane) isEmpty() bool { return q.taken.Load() == q.published.Load() }
