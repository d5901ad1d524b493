//go:build linux

package server

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
)

// streamHigh is the number of bytes that wait for the machine when the producer of a stream is suspended; it continues
// at streamLow. That is room for a few full frames, so that there is output in every turn. loop.streamHigh is less while
// memory is short.
const (
	streamHigh = 64 << 10
	streamLow  = 16 << 10
)

// outbound is the response content of a stream that its producer wrote and the machine has not taken. It belongs to
// the loop.
type outbound struct {
	owner    producer
	kept     queue
	ready    func() // callback of the pending write; nil: there is none
	done     bool   // the producer has finished
	err      error  // the failure of the producer
	trailers app.Fields
}

// empty reports whether there is neither content nor its end to send.
func (o *outbound) empty() bool { return o.kept.len() == 0 && !o.done }

// Write implements spi.Exchange.
func (s *stream) Write(p []byte, ready func()) (int, error) {
	if !s.enter() {
		return 0, app.ErrPeerGone
	}
	defer s.leave()
	o := s.out
	switch {
	case s.gone:
		return 0, app.ErrPeerGone
	case o == nil || o.done:
		return 0, io.ErrClosedPipe
	}
	n := min(len(p), s.loop.streamHigh-o.kept.len())
	if n > 0 {
		o.kept.write(&s.loop.chunks, p[:n])
		s.session.resume(s)
	} else {
		n = 0
	}
	if n < len(p) {
		o.ready = ready
	}
	return n, nil
}

// Finish implements spi.Exchange.
func (s *stream) Finish(trailers app.Fields, err error) {
	if !s.enter() {
		return
	}
	defer s.leave()
	if o := s.out; o != nil && !o.done && !s.gone {
		o.done, o.err, o.trailers = true, err, trailers
		s.session.resume(s)
	}
}

// wakeWriter has the callback of the pending write called later: the producer must not write while the machine is
// pulling.
func (s *stream) wakeWriter() {
	o := s.out
	if o.ready == nil {
		return
	}
	ready := o.ready
	o.ready = nil
	o.owner.callLater(ready)
}

// producedSource is a stream with a producer, as the machine reads it.
type producedSource stream

// Read implements the machines' Source.
func (p *producedSource) Read(buf []byte) (int, error) {
	s := (*stream)(p)
	o := s.out
	if x, ok := o.owner.(*exchange); ok {
		x.firstRead()
	}
	n := o.kept.read(&s.loop.chunks, buf)
	s.sent += int64(n)
	if o.kept.len() <= min(streamLow, s.loop.streamHigh/4) {
		s.wakeWriter()
	}
	if !o.done || o.kept.len() > 0 {
		return n, nil
	}
	o.owner.outputEnded(o.err)
	if o.err != nil {
		return n, o.err
	}
	return n, io.EOF
}

// Trailers implements the machines' TrailerSource.
func (p *producedSource) Trailers() []app.Field { return p.out.trailers }
