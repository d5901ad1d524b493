package websocket

import "github.com/gatewheel/gatewheel/app"

// Writer sends one message in parts, for messages that are too large for memory. Its
// methods belong on the socket's loop.
type Writer struct {
	s    *Socket
	done bool
}

// Begin starts a message that is sent in parts. Other messages wait for its End, within
// the limits of the queue; a second Begin fails with app.ErrBusy. Further errors are those
// of Send.
func (s *Socket) Begin(kind Kind) (*Writer, error) {
	if s.isStreaming() {
		return nil, app.ErrBusy
	}
	if err := s.wire.Begin(kind); err != nil {
		return nil, err
	}
	w := &Writer{s: s}
	s.more().streaming = w
	return w, nil
}

func (s *Socket) isStreaming() bool { return s.extra != nil && s.extra.streaming != nil }

// Write sends a part; p is copied. Each part is a frame of its own, so parts should not
// be small. A text may be divided anywhere. The future is that of Socket.Send. The limits
// of the queue do not apply to parts: memory grows with what is written before the futures
// are ready.
func (w *Writer) Write(p []byte) app.Future[app.Done] {
	if w.done {
		return app.Failed[app.Done](ErrClosed)
	}
	return w.s.sent(w.s.wire.Write(p))
}

// End completes the message and sends the messages that wait for that. If the text ends
// within a character it fails with ErrText and changes nothing.
func (w *Writer) End() app.Future[app.Done] {
	if w.done {
		return app.Failed[app.Done](ErrClosed)
	}
	queued, err := w.s.wire.End()
	if err == ErrText {
		return app.Failed[app.Done](err)
	}
	w.done = true
	w.s.extra.streaming = nil
	w.s.sendDeferred()
	return w.s.sent(queued, err)
}

// deferred is a message that waits for the end of one sent in parts.
type deferred struct {
	kind     Kind
	data     []byte
	prepared *Prepared
	sent     *promise
}

func (d *deferred) size() int {
	if d.prepared != nil {
		return len(d.prepared.data)
	}
	return len(d.data)
}

func (s *Socket) postpone(d deferred, limit int) app.Future[app.Done] {
	if s.ended {
		return app.Failed[app.Done](ErrClosed)
	}
	x := s.extra
	bytes, messages := s.endpoint.queueLimits()
	waiting, _ := s.wire.Queued()
	for i := range x.deferred {
		waiting += x.deferred[i].size()
	}
	if waiting >= min(bytes, limit) || messages > 0 && len(x.deferred) >= messages {
		return app.Failed[app.Done](app.ErrQueueFull)
	}
	d.sent = newPromise(s.wire.Loop())
	x.deferred = append(x.deferred, d)
	return d.sent.Future()
}

// sendDeferred sends the messages that have waited. A continuation may begin another
// message in parts, for which the rest waits.
func (s *Socket) sendDeferred() {
	x := s.extra
	for len(x.deferred) > 0 && x.streaming == nil {
		d := x.deferred[0]
		x.deferred[0] = deferred{}
		x.deferred = x.deferred[1:]
		var err error
		if d.prepared != nil {
			_, err = s.wire.SendPrepared(d.prepared, noLimit)
		} else {
			_, err = s.wire.Send(d.kind, d.data)
		}
		core.SettleHere(d.sent, err)
	}
	if len(x.deferred) == 0 {
		x.deferred = nil
	}
}

// dropDeferred drops a message in parts and those that wait for it.
func (s *Socket) dropDeferred() {
	x := s.extra
	if x == nil || x.streaming == nil {
		return
	}
	x.streaming.done = true
	x.streaming = nil
	waiting := x.deferred
	x.deferred = nil
	for _, d := range waiting {
		d.sent.Fail(ErrClosed)
	}
}
