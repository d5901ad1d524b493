package app

import (
	"context"
	"errors"
	"sync"
	"time"
)

// EventOptions are the times and limits of an event stream. The zero value is
// usable.
type EventOptions struct {
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
	// defaultEventKeepAlive is what the HTML standard advises against proxies
	// with short timeouts (section 9.2.8).
	defaultEventKeepAlive = 15 * time.Second
	defaultQueueEvents    = 256
	defaultQueueBytes     = 256 << 10
	// maxSpareEvents is the largest buffer, in bytes, that an idle stream keeps.
	maxSpareEvents = 1 << 10
)

// ErrQueueFull is the failure of a message or an event for a peer for which as
// much waits already as the limits allow. It was not queued; everything else
// goes on.
var ErrQueueFull = errors.New("app: the queue towards the peer is full")

// ErrStreamClosed is the failure of an event for a stream that has ended.
var ErrStreamClosed = errors.New("app: the event stream has ended")

// Events answers with server-sent events (text/event-stream). produce is called
// on the loop when the head is on its way. The stream ends when its future is
// ready, after what is queued; a failure breaks the response off, unless it only
// says that the stream is over. EventStream.Close and the end of the request's context
// end it as well; so does a server that is about to stop, in which case the context
// ends with ErrDraining. Those who hand the stream to others return s.Closed().
//
// To decline, return another response: 204 makes a browser stop connecting, and
// any other status but 200 too, with an error event; see the HTML standard,
// section 9.2.3.
func Events(produce func(s *EventStream) Future[Done]) *Response {
	return EventsWith(EventOptions{}, produce)
}

// EventsWith is Events with options.
func EventsWith(options EventOptions, produce func(s *EventStream) Future[Done]) *Response {
	return &Response{
		Status: 200,
		Fields: Fields{
			{Name: "Content-Type", Value: "text/event-stream"},
			{Name: "Cache-Control", Value: "no-store"},
			{Name: "X-Accel-Buffering", Value: "no"},
		},
		Content: &Stream{Size: -1, Produce: func(w *Writer) Future[Done] {
			return newEventStream(options, w).run(produce)
		}},
	}
}

// LastEventID is the ID of the last event that a browser got before it connected
// again; "" when it tells none. Any goroutine.
func (r *Request) LastEventID() string { return r.Fields.Get("Last-Event-ID") }

// EventStream sends server-sent events to one peer. What is sent leaves in
// order, and at the end of the loop's turn: there is no flush.
type EventStream struct {
	w       *Writer
	options EventOptions

	mu      sync.Mutex
	queue   []byte      // encoded events that wait for the writer
	queued  int         // events in it
	writing []byte      // what the writer holds
	unsent  int         // events in that
	taken   *cell[Done] // settled when what is in queue has been accepted; nil: nobody asks
	busy    bool        // pump is running, posted, or waits for the writer
	closed  bool
	refusal error // of events, once closed
	broken  error // why the response cannot be completed

	over cell[Done] // settled when closed

	// The rest belongs to the loop.
	end       cell[Done]  // settled when everything has been written
	flight    *cell[Done] // of the batch that the writer holds; nil: none
	timer     Timer
	moved     time.Time // when something was last written
	unwatched func() bool
	parting   parting
}

func newEventStream(options EventOptions, w *Writer) *EventStream {
	if options.KeepAlive == 0 {
		options.KeepAlive = defaultEventKeepAlive
	}
	if options.QueueEvents == 0 {
		options.QueueEvents = defaultQueueEvents
	}
	if options.QueueBytes == 0 {
		options.QueueBytes = defaultQueueBytes
	}
	s := &EventStream{w: w, options: options}
	loop := w.Request().Loop()
	s.over.loop, s.end.loop = loop, loop
	s.moved = loop.Now()
	s.parting.s = s
	return s
}

// run starts the stream; the future is the response's.
func (s *EventStream) run(produce func(*EventStream) Future[Done]) Future[Done] {
	ctx := s.Request().Context()
	s.unwatched = context.AfterFunc(ctx, s.Close)
	if s.options.Retry != 0 {
		s.Send(Event{Retry: s.options.Retry})
	}
	s.Request().awaitDrain(&s.parting.ending, &s.parting)
	s.keepAlive()
	guarded(s, produce).Done(func(_ Done, err error) {
		if err == nil || s.isOver(err) {
			s.Close()
		} else {
			s.breakOff(err)
		}
	})
	return s.end.future()
}

// isOver tells whether a failure of the producer only says that the stream has ended.
func (s *EventStream) isOver(err error) bool {
	return errors.Is(err, ErrStreamClosed) || errors.Is(err, ErrDraining) ||
		errors.Is(err, context.Canceled) && s.Context().Err() != nil
}

// parting ends a stream when the server is about to stop.
type parting struct {
	ending ending // in the request's list
	s      *EventStream
}

// drain implements drainee: the stream ends behind what is queued, and whoever waits
// for the peer, or for time, learns of it now.
func (p *parting) drain() {
	s := p.s
	s.shut(nil, ErrDraining)
	s.mu.Lock()
	taken := s.taken
	s.mu.Unlock()
	for _, waiting := range []*cell[Done]{taken, s.flight} {
		if waiting != nil {
			waiting.settle(Done{}, ErrDraining, nil)
		}
	}
	s.Request().Cancel(ErrDraining)
}

