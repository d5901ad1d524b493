package app

import (
	"io"
	"sync/atomic"
)

// Body is the content of a request, or of another server's response. It is read into the
// reader's memory, so that large content leaves no garbage, and a body that is not read
// stops the peer. Methods are for the loop; other goroutines use Reader.
type Body struct {
	from  bodySource
	left  int64 // bytes that limit still allows; -1: no limit
	limit int64 // of Limit
	began atomic.Pointer[bodyReads]
}

// bodySource is the message to which a body belongs: a request, or a response of package
// client. See InitBody of internalAPI.
type bodySource = interface {
	fence
	// Loop returns the loop on which the body is read. Any goroutine.
	Loop() Loop
	// Asking returns the request whose goroutines may read the body, or nil. Any
	// goroutine.
	Asking() *Request
	// Length returns the declared length, or -1.
	Length() int64
	// ReadBody and Trailers are those of spi.Exchange.
	ReadBody(p []byte, ready func()) (n int, err error)
	Trailers() Fields
	// TooLong returns the failure of a body that is longer than limit.
	TooLong(limit int64) error
	// Close is called when a Pull of the body is closed. The rest will not be read.
	Close()
}

// requestBody is a Request as the source of its body.
type requestBody Request

func (s *requestBody) Enter() bool      { return (*Request)(s).enter() }
func (s *requestBody) Leave()           { (*Request)(s).leave() }
func (s *requestBody) Loop() Loop       { return s.exchange.Loop() }
func (s *requestBody) Asking() *Request { return (*Request)(s) }
func (s *requestBody) Length() int64    { return s.ContentLength }
func (s *requestBody) Trailers() Fields { return s.exchange.Trailers() }
func (s *requestBody) Close()           {}

func (s *requestBody) TooLong(limit int64) error {
	return Statusf(413, "the request's content is larger than %d bytes", limit)
}

func (s *requestBody) ReadBody(p []byte, ready func()) (int, error) {
	n, err := s.exchange.ReadBody(p, ready)
	(*Request)(s).waited(&s.body.reads().wait, n, n == 0 && err == nil)
	return n, err
}

// init prepares a zero body.
func (b *Body) init(from bodySource) { b.from, b.left = from, -1 }

// bodyReads is the state of reading a body. Most bodies are never read.
type bodyReads struct {
	taken   bool   // content has been asked for
	err     error  // the reason of the end; io.EOF if the body is complete
	p       []byte // of the pending Read
	pending *cell[int]
	wake    func() // resume; nil before a read without a callback of its own
	reader  *BodyReader
	wait    contentWait // of a request's body
}

// reads returns the state of reading. A goroutine may call it, for its Reader, while the
// loop does.
func (b *Body) reads() *bodyReads {
	if reads := b.began.Load(); reads != nil {
		return reads
	}
	b.began.CompareAndSwap(nil, &bodyReads{})
	return b.began.Load()
}

// Read reads available content into p, and waits for at least one byte if there is none.
// p must not be used until the future is ready. It fails with io.EOF at the end, and
// with ErrBusy while another Read is pending. The body of a request fails with a
// *StatusError (413) beyond the limit, and with ErrPeerGone when the peer has left; that
// of a response with a *client.Error. On the loop.
func (b *Body) Read(p []byte) Future[int] {
	if !b.from.Enter() {
		return Failed[int](ErrPeerGone)
	}
	defer b.from.Leave()
	reads := b.began.Load()
	if reads != nil && reads.pending != nil {
		return Failed[int](ErrBusy)
	}
	n, err := b.take(p, nil)
	if n > 0 || err != nil || len(p) == 0 {
		return Future[int]{value: n, err: err}
	}
	reads = b.reads()
	reads.p, reads.pending = p, &cell[int]{loop: b.from.Loop()}
	return reads.pending.future()
}

// take reads without waiting. After (0, nil), ready is called when there is content; a nil
// ready stands for resume. A Read into no memory finds the end of content alone.
func (b *Body) take(p []byte, ready func()) (int, error) {
	length := b.from.Length()
	if length == 0 {
		return 0, io.EOF
	}
	reads := b.reads()
	switch {
	case reads.err != nil:
		return 0, reads.err
	case b.left >= 0 && length > b.left && !reads.taken:
		return 0, b.fail(b.from.TooLong(b.limit))
	case ready != nil:
	case len(p) == 0:
		return 0, nil
	default:
		if reads.wake == nil {
			reads.wake = b.resume
		}
		ready = reads.wake
	}
	reads.taken = true
	n, err := b.from.ReadBody(p, ready)
	if b.left >= 0 && n > 0 {
		if int64(n) > b.left {
			return 0, b.fail(b.from.TooLong(b.limit))
		}
		b.left -= int64(n)
	}
	if err != nil {
		reads.err = err
		if n > 0 {
			err = nil
		}
	}
	return n, err
}

func (b *Body) fail(err error) error {
	b.reads().err = err
	return err
}

