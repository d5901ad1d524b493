package ws

import (
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// HandshakeError refuses an opening handshake: with Status and Fields in the
// response if we are the server, by ending the connection if we are the client
// (Status is zero then).
type HandshakeError struct {
	Status int
	Reason string
	Fields []Field
}

func (e *HandshakeError) Error() string { return "ws: " + e.Reason }

// refuse is a client's refusal of an answer.
func refuse(reason string) error { return &HandshakeError{Reason: reason} }

func badRequest(reason string) error { return &HandshakeError{Status: 400, Reason: reason} }

// Hello is what a client asks for in its opening handshake.
type Hello struct {
	Key        string   // for Accept; empty in HTTP/2
	Origin     string   // empty: none was sent
	Protocols  []string // subprotocols in the order of preference
	Extensions []string // values for DeflatePolicy.Answer
}

// Accept gives the value of Sec-WebSocket-Accept for a Sec-WebSocket-Key.
// RFC 6455 section 4.2.2.
func Accept(key string) string {
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
	// acceptRoom is in another size class than the peers' addresses, which
	// connections keep: 32 bytes.
	acceptRoom = 40
)

// WantsUpgrade tells whether the fields of an HTTP/1.1 request ask for a
// WebSocket. The fields may be wrong otherwise: ParseUpgrade tells.
func WantsUpgrade(fields []Field) bool {
	return lists(fields, "Upgrade", "websocket") && lists(fields, "Connection", "upgrade")
}

// ParseUpgrade checks the opening handshake of an HTTP/1.1 request, whose Host
// has been checked. An error is a *HandshakeError. RFC 6455 section 4.2.1.
func ParseUpgrade(method string, minor uint8, fields []Field) (Hello, error) {
	switch {
	case method != "GET":
		return Hello{}, &HandshakeError{Status: 405, Reason: "method is not GET", Fields: []Field{{Name: "Allow", Value: "GET"}}}
	case minor < 1 || !WantsUpgrade(fields):
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

// ParseConnect checks the opening handshake of an HTTP/2 extended CONNECT, whose
// pseudo-header fields have been checked but for :protocol, which is given. An
// error is a *HandshakeError. A request without Sec-WebSocket-Version is taken
// for version 13: there is no other over HTTP/2. RFC 8441 section 5.
func ParseConnect(protocol string, fields []Field) (Hello, error) {
	if !octets.EqualFold(protocol, "websocket") {
		return Hello{}, &HandshakeError{Status: 501, Reason: "unknown :protocol"}
	}
	if _, lines := lookUp(fields, versionField.Name); lines > 0 && !wantsVersion(fields) {
		return Hello{}, &HandshakeError{Status: 400, Reason: "Sec-WebSocket-Version is not 13", Fields: []Field{versionField}}
	}
	return parseHello(fields)
}

// versionField names the version that is understood. RFC 6455 section 4.2.2.
var versionField = Field{Name: "Sec-WebSocket-Version", Value: "13"}

func wantsVersion(fields []Field) bool {
	version, ok := single(fields, versionField.Name)
	return ok && version == versionField.Value
}

// parseHello takes what both transports have in common.
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

// parseProtocols takes a list of distinct tokens. RFC 6455 section 4.1.
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

// ChooseProtocol gives the first of the client's subprotocols, in its order of
// preference, that the server supports; empty: none. Names are compared with
// case.
func ChooseProtocol(offered, supported []string) string {
	for _, protocol := range offered {
		if slices.Contains(supported, protocol) {
			return protocol
		}
	}
	return ""
}

// AnswerFields gives the fields of the response that accepts hello: with status
// 101 in HTTP/1.1, where Key is set, and 200 in HTTP/2. protocol and extensions
// are left out if empty.
func AnswerFields(hello *Hello, protocol, extensions string) []Field {
	fields := make([]Field, 0, 5)
	if hello.Key != "" {
		fields = append(fields,
			Field{Name: "Upgrade", Value: "websocket"},
			Field{Name: "Connection", Value: "Upgrade"},
			Field{Name: "Sec-WebSocket-Accept", Value: Accept(hello.Key)})
	}
	return appendChoices(fields, protocol, extensions)
}

// NewKey gives the value of Sec-WebSocket-Key for 16 random bytes.
func NewKey(random [16]byte) string {
	return base64.StdEncoding.EncodeToString(random[:])
}

// OfferFields gives the fields of a client's opening handshake. Without Key it
// is for HTTP/2.
func OfferFields(hello *Hello) []Field {
	fields := make([]Field, 0, 7)
	if hello.Key != "" {
		fields = append(fields,
			Field{Name: "Upgrade", Value: "websocket"},
			Field{Name: "Connection", Value: "Upgrade"},
			Field{Name: "Sec-WebSocket-Key", Value: hello.Key})
	}
	fields = append(fields, versionField)
	if hello.Origin != "" {
		fields = append(fields, Field{Name: "Origin", Value: hello.Origin})
	}
	return appendChoices(fields, strings.Join(hello.Protocols, ", "), strings.Join(hello.Extensions, ", "))
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

// CheckAnswer checks the response to a client's opening handshake, and gives the
// subprotocol and the compression that the server chose. policy made the offer
// in hello.Extensions. An error is a *HandshakeError. RFC 6455 section 4.1,
// RFC 8441 section 5.
func CheckAnswer(hello *Hello, policy *DeflatePolicy, status int, fields []Field) (protocol string, ext Deflate, err error) {
	if hello.Key == "" {
		if status < 200 || status > 299 {
			return "", Deflate{}, refuse("server refused")
		}
	} else if err := checkUpgraded(hello.Key, status, fields); err != nil {
		return "", Deflate{}, err
	}
	if chosen := values(fields, "Sec-WebSocket-Protocol"); len(chosen) > 0 {
		protocol = octets.Trim(chosen[0])
		if len(chosen) > 1 || !slices.Contains(hello.Protocols, protocol) {
			return "", Deflate{}, refuse("subprotocol that was not offered")
		}
	}
	ext, err = policy.Check(values(fields, "Sec-WebSocket-Extensions"))
	return protocol, ext, err
}

func checkUpgraded(key string, status int, fields []Field) error {
	switch {
	case status != 101:
		return refuse("server refused")
	case !WantsUpgrade(fields):
		return refuse("response does not upgrade to WebSocket")
	}
	if accept, ok := single(fields, "Sec-WebSocket-Accept"); !ok || accept != Accept(key) {
		return refuse("wrong Sec-WebSocket-Accept")
	}
	return nil
}
