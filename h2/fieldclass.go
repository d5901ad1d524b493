package h2

import "github.com/gatewheel/gatewheel/internal/octets"

// fieldClass is the class of a field line, independent of its section: the handling of its name, and
// whether its value is valid for that name.
type fieldClass uint8

const (
	unclassified    fieldClass = iota
	plainField                 // has no meaning here
	connectionField            // RFC 9113 section 8.2.2: forbidden
	teField
	lengthField
	hostField
	cookieField
	priorityField
	badName // RFC 9113 section 8.2.1: neither a lowercase token nor a known pseudo-field

	// Pseudo-fields come last.
	methodField
	schemeField
	authorityField
	pathField
	protocolField
	statusField
	unknownPseudo

	// badValue is added to a class whose value is invalid.
	badValue fieldClass = 0x80
)

// classify returns the class of a name.
func classify(name string) fieldClass {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return connectionField
	case "te":
		return teField
	case "content-length":
		return lengthField
	case "host":
		return hostField
	case "cookie":
		return cookieField
	case "priority":
		return priorityField
	case ":method":
		return methodField
	case ":scheme":
		return schemeField
	case ":authority":
		return authorityField
	case ":path":
		return pathField
	case ":protocol":
		return protocolField
	case ":status":
		return statusField
	}
	switch {
	case name == "":
		return badName
	case name[0] == ':':
		return unknownPseudo
	case !octets.All(name, octets.Lower):
		return badName
	}
	return plainField
}

// with returns the class of a line whose name is of class c.
func (c fieldClass) with(value string) fieldClass {
	var valid bool
	switch c {
	case badName, unknownPseudo:
		return c
	case methodField, protocolField:
		valid = octets.IsToken(value)
	case statusField:
		valid = len(value) == 3 && octets.Decimal(value) >= 100
	case schemeField:
		valid = value != "" && octets.IsLetter(value[0]) && octets.All(value, octets.Scheme)
	case authorityField:
		valid = octets.ValidAuthority(value)
	case pathField:
		valid = value != "" && octets.All(value, octets.Target)
	case hostField:
		valid = octets.ValidAuthority(value)
	case teField:
		// RFC 9113 section 8.2.2: the only value that te may have.
		valid = octets.EqualFold(value, "trailers")
	case lengthField:
		valid = octets.Decimal(value) >= 0
	default:
		valid = octets.IsValue(value)
	}
	if !valid {
		return c | badValue
	}
	return c
}
