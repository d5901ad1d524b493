// Package events answers with server-sent events (HTML Living Standard, section 9.2).
package events

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/unexported"
)

// Options are the times and limits of an event stream. The zero value is
// usable.
type Options struct {
	// KeepAlive is the silence after which a comment is sent, so that proxies
	// keep the connection and a peer that vanished is noticed; 0 is 15 s,
	// negative is never.
	KeepAlive time.Duration
	// Retry tells the browser at the start how long to wait before it connects
	// again; 0 leaves that to the browser.
	Retry time.Duration
	// QueueEvents and QueueBytes bound what waits for the peer. An event is
	// taken while fewer events and fewer bytes wait, so the bytes may exceed
	// their limit by one event; 0 is 256 events and 256 KiB.
	QueueEvents, QueueBytes int
}

const (
	// defaultKeepAlive is what the HTML standard advises against proxies
	// with short timeouts (section 9.2.8).
	defaultKeepAlive   = 15 * time.Second
	defaultQueueEvents = 256
	defaultQueueBytes  = 256 << 10
	// maxSpareEvents is the largest buffer, in bytes, that an idle stream keeps.
	maxSpareEvents = 1 << 10
)

// core is what package app does for its own packages only.
var core = unexported.App.(interface {
	AwaitDrain(r *app.Request, e *ending.Entry, who ending.DrainListener)
	Detach(r *app.Request, e *ending.Entry) bool
	Cancel(r *app.Request, cause error)
	InitPromise(p *app.Promise[app.Done], loop app.Loop)
})

type promise = app.Promise[app.Done]

func newPromise(loop app.Loop) *promise {
	p, _ := app.PromisedOn[app.Done](loop)
	return p
}

// ErrClosed is the failure of an event for a stream that has ended.
var ErrClosed = errors.New("events: the event stream has ended")

// Streamed answers with server-sent events (text/event-stream). produce is called
// on the loop when the head is on its way. The stream ends when its future is
// ready, after what is queued; a failure breaks the response off, unless it only
// says that the stream is over. Stream.Close and the end of the request's context
// end it as well; so does a server that is about to stop, in which case the context
// ends with ErrDraining. Those who hand the stream to others return s.Closed().
//
// To decline, return another response: 204 makes a browser stop connecting, and
// any other status but 200 too, with an error event; see the HTML standard,
// section 9.2.3.
func Streamed(produce func(s *Stream) app.Future[app.Done]) *app.Response {
	return StreamedWith(Options{}, produce)
}

// StreamedWith is Streamed with options.
func StreamedWith(options Options, produce func(s *Stream) app.Future[app.Done]) *app.Response {
	return &app.Response{
		Status: 200,
		Fields: app.Fields{
			{Name: "Content-Type", Value: "text/event-stream"},
			{Name: "Cache-Control", Value: "no-store"},
			{Name: "X-Accel-Buffering", Value: "no"},
		},
		Content: &app.Stream{Size: -1, Produce: func(w *app.Writer) app.Future[app.Done] {
			return newStream(options, w).run(produce)
		}},
	}
}

// LastID is the ID of the last event that a browser got before it connected
// again; "" when it tells none. Any goroutine.
func LastID(r *app.Request) string { return r.Fields.Get("Last-Event-ID") }

// Stream sends server-sent events to one peer. What is sent leaves in
// order, and at the end of the loop's turn: there is no flush.
type Stream struct {
	w       *app.Writer
	options Options

	mu      sync.Mutex
	queue   []byte   // encoded events that wait for the writer
	queued  int      // events in it
	writing []byte   // what the writer holds
	unsent  int      // events in that
	taken   *promise // settled when what is in queue has been accepted; nil: nobody asks
	busy    bool     // pump is running, posted, or waits for the writer
	closed  bool
	refusal error // of events, once closed
	broken  error // why the response cannot be completed

	loop app.Loop
	over promise // settled when closed

	// The rest belongs to the loop.
	end       promise  // settled when everything has been written
	flight    *promise // of the batch that the writer holds; nil: none
	timer     app.Timer
	moved     time.Time // when something was last written
	unwatched func() bool
	parting   parting
}

func newStream(options Options, w *app.Writer) *Stream {
	if options.KeepAlive == 0 {
		options.KeepAlive = defaultKeepAlive
	}
	if options.QueueEvents == 0 {
		options.QueueEvents = defaultQueueEvents
	}
	if options.QueueBytes == 0 {
		options.QueueBytes = defaultQueueBytes
	}
	s := &Stream{w: w, options: options}
	s.loop = w.Request().Loop()
	core.InitPromise(&s.over, s.loop)
	core.InitPromise(&s.end, s.loop)
	s.moved = s.loop.Now()
	s.parting.s = s
	return s
}

