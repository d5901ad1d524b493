//go:build linux

package server

import (
	"io"

	"github.com/gatewheel/gatewheel/app"
)

// streamHigh is how many bytes of a streamed response wait for the machine before the producer is
// suspended; it goes on when streamLow is reached. With room for a few full frames the pipe never runs dry
// between two turns.
const (
	streamHigh = 64 << 10
	streamLow  = 16 << 10
)

// outbound is the content of a streamed response on its way to the machine.
type outbound struct {
	kept     queue
	ready    func() // the producer waits: called once when there is room
	done     bool   // the producer has finished
	err      error  // why it did, when it failed
	trailers app.Fields
}

// empty reports whether there is neither content nor its end to send.
func (o *outbound) empty() bool { return o.kept.len() == 0 && !o.done }

// Write implements spi.Exchange.
func (x *exchange) Write(p []byte, ready func()) (int, error) {
	if !x.enter() {
		return 0, app.ErrPeerGone
	}
	defer x.leave()
	o := x.stream
	switch {
	case x.gone:
		return 0, app.ErrPeerGone
	case o == nil || o.done:
		return 0, io.ErrClosedPipe
	}
	n := min(len(p), streamHigh-o.kept.len())
	if n > 0 {
		o.kept.write(&x.loop.chunks, p[:n])
		x.session.resume(x)
	} else {
		n = 0
	}
	if n < len(p) {
		o.ready = ready
	}
	return n, nil
}

// Finish implements spi.Exchange.
func (x *exchange) Finish(trailers app.Fields, err error) {
	if !x.enter() {
		return
	}
	defer x.leave()
	x.finish(trailers, err)
}

func (x *exchange) finish(trailers app.Fields, err error) {
	o := x.stream
	if o == nil || o.done || x.gone {
		return
	}
	o.done, o.err, o.trailers = true, err, trailers
	x.session.resume(x)
}

// wakeWriter goes through the inbox: it is reached while the machine is pulling, which the producer's next
// write must not interrupt.
func (x *exchange) wakeWriter() {
	o := x.stream
	if o.ready == nil {
		return
	}
	ready := o.ready
	o.ready = nil
	x.loop.r.Post(func() { x.loop.run(x, ready) })
}

// streamSource is an exchange as the machine's source of streamed content.
type streamSource exchange

// Read implements the machines' Source.
func (s *streamSource) Read(p []byte) (int, error) {
	x := (*exchange)(s)
	o := x.stream
	n := o.kept.read(&x.loop.chunks, p)
	if o.kept.len() <= streamLow {
		x.wakeWriter()
	}
	if !o.done || o.kept.len() > 0 {
		return n, nil
	}
	if o.err != nil {
		x.brokenOff(o.err)
		return n, o.err
	}
	x.endResponse()
	return n, io.EOF
}

// Trailers implements the machines' TrailerSource.
func (s *streamSource) Trailers() []app.Field { return s.stream.trailers }