// resume is the callback of the exchange. It runs as a task of the loop, so that
// waiters of the read need no task of their own.
func (b *Body) resume() {
	waiting, n, err := b.resumed()
	if waiting == nil {
		return
	}
	q := queue{loop: waiting.loop}
	waiting.settle(n, err, &q)
	q.run()
}

// resumed reads for the pending Read. waiting is nil if that has to wait longer.
func (b *Body) resumed() (waiting *cell[int], n int, err error) {
	if !b.from.Enter() {
		return nil, 0, nil
	}
	defer b.from.Leave()
	reads := b.reads()
	if reads.pending == nil {
		return nil, 0, nil
	}
	n, err = b.take(reads.p, reads.wake)
	if n == 0 && err == nil {
		return nil, 0, nil
	}
	waiting = reads.pending
	reads.p, reads.pending = nil, nil
	return waiting, n, err
}

// Limit limits the content that may still be read to n bytes. Beyond, Read fails; if the
// declared length is larger, the first Read does. A limit can only be lowered. On the
// loop.
func (b *Body) Limit(n int64) {
	if !b.from.Enter() {
		return
	}
	defer b.from.Leave()
	if b.left < 0 || n < b.left {
		b.left, b.limit = n, n
	}
}

// ReadAll reads the rest of the body. It fails as Read does, and beyond limit bytes. On
// the loop.
func (b *Body) ReadAll(limit int64) Future[[]byte] {
	b.Limit(limit)
	size := min(b.from.Length(), firstGrant)
	if size < 0 {
		size = unknownGrant
	}
	all := &reading{body: b, buf: make([]byte, 0, size+1)}
	return Map(While(all.step), func(Done) ([]byte, error) { return all.buf, nil })
}

// ReadAll reserves firstGrant bytes at most before content arrives, since a declared
// length may be a lie, and unknownGrant bytes where none is declared.
const (
	firstGrant   = 64 << 10
	unknownGrant = 4 << 10
)

type reading struct {
	body *Body
	buf  []byte
}

func (a *reading) step() Future[bool] {
	if len(a.buf) == cap(a.buf) {
		a.buf = append(a.buf, 0)[:len(a.buf)]
	}
	f := a.body.Read(a.buf[len(a.buf):cap(a.buf)])
	if f.Ready() {
		return a.took(f.Result())
	}
	return After(f, a.took)
}

func (a *reading) took(n int, err error) Future[bool] {
	a.buf = a.buf[:len(a.buf)+n]
	return more(err)
}

// more continues until the end, which is no failure.
func more(err error) Future[bool] {
	if err == io.EOF {
		return Ready(false)
	}
	return Future[bool]{value: err == nil, err: err}
}

// Discard reads and drops the rest of the body. The value is the number of bytes. It
// fails as Read does. On the loop.
func (b *Body) Discard() Future[int64] {
	return b.Each(nil, func([]byte) Future[Done] { return Ready(Done{}) })
}

// Sizes in bytes of the buffer of Each: until firstScratchSize bytes have arrived, and
// after that.
const (
	firstScratchSize = 1 << 10
	scratchSize      = 32 << 10
)

// Each reads the body to its end into buf and calls use for each part. The next read
// starts when the future of use is ready. The value is the number of bytes. With a nil
// buf it uses a buffer of its own, which is small until content arrives. On the loop.
func (b *Body) Each(buf []byte, use func(p []byte) Future[Done]) Future[int64] {
	e := &each{body: b, buf: buf, use: use}
	if buf == nil {
		e.buf, e.grows = make([]byte, firstScratchSize), true
	}
	e.next = e.took
	return Map(While(e.step), func(Done) (int64, error) { return e.total, nil })
}

type each struct {
	body  *Body
	buf   []byte
	grows bool // buf is replaced by a larger one once it has been full
	use   func([]byte) Future[Done]
	next  func(int, error) Future[bool] // took
	total int64
}

func (e *each) step() Future[bool] {
	if e.grows && e.total >= firstScratchSize {
		e.grow()
	}
	f := e.body.Read(e.buf)
	if f.Ready() {
		return e.took(f.Result())
	}
	return After(f, e.next)
}

// grow takes a larger buffer if what is left of the content does not fit the first one.
func (e *each) grow() {
	size := int64(scratchSize)
	if length := e.body.from.Length(); length >= 0 {
		size = min(size, length-e.total)
	}
	if e.grows = size <= firstScratchSize; !e.grows {
		e.buf = make([]byte, size)
	}
}

func (e *each) took(n int, err error) Future[bool] {
	if err != nil {
		return more(err)
	}
	e.total += int64(n)
	f := e.use(e.buf[:n])
	if f.Ready() {
		return goOn(f.Result())
	}
	return After(on(e.body.from.Loop(), f), goOn)
}

func goOn(_ Done, err error) Future[bool] { return Future[bool]{value: err == nil, err: err} }

// Copy writes a body to w as it arrives, with one buffer of up to 32 KiB. The value is
// the number of bytes. On the loop.
func Copy(w *Writer, body *Body) Future[int64] {
	return body.Each(nil, w.WriteAll)
}
