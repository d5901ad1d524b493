package app

// MessageWriter sends one message in parts, for messages that are too large for
// memory. On the loop.
type MessageWriter struct {
	s    *Socket
	done bool
}

// Begin starts a message that is sent in parts. Until its End, other messages
// wait for it, within the queue's limits; a second Begin fails with ErrBusy.
// Further failures are those of Send.
func (s *Socket) Begin(kind MessageKind) (*MessageWriter, error) {
	if s.isStreaming() {
		return nil, ErrBusy
	}
	if err := s.wire.Begin(kind); err != nil {
		return nil, err
	}
	w := &MessageWriter{s: s}
	s.more().streaming = w
	return w, nil
}

func (s *Socket) isStreaming() bool { return s.extra != nil && s.extra.streaming != nil }

// Write sends a part; p is copied. Each is a frame of its own, so parts should
// not be small; a text may be cut anywhere. The future is as in Socket.Send, and
// the queue's limits are for whole messages: whoever does not wait for futures
// has as much in memory as was written.
func (w *MessageWriter) Write(p []byte) Future[Done] {
	if w.done {
		return Failed[Done](ErrSocketClosed)
	}
	return w.s.sent(w.s.wire.Write(p))
}

// End completes the message; what has waited for it is sent. It fails with
// ErrText, and leaves the message as it was, if the text so far ends within a
// character.
func (w *MessageWriter) End() Future[Done] {
	if w.done {
		return Failed[Done](ErrSocketClosed)
	}
	queued, err := w.s.wire.End()
	if err == ErrText {
		return Failed[Done](err)
	}
	w.done = true
	w.s.extra.streaming = nil
	w.s.sendDeferred()
	return w.s.sent(queued, err)
}

// deferred is a message that waits for the end of one that is sent in parts.
type deferred struct {
	kind     MessageKind
	data     []byte
	prepared *Prepared
	sent     *cell[Done]
}

func (d *deferred) size() int {
	if d.prepared != nil {
		return len(d.prepared.data)
	}
	return len(d.data)
}

func (s *Socket) postpone(d deferred, limit int) Future[Done] {
	if s.ended {
		return Failed[Done](ErrSocketClosed)
	}
	x := s.extra
	bytes, messages := s.endpoint.QueueLimits()
	waiting, _ := s.wire.Queued()
	for i := range x.deferred {
		waiting += x.deferred[i].size()
	}
	if waiting >= min(bytes, limit) || messages > 0 && len(x.deferred) >= messages {
		return Failed[Done](ErrQueueFull)
	}
	d.sent = &cell[Done]{loop: s.wire.Loop()}
	x.deferred = append(x.deferred, d)
	return d.sent.future()
}

// sendDeferred sends what has waited. A continuation may begin the next message
// in parts, behind which the rest waits again.
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
		q := queue{loop: d.sent.loop}
		d.sent.settle(Done{}, err, &q)
		q.run()
	}
	if len(x.deferred) == 0 {
		x.deferred = nil
	}
}

// dropDeferred ends a message in parts and what waits for it.
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
		d.sent.settle(Done{}, ErrSocketClosed, nil)
	}
}