// over implements ender: the context tells it, too.
func (p *parting) over(error) {}

// Request is the request that is being answered.
func (s *EventStream) Request() *Request { return s.w.Request() }

// Context ends with the request, or when the server is about to stop. Any goroutine.
func (s *EventStream) Context() context.Context { return s.Request().Context() }

// Closed is ready as soon as nothing more can be sent: after Close, when the
// peer has left, when producing has ended, or when the server is about to stop. It
// does not fail. Any goroutine.
func (s *EventStream) Closed() Future[Done] { return s.over.future() }

// Send queues an event. The future is ready when the server has accepted it,
// which may be at once, and is pending while the peer reads slowly. Failures:
// ErrEvent, ErrQueueFull, ErrStreamClosed, and ErrPeerGone for one that was
// queued. ErrDraining, when the server is about to stop, for an event that comes later,
// and for one that waits for a slow peer: that is still sent. On the loop; Push and
// Write are for other goroutines.
func (s *EventStream) Send(e Event) Future[Done] {
	accepted, idle, err := s.enqueue(&e, true)
	switch {
	case err != nil:
		return Failed[Done](err)
	case !idle:
		return accepted.future()
	}
	s.pump()
	if s.flight != nil {
		return s.flight.future()
	}
	return Future[Done]{err: s.failure()}
}

// Push queues an event and never waits. When the queue is full it fails with
// ErrQueueFull: the event is dropped, the stream goes on, and whether to close
// it is the caller's choice. Further failures: ErrEvent, ErrStreamClosed,
// ErrDraining. Any goroutine.
func (s *EventStream) Push(e Event) error {
	_, idle, err := s.enqueue(&e, false)
	if idle {
		s.over.loop.Post(s.pump)
	}
	return err
}

// Write queues an event and blocks until the server has accepted it, while the
// queue is full for room too. Its failures are those of Send but ErrQueueFull.
// Any goroutine but the loop's.
func (s *EventStream) Write(e Event) error {
	for {
		accepted, idle, err := s.enqueue(&e, true)
		if idle {
			s.over.loop.Post(s.pump)
		}
		if err != nil && (err != ErrQueueFull || accepted == nil) {
			return err
		}
		if _, failure := Await(s.Request(), accepted.future()); failure != nil || err == nil {
			return failure
		}
	}
}

// Close ends the stream behind what is queued. Any goroutine; calling it again
// does nothing.
func (s *EventStream) Close() { s.shut(nil, ErrStreamClosed) }

// breakOff ends the stream without what is queued.
func (s *EventStream) breakOff(err error) { s.shut(err, ErrStreamClosed) }

func (s *EventStream) shut(broken, refusal error) {
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
	s.over.settle(Done{}, nil, nil)
	if idle {
		s.over.loop.Post(s.pump)
	}
}

func (s *EventStream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// enqueue encodes an event into the queue. idle tells that pump has to be
// started by the caller. With wait, accepted is settled when the event has been
// accepted or, for an event that was refused with ErrQueueFull, when there is
// room.
func (s *EventStream) enqueue(e *Event, wait bool) (accepted *cell[Done], idle bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, false, s.refusal
	case s.queued+s.unsent >= s.options.QueueEvents || len(s.queue)+len(s.writing) >= s.options.QueueBytes:
		err = ErrQueueFull
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
			s.taken = &cell[Done]{loop: s.over.loop}
		}
		accepted = s.taken
	}
	return accepted, idle, err
}

// pump gives the writer what is queued, again and again until nothing is or the
// peer is slow. It is a task of the loop, or runs in a Send.
func (s *EventStream) pump() {
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
			taken = &cell[Done]{loop: s.over.loop}
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
func (s *EventStream) next() (taken *cell[Done], ok bool) {
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
		taken.settle(Done{}, broken, nil)
	}
	if closed {
		s.finish(broken)
	}
	return nil, false
}

// wrote follows a write: the writer has accepted all, or the peer has gone.
func (s *EventStream) wrote(taken *cell[Done], err error) {
	s.moved = s.over.loop.Now()
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
		taken.settle(Done{}, err, nil)
	}
}

func (s *EventStream) finish(err error) {
	if s.timer != nil {
		s.timer.Stop()
	}
	s.unwatched()
	s.Request().detach(&s.parting.ending)
	s.end.settle(Done{}, err, nil)
}

// keepAlive looks at the time when the stream may have been silent for long
// enough, and again later.
func (s *EventStream) keepAlive() {
	if s.options.KeepAlive < 0 {
		return
	}
	s.timer = s.over.loop.After(s.options.KeepAlive-s.over.loop.Now().Sub(s.moved), func() {
		if s.over.isSettled() {
			return
		}
		if s.over.loop.Now().Sub(s.moved) >= s.options.KeepAlive {
			s.comment()
		}
		s.keepAlive()
	})
}

// comment writes an empty comment, unless something waits already, which does
// the same for a connection.
func (s *EventStream) comment() {
	s.mu.Lock()
	idle := !s.busy
	if idle {
		s.busy = true
		s.queue = append(s.queue, ":\n\n"...)
		s.queued++
	}
	s.mu.Unlock()
	s.moved = s.over.loop.Now()
	if idle {
		s.pump()
	}
}
