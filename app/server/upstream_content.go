//go:build linux

package server

import (
	"errors"
	"fmt"
	"io"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/reactor"
)

// requestContent is the content of a request to another server. That of a spi.Source is read by the machine. A
// app.Pull is code of the application: it is read in tasks, so that a stall of it does not interrupt the connection,
// and kept until the machine takes it. It belongs to the loop.
type requestContent struct {
	call     *call
	source   spi.Source
	pull     *app.Pull
	exchange *exchange // the request for which functions of pull are called; nil: the loop itself
	left     int64     // rest of the length that was not read; -1: unknown
	kept     queue     // read from pull
	trailers app.Fields
	err      error   // the end of pull: io.EOF if it is complete
	last     error   // the end of the content, as the machine knows it
	waiter   *waiter // made on first use
	waiting  bool    // for more content
	ending   bool    // waits for the end of content whose stream has no window
	running  bool    // a function of pull, or Wait of source
	held     bool    // until a tunnel is open
	over     bool    // nothing more is read, or there was no content but bytes
}

// begin takes the content of r.
func (k *requestContent) begin(r *spi.Outgoing) error {
	k.over, k.last = true, nil
	switch content := r.Content.(type) {
	case nil, app.Bytes:
		return nil
	case spi.Source:
		k.source = content
		if socket, ok := content.(*clientSocket); ok {
			socket.start(k.call.conn)
		}
	case *app.Pull:
		k.pull = content
		if x, ok := r.Loop.(*exchangeLoop); ok {
			k.exchange = (*exchange)(x)
		}
	default:
		return &client.Error{Kind: client.ClientMalformed, Safe: true, Err: fmt.Errorf("content of the unknown kind %T", content)}
	}
	k.over = false
	k.left = r.Content.Length()
	k.held = r.Protocol != ""
	switch {
	case k.left == 0:
		k.stop()
	case k.pull != nil:
		k.resume()
	}
	return nil
}

// open lets the content of a tunnel flow.
func (k *requestContent) open() {
	k.held = false
	k.resume()
}

// resume continues after a wait.
func (k *requestContent) resume() {
	c := k.call
	k.waiting, k.ending = false, false
	switch {
	case k.over, k.held, k.source != nil && k.running:
	case k.pull != nil:
		c.due |= dueFill
		c.announce()
	default:
		c.session.resume(&c.stream)
	}
}

// stop ends the use of the content, and has it closed. Later calls do nothing.
func (k *requestContent) stop() {
	if k.over {
		return
	}
	k.over = true
	k.kept.release(&k.call.loop.chunks)
	if k.source != nil || k.pull.OnClose != nil {
		k.call.due |= dueClose
		k.call.announce()
	}
}

// close closes the content.
func (k *requestContent) close() {
	source, pull := k.source, k.pull
	k.source, k.pull = nil, nil
	if source != nil {
		_ = source.Close()
		return
	}
	k.call.loop.run(k.exchange, func() { _ = pull.Close() })
}

// fill reads from pull, up to streamHigh bytes ahead of the machine.
func (k *requestContent) fill() {
	c := k.call
	before := k.kept.len()
	for !k.over && !k.waiting && k.err == nil && k.kept.len() < k.call.loop.streamHigh {
		if x := k.exchange; x != nil && x.conn.Orphaned() == &x.subject {
			c.breakOff(client.ClientGone, errCodeStalled)
			return
		}
		p := k.kept.space(&c.loop.chunks)
		n, err := k.readPull(p)
		if k.over {
			return
		}
		k.kept.grow(n)
		k.err = checkRead(k.pull, &k.left, n, len(p), err)
		if n == 0 && k.err == nil {
			k.waiting = true
			k.err = k.awaitPull()
		}
	}
	if !k.over && (k.kept.len() > before || k.err != nil) {
		c.session.resume(&c.stream)
	}
}

// lend lets code of pull run until Loop.Reclaim.
func (k *requestContent) lend() {
	var conn *reactor.Conn
	subject := &loopSubject
	if x := k.exchange; x != nil {
		conn, subject = x.conn, &x.subject
	}
	k.running = true
	k.call.loop.r.Charge(unitsPerCall)
	k.call.loop.r.Lend(conn, subject)
}

