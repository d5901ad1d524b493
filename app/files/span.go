package files

// pageSize is the least size of a page of the kernel's. On machines with larger ones, pages
// are only looked at more often.
const pageSize = 4 << 10

// leastSpan is the least span that is sent without a copy. For smaller ones, and what is
// left of one when a page is missing, a copy costs less.
const leastSpan = 16 << 10

// Span implements app.Spans: the next content is in a file, and all of its pages are in
// memory. On the loop.
//
// sendfile(2) has no way to fail in place of waiting for a disk, so the pages are looked
// at before. mincore(2) and cachestat(2) would tell only those who may write the file.
func (s *fileReader) Span(most int) (fd int, offset int64, n int) {
	if s.start != s.end || s.err != nil || s.pending || s.content.isRead() {
		return 0, 0, 0
	}
	part := &s.content.parts[s.content.at]
	at := s.content.done - int64(len(part.prefix))
	if at < 0 {
		return 0, 0, 0
	}
	n = int(min(int64(most), part.span.length-at))
	offset = part.span.start + at
	if n = s.inMemory(offset, n); n < leastSpan {
		return 0, 0, 0
	}
	return s.content.fd(), offset, n
}

// Skip implements app.Spans.
func (s *fileReader) Skip(n int) { s.content.skip(int64(n)) }

// inMemory returns how many of the n bytes at offset are in memory, without a gap. A read
// of the two bytes at the border of two pages looks at both, and costs less than a
// copy of them.
func (s *fileReader) inMemory(offset int64, n int) int {
	var two [2]byte
	end := offset + int64(n)
	for at := offset; at < end; {
		// The last byte of the page that at is in, and the first of the next.
		border := at | (pageSize - 1)
		p := two[:min(2, max(end-border, 1))]
		if border >= end {
			border = end - 1
		}
		switch k, _ := s.ahead.ReadAt(p, border); {
		case k == 0:
			return int(at - offset)
		case k < len(p):
			return int(border + 1 - offset)
		}
		at = border&^(pageSize-1) + 2*pageSize
	}
	return n
}
