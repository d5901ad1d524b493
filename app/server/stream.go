//go:build linux

package server

// stream carries the content of one request and its response between the application and the machine of a
// connection, to a client or to another server. Backpressure works in both directions: content that the application does not read is not credited to
// the peer, and a producer is suspended while the peer does not read. What surrounds it handles the heads. It
// belongs to the loop.
type stream struct {
	*connection
	id   uint64    // the machine's number of the request or stream
	in   *inbound  // content from the peer; nil: the request has none
	out  *outbound // content from a producer; nil: there is no producer
	sent int64     // bytes of content that the machine has taken
	gone bool      // both directions were cut; reads and writes fail
}

// transport moves the content of streams over one connection: the session of an HTTP/1 or HTTP/2 connection. On the
// loop, owned.
type transport interface {
	// resume makes the machine read s.out again, which has more content or has ended.
	resume(s *stream)
	// abort ends a stream whose outgoing content cannot be completed, so that the peer can tell.
	abort(s *stream)
	// want makes the peer send content, for which the application waits.
	want(s *stream)
	// consumed gives the peer credit for n bytes that the application has taken.
	consumed(s *stream, n int)
}

// receiver is what surrounds a stream whose incoming content it takes: an exchange or a call. On the loop, owned.
type receiver interface {
	// call calls the callback of a read: an exchange does while the loop is lent, a call in a task.
	call(ready func())
	// inputEnded is called after the end of incoming content; in.err is the reason, io.EOF if it is complete.
	inputEnded()
}

// producer is what surrounds a stream for which the application writes content: an exchange. On the loop, owned.
type producer interface {
	// callLater calls the callback of a write in a task of the loop, while the loop is lent.
	callLater(ready func())
	// outputEnded is called after the end of outgoing content; err is nil if it is complete.
	outputEnded(err error)
}

// enter takes the loop back from user code for the duration of a method that user code has called; leave lends it
// again. It reports false if the loop was taken from the caller, which must then return without leave.
func (s *stream) enter() bool { return s.loop.r.Enter(s.conn) }
func (s *stream) leave()      { s.loop.r.Leave() }

// cutContent ends both directions. A pending read fails with cause, a pending write with app.ErrPeerGone.
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

// inputOver reports whether the content from the peer has ended, or there is none.
func (s *stream) inputOver() bool { return s.in == nil || s.in.err != nil }