// readPull calls Read of pull, and at the end Trailers. While the loop is lent, it must not use k: the code may come back
// when the loop was taken from it, and the call serves another request.
func (k *requestContent) readPull(p []byte) (n int, err error) {
	l, pull := k.call.loop, k.pull
	var trailers app.Fields
	k.lend()
	n, err = l.pull(pull, p)
	if err == io.EOF && pull.Trailers != nil {
		if failure := recovered(func() { trailers = pull.Trailers() }); failure != nil {
			err = failure
		}
	}
	l.r.Reclaim()
	k.running, k.trailers = false, trailers
	return n, err
}

// awaitPull calls Wait of pull.
func (k *requestContent) awaitPull() error {
	l, pull, wake := k.call.loop, k.pull, k.wake()
	k.lend()
	err := recovered(func() { pull.Wait(wake) })
	l.r.Reclaim()
	k.running = false
	return err
}

// interrupted is called when a loop was taken from code that notify has run. If that was code of pull, it may still
// write to the memory that it has got, and the content is incomplete.
func (k *requestContent) interrupted() {
	if !k.running {
		return
	}
	k.running = false
	k.kept = queue{}
	k.call.breakOff(client.ClientGone, errCodeStalled)
}

// waiter is the callback of a wait for content. A call that is used again while a wait is outstanding gets another.
type waiter struct {
	loop  *loop
	ready func() // resume
	call  *call  // nil: the wait is of no interest any more
}

// resume is called by the content, on the loop, when it has more. Code from which the loop was taken may call it late.
func (w *waiter) resume() {
	if !w.loop.r.Enter(nil) {
		return
	}
	defer w.loop.r.Leave()
	if c := w.call; c != nil && (c.request.waiting || c.request.ending) {
		c.request.resume()
	}
}

// wake returns the callback for a wait.
func (k *requestContent) wake() func() {
	if k.waiter == nil {
		k.waiter = &waiter{loop: k.call.loop, call: k.call}
		k.waiter.ready = k.waiter.resume
	}
	return k.waiter.ready
}

// reset prepares the content for another request.
func (k *requestContent) reset() {
	if (k.waiting || k.ending) && k.waiter != nil {
		k.waiter.call = nil
		k.waiter = nil
	}
	*k = requestContent{call: k.call, kept: k.kept, waiter: k.waiter}
}

// callSource is the content of a call's request, as the machine reads it.
type callSource call

// Read implements the machines' Source.
func (p *callSource) Read(buf []byte) (n int, err error) {
	c := (*call)(p)
	k := &c.request
	switch {
	case k.over, k.held:
		return 0, nil
	case k.pull != nil:
		n, err = k.take(buf)
	default:
		n, err = k.readSource(buf)
	}
	c.sent += int64(n)
	if err == nil {
		return n, nil
	}
	k.last = err
	if err == io.EOF {
		k.stop()
		c.endIfComplete()
		return n, err
	}
	kind, cause := contentFailure(err)
	c.fail(kind, false, cause)
	return n, err
}

// take reads what was read from pull.
func (k *requestContent) take(buf []byte) (int, error) {
	n := k.kept.read(&k.call.loop.chunks, buf)
	if k.err == nil && !k.waiting && k.kept.len() <= streamLow {
		k.call.due |= dueFill
		k.call.announce()
	}
	if k.kept.len() == 0 {
		return n, k.err
	}
	return n, nil
}

// readSource reads from source, and has it call resume when it has nothing.
func (k *requestContent) readSource(buf []byte) (int, error) {
	for !k.waiting {
		n, err := k.source.Read(buf)
		err = checkLength(&k.left, n, err)
		if n == 0 && err == nil && len(buf) == 0 {
			if w, ok := k.source.(spi.EndWaiter); ok {
				k.ending = true
				w.WaitEnd(k.wake())
			}
		}
		if n > 0 || err != nil || len(buf) == 0 {
			return n, err
		}
		k.waiting, k.running = true, true
		k.source.Wait(k.wake())
		k.running = false
	}
	return 0, nil
}

// Trailers implements the machines' TrailerSource.
func (p *callSource) Trailers() []app.Field {
	k := &p.request
	if k.source != nil {
		return k.source.Trailers()
	}
	return k.trailers
}

// contentFailure returns the kind of the failure of a call whose content has failed.
func contentFailure(err error) (client.Kind, error) {
	if failure, ok := errors.AsType[*client.Error](err); ok {
		return failure.Kind, err
	}
	if errors.Is(err, app.ErrPeerGone) || errors.Is(err, app.ErrRequestDone) {
		return client.ClientGone, err
	}
	return client.ClientMalformed, err
}
