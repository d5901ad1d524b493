package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// HandshakeError is the refusal of an opening handshake. A server responds with Status
// and Fields. A client, for which Status is zero, ends the connection.
type HandshakeError struct {
	Status int
	Reason string
	Fields []Field
}

func (e *HandshakeError) Error() string { return "ws: " + e.Reason }

func badRequest(reason string) error { return &HandshakeError{Status: 400, Reason: reason} }

// Hello is the request of a client's opening handshake.
type Hello struct {
	Key        string   // Sec-WebSocket-Key; empty in HTTP/2
	Origin     string   // empty if there is none
	Protocols  []string // subprotocols in order of preference
	Extensions []string // field values for DeflatePolicy.Answer
}

// accept returns the value of Sec-WebSocket-Accept for a Sec-WebSocket-Key.
// RFC 6455 section 4.2.2.
func accept(key string) string {
	var room [keySize + len(acceptSuffix)]byte
	sum := sha1.Sum(append(append(room[:0], key...), acceptSuffix...))
	var text [acceptSize]byte
	base64.StdEncoding.Encode(text[:], sum[:])
	var b strings.Builder
	b.Grow(acceptRoom)
	b.Write(text[:])
	return b.String()
}

// acceptSuffix is the GUID of RFC 6455 section 1.3.
const acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const (
	keySize    = 24 // 16 bytes in base64
	acceptSize = 28 // 20 bytes in base64
	// acceptRoom is in another size class than the peers' addresses of 32 bytes, which
	// connections keep.
	acceptRoom = 40
)

// upgrades reports whether the fields of an HTTP/1.1 message ask for or accept an
// upgrade to WebSocket.
func upgrades(fields []Field) bool {
	return lists(fields, "Upgrade", "websocket") && lists(fields, "Connection", "upgrade")
}

// ParseUpgrade reads the opening handshake of an HTTP/1 request with that minor
// version. The caller has checked Host. An error is a *HandshakeError. RFC 6455
// section 4.2.1.
func ParseUpgrade(method string, minor uint8, fields []Field) (Hello, error) {
	switch {
	case method != "GET":
		return Hello{}, &HandshakeError{Status: 405, Reason: "method is not GET", Fields: []Field{{Name: "Allow", Value: "GET"}}}
	case minor < 1 || !upgrades(fields):
		return Hello{}, upgradeRequired("not a WebSocket handshake")
	}
	if !wantsVersion(fields) {
		return Hello{}, upgradeRequired("Sec-WebSocket-Version is not 13")
	}
	key, ok := single(fields, "Sec-WebSocket-Key")
	if !ok || !validKey(key) {
		return Hello{}, badRequest("Sec-WebSocket-Key is not one value of 16 bytes")
	}
	hello, err := parseHello(fields)
	hello.Key = key
	return hello, err
}

// ParseConnect reads the opening handshake of an HTTP/2 extended CONNECT with that
// :protocol. The caller has checked the other pseudo-header fields. A request without
// Sec-WebSocket-Version has version 13: there is no other over HTTP/2. An error is a
// *HandshakeError. RFC 8441 section 5.
func ParseConnect(protocol string, fields []Field) (Hello, error) {
	if !octets.EqualFold(protocol, "websocket") {
		return Hello{}, &HandshakeError{Status: 501, Reason: "unknown :protocol"}
	}
	if _, lines := lookUp(fields, versionField.Name); lines > 0 && !wantsVersion(fields) {
		return Hello{}, &HandshakeError{Status: 400, Reason: "Sec-WebSocket-Version is not 13", Fields: []Field{versionField}}
	}
	return parseHello(fields)
}

// versionField has the only supported version. RFC 6455 section 4.2.2.
var versionField = Field{Name: "Sec-WebSocket-Version", Value: "13"}

func wantsVersion(fields []Field) bool {
	version, ok := single(fields, versionField.Name)
	return ok && version == versionField.Value
}

// parseHello reads the fields that both transports have in common.
func parseHello(fields []Field) (Hello, error) {
	protocols, ok := parseProtocols(values(fields, "Sec-WebSocket-Protocol"))
	if !ok {
		return Hello{}, badRequest("malformed Sec-WebSocket-Protocol")
	}
	extensions := values(fields, "Sec-WebSocket-Extensions")
	if !parseExtensions(extensions, func(extension) {}) {
		return Hello{}, badRequest("malformed Sec-WebSocket-Extensions")
	}
	origin, lines := lookUp(fields, "Origin")
	if lines > 1 {
		return Hello{}, badRequest("more than one Origin")
	}
	return Hello{Protocols: protocols, Extensions: extensions, Origin: origin}, nil
}

func upgradeRequired(reason string) error {
	return &HandshakeError{Status: 426, Reason: reason, Fields: []Field{
		{Name: "Upgrade", Value: "websocket"},
		versionField,
	}}
}

func validKey(key string) bool {
	var raw [keySize]byte
	if len(key) != keySize {
		return false
	}
	n, err := base64.StdEncoding.Decode(raw[:], []byte(key))
	return err == nil && n == 16
}

// parseProtocols reads a list of distinct tokens. RFC 6455 section 4.1.
func parseProtocols(values []string) (list []string, ok bool) {
	for _, value := range values {
		for element := range strings.SplitSeq(value, ",") {
			element = octets.Trim(element)
			switch {
			case element == "":
			case !octets.IsToken(element), slices.Contains(list, element):
				return nil, false
			default:
				list = collect(list, element)
			}
		}
	}
	return list, true
}

// ChooseProtocol returns the first of the offered subprotocols that is supported,
// empty if none is. Case matters.
func ChooseProtocol(offered, supported []string) string {
	for _, protocol := range offered {
		if slices.Contains(supported, protocol) {
			return protocol
		}
	}
	return ""
}

// AnswerFields returns the fields of the response that accepts hello. Its status is 101
// in HTTP/1.1, where Key is set, and 200 in HTTP/2. Fields for an empty protocol or
// empty extensions are left out.
func AnswerFields(hello *Hello, protocol, extensions string) []Field {
	fields := make([]Field, 0, 5)
	if hello.Key != "" {
		fields = append(fields,
			Field{Name: "Upgrade", Value: "websocket"},
			Field{Name: "Connection", Value: "Upgrade"},
			Field{Name: "Sec-WebSocket-Accept", Value: accept(hello.Key)})
	}
	return appendChoices(fields, protocol, extensions)
}

func appendChoices(fields []Field, protocols, extensions string) []Field {
	if protocols != "" {
		fields = append(fields, Field{Name: "Sec-WebSocket-Protocol", Value: protocols})
	}
	if extensions != "" {
		fields = append(fields, Field{Name: "Sec-WebSocket-Extensions", Value: extensions})
	}
	return fields
}
