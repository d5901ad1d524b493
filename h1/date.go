package h1

import "time"

// dateLine is the field line Date, encoded once a second (RFC 9110 section
// 6.6.1). The zero value is an empty line: a server without a clock sends none.
type dateLine struct {
	second int64
	line   []byte
}

func (d *dateLine) set(now time.Time) {
	second := now.Unix()
	if second == d.second && d.line != nil {
		return
	}
	d.second = second
	d.line = append(d.line[:0], "Date: "...)
	d.line = now.UTC().AppendFormat(d.line, "Mon, 02 Jan 2006 15:04:05 GMT\r\n")
}
