package app

import "errors"

// Writer writes the content of a streamed response. What is written leaves at the end of
// the loop's turn, without a flush. On the request's loop, one Write at a time.
type Writer struct {
	r        *Request
	through  func(p []byte) Future[int] // of Wrap
	parent   *Writer                    // of Wrap
	left     int64                      // bytes that Size still allows; -1: any number
	p        []byte
	total    int
	pending  *cell[int]
	wake     func()
	trailers Fields
}

// ErrTooLong reports a Write beyond the stream's Size.
var ErrTooLong = errors.New("app: more content than the stream's Size")

// Write passes p to the server. The value is len(p). The future is pending while the
// peer reads slowly, and p must not be used until it is ready. It fails with ErrPeerGone
// when the peer has left, with ErrTooLong, and with ErrBusy while another Write is
// pending. On the loop.
func (w *Writer) Write(p []byte) Future[int] {
	if w.through != nil {
		return w.through(p)
	}
	if !w.r.enter() {
		return Failed[int](ErrPeerGone)
	}
	defer w.r.leave()
	if w.pending != nil {
		return Failed[int](ErrBusy)
	}
	if w.left >= 0 {
		if int64(len(p)) > w.left {
			return Failed[int](ErrTooLong)
		}
		w.left -= int64(len(p))
	}
	if w.wake == nil {
		w.wake = w.resume
	}
	n, err := w.r.exchange.Write(p, w.wake)
	if n == len(p) || err != nil {
		return Future[int]{value: n, err: err}
	}
	w.p, w.total = p[n:], len(p)
	w.pending = &cell[int]{loop: w.r.Loop()}
	return w.pending.future()
}

// resume is the callback of the exchange, see Body.resume.
func (w *Writer) resume() {
	waiting, n, err := w.resumed()
	if waiting == nil {
		return
	}
	q := queue{loop: waiting.loop}
	waiting.settle(n, err, &q)
	q.run()
}

// resumed continues the pending Write. waiting is nil if that has to wait longer.
func (w *Writer) resumed() (waiting *cell[int], n int, err error) {
	if !w.r.enter() {
		return nil, 0, nil
	}
	defer w.r.leave()
	if w.pending == nil {
		return nil, 0, nil
	}
	n, err = w.r.exchange.Write(w.p, w.wake)
	w.p = w.p[n:]
	if err == nil && len(w.p) > 0 {
		return nil, 0, nil
	}
	n, waiting = w.total-len(w.p), w.pending
	w.p, w.pending = nil, nil
	return waiting, n, err
}

// WriteAll is like Write, for a future without the number of bytes. On the loop.
func (w *Writer) WriteAll(p []byte) Future[Done] {
	f := w.Write(p)
	if f.Ready() {
		_, err := f.Result()
		return Future[Done]{err: err}
	}
	return Map(f, func(int) (Done, error) { return Done{}, nil })
}

// WriteString is like WriteAll, for a string. On the loop.
func (w *Writer) WriteString(s string) Future[Done] { return w.WriteAll([]byte(s)) }

// Trailer adds a trailer field (RFC 9110 section 6.5), which is sent after the content.
// A Trailer field in the response should announce it. On the loop. It has no effect
// after the producer has ended.
func (w *Writer) Trailer(name, value string) {
	for w.parent != nil {
		w = w.parent
	}
	if !w.r.enter() {
		return
	}
	defer w.r.leave()
	w.trailers.Add(name, value)
}

// Request returns the request of the response. Any goroutine.
func (w *Writer) Request() *Request { return w.r }

// Wrap returns a Writer that calls write with what is written to it. Middleware uses it
// to transform a stream: write transforms p and writes the result to w. Trailers go to
// w. On the loop.
func (w *Writer) Wrap(write func(p []byte) Future[int]) *Writer {
	return &Writer{r: w.r, through: write, parent: w, left: -1}
}
