//go:build linux

package server

const (
	// chunkSize is the size in bytes of the chunks of a queue: one read of the loop, or one full HTTP/2 frame.
	chunkSize = 16 << 10
	// smallChunkSize is that of the first chunk of a queue, if so much fits. The content of most messages does, and one
	// turn may bring that of hundreds.
	smallChunkSize = 512
	// maxFreeChunks and maxFreeSmall are the numbers of chunks that a loop keeps for reuse (4 MiB and 1 MiB).
	maxFreeChunks = 256
	maxFreeSmall  = 2048
)

// chunks are the free lists of a loop. They belong to the loop.
type chunks struct{ free, small [][]byte }

// get returns an empty chunk, a small one if n bytes fit in it.
func (c *chunks) get(n int) []byte {
	free, size := &c.free, chunkSize
	if n <= smallChunkSize {
		free, size = &c.small, smallChunkSize
	}
	if last := len(*free) - 1; last >= 0 {
		b := (*free)[last]
		(*free)[last] = nil
		*free = (*free)[:last]
		return b
	}
	return make([]byte, 0, size)
}

func (c *chunks) put(b []byte) {
	switch {
	case cap(b) == smallChunkSize:
		if len(c.small) < maxFreeSmall {
			c.small = append(c.small, b[:0])
		}
	case len(c.free) < maxFreeChunks:
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

// write appends a copy of p.
func (q *queue) write(c *chunks, p []byte) {
	if len(q.parts) == 0 && len(p) > 0 {
		q.parts = append(q.parts, c.get(len(p)))
	}
	for len(p) > 0 {
		n := copy(q.space(c), p)
		q.grow(n)
		p = p[n:]
	}
}

// space returns memory for the next bytes, at least one. What is written into it counts after grow.
func (q *queue) space(c *chunks) []byte {
	last := len(q.parts) - 1
	if last < 0 || len(q.parts[last]) == cap(q.parts[last]) {
		q.parts = append(q.parts, c.get(chunkSize))
		last++
	}
	part := q.parts[last]
	return part[len(part):cap(part)]
}

// grow appends the first n bytes of space.
func (q *queue) grow(n int) {
	last := len(q.parts) - 1
	q.parts[last] = q.parts[last][:len(q.parts[last])+n]
	q.size += n
}

// read moves the first bytes into p, as many as there are, and returns their number.
func (q *queue) read(c *chunks, p []byte) (n int) {
	for n < len(p) && q.size > 0 {
		part := q.parts[0][q.off:]
		m := copy(p[n:], part)
		n += m
		q.size -= m
		q.off += m
		if m == len(part) {
			q.drop(c)
		}
	}
	if q.size == 0 {
		q.release(c)
	}
	return n
}

// drop returns the first chunk.
func (q *queue) drop(c *chunks) {
	c.put(q.parts[0])
	last := copy(q.parts, q.parts[1:])
	q.parts[last] = nil
	q.parts = q.parts[:last]
	q.off = 0
}

// release empties the queue and returns its chunks. A short list of them is kept for the next bytes.
func (q *queue) release(c *chunks) {
	for _, part := range q.parts {
		c.put(part)
	}
	clear(q.parts)
	*q = queue{parts: q.parts[:0]}
	if cap(q.parts) > partsKept {
		q.parts = nil
	}
}

// partsKept is the capacity up to which an empty queue keeps its list of chunks: that of a full outbound.
const partsKept = streamHigh/chunkSize + 1
