package app

import (
	"io"
	"time"
)

// BodyReader is a Body for goroutines: an io.Reader that blocks.
type BodyReader struct {
	errand   errand
	body     *Body
	p        []byte
	trailers Fields
}

// Reader is the body as an io.Reader, for a Blocking handler or offloaded work:
// its Read blocks until content is there, the body has ended (io.EOF), or the
// request is over. It reads into the caller's memory. Not for the loop; one
// goroutine at a time.
func (b *Body) Reader() *BodyReader {
	reads := b.reads()
	if reads.reader == nil {
		reads.reader = &BodyReader{body: b}
		reads.reader.errand.init(b.r, reads.reader.try)
	}
	return reads.reader
}

// Read implements io.Reader.
func (r *BodyReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.p = p
	return r.errand.do()
}

func (r *BodyReader) try(ready func()) (int, bool, error) {
	if r.body.reads().pending != nil {
		return 0, false, ErrBusy
	}
	n, err := r.body.take(r.p, ready)
	if err == io.EOF {
		r.trailers = r.body.r.Trailers()
	}
	return n, n == 0 && err == nil, err
}

// Trailers are the request's trailer fields, known when Read has returned io.EOF.
func (r *BodyReader) Trailers() Fields { return r.trailers }

// SetDeadline bounds reads that begin from now on: one that waits at t fails with
// os.ErrDeadlineExceeded and may be tried again. Zero: no bound.
func (r *BodyReader) SetDeadline(t time.Time) { r.errand.deadline.Store(&t) }
