package files

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// span is a part of a representation: length bytes from start.
type span struct{ start, length int64 }

// contentRange is the value of Content-Range (RFC 9110 section 14.4).
func (s span) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", s.start, s.start+s.length-1, size)
}

var (
	// errRangeSyntax is a Range of bytes that is malformed.
	errRangeSyntax = errors.New("files: malformed range")
	// errRangeOutside is a Range none of whose parts lies within the content.
	errRangeOutside = errors.New("files: range outside of the content")
)

// maxRanges is how many parts a request may ask for; beyond that Range is ignored
// (RFC 9110 section 14.2 allows it), because each part costs a head of its own.
const maxRanges = 32

// parseRange reads a Range field for content of that size. No spans and no error:
// the field is to be ignored.
func parseRange(field string, size int64) ([]span, error) {
	unit, set, ok := strings.Cut(field, "=")
	// RFC 9110 section 14.2: an unknown range unit is ignored. Section 14.1:
	// names of units are compared without regard to case.
	if !ok || !octets.EqualFold(strings.Trim(unit, " \t"), "bytes") {
		return nil, nil
	}
	var spans []span
	asked, total := 0, int64(0)
	for item := range strings.SplitSeq(set, ",") {
		if item = strings.Trim(item, " \t"); item == "" {
			continue
		}
		asked++
		s, err := parseSpan(item, size)
		if err == errRangeOutside {
			continue
		}
		if err != nil {
			return nil, err
		}
		spans = append(spans, s)
		total += s.length
	}
	switch {
	case asked == 0:
		return nil, errRangeSyntax
	case size == 0:
		return nil, nil // nothing could be satisfied, and nothing is all there is
	case len(spans) == 0:
		return nil, errRangeOutside
	case asked > maxRanges || total > size:
		// Overlapping parts ask for more than there is: an attack, or a mistake.
		return nil, nil
	}
	return spans, nil
}

// parseSpan reads first-last, first- or -suffix (RFC 9110 section 14.1.2).
func parseSpan(item string, size int64) (span, error) {
	first, last, ok := strings.Cut(item, "-")
	first, last = strings.Trim(first, " \t"), strings.Trim(last, " \t")
	if !ok {
		return span{}, errRangeSyntax
	}
	if first == "" {
		n, err := position(last)
		if err != nil {
			return span{}, err
		}
		n = min(n, size)
		if n == 0 {
			return span{}, errRangeOutside
		}
		return span{size - n, n}, nil
	}
	start, err := position(first)
	if err != nil {
		return span{}, err
	}
	end := size - 1
	if last != "" {
		if end, err = position(last); err != nil {
			return span{}, err
		}
		if end < start {
			return span{}, errRangeSyntax
		}
		end = min(end, size-1)
	}
	if start >= size {
		return span{}, errRangeOutside
	}
	return span{start, end - start + 1}, nil
}

// position reads digits. A number beyond what fits is beyond any content.
func position(digits string) (int64, error) {
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, errRangeSyntax
		}
	}
	if digits == "" {
		return 0, errRangeSyntax
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 1<<63 - 1, nil
	}
	return n, nil
}
