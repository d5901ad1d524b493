package gateway

import (
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// PathFault is why two readers may understand one path differently.
type PathFault uint8

const (
	// DotSegments is set if the path has a segment that some reader takes for . or ..,
	// whether it is encoded or has parameters.
	DotSegments PathFault = 1 << iota
	// EncodedNUL is set if the path has %00.
	EncodedNUL
	// EncodedSlash is set if the path has an encoded slash or a backslash, encoded or
	// not, which some readers take for a slash.
	EncodedSlash
)

// PathFaults returns the faults of a path that is percent-encoded. Empty segments are
// none. It does not allocate. Any goroutine.
func PathFaults(path string) (faults PathFault) {
	var dots, others int // in the segment so far
	parameters := false  // behind a semicolon of the segment
	for i := 0; i < len(path); i++ {
		c := path[i]
		encoded := c == '%' && i+2 < len(path) && octets.Is(path[i+1], octets.Hex) && octets.Is(path[i+2], octets.Hex)
		if encoded {
			c = octets.HexValue(path[i+1])<<4 | octets.HexValue(path[i+2])
			i += 2
		}
		switch {
		case c == '/' || c == '\\':
			if encoded || c == '\\' {
				faults |= EncodedSlash
			}
			if isDotSegment(dots, others) {
				faults |= DotSegments
			}
			dots, others, parameters = 0, 0, false
		case parameters:
		case c == ';':
			parameters = true
		case c == '.':
			dots++
		default:
			others++
		}
		if c == 0 {
			faults |= EncodedNUL
		}
	}
	if isDotSegment(dots, others) {
		faults |= DotSegments
	}
	return faults
}

// isDotSegment reports whether a segment of so many dots and other characters is . or ..
func isDotSegment(dots, others int) bool { return others == 0 && (dots == 1 || dots == 2) }

// refusePath returns the refusal of a path with one of the faults, or nil. decides
// reports whether the choice of the route depends on where the path's segments end.
func refusePath(path string, decides bool) *refusal {
	switch faults := PathFaults(path); {
	case faults == 0:
		return nil
	case faults&DotSegments != 0:
		return refusedDotSegments
	case faults&EncodedNUL != 0:
		return refusedNUL
	case decides:
		return refusedEncodedSlash
	}
	return nil
}

// forwardedTarget returns path and query of r as they came, byte for byte, or * of
// OPTIONS. Middleware may have replaced RawPath and RawQuery, which count then. It
// allocates only in that case, and for a target in absolute-form without a path.
func forwardedTarget(r *app.Request) (target string, refused *refusal) {
	target = r.Target
	if target == "" || target[0] != '/' && target != "*" {
		if target, refused = relativeTarget(r); refused != nil {
			return "", refused
		}
	}
	if path, query, _ := strings.Cut(target, "?"); path == r.RawPath && query == r.RawQuery {
		return target, nil
	}
	if r.RawPath == "" || r.RawPath[0] != '/' {
		return "", refusedTarget
	}
	if r.RawQuery == "" {
		return r.RawPath, nil
	}
	return r.RawPath + "?" + r.RawQuery, nil
}

// relativeTarget returns the part of a target in absolute-form (RFC 9112 section 3.2.2)
// that is sent to an origin server.
func relativeTarget(r *app.Request) (target string, refused *refusal) {
	scheme, rest, ok := strings.Cut(r.Target, "://")
	switch {
	case !ok:
		return "", refusedTarget
	case !octets.EqualFold(scheme, "http") && !octets.EqualFold(scheme, "https"):
		return "", refusedScheme
	}
	i := strings.IndexAny(rest, "/?")
	switch {
	case i >= 0 && rest[i] == '/':
		return rest[i:], nil
	case i >= 0:
		return "/" + rest[i:], nil
	case r.Method == "OPTIONS":
		// RFC 9112 section 3.2.4.
		return "*", nil
	}
	return "/", nil
}
