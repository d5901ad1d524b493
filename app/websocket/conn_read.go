package websocket

import (
	"context"
	"io"
)

// inbound is the receiving half of a Conn. The lock guards the fields that deliver
// changes; the others belong to the reading goroutine.
type inbound struct {
	pieces  []piece // from first on
	first   int
	bytes   int
	held    bool     // the peer has to wait
	arrived *promise // opened when a piece comes

	reader  *messageReader // of the message that is being read in parts
	partial assembly       // what Read has of a message
	begun   bool
}

type piece struct {
	kind  Kind
	data  []byte
	final bool
}

// deliver queues a piece and reports whether more may follow. On the loop.
func (c *Conn) deliver(kind Kind, p []byte, _, final bool) (more bool) {
	c.mu.Lock()
	if c.finished {
		c.mu.Unlock()
		return true
	}
	c.pieces = append(c.pieces, piece{kind: kind, data: append(make([]byte, 0, len(p)), p...), final: final})
	c.bytes += len(p)
	c.held = c.bytes >= connHigh || len(c.pieces)-c.first >= connHighCount
	more = !c.held
	arrived := c.arrived
	c.arrived = nil
	c.mu.Unlock()
	open(arrived)
	return more
}

// next removes the first piece, and resumes the peer when few are left.
func (c *Conn) next(ctx context.Context) (p piece, err error) {
	resume := false
	err = c.until(ctx, &c.arrived, func() bool {
		if c.first == len(c.pieces) {
			return false
		}
		p = c.pieces[c.first]
		c.pieces[c.first] = piece{}
		if c.first++; c.first == len(c.pieces) {
			c.pieces, c.first = c.pieces[:0], 0
		}
		c.bytes -= len(p.data)
		resume = c.held && c.bytes <= connLow && len(c.pieces)-c.first <= connLowCount
		c.held = c.held && !resume
		return true
	})
	if resume {
		c.s.Loop().Post(c.s.wire.Resume)
	}
	return p, err
}

// Read reads a whole message, whose Data is the caller's. After a failure by its
// context it may be called again, and nothing is lost. A message for which there is no
// memory is skipped, and the error is a Closed of CloseTryAgainLater, which Serve should
// return.
func (c *Conn) Read(ctx context.Context) (Message, error) {
	if err := c.skip(ctx); err != nil {
		return Message{}, err
	}
	for {
		p, err := c.next(ctx)
		switch {
		case err != nil:
			return Message{}, err
		case p.final && !c.begun:
			return Message{Kind: p.kind, Data: p.data}, nil
		}
		c.begun = true
		if err := c.partial.add(c.s.wire, p.data); err != nil {
			c.partial.release(c.s.wire)
			c.begun = false
			c.reader = &messageReader{c: c, ctx: ctx, piece: p} // the next Read skips the rest
			return Message{}, Closed{Code: CloseTryAgainLater, Reason: "too many incomplete messages", Err: err}
		}
		if p.final {
			m := Message{Kind: p.kind, Data: c.partial.take()}
			c.partial.release(c.s.wire)
			c.begun = false
			return m, nil
		}
	}
}

// Reader waits for the next message, which is then read in parts: for messages that are
// too large for memory. The unread rest is skipped when the next message is read. A
// Reader must not follow a Read that failed by its context.
func (c *Conn) Reader(ctx context.Context) (Kind, io.Reader, error) {
	if err := c.skip(ctx); err != nil {
		return 0, nil, err
	}
	p, err := c.next(ctx)
	if err != nil {
		return 0, nil, err
	}
	c.reader = &messageReader{c: c, ctx: ctx, piece: p}
	return p.kind, c.reader, nil
}

// skip reads the rest of a message that was read in parts.
func (c *Conn) skip(ctx context.Context) error {
	for r := c.reader; r != nil && !r.piece.final; {
		var err error
		if r.piece, err = c.next(ctx); err != nil {
			return err
		}
	}
	if c.reader != nil {
		c.reader.piece.data = nil
		c.reader = nil
	}
	return nil
}

type messageReader struct {
	c     *Conn
	ctx   context.Context
	piece piece
}

// Read implements io.Reader.
func (r *messageReader) Read(p []byte) (int, error) {
	for len(r.piece.data) == 0 {
		if r.piece.final {
			return 0, io.EOF
		}
		if r != r.c.reader {
			return 0, io.ErrClosedPipe
		}
		if len(p) == 0 {
			return 0, nil
		}
		next, err := r.c.next(r.ctx)
		if err != nil {
			return 0, err
		}
		r.piece = next
	}
	n := copy(p, r.piece.data)
	r.piece.data = r.piece.data[n:]
	return n, nil
}
