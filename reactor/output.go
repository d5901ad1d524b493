//go:build linux

package reactor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// scratchKept bounds the output buffers that a Loop keeps, in bytes. Sessions exceed their room by a frame or a head,
// rarely by more.
const scratchKept = 1 << 20

// backlog is output that the kernel has not taken.
type backlog struct {
	rest   []byte // unsent bytes, a tail of memory
	memory []byte // buffer from Loop.buffers
}

// finishTurn does the work of a touched connection at the end of a turn: postponed input, output, pauses, moves.
func (c *Conn) finishTurn() {
	if c.Closed() || c.inTransit() {
		return
	}
	if c.input == inputAgain {
		c.input = inputWithMore
		if len(c.kept) > 0 {
			c.present(nil)
		}
		if c.filter != nil && c.filter.unfinished() && c.input != inputNextTurn && !c.Closed() {
			c.feed(nil)
		}
		if ending := c.ending(); ending != nil && !c.inputWaits() && !c.Closed() {
			c.tellEOF(ending)
		}
	}
	if !c.Closed() {
		c.transmit()
	}
	if c.input == inputNextTurn && !c.Closed() {
		c.loop.Load().deferConn(c)
	}
	if !c.Closed() {
		c.applyPause()
	}
	if !c.Closed() && c.departing() {
		c.depart()
	}
}

// transmit asks the session for output once and writes it.
func (c *Conn) transmit() {
	if c.phase == phaseDiscarding {
		return
	}
	l := c.loop.Load()
	if c.Queued() > l.writeLow {
		c.arm(l)
		return
	}
	c.file = 0
	out, more := c.pull(l)
	if c.Closed() {
		return
	}
	l.Charge(unitsPerWrite + len(out)/outputPerUnit)
	switch {
	case len(out) == 0:
	case c.backlog != nil:
		c.queue(l, out)
	default:
		if !c.write(l, out) {
			return
		}
	}
	if more {
		l.stats.fullPulls.Add(1)
	}
	switch {
	case c.backlog != nil, c.file&fileBlocked != 0:
		c.arm(l)
	case more, c.file != 0:
		// The kernel took everything and there is more: other connections come first.
		l.deferConn(c)
	case c.phase != phaseOpen:
		c.outputSent(l)
	case c.rare != nil && c.rare.shutsWrite:
		c.shutWrite(l)
	}
}

// pull returns output of the session and the filter for the socket, in a buffer of the Loop. more reports that the
// session has used all of its room.
func (c *Conn) pull(l *Loop) (out []byte, more bool) {
	room := l.writeHigh - c.Queued()
	if c.filter == nil {
		if c.session == nil || c.failed() {
			return nil, false
		}
		out = c.session.Transmit(l.out[:0], room)
		keepScratch(&l.out, out)
		return out, len(out) >= room
	}
	wire := c.filter.pending(l.wire[:0])
	if c.session != nil && c.filter.established() && !c.failed() {
		plain := c.session.Transmit(l.out[:0], room)
		keepScratch(&l.out, plain)
		more = len(plain) >= room
		if len(plain) > 0 && !c.Closed() {
			var err error
			if wire, err = c.filter.transmit(wire, plain); err != nil {
				c.close(err)
				return nil, false
			}
			wire = c.filter.pending(wire)
		}
	}
	keepScratch(&l.wire, wire)
	return wire, more
}

func keepScratch(scratch *[]byte, used []byte) {
	if cap(used) <= scratchKept {
		*scratch = used[:0]
	}
}

// send is write(2) without the scheduler's bookkeeping for calls that may block, which a non-blocking socket
// does not need. That saves a sixth of a microsecond.
func send(fd int, out []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(out))), uintptr(len(out)))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// write passes out to the kernel, and the rest to the backlog. It reports false if an error has closed the
// connection.
func (c *Conn) write(l *Loop, out []byte) bool {
	n, err := send(int(c.fd), out)
	for err == unix.EINTR {
		n, err = send(int(c.fd), out)
	}
	if err != nil && err != unix.EAGAIN {
		c.close(err)
		return false
	}
	n = max(n, 0)
	l.stats.bytesOut.Add(int64(n))
	if n < len(out) {
		l.stats.shortWrites.Add(1)
		c.queue(l, out[n:])
	}
	return true
}

// queue appends output that the kernel did not take to the backlog.
func (c *Conn) queue(l *Loop, rest []byte) {
	b := c.backlog
	if b == nil {
		b = &backlog{}
		c.backlog = b
	}
	if len(b.rest) > 0 {
		b.memory = append(b.memory[:copy(b.memory, b.rest)], rest...)
		b.rest = b.memory
		return
	}
	b.memory = append(l.buffers.get(len(rest)), rest...)
	b.rest = b.memory
}

// writeBacklog is called when the kernel takes output again.
func (c *Conn) writeBacklog() {
	c.watching = watchIdle
	if c.polling == pollConnecting {
		c.connectReported()
		return
	}
	l := c.loop.Load()
	b := c.backlog
	if b == nil {
		c.file = 0
		c.Touch()
		return
	}
	n, err := send(int(c.fd), b.rest)
	if err != nil && err != unix.EAGAIN && err != unix.EINTR {
		c.close(err)
		return
	}
	n = max(n, 0)
	l.stats.bytesOut.Add(int64(n))
	b.rest = b.rest[n:]
	if len(b.rest) == 0 {
		l.buffers.put(b.memory)
		c.backlog = nil
	}
	switch {
	case len(b.rest) > l.writeLow, len(b.rest) > 0 && c.file&fileNext != 0:
		c.arm(l)
	case c.socket == nil && c.polling != pollMoving && c.backlog == nil:
		// No engine polls a half-closed connection, so only this set reports a reset.
		if err := l.writable.arm(c, 0); err != nil {
			c.close(err)
			return
		}
		c.Touch()
	default:
		c.Touch()
	}
}

// arm has writeBacklog called when the kernel takes output again.
func (c *Conn) arm(l *Loop) {
	if c.watching == watchPending {
		return
	}
	if err := l.writable.arm(c, unix.EPOLLOUT); err != nil {
		c.close(err)
	}
}

// buffers is the memory that a Loop keeps for backlogs, by powers of two.
type buffers struct {
	stock [buffersSizes][][]byte
}

const (
	bufferSmallest = 12 // 4 KiB
	buffersSizes   = 9  // up to 1 MiB
	// buffersKept bounds the memory that a Loop keeps of each size, in bytes.
	buffersKept = 1 << 20
)

func (b *buffers) get(n int) []byte {
	class := 0
	for class < buffersSizes && n > 1<<(bufferSmallest+class) {
		class++
	}
	if class == buffersSizes {
		return make([]byte, 0, n)
	}
	stock := b.stock[class]
	if last := len(stock) - 1; last >= 0 {
		buf := stock[last]
		stock[last] = nil
		b.stock[class] = stock[:last]
		return buf
	}
	return make([]byte, 0, 1<<(bufferSmallest+class))
}

func (b *buffers) put(buf []byte) {
	for class := range buffersSizes {
		if size := 1 << (bufferSmallest + class); cap(buf) == size {
			if len(b.stock[class])*size < buffersKept {
				b.stock[class] = append(b.stock[class], buf[:0])
			}
			return
		}
	}
}
