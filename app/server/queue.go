//go:build linux

package server

// chunkSize is the size in bytes of the chunks of a queue: one read of the loop, or one full HTTP/2 frame.
const chunkSize = 16 << 10

// maxFreeChunks is the number of chunks that a loop keeps for reuse (4 MiB).
const maxFreeChunks = 256

// chunks is the free list of a loop. It belongs to the loop.
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

// queue is a first-in, first-out queue of bytes in chunks of its loop. The zero value is empty.
type queue struct {
	parts [][]byte
	off   int // bytes of parts[0] that were read
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

// release empties the queue and returns its chunks.
func (q *queue) release(c *chunks) {
	for _, part := range q.parts {
		c.put(part)
	}
	*q = queue{}
}
