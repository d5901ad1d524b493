// Package accept chooses among representations by the fields Accept-Encoding and Accept, and
// maintains Vary.
package accept

import (
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Identity is the coding of content that is not encoded.
const Identity = ""

// maxOffered is the number of codings that Coding considers.
const maxOffered = 8

// Coding returns the content coding for a client with that Accept-Encoding (RFC 9110
// section 12.5.3): the one of offered with the highest weight, the first of those with equal
// weights. It returns Identity if the client prefers that, accepts none of offered, or list
// is empty. At most 8 are offered, named as in the field.
func Coding(list string, offered ...string) string {
	if list == "" {
		return Identity
	}
	offered = offered[:min(len(offered), maxOffered)]
	var weights [maxOffered]float64
	var given [maxOffered]bool
	identity, others := 0.0, 0.0
	for list != "" {
		var element string
		element, list = octets.CutElement(list)
		name, params, _ := strings.Cut(element, ";")
		name = octets.Trim(name)
		switch {
		case name == "*":
			others = weight(params)
			continue
		case octets.EqualFold(name, "identity"):
			identity = weight(params)
			continue
		case octets.EqualFold(name, "x-gzip"): // RFC 9110 section 8.4.1.3
			name = "gzip"
		}
		for i, coding := range offered {
			if octets.EqualFold(name, coding) {
				weights[i], given[i] = weight(params), true
			}
		}
	}
	best, highest := Identity, identity
	for i := len(offered) - 1; i >= 0; i-- {
		q := weights[i]
		if !given[i] {
			q = others
		}
		if q > 0 && q >= highest {
			best, highest = offered[i], q
		}
	}
	return best
}

// Names reports whether Accept (RFC 9110 section 12.5.1) names the media type, with a weight
// above 0. Ranges such as */* do not name it.
func Names(list, mediaType string) bool {
	for list != "" {
		var element string
		element, list = octets.CutElement(list)
		name, params, _ := strings.Cut(element, ";")
		if octets.EqualFold(octets.Trim(name), mediaType) && weight(params) > 0 {
			return true
		}
	}
	return false
}

// Vary returns fields with name in Vary (RFC 9110 section 12.5.5): with one more line, unless it
// is there or Vary is *.
func Vary(fields []octets.Field, name string) []octets.Field {
	for i := range fields {
		if octets.EqualFold(fields[i].Name, "Vary") && (octets.ListHas(fields[i].Value, name) || octets.ListHas(fields[i].Value, "*")) {
			return fields
		}
	}
	return append(fields, octets.Field{Name: "Vary", Value: name})
}

// weight returns the value of ;q=0.5 (RFC 9110 section 12.4.2); 0 if it is malformed.
func weight(params string) float64 {
	for params != "" {
		var param string
		param, params, _ = strings.Cut(params, ";")
		name, value, ok := strings.Cut(octets.Trim(param), "=")
		if !ok || !octets.EqualFold(octets.Trim(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(octets.Trim(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
