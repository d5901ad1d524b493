package gateway

import "github.com/gatewheel/gatewheel/internal/octets"

// fieldClass is what forwarding does with a field, by its name.
type fieldClass uint8

const (
	passed          fieldClass = iota // forwarded as it is
	connectionField                   // Connection
	hopByHop                          // ends here (RFC 9110 section 7.6.1)
	upgradeField                      // Upgrade: ends here, and is read
	teField                           // TE: ends here, and is read
	framed                            // Content-Length, Transfer-Encoding, Host: made anew
	expectField                       // Expect
	maxForwardsField
	viaField
	forwardedField // Forwarded
	xForField      // X-Forwarded-For
	xProtoField    // X-Forwarded-Proto
	xHostField     // X-Forwarded-Host
	cookieField
	contentTypeField
	grpcTimeoutField
	keyField  // of a WebSocket's handshake, made anew: Sec-WebSocket-Key, Sec-WebSocket-Accept
	coreField // never nominated by Connection: it has a meaning for every recipient
)

// classOf returns the class of a field's name.
func classOf(name string) fieldClass {
	switch len(name) {
	case len("te"):
		return classIf(name, "te", teField)
	case len("via"):
		return classIf(name, "via", viaField)
	case len("host"):
		return classIf(name, "host", framed)
	case len("cookie"): // and expect
		if octets.EqualFold(name, "expect") {
			return expectField
		}
		return classIf(name, "cookie", cookieField)
	case len("upgrade"):
		return classIf(name, "upgrade", upgradeField)
	case len("forwarded"):
		return classIf(name, "forwarded", forwardedField)
	case len("connection"): // and keep-alive, early-data
		switch {
		case octets.EqualFold(name, "connection"):
			return connectionField
		case octets.EqualFold(name, "keep-alive"):
			return hopByHop
		}
		return classIf(name, "early-data", coreField)
	case len("content-type"): // and max-forwards, grpc-timeout
		switch {
		case octets.EqualFold(name, "content-type"):
			return contentTypeField
		case octets.EqualFold(name, "max-forwards"):
			return maxForwardsField
		}
		return classIf(name, "grpc-timeout", grpcTimeoutField)
	case len("content-range"):
		return classIf(name, "content-range", coreField)
	case len("content-length"): // and http2-settings
		if octets.EqualFold(name, "http2-settings") {
			return hopByHop // RFC 7540 section 3.2.1
		}
		return classIf(name, "content-length", framed)
	case len("x-forwarded-for"):
		return classIf(name, "x-forwarded-for", xForField)
	case len("x-forwarded-host"): // and proxy-connection, content-encoding
		switch {
		case octets.EqualFold(name, "x-forwarded-host"):
			return xHostField
		case octets.EqualFold(name, "proxy-connection"):
			return hopByHop
		}
		return classIf(name, "content-encoding", coreField)
	case len("x-forwarded-proto"): // and transfer-encoding, sec-websocket-key
		switch {
		case octets.EqualFold(name, "x-forwarded-proto"):
			return xProtoField
		case octets.EqualFold(name, "transfer-encoding"):
			return framed
		}
		return classIf(name, "sec-websocket-key", keyField)
	case len("sec-websocket-accept"):
		return classIf(name, "sec-websocket-accept", keyField)
	}
	return passed
}

// classIf returns class if name is want, which is in lower case and as long, else passed.
func classIf(name, want string, class fieldClass) fieldClass {
	if octets.EqualFold(name, want) {
		return class
	}
	return passed
}

// mayNominate reports whether Connection may name a field of that class. RFC 9110 section
// 7.6.1: a sender names no field that is meant for every recipient. What such a message
// means depends on who reads it, and a nomination of Via would hide a loop.
func (c fieldClass) mayNominate() bool {
	switch c {
	case framed, expectField, maxForwardsField, viaField, contentTypeField, coreField:
		return false
	}
	return true
}

// endsHere reports whether a field of that class is never forwarded as it came.
func (c fieldClass) endsHere() bool {
	switch c {
	case connectionField, hopByHop, upgradeField, teField, framed, keyField:
		return true
	}
	return false
}
