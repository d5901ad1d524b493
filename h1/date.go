package h1

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// dateLine is the Date field line, encoded once a second (RFC 9110 section 6.6.1).
// The zero value is an empty line: a server without a clock sends no Date.
type dateLine struct {
	second int64
	line   []byte
}

// set encodes the line for a time.
func (d *dateLine) set(now time.Time) {
	second := now.Unix()
	if second == d.second && d.line != nil {
		return
	}
	d.second = second
	d.line = append(d.line[:0], "Date: "...)
	d.line = append(octets.AppendDate(d.line, now), "\r\n"...)
}
