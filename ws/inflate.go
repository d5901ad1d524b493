package ws

import (
	"bytes"
	"io"

	"github.com/klauspost/compress/flate"
)

// The decompressing half of RFC 7692. The inflater cannot wait for input, so the
// compressed form of a message is gathered until its last frame has come, and
// then inflated in pieces as fast as the caller takes them. An inflater is
// borrowed from the loop for that time only.

// inflateTail completes a message: syncTail, which the sender left out, and an
// empty final block, at which the inflater ends.
// RFC 7692 section 7.2.2.
const inflateTail = "\x00\x00\xFF\xFF" + "\x01\x00\x00\xFF\xFF"

// inflater hands out one message.
type inflater struct {
	src    bytes.Reader
	flate  io.ReadCloser
	finals int  // deflate streams that have ended
	again  bool // a further deflate stream follows
}

// errInflate is any fault of compressed data.
type errInflate string

func (e errInflate) Error() string { return string(e) }

// inflater gives an idle inflater for a message with its tail, behind the plain
// text in history.
func (sh *Shared) inflater(packed, history []byte) *inflater {
	var f *inflater
	if n := len(sh.inflaters); n > 0 {
		f = sh.inflaters[n-1]
		sh.inflaters = sh.inflaters[:n-1]
	} else {
		f = &inflater{flate: flate.NewReader(bytes.NewReader(nil))}
	}
	f.finals, f.again = 0, false
	f.src.Reset(packed)
	f.reset(history)
	return f
}

// release takes an inflater back.
func (sh *Shared) release(f *inflater) {
	f.src.Reset(nil)
	if len(sh.inflaters) < maxInflaters {
		sh.inflaters = append(sh.inflaters, f)
	}
}

// reset begins a deflate stream. Neither implementation of Reset fails.
func (f *inflater) reset(history []byte) {
	_ = f.flate.(flate.Resetter).Reset(&f.src, history)
}

// read fills p as far as it can; done tells that the message has ended.
// history is the window, without what this call reads.
func (f *inflater) read(p, history []byte) (n int, done bool, err error) {
	if f.again {
		f.reset(history)
		f.again = false
	}
	for n < len(p) {
		m, err := f.flate.Read(p[n:])
		n += m
		if err == io.EOF {
			return n, f.streamEnd(), f.tooManyStreams()
		}
		if err != nil {
			return n, false, errInflate("compressed data is corrupt")
		}
	}
	return n, false, nil
}

// streamEnd tells whether the message ends with the deflate stream that has just
// ended. RFC 7692 section 7.2.3.4: a sender may set BFINAL, after which another
// stream may follow.
func (f *inflater) streamEnd() bool {
	f.finals++
	rest := f.src.Len()
	f.again = rest > 0 && rest != len(inflateTail)
	return !f.again
}

func (f *inflater) tooManyStreams() error {
	if f.again && f.finals >= maxFinalBlocks {
		return errInflate("compressed data in too many streams")
	}
	return nil
}

// gather keeps a piece of a compressed message, and makes the message ready to
// be handed out when the last one has come.
func (c *Conn) gather(p []byte, last bool) error {
	need := len(p)
	if last {
		need += len(inflateTail)
	}
	c.packed = append(c.sh.grow(c.packed, need), p...)
	if !last {
		return nil
	}
	c.total = 0
	if len(c.packed) == 0 {
		// Some encoders make nothing of an empty message, where RFC 7692
		// section 7.2.3.6 wants the one byte of an empty block.
		c.packed = append(c.packed, emptyBlock...)
	}
	c.packed = append(c.packed, inflateTail...)
	c.inf = c.sh.inflater(c.packed, c.context.received())
	return nil
}

// inflate hands out the next piece of a compressed message. more tells that
// nothing was handed out and there may be more.
func (c *Conn) inflate(ev *Event) (more bool, err error) {
	if c.sh.plain == nil {
		c.sh.plain = make([]byte, plainSize)
	}
	n, done, err := c.inf.read(c.sh.plain, c.context.received())
	if err != nil {
		return false, c.fail(CloseInvalidPayload, err.Error())
	}
	if c.total += int64(n); c.total > c.set.message() {
		return false, c.fail(CloseTooBig, "message over the limit once inflated")
	}
	p := c.sh.plain[:n]
	if c.context != nil {
		c.context.in.add(p)
	}
	if done {
		c.dropInflation()
	} else if n == 0 {
		return true, nil
	}
	return false, c.deliver(p, done, ev)
}

// dropInflation lets go of a compressed message.
func (c *Conn) dropInflation() {
	c.packed = c.sh.give(c.packed)
	if c.inf != nil {
		c.sh.release(c.inf)
		c.inf = nil
	}
}
