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
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// Options are the times and limits of an event stream. The zero value is ready for use.
type Options struct {
	// KeepAlive is the time without output after which a comment is sent, so that
	// proxies keep the connection and a lost peer is detected. 0 is 15 s; negative is
	// never.
	KeepAlive time.Duration
	// Retry is the time that browsers are told to wait before they connect again; 0
	// leaves it to the browser.
	Retry time.Duration
	// QueueEvents and QueueBytes limit the queue towards the peer. An event is accepted
	// while the queue is below both, so its bytes may exceed the limit by one event. 0
	// is 256 events and 256 KiB.
	QueueEvents, QueueBytes int
}

const (
	// defaultKeepAlive is the advice of the HTML standard (section 9.2.8).
	defaultKeepAlive   = 15 * time.Second
	defaultQueueEvents = 256
	defaultQueueBytes  = 256 << 10
	// maxSpareEvents is the size in bytes of the largest buffer that an idle stream keeps.
	maxSpareEvents = 1 << 10
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	AwaitDrain(r *app.Request, e *ending.Entry, who ending.DrainListener)
	Detach(r *app.Request, e *ending.Entry) bool
	Cancel(r *app.Request, cause error)
	InitPromise(p any, loop app.Loop)
})

type promise = app.Promise[app.Done]

func newPromise(loop app.Loop) *promise {
	p, _ := app.PromisedOn[app.Done](loop)
	return p
}

// ErrClosed reports an event for a stream that has ended.
var ErrClosed = errors.New("events: the event stream has ended")

// Streamed returns a response with server-sent events (text/event-stream). produce is
// called on the loop when the head is on its way. The stream ends after the queued events
// when the future of produce is ready, Stream.Close is called, the context of the request
// ends or the server drains; in the last case the context ends with app.ErrDraining. A
// failure of produce aborts the response, unless it only reports that the stream has
// ended. A produce that passes the stream to other goroutines returns s.Closed().
//
// To decline, return another response: any status but 200 makes a browser stop, with an
// error event unless it is 204 (HTML Living Standard, section 9.2.3).
func Streamed(produce func(s *Stream) app.Future[app.Done]) *app.Response {
	return StreamedWith(Options{}, produce)
}

// StreamedWith is like Streamed, with options.
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

// LastID returns the ID of the last event that a browser received before it connected
// again, or "". Any goroutine.
func LastID(r *app.Request) string { return r.Fields.Get("Last-Event-ID") }

// Stream sends server-sent events to one peer, in order. They leave at the end of the
// loop's turn, without a flush.
type Stream struct {
	w       *app.Writer
	options Options

	mu      sync.Mutex
	queue   []byte   // encoded events that wait for the writer
	queued  int      // events in it
	writing []byte   // events that the writer holds
	unsent  int      // events in writing
	taken   *promise // settled when the writer has taken the queue; nil: nothing waits
	busy    bool     // pump is running, posted, or waits for the writer
	closed  bool
	refusal error // the failure of events after that
	broken  error // the reason to abort the response

	loop app.Loop
	over promise // settled when the stream is closed

	// The rest belongs to the loop.
	end      promise  // settled when all events are written
	flight   *promise // of the events that the writer holds; nil: none
	timer    app.Timer
	wroteAt  time.Time   // of the last write
	unwatch  func() bool // stops watching the context
	drainEnd drainEnd
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
	s.wroteAt = s.loop.Now()
	s.drainEnd.s = s
	return s
}

