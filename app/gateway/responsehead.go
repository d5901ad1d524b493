package gateway

import (
	"strconv"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// appendResponseFields appends to dst the fields of a backend's final response as they are
// passed on, in one pass; only names in Connection need another. The server adds Date
// where it is missing, and the fields of framing.
func appendResponseFields(dst app.Fields, in *spi.Incoming, p *policy) app.Fields {
	dst = appendEndToEnd(dst, in.Fields)
	if in.Stated >= 0 {
		// RFC 9110 section 8.6: the length of content that is not sent.
		dst = append(dst, app.Field{Name: "Content-Length", Value: strconv.FormatInt(in.Stated, 10)})
	}
	dst = append(dst, app.Field{Name: "Via", Value: p.via.of(in.Protocol)})
	if p.proxyStatus {
		dst = append(dst, app.Field{Name: proxyStatusName, Value: p.pseudonym + "; received-status=" + strconv.Itoa(in.Status)})
	}
	return dst
}

// appendEndToEnd appends the fields of a response that do not end here (RFC 9110 section
// 7.6.1).
func appendEndToEnd(dst, fields app.Fields) app.Fields {
	start := len(dst)
	nominates := false
	for i := range fields {
		f := &fields[i]
		class := classOf(f.Name)
		if class == connectionField {
			nominates = nominates || nominatesOthers(f.Value)
		}
		if !class.endsHere() {
			dst = append(dst, *f)
		}
	}
	if !nominates {
		return dst
	}
	kept := dst[:start]
	for _, f := range dst[start:] {
		if !classOf(f.Name).mayNominate() || !fields.HasToken("Connection", f.Name) {
			kept = append(kept, f)
		}
	}
	clear(dst[len(kept):])
	return kept
}

// nominatesOthers reports whether a Connection field names another field than those that
// end here in any case.
func nominatesOthers(list string) bool {
	for list != "" {
		var option string
		option, list = octets.CutElement(list)
		if option != "" && !octets.EqualFold(option, "close") && !classOf(option).endsHere() {
			return true
		}
	}
	return false
}

// forwardedTrailers returns the trailer fields that are passed on: all but those that a
// recipient must have before the content, because they decide about framing, routing,
// authentication or the processing of the message (RFC 9110 section 6.5.1). sets reports
// whether a route sets a field of that name; it may be nil. It allocates only if it drops
// one.
func forwardedTrailers(fields app.Fields, sets func(name string) bool) app.Fields {
	drops := func(name string) bool { return !mayTrail(name) || sets != nil && sets(name) }
	for i := range fields {
		if !drops(fields[i].Name) {
			continue
		}
		kept := fields[:i].Clone(len(fields) - i)
		for _, f := range fields[i:] {
			if !drops(f.Name) {
				kept = append(kept, f)
			}
		}
		return kept
	}
	return fields
}

// mayTrail reports whether a field of that name may be passed on in trailers.
func mayTrail(name string) bool {
	if classOf(name) != passed || name == "" || name[0] == ':' {
		return false
	}
	if hasPrefixFold(name, "x-forwarded-") || hasPrefixFold(name, "if-") || hasPrefixFold(name, "sec-websocket-") {
		return false
	}
	for _, other := range notTrailing[min(len(name), len(notTrailing)-1)] {
		if octets.EqualFold(name, other) {
			return false
		}
	}
	return true
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && octets.EqualFold(s[:len(prefix)], prefix)
}

// notTrailing has the names, by their length, of further fields that are not passed on in
// trailers.
var notTrailing = func() (byLength [32][]string) {
	for _, name := range []string{
		"trailer", "age", "allow", "alt-svc", "authorization", "authentication-info", "cache-control", "content-disposition",
		"content-language", "content-location", "date", "expires", "location", "pragma", "priority", "proxy-authenticate",
		"proxy-authentication-info", "proxy-authorization", "proxy-status", "range", "retry-after", "set-cookie", "x-real-ip",
		"strict-transport-security", "vary", "warning", "www-authenticate",
	} {
		byLength[len(name)] = append(byLength[len(name)], name)
	}
	return byLength
}()
