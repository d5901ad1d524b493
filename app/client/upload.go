package client

import (
	"errors"
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// upload is streamed content of a request. It keeps what was read, up to keptSize bytes,
// until the first byte of a response, so that another try can send it again. It belongs to
// the loop, and is used again when the call and all tries are done with it.
type upload struct {
	loop       *loop
	dialer     spi.Dialer
	pull       *app.Pull  // user code, or
	source     spi.Source // ours
	now        *attempt   // of the present try
	kept       []byte     // read so far
	keeps      bool
	lost       bool  // what was read is not kept
	end        error // of the content: io.EOF, or why it has failed
	failed     error // why the content has failed
	wakes      bool  // pull or source will call wake
	ready      func()
	close      func() // of pull, as user code
	users      int    // the call, and the tries that are not closed
	done       bool   // the content was closed
	repeatable bool   // the request may be sent again though a server has seen it
}

// attempt is the content of one try, as an spi.Source.
type attempt struct {
	upload *upload
	next   int // byte of kept
	pull   app.Pull
}

var errContentClosed = errors.New("the request has ended")

// newUpload returns the upload of content; nil for bytes, which can be sent any number of
// times.
func newUpload(c *Call, content app.Content) *upload {
	pull, isPull := content.(*app.Pull)
	source, isSource := content.(spi.Source)
	if !isPull && !isSource {
		return nil
	}
	l := c.loop
	var u *upload
	if n := len(l.uploads); n > 0 {
		u = l.uploads[n-1]
		l.uploads = l.uploads[:n-1]
	} else {
		u = &upload{loop: l}
		u.close = u.closePull
	}
	u.dialer, u.keeps, u.users, u.repeatable = c.dialer, true, 1, c.mayRepeatProcessed()
	if isPull {
		u.pull = pull
	} else {
		u.source = source
	}
	return u
}

// attempt returns the content for a try.
func (u *upload) attempt(http2 bool) app.Content {
	a := &attempt{upload: u}
	u.now = a
	u.users++
	if !http2 && !u.repeatable {
		// Once a byte of it was sent, the request cannot be sent again. What earlier tries
		// have read is kept until this one has sent it.
		u.dropKept()
	}
	if u.pull == nil {
		return a
	}
	a.pull = app.Pull{Size: u.pull.Size, Read: a.pullRead, Wait: a.pullWait, OnClose: a.pullClosed}
	if u.pull.Wait == nil {
		a.pull.Wait = nil
	}
	a.pull.Trailers = u.pull.Trailers
	return &a.pull
}

// isWhole reports whether all of the content can be sent again.
func (u *upload) isWhole() bool { return !u.lost && u.failed == nil }

// forget drops what is kept: there is no further try.
func (u *upload) forget() {
	u.dropKept()
	if u.now == nil {
		u.closeContent()
	}
}

func (u *upload) dropKept() {
	if u.keeps && len(u.kept) > 0 {
		u.lost = true
	}
	u.keeps = false
	if a := u.now; a == nil || a.next >= len(u.kept) {
		u.freeKept()
	}
}

func (u *upload) freeKept() {
	if cap(u.kept) >= minKept && len(u.loop.buffers) < maxKept {
		u.loop.buffers = append(u.loop.buffers, u.kept[:0])
	}
	if u.now != nil {
		u.now.next = 0
	}
	u.kept = nil
}

// record keeps what was read from the content, or notes that it is not kept.
func (u *upload) record(p []byte, err error) {
	switch {
	case len(p) == 0:
	case u.keeps && len(u.kept)+len(p) <= keptSize:
		if u.kept == nil {
			u.kept = u.loop.buffer()
		}
		u.kept = append(u.kept, p...)
		u.now.next = len(u.kept)
	default:
		u.lost = true
		u.dropKept()
	}
	if err != nil {
		u.end = err
		if err != io.EOF {
			u.failed = err
		}
	}
}

// buffer returns an empty buffer that grows with what is kept: most content is short.
func (l *loop) buffer() []byte {
	n := len(l.buffers)
	if n == 0 {
		return nil
	}
	b := l.buffers[n-1]
	l.buffers = l.buffers[:n-1]
	return b
}

// copyKept copies kept content into p. ok is false if the content itself is to be read.
func (a *attempt) copyKept(p []byte) (n int, err error, ok bool) {
	u := a.upload
	switch {
	case u.now != a:
		return 0, errContentClosed, true
	case a.next < len(u.kept):
		n = copy(p, u.kept[a.next:])
		if a.next += n; a.next == len(u.kept) && !u.keeps {
			u.freeKept()
		}
		return n, nil, true
	case u.end != nil:
		return 0, u.end, true
	}
	return 0, nil, false
}

// Length implements app.Content.
func (a *attempt) Length() int64 { return a.upload.source.Length() }

// Read implements spi.Source.
func (a *attempt) Read(p []byte) (int, error) {
	n, err, ok := a.copyKept(p)
	if !ok {
		n, err = a.upload.source.Read(p)
		a.upload.record(p[:n], err)
	}
	return n, err
}

// Wait implements spi.Source.
func (a *attempt) Wait(ready func()) {
	if u := a.upload; u.expect(a, ready) {
		u.source.Wait(u.wake)
	}
}

// WaitEnd implements spi.EndWaiter.
func (a *attempt) WaitEnd(ready func()) {
	u := a.upload
	if w, ok := u.source.(spi.EndWaiter); ok && u.now == a {
		u.ready = ready
		w.WaitEnd(u.wake)
	}
}

// expect notes who waits. It reports whether the content has to be asked.
func (u *upload) expect(a *attempt, ready func()) bool {
	if u.now != a {
		return false
	}
	u.ready = ready
	if u.wakes {
		return false
	}
	u.wakes = true
	return true
}

// wake is called when source has more.
func (u *upload) wake() {
	if ready := u.takeReady(); ready != nil {
		ready()
	}
}

// pullWake is called when pull has more, as user code.
func (u *upload) pullWake() {
	if !u.loop.dialer.Enter() {
		return
	}
	ready := u.takeReady()
	u.loop.dialer.Leave()
	if ready != nil {
		ready()
	}
}

// takeReady returns the function that waits for more content, which is called once.
func (u *upload) takeReady() func() {
	ready := u.ready
	u.wakes, u.ready = false, nil
	u.leaveIfUnused()
	return ready
}

// Trailers implements spi.Source.
func (a *attempt) Trailers() app.Fields { return a.upload.source.Trailers() }

// Close implements spi.Source: the try reads no more.
func (a *attempt) Close() error {
	u := a.upload
	if a.detach() {
		u.source.Close()
	}
	u.leave()
	return nil
}

// detach notes that the try reads no more. It reports whether the content is to be closed.
func (a *attempt) detach() bool {
	u := a.upload
	if u.now != a {
		return false
	}
	u.now, u.ready = nil, nil
	if u.keeps || u.done {
		return false
	}
	u.done = true
	return true
}

// pullRead, pullWait and pullClosed are Read, Wait and Close for content that is user code,
// and run as user code.
func (a *attempt) pullRead(p []byte) (int, error) {
	d := a.upload.loop.dialer
	if !d.Enter() {
		return 0, errContentClosed
	}
	n, err, ok := a.copyKept(p)
	d.Leave()
	if ok {
		return n, err
	}
	n, err = a.upload.pull.Read(p)
	if !d.Enter() {
		return 0, errContentClosed
	}
	if a.upload.now == a {
		a.upload.record(p[:n], err)
	}
	d.Leave()
	return n, err
}

func (a *attempt) pullWait(ready func()) {
	u := a.upload
	if !u.loop.dialer.Enter() {
		return
	}
	ask := u.expect(a, ready)
	u.loop.dialer.Leave()
	if ask {
		u.pull.Wait(u.pullWake)
	}
}

func (a *attempt) pullClosed() {
	u := a.upload
	d, pull := u.loop.dialer, u.pull
	if !d.Enter() {
		return
	}
	last := a.detach()
	u.leave()
	d.Leave()
	if last {
		pull.Close()
	}
}

// explain returns the failure of a call, which is that of its content if that has failed.
func (u *upload) explain(err *Error) *Error {
	if err == nil || u.failed == nil || err.Kind != ClientMalformed && err.Kind != UpstreamReset {
		return err
	}
	kind := ClientMalformed
	var status *app.StatusError
	switch {
	case errors.As(u.failed, &status) && status.Status == 413:
		kind = BodyLimit
	case errors.Is(u.failed, app.ErrPeerGone):
		kind = ClientGone
	}
	return &Error{Kind: kind, Sent: err.Sent, Err: u.failed}
}

// finish is the end of the call.
func (u *upload) finish() {
	u.keeps = false
	u.freeKept()
	u.now, u.ready = nil, nil
	u.closeContent()
	u.leave()
}

// closeContent closes the content, once.
func (u *upload) closeContent() {
	if u.done {
		return
	}
	u.done = true
	switch {
	case u.source != nil:
		u.source.Close()
	case u.pull.OnClose != nil:
		u.dialer.Run(u.close)
	}
}

func (u *upload) closePull() { u.pull.Close() }

// leave is called once by each of the users.
func (u *upload) leave() {
	u.users--
	u.leaveIfUnused()
}

// leaveIfUnused makes the upload free for another call.
func (u *upload) leaveIfUnused() {
	if u.users > 0 || u.wakes {
		return
	}
	*u = upload{loop: u.loop, close: u.close}
	u.loop.uploads = append(u.loop.uploads, u)
}