// run starts the stream and returns the future of its content.
func (s *Stream) run(produce func(*Stream) app.Future[app.Done]) app.Future[app.Done] {
	ctx := s.Request().Context()
	s.unwatch = context.AfterFunc(ctx, s.Close)
	if s.options.Retry != 0 {
		s.Send(Event{Retry: s.options.Retry})
	}
	core.AwaitDrain(s.Request(), &s.drainEnd.entry, &s.drainEnd)
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

// guarded calls produce and turns a panic into a failure.
func guarded(s *Stream, produce func(*Stream) app.Future[app.Done]) (f app.Future[app.Done]) {
	defer func() {
		if v := recover(); v != nil {
			f = app.Failed[app.Done](&app.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return produce(s)
}

// isOver reports whether a failure of the producer only reports the end of the stream.
func (s *Stream) isOver(err error) bool {
	return errors.Is(err, ErrClosed) || errors.Is(err, app.ErrDraining) ||
		errors.Is(err, context.Canceled) && s.Context().Err() != nil
}

// drainEnd ends a stream when the server drains.
type drainEnd struct {
	entry ending.Entry // in the request's list
	s     *Stream
}

// Drain implements ending.DrainListener. The stream ends after the queued events; what
// waits for the peer, or for time, fails at once.
func (p *drainEnd) Drain() {
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

// Ended implements ending.Listener. The context ends the stream.
func (p *drainEnd) Ended(error) {}

// Request returns the request of the stream. Any goroutine.
func (s *Stream) Request() *app.Request { return s.w.Request() }

// Context returns the context of the request, which also ends when the server drains.
// Any goroutine.
func (s *Stream) Context() context.Context { return s.Request().Context() }

// Closed returns a future that is ready when nothing more can be sent: after Close, when
// the peer has left, the producer has ended or the server drains. It does not fail. Any
// goroutine.
func (s *Stream) Closed() app.Future[app.Done] { return s.over.Future() }

// Send queues an event. The future is ready when the server has taken it, and pending
// while the peer reads slowly. It fails with ErrEvent, app.ErrQueueFull, ErrClosed and,
// for an event that was queued, app.ErrPeerGone. When the server drains it fails with
// app.ErrDraining; an event that was queued is still sent. On the loop; Push and Write
// are for other goroutines.
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

// Push queues an event without waiting. If the queue is full it returns
// app.ErrQueueFull: the event is dropped and the stream goes on, unless the caller closes
// it. Its other errors are ErrEvent, ErrClosed and app.ErrDraining. Any goroutine.
func (s *Stream) Push(e Event) error {
	_, idle, err := s.enqueue(&e, false)
	if idle {
		s.loop.Post(s.pump)
	}
	return err
}

// Write queues an event, waiting for room in the queue, and blocks until the server has
// taken it. Its errors are those of Send except app.ErrQueueFull. Any goroutine but the
// loop's.
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

// Close ends the stream after the queued events. Later calls do nothing. Any goroutine.
func (s *Stream) Close() { s.shut(nil, ErrClosed) }

// breakOff ends the stream and drops the queued events.
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

// enqueue encodes an event into the queue. idle reports whether the caller has to start
// pump. With wait, accepted is settled when the server has taken the event or, for an
// event that was refused with ErrQueueFull, when there is room.
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

// pump writes the queued events until the queue is empty or the peer is slow. On the
// loop.
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

// next moves the queue to the writer. ok is false if the queue is empty; a closed stream
// ends then.
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

// wrote follows a write, which has succeeded or failed with err.
func (s *Stream) wrote(taken *promise, err error) {
	s.wroteAt = s.loop.Now()
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
	s.unwatch()
	core.Detach(s.Request(), &s.drainEnd.entry)
	s.end.Fail(err)
}

// keepAlive sets the timer for the next comment.
func (s *Stream) keepAlive() {
	if s.options.KeepAlive < 0 {
		return
	}
	s.timer = s.loop.After(s.options.KeepAlive-s.loop.Now().Sub(s.wroteAt), func() {
		if s.over.Future().Ready() {
			return
		}
		if s.loop.Now().Sub(s.wroteAt) >= s.options.KeepAlive {
			s.comment()
		}
		s.keepAlive()
	})
}

// comment writes an empty comment, unless an event is queued, which has the same effect.
func (s *Stream) comment() {
	s.mu.Lock()
	idle := !s.busy
	if idle {
		s.busy = true
		s.queue = append(s.queue, ":\n\n"...)
		s.queued++
	}
	s.mu.Unlock()
	s.wroteAt = s.loop.Now()
	if idle {
		s.pump()
	}
}
