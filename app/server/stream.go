//go:build linux

package server

import (
	"fmt"
)

// stream carries content in both directions between an application and the machine of a connection, under
// backpressure: what the application does not take costs the peer credit, and what the peer does not take suspends
// the producer. The exchange around it, its shell, knows heads and what the content is for. It belongs to the loop.
type stream struct {
	*connection
	id   uint64    // the machine's name for it
	in   *inbound  // content from the peer; nil: none comes
	out  *outbound // content that a producer writes; nil: none does
	sent int64     // bytes of content that the machine has taken
	gone bool      // nothing moves any more in either direction
}

// transport moves the content of streams over one connection. On the loop, owned.
type transport interface {
	// resume announces that out has more, or has ended.
	resume(s *stream)
	// abort ends a stream whose outgoing content cannot be completed.
	abort(s *stream)
	// want asks the peer for content that the application waits for.
	want(s *stream)
	// consumed gives the peer credit for n bytes that the application has taken.
	consumed(s *stream, n int)
}

// shell is the exchange around a stream. On the loop, owned.
type shell interface {
	fmt.Stringer
	// call runs a callback of the application.
	call(task func())
	// inputEnded follows the end of incoming content; in.err is its reason.
	inputEnded()
	// outputEnded follows the end of outgoing content; err is nil if it is complete.
	outputEnded(err error)
}

// enter takes the loop for a call that comes out of user code, until leave. It reports false if the caller has lost
// the loop.
func (s *stream) enter() bool { return s.loop.r.Enter(s.conn) }
func (s *stream) leave()      { s.loop.r.Leave() }

// cutContent ends what is left in both directions. Readers and writers that wait get cause and app.ErrPeerGone.
func (s *stream) cutContent(cause error) {
	if s.in != nil {
		s.endInput(cause)
		s.in.kept.release(&s.loop.chunks)
	}
	if s.out != nil {
		s.out.kept.release(&s.loop.chunks)
		s.wakeWriter()
	}
}

// inputOver reports whether nothing more comes from the peer.
func (s *stream) inputOver() bool { return s.in == nil || s.in.err != nil }