// run starts the stream; the future is the response's.
func (s *Stream) run(produce func(*Stream) app.Future[app.Done]) app.Future[app.Done] {
	ctx := s.Request().Context()
	s.unwatched = context.AfterFunc(ctx, s.Close)
	if s.options.Retry != 0 {
		s.Send(Event{Retry: s.options.Retry})
	}
	core.AwaitDrain(s.Request(), &s.parting.ending, &s.parting)
	s.keepAlive()
	guarded(s, produce).Done(func(_ app.Done, err error) {
		if err == nil || s.isOver(err) {
			s.Close()
		} else {
			s.breakOff(err)
		}
	})
	return s.end.Future()
}

// guarded calls produce; its panic is a failure.
func guarded(s *Stream, produce func(*Stream) app.Future[app.Done]) (f app.Future[app.Done]) {
	defer func() {
		if v := recover(); v != nil {
			f = app.Failed[app.Done](&app.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return produce(s)
}

// isOver tells whether a failure of the producer only says that the stream has ended.
func (s *Stream) isOver(err error) bool {
	return errors.Is(err, ErrClosed) || errors.Is(err, app.ErrDraining) ||
		errors.Is(err, context.Canceled) && s.Context().Err() != nil
}

// parting ends a stream when the server is about to stop.
type parting struct {
	ending ending.Entry // in the request's list
	s      *Stream
}

// Drain implements ending.DrainListener: the stream ends behind what is queued, and whoever waits
// for the peer, or for time, learns of it now.
func (p *parting) Drain() {
	s := p.s
	s.shut(nil, app.ErrDraining)
	s.mu.Lock()
	taken := s.taken
	s.mu.Unlock()
	for _, waiting := range []*promise{taken, s.flight} {
		if waiting != nil {
			waiting.Fail(app.ErrDraining)
		}
	}
	core.Cancel(s.Request(), app.ErrDraining)
}

// Ended implements ending.Listener: the context tells it, too.
func (p *parting) Ended(error) {}

// Request is the request that is being answered.
func (s *Stream) Request() *app.Request { return s.w.Request() }

// Context ends with the request, or when the server is about to stop. Any goroutine.
func (s *Stream) Context() context.Context { return s.Request().Context() }

// Closed is ready as soon as nothing more can be sent: after Close, when the
// peer has left, when producing has ended, or when the server is about to stop. It
// does not fail. Any goroutine.
func (s *Stream) Closed() app.Future[app.Done] { return s.over.Future() }

// Send queues an event. The future is ready when the server has accepted it,
// which may be at once, and is pending while the peer reads slowly. Failures:
// ErrEvent, ErrQueueFull, ErrClosed, and ErrPeerGone for one that was
// queued. ErrDraining, when the server is about to stop, for an event that comes later,
// and for one that waits for a slow peer: that is still sent. On the loop; Push and
// Write are for other goroutines.
func (s *Stream) Send(e Event) app.Future[app.Done] {
	accepted, idle, err := s.enqueue(&e, true)
	switch {
	case err != nil:
		return app.Failed[app.Done](err)
	case !idle:
		return accepted.Future()
	}
	s.pump()
	if s.flight != nil {
		return s.flight.Future()
	}
	return app.Failed[app.Done](s.failure())
}

// Push queues an event and never waits. When the queue is full it fails with
// ErrQueueFull: the event is dropped, the stream goes on, and whether to close
// it is the caller's choice. Further failures: ErrEvent, ErrClosed,
// ErrDraining. Any goroutine.
func (s *Stream) Push(e Event) error {
	_, idle, err := s.enqueue(&e, false)
	if idle {
		s.loop.Post(s.pump)
	}
	return err
}

// Write queues an event and blocks until the server has accepted it, while the
// queue is full for room too. Its failures are those of Send but ErrQueueFull.
// Any goroutine but the loop's.
func (s *Stream) Write(e Event) error {
	for {
		accepted, idle, err := s.enqueue(&e, true)
		if idle {
			s.loop.Post(s.pump)
		}
		if err != nil && (err != app.ErrQueueFull || accepted == nil) {
			return err
		}
		if _, failure := app.Await(s.Request(), accepted.Future()); failure != nil || err == nil {
			return failure
		}
	}
}

// Close ends the stream behind what is queued. Any goroutine; calling it again
// does nothing.
func (s *Stream) Close() { s.shut(nil, ErrClosed) }

// breakOff ends the stream without what is queued.
func (s *Stream) breakOff(err error) { s.shut(err, ErrClosed) }

func (s *Stream) shut(broken, refusal error) {
	s.mu.Lock()
	first, idle := !s.closed, !s.busy
	s.closed, s.busy = true, true
	if first {
		s.refusal = refusal
	}
	if s.broken == nil {
		s.broken = broken
	}
	s.mu.Unlock()
	if !first && broken == nil {
		return
	}
	s.over.Resolve(app.Done{})
	if idle {
		s.loop.Post(s.pump)
	}
}

func (s *Stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// enqueue encodes an event into the queue. idle tells that pump has to be
// started by the caller. With wait, accepted is settled when the event has been
// accepted or, for an event that was refused with ErrQueueFull, when there is
// room.
func (s *Stream) enqueue(e *Event, wait bool) (accepted *promise, idle bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, false, s.refusal
	case s.queued+s.unsent >= s.options.QueueEvents || len(s.queue)+len(s.writing) >= s.options.QueueBytes:
		err = app.ErrQueueFull
	default:
		if s.queue, err = e.Append(s.queue); err != nil {
			return nil, false, err
		}
		s.queued++
		idle = !s.busy
		s.busy = true
	}
	if wait {
		if s.taken == nil {
			s.taken = newPromise(s.loop)
		}
		accepted = s.taken
	}
	return accepted, idle, err
}

// pump gives the writer what is queued, again and again until nothing is or the
// peer is slow. It is a task of the loop, or runs in a Send.
func (s *Stream) pump() {
	for {
		taken, ok := s.next()
		if !ok {
			return
		}
		f := s.w.Write(s.writing)
		if f.Ready() {
			_, err := f.Result()
			s.wrote(taken, err)
			continue
		}
		if taken == nil {
			taken = newPromise(s.loop)
		}
		s.flight = taken
		f.Done(func(_ int, err error) {
			s.flight = nil
			s.wrote(taken, err)
			s.pump()
		})
		return
	}
}

// next moves the queue to the writer. ok is false when there is nothing to
// write; a stream that is closed is over then.
func (s *Stream) next() (taken *promise, ok bool) {
	s.mu.Lock()
	if s.broken != nil {
		s.queue = nil
	}
	taken, s.taken = s.taken, nil
	ok = len(s.queue) > 0
	if ok {
		s.writing, s.unsent = s.queue, s.queued
		s.queue, s.queued = nil, 0
	} else {
		s.busy = s.closed
	}
	closed, broken := s.closed, s.broken
	s.mu.Unlock()
	if ok {
		return taken, true
	}
	if taken != nil {
		taken.Fail(broken)
	}
	if closed {
		s.finish(broken)
	}
	return nil, false
}

// wrote follows a write: the writer has accepted all, or the peer has gone.
func (s *Stream) wrote(taken *promise, err error) {
	s.moved = s.loop.Now()
	s.mu.Lock()
	if cap(s.writing) <= maxSpareEvents && cap(s.queue) == 0 {
		s.queue = s.writing[:0]
	}
	s.writing, s.unsent = nil, 0
	s.mu.Unlock()
	if err != nil {
		s.breakOff(err)
	}
	if taken != nil {
		taken.Fail(err)
	}
}

func (s *Stream) finish(err error) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.unwatched()
	core.Detach(s.Request(), &s.parting.ending)
	s.end.Fail(err)
}

// keepAlive looks at the time when the stream may have been silent for long
// enough, and again later.
func (s *Stream) keepAlive() {
	if s.options.KeepAlive < 0 {
		return
	}
	s.timer = s.loop.After(s.options.KeepAlive-s.loop.Now().Sub(s.moved), func() {
		if s.over.Future().Ready() {
			return
		}
		if s.loop.Now().Sub(s.moved) >= s.options.KeepAlive {
			s.comment()
		}
		s.keepAlive()
	})
}

// comment writes an empty comment, unless something waits already, which does
// the same for a connection.
func (s *Stream) comment() {
	s.mu.Lock()
	idle := !s.busy
	if idle {
		s.busy = true
		s.queue = append(s.queue, ":\n\n"...)
		s.queued++
	}
	s.mu.Unlock()
	s.moved = s.loop.Now()
	if idle {
		s.pump()
	}
}
