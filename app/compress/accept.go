package compress

import (
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/app"
)

// coding is a content coding (RFC 9110 section 8.4.1), named as in the fields.
type coding string

const (
	identity coding = ""
	gzipped  coding = "gzip"
	zstded   coding = "zstd"
)

// negotiate returns the coding for a request (RFC 9110 section 12.5.3): zstd before gzip if
// the client has no preference, and identity without Accept-Encoding. A client that accepts
// none of the three gets identity.
func negotiate(fields app.Fields) coding {
	weights := map[coding]float64{}
	any := 0.0
	for item := range strings.SplitSeq(fields.Joined("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(item, ";")
		q := weight(params)
		switch name = strings.ToLower(strings.Trim(name, " \t")); name {
		case "*":
			any = q
		case "x-gzip": // RFC 9110 section 8.4.1.3
			weights[gzipped] = q
		case "identity":
			weights[identity] = q
		case string(gzipped), string(zstded): // others are not kept: there may be thousands
			weights[coding(name)] = q
		}
	}
	of := func(c coding) float64 {
		if q, given := weights[c]; given {
			return q
		}
		return any
	}
	best, highest := identity, weights[identity]
	for _, c := range [...]coding{gzipped, zstded} {
		if q := of(c); q > 0 && q >= highest {
			best, highest = c, q
		}
	}
	return best
}

// weight returns the value of ;q=0.5 (RFC 9110 section 12.4.2); 0 if it is malformed.
func weight(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, ok := strings.Cut(strings.Trim(param, " \t"), "=")
		if !ok || !strings.EqualFold(strings.TrimRight(name, " \t"), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimLeft(value, " \t"), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
