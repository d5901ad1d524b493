//go:build linux

package accesslog

import (
	"strconv"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

const (
	// MaxValue limits a value to so many bytes, before escapes. A longer one is cut and ends with "...".
	MaxValue = 8 << 10
	// MaxValues limits the values of a line together, in the same way.
	MaxValues = 16 << 10
)

// line is a line that is being written: what it describes, and scratch memory, which is reused.
type line struct {
	r   *app.Request
	rec *server.Record

	buf    []byte
	left   int    // bytes that values of the line may still have
	quoted bool   // the current value is between quotation marks
	parts  []byte // of a value that is put together
	times  clock
	fields [1]zapcore.Field // the line as an object of JSON
	object *structured
}

// begin prepares l for a line about r.
func (l *line) begin(r *app.Request, rec *server.Record) {
	l.r, l.rec, l.left = r, rec, MaxValues
}

// end drops what the line described.
func (l *line) end() { l.r, l.rec = nil, nil }

// cut returns what a line may have of a value, and whether that is not all.
func cut[T string | []byte](l *line, value T) (T, bool) {
	limit := min(MaxValue, l.left)
	if len(value) <= limit {
		l.left -= len(value)
		return value, false
	}
	l.left -= limit
	return value[:limit], true
}

// appendText appends a value that somebody else has chosen.
func appendText[T string | []byte](l *line, value T) {
	part, isCut := cut(l, value)
	if !isCut && len(value) == 1 && value[0] == '-' {
		l.buf = append(l.buf, `\x2d`...) // "-" is a value that is missing
		return
	}
	l.buf = appendEscaped(l.buf, part, l.quoted)
	if isCut {
		l.buf = append(l.buf, "..."...)
	}
}

func (l *line) number(n int64) { l.buf = strconv.AppendInt(l.buf, n, 10) }

// seconds appends d in seconds with six decimals.
func (l *line) seconds(d time.Duration) { l.buf = appendSeconds(l.buf, d, 6) }

// appendSeconds appends d in seconds with so many decimals, rounded down. A negative d is 0.
func appendSeconds(dst []byte, d time.Duration, decimals int) []byte {
	d = max(d, 0)
	dst = strconv.AppendInt(dst, int64(d/time.Second), 10)
	dst = append(dst, '.')
	rest := int64(d % time.Second)
	for unit := int64(time.Second / 10); decimals > 0; decimals-- {
		dst = append(dst, byte('0'+rest/unit%10))
		unit /= 10
	}
	return dst
}
