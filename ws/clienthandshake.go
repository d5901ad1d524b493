package ws

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// The opening handshake of clients. RFC 6455 section 4.1, RFC 8441 section 5.

// ErrOffer is the error of a Hello that must not be sent.
var ErrOffer = errors.New("ws: subprotocols that are not distinct tokens, or an origin that is not a field value")

// NewKey returns a Sec-WebSocket-Key: 16 random bytes, which no other handshake has.
func NewKey(sh *Shared) string {
	return base64.StdEncoding.EncodeToString(sh.random(16))
}

// OfferFields returns the fields of a client's opening handshake: for HTTP/1.1 if Key is
// set, otherwise for an HTTP/2 extended CONNECT. The error is ErrOffer.
func OfferFields(hello *Hello) ([]Field, error) {
	for i, protocol := range hello.Protocols {
		if !octets.IsToken(protocol) || slices.Contains(hello.Protocols[:i], protocol) {
			return nil, ErrOffer
		}
	}
	if !octets.IsValue(hello.Origin) {
		return nil, ErrOffer
	}
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
	return appendChoices(fields, strings.Join(hello.Protocols, ", "), strings.Join(hello.Extensions, ", ")), nil
}

// CheckAnswer checks the response to a client's opening handshake. It returns the
// subprotocol and the compression that the server chose; policy made the offer in
// hello.Extensions. An error is a *HandshakeError with Status 0: the client ends the
// transport.
func CheckAnswer(hello *Hello, policy *DeflatePolicy, status int, fields []Field) (protocol string, ext Deflate, err error) {
	if hello.Key == "" {
		// RFC 8441 section 5: Upgrade, Connection, Key and Accept have no part in it.
		if status < 200 || status > 299 {
			return "", Deflate{}, refuse("server declined the WebSocket")
		}
	} else if err := CheckUpgrade(hello.Key, status, fields); err != nil {
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

// CheckUpgrade checks the response of an HTTP/1.1 server to a handshake with that key: status, Upgrade, Connection and
// Sec-WebSocket-Accept. Gateways, which leave the rest to the two ends, use it alone. An error is a *HandshakeError.
// RFC 6455 section 4.1.
func CheckUpgrade(key string, status int, fields []Field) error {
	upgrade, _ := single(fields, "Upgrade")
	switch {
	case status != 101:
		return refuse("server declined the WebSocket")
	case !octets.EqualFold(upgrade, "websocket"), !lists(fields, "Connection", "upgrade"):
		// A second protocol in Upgrade would be another layer below the WebSocket.
		return refuse("response does not upgrade to WebSocket")
	}
	if got, ok := single(fields, "Sec-WebSocket-Accept"); !ok || got != accept(key) {
		return refuse("wrong Sec-WebSocket-Accept")
	}
	return nil
}

// refuse returns a client's refusal of a response.
func refuse(reason string) error { return &HandshakeError{Reason: reason} }
