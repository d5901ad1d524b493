//go:build linux

package accesslog

import "time"

// clock remembers the text of the second for which each time of a format was rendered last, since most lines share
// it with the line before.
type clock struct {
	texts []secondText
}

type secondText struct {
	unix int64
	text []byte
}

// Slots of a clock that all formats have; those of strftime formats follow.
const (
	slotCommon = iota
	slotRFC3339
	slots
)

// append appends the text of t's second in that slot. render makes it.
func (c *clock) append(dst []byte, slot int, t time.Time, render func(dst []byte, t time.Time) []byte) []byte {
	for len(c.texts) <= slot {
		c.texts = append(c.texts, secondText{})
	}
	s := &c.texts[slot]
	if unix := t.Unix(); s.text == nil || s.unix != unix {
		s.unix, s.text = unix, render(s.text[:0], t)
	}
	return append(dst, s.text...)
}

func renderCommon(dst []byte, t time.Time) []byte {
	return t.Local().AppendFormat(dst, "[02/Jan/2006:15:04:05 -0700]")
}

func renderRFC3339(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "2006-01-02T15:04:05")
}

// appendRFC3339 appends t in UTC with microseconds.
func (c *clock) appendRFC3339(dst []byte, t time.Time) []byte {
	dst = c.append(dst, slotRFC3339, t, renderRFC3339)
	dst = append(dst, '.')
	dst = appendPadded(dst, t.Nanosecond()/1000, 6)
	return append(dst, 'Z')
}

// appendPadded appends n with so many digits.
func appendPadded(dst []byte, n, digits int) []byte {
	at := len(dst)
	for range digits {
		dst = append(dst, '0')
	}
	for i := at + digits - 1; i >= at; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}
