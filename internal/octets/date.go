package octets

import "time"

// DateFormat is the layout of IMF-fixdate for times in UTC (RFC 9110 section
// 5.6.7).
const DateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// AppendDate appends t as an IMF-fixdate to dst.
func AppendDate(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, DateFormat)
}
