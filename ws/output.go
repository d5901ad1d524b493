package ws

// output is a connection's queue of frames: pieces, and behind them a tail to which
// small frames are appended. An empty queue holds no memory.
type output struct {
	pieces []piece
	tail   []byte
	at     int    // bytes pulled of the first piece, or of the tail if there is none
	size   int    // bytes queued, before compression where that is still to be done
	sent   uint64 // bytes pulled since the start, plus those that compression has saved
}

// piece is a part of the queue to which nothing is appended.
type piece struct {
	b      []byte
	ref    bool    // b is shared, and must not be reused
	packer *packer // makes more to follow b; nil: b is all
}

// isDone reports whether nothing follows b.
func (p *piece) isDone() bool { return p.packer == nil || p.packer.isDone() }

// end returns the position of the queue's end on the scale of sent.
func (o *output) end() uint64 { return o.sent + uint64(o.size) }

// reserve makes room for n bytes in the tail.
func (o *output) reserve(sh *Shared, n int) {
	switch {
	case cap(o.tail)-len(o.tail) >= n:
	case o.tail == nil:
		o.tail = sh.take(n)
	case len(o.tail)+n <= maxTail:
		o.tail = sh.grow(o.tail, n)
	default:
		o.cut()
		o.tail = sh.take(n)
	}
}

// cut makes a piece of the tail.
func (o *output) cut() {
	if len(o.tail) > 0 {
		o.pieces = append(o.pieces, piece{b: o.tail})
		o.tail = nil
	}
}

// extended replaces the tail by b, which is the tail with more appended.
func (o *output) extended(b []byte) {
	o.size += len(b) - len(o.tail)
	o.tail = b
}

// refer queues b without copying it. b must not change any more.
func (o *output) refer(b []byte) {
	o.cut()
	o.pieces = append(o.pieces, piece{b: b, ref: true})
	o.size += len(b)
}

// pack queues the text of a packer and returns its piece.
func (o *output) pack(t *packer) *piece {
	o.cut()
	o.pieces = append(o.pieces, piece{packer: t})
	o.size += len(t.text)
	return &o.pieces[len(o.pieces)-1]
}

// made accounts for a part of a packer: text bytes have become part bytes.
func (o *output) made(text, part int) {
	o.size += part - text
	o.sent += uint64(max(0, text-part))
}

// unmade returns the first piece if its packer has to make the next part, otherwise
// nil.
func (o *output) unmade() *piece {
	if len(o.pieces) == 0 || o.at < len(o.pieces[0].b) || o.pieces[0].isDone() {
		return nil
	}
	return &o.pieces[0]
}

// pull appends at most room bytes of the queue to dst. It stops before a part that a
// packer has to make.
func (o *output) pull(sh *Shared, dst []byte, room int) []byte {
	if len(o.pieces) == 0 && o.size <= room {
		dst = append(dst, o.tail[o.at:]...)
		o.sent += uint64(o.size)
		o.size = 0
		o.shift(sh)
		return dst
	}
	for room > 0 && o.size > 0 && o.unmade() == nil {
		first := o.tail
		if len(o.pieces) > 0 {
			first = o.pieces[0].b
		}
		n := min(room, len(first)-o.at)
		dst = append(dst, first[o.at:o.at+n]...)
		room -= n
		o.at += n
		o.size -= n
		o.sent += uint64(n)
		if o.at == len(first) {
			o.shift(sh)
		}
	}
	return dst
}

// shift removes the first piece, or the tail if there is none, which was pulled. A
// piece with a packer that has more stays.
func (o *output) shift(sh *Shared) {
	o.at = 0
	if len(o.pieces) == 0 {
		o.tail = sh.give(o.tail)
		return
	}
	first := &o.pieces[0]
	if !first.ref {
		sh.give(first.b)
	}
	if first.b = nil; !first.isDone() {
		return
	}
	*first = piece{}
	o.pieces = o.pieces[1:]
	if len(o.pieces) == 0 {
		o.pieces = nil
	}
}

// clear empties the queue.
func (o *output) clear(sh *Shared) {
	for o.size = 0; len(o.pieces) > 0; {
		o.pieces[0].packer = nil
		o.shift(sh)
	}
	o.at = 0
	o.tail = sh.give(o.tail)
}
