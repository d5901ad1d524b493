//go:build linux

package server

// chunkSize is the size of the pieces in which bytes wait for the application or for the socket: one read
// of the loop, or one full HTTP/2 frame.
const chunkSize = 16 << 10

// maxFreeChunks bounds what a loop keeps for reuse (4 MiB), so that a burst does not stay resident.
const maxFreeChunks = 256

// chunks is a loop's free list. Only the loop touches it.
type chunks struct{ free [][]byte }

func (c *chunks) get() []byte {
	if n := len(c.free); n > 0 {
		b := c.free[n-1]
		c.free[n-1] = nil
		c.free = c.free[:n-1]
		return b
	}
	return make([]byte, 0, chunkSize)
}

func (c *chunks) put(b []byte) {
	if len(c.free) < maxFreeChunks {
		c.free = append(c.free, b[:0])
	}
}

// queue is a first-in first-out of bytes in chunks of its loop. The zero value is empty and holds nothing.
type queue struct {
	parts [][]byte
	off   int // consumed bytes of parts[0]
	size  int
}

func (q *queue) len() int { return q.size }

func (q *queue) write(c *chunks, p []byte) {
	q.size += len(p)
	for len(p) > 0 {
		last := len(q.parts) - 1
		if last < 0 || len(q.parts[last]) == cap(q.parts[last]) {
			q.parts = append(q.parts, c.get())
			last++
		}
		part := q.parts[last]
		n := copy(part[len(part):cap(part)], p)
		q.parts[last] = part[:len(part)+n]
		p = p[n:]
	}
}

func (q *queue) read(c *chunks, p []byte) (n int) {
	for n < len(p) && q.size > 0 {
		part := q.parts[0][q.off:]
		m := copy(p[n:], part)
		n += m
		q.size -= m
		q.off += m
		if m == len(part) {
			c.put(q.parts[0])
			q.parts[0] = nil
			q.parts = q.parts[1:]
			q.off = 0
		}
	}
	if q.size == 0 {
		q.parts = nil
	}
	return n
}

// release gives the chunks back.
func (q *queue) release(c *chunks) {
	for _, part := range q.parts {
		c.put(part)
	}
	*q = queue{}
}
