package app

import (
	"io"
	"time"
)

// BodyReader is a Body as a blocking io.Reader. It is for one goroutine at a time, and
// not for the loop.
type BodyReader struct {
	call     loopCall
	body     *Body
	p        []byte
	trailers Fields
}

// Reader returns the body as an io.Reader for a Blocking handler or offloaded work. All
// calls return the same reader. One goroutine at a time, not the loop's.
func (b *Body) Reader() *BodyReader {
	reads := b.reads()
	if reads.reader == nil {
		reads.reader = &BodyReader{body: b}
		reads.reader.call.init(b.from.Asking(), b.from.Loop(), reads.reader.try)
	}
	return reads.reader
}

// Read implements io.Reader. It blocks until there is content; at the end of the body
// it returns io.EOF. Its other errors are those of Body.Read, the cause of the end of the
// request that the goroutine serves, and os.ErrDeadlineExceeded.
func (r *BodyReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	r.p = p
	return r.call.do()
}

func (r *BodyReader) try(ready func()) (int, bool, error) {
	if !r.body.from.Enter() {
		return 0, false, ErrPeerGone
	}
	defer r.body.from.Leave()
	if r.body.reads().pending != nil {
		return 0, false, ErrBusy
	}
	n, err := r.body.take(r.p, ready)
	if err == io.EOF {
		r.trailers = r.body.from.Trailers()
	}
	return n, n == 0 && err == nil, err
}

// Trailers returns the trailer fields, after Read has returned io.EOF. In the goroutine
// that reads.
func (r *BodyReader) Trailers() Fields { return r.trailers }

// SetDeadline sets the deadline of later reads. A Read that waits at t fails with
// os.ErrDeadlineExceeded, and may be repeated. The zero time is no deadline. Any
// goroutine.
func (r *BodyReader) SetDeadline(t time.Time) { r.call.deadline.Store(&t) }
