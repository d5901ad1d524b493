package app

import "errors"

// Writer writes a streamed response. On the request's loop, one Write at a time.
// What is written is on its way at the end of the loop's turn: there is no
// Flush.
type Writer struct {
	r        *Request
	through  func(p []byte) Future[int] // Wrap
	parent   *Writer
	left     int64 // what Size still allows, -1: any
	p        []byte
	total    int
	pending  *cell[int]
	wake     func()
	trailers Fields
}

// ErrTooLong is the failure of a Write beyond the stream's Size.
var ErrTooLong = errors.New("app: more content than the stream's Size")

// Write gives all of p to the server. The future is ready when it has been
// accepted, len(p); while the peer reads slowly it is pending, and p must not
// be touched. It fails when the peer has gone.
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

// resume is the exchange's callback: a task of the loop, see Body.resume.
func (w *Writer) resume() {
	waiting, n, err := w.resumed()
	if waiting == nil {
		return
	}
	q := queue{loop: waiting.loop}
	waiting.settle(n, err, &q)
	q.run()
}

// resumed writes what the pending Write has left. nil: it has to wait on.
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

// WriteAll is Write for those who do not count: Done in place of len(p).
func (w *Writer) WriteAll(p []byte) Future[Done] {
	f := w.Write(p)
	if f.Ready() {
		_, err := f.Result()
		return Future[Done]{err: err}
	}
	return Map(f, func(int) (Done, error) { return Done{}, nil })
}

// WriteString is WriteAll of a string's bytes.
func (w *Writer) WriteString(s string) Future[Done] { return w.WriteAll([]byte(s)) }

// Trailer adds a trailer field (RFC 9110 section 6.5), sent after the content. Say
// beforehand which are to come with a Trailer field in the response.
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

// Request is the request that is being answered.
func (w *Writer) Request() *Request { return w.r }

// Wrap returns a Writer that passes what is written through write, which then
// writes to w: this is how middleware transforms a stream. Trailers go to w.
func (w *Writer) Wrap(write func(p []byte) Future[int]) *Writer {
	return &Writer{r: w.r, through: write, parent: w, left: -1}
}
