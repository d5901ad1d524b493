//go:build linux

package server

import (
	"io"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// inbound is content of a stream that arrived and is not yet read: of a request, or of another server's response. It belongs to the loop.
type inbound struct {
	owner    receiver
	ready    func()  // callback of the pending read; nil: there is none
	taken    int64   // bytes that have arrived
	lent     []byte  // borrowed from the loop's buffer while deliver runs
	kept     queue   // arrived before it was read
	err      error   // reason of the end: io.EOF if the content is complete; nil: it has not ended
	asked    instant // when the application began to wait; on HTTP/2
	expects  bool    // the peer waits for a 100 before it sends; on HTTP/2
	gathered bool    // the stream is among loop.gathered
	trailers app.Fields
	pace     *contentPace // nil: the rate is not limited, or the application has not waited yet
}

// waiting reports whether the application waits for content.
func (b *inbound) waiting() bool { return b.ready != nil }

// deliver passes borrowed content to the application. A waiting reader copies it into its own memory; the rest is kept.
func (s *stream) deliver(data []byte) {
	b := s.in
	b.taken += int64(len(data))
	b.lent = data
	s.wakeReader()
	if len(b.lent) > 0 {
		b.kept.write(&s.loop.chunks, b.lent)
	}
	b.lent = nil
}

// gather keeps content until tellGathered passes it to the reader.
func (s *stream) gather(data []byte) {
	s.in.taken += int64(len(data))
	s.in.kept.write(&s.loop.chunks, data)
	if !s.in.gathered {
		s.in.gathered = true
		s.loop.gathered = append(s.loop.gathered, s)
	}
}

// tellGathered wakes the readers of all streams that gathered content.
func (l *loop) tellGathered() {
	for i, s := range l.gathered {
		l.gathered[i] = nil
		s.in.gathered = false
		s.wakeReader()
	}
	l.gathered = l.gathered[:0]
}

// endInput ends the incoming content. err is io.EOF if it is complete. Later calls do nothing.
func (s *stream) endInput(err error) {
	if s.in.err != nil {
		return
	}
	s.in.err = err
	s.wakeReader()
	s.in.owner.inputEnded()
}

// wakeReader calls the callback of the pending read.
func (s *stream) wakeReader() {
	if ready := s.in.ready; ready != nil {
		s.in.ready = nil
		if p := s.in.pace; p != nil {
			p.Set(false, time.Duration(s.loop.instant()))
		}
		s.in.owner.call(ready)
	}
}

// ReadBody implements spi.Exchange.
func (s *stream) ReadBody(p []byte, ready func()) (int, error) {
	if s.in == nil {
		return 0, io.EOF
	}
	if !s.enter() {
		return 0, app.ErrPeerGone
	}
	defer s.leave()
	return s.read(p, ready)
}

// read is ReadBody, owned, of a stream with incoming content.
func (s *stream) read(p []byte, ready func()) (int, error) {
	b := s.in
	n := b.kept.read(&s.loop.chunks, p)
	if m := copy(p[n:], b.lent); m > 0 {
		b.lent = b.lent[m:]
		n += m
	}
	switch {
	case n > 0:
		s.session.consumed(s, n)
		return n, nil
	case len(p) == 0 && b.kept.len() > 0:
		return 0, nil // content precedes the end
	case b.err != nil:
		return 0, b.err
	}
	b.ready = ready
	s.session.want(s)
	return 0, nil
}

// Trailers implements spi.Exchange.
func (s *stream) Trailers() app.Fields {
	if s.in == nil || !s.enter() {
		return nil
	}
	defer s.leave()
	return s.in.trailers
}
