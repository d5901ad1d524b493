package files

// leastSpan is the least span that is sent without a copy. For smaller ones, and what is
// left of one when a page is missing, a copy costs less.
const leastSpan = 16 << 10

// looker tells what of a file is in memory.
type looker interface {
	// inMemory returns how many of the n bytes at offset are in memory, without a gap. It
	// is 0 where there is no way to tell.
	inMemory(offset int64, n int) int
}

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
	if n = s.looker.inMemory(offset, n); n < leastSpan {
		return 0, 0, 0
	}
	return s.content.fd(), offset, n
}

// Skip implements app.Spans.
func (s *fileReader) Skip(n int) { s.content.skip(int64(n)) }
