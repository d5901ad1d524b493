//go:build linux

package server

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/ws"
)

// The handshake of a WebSocket over HTTP/1.1 concerns one connection (RFC 6455 section 4.1): a call whose fields have no
// key gets one here, and the answer to it is checked and left out of the response. Over HTTP/2 there is none.

const (
	keyField    = "Sec-WebSocket-Key"
	acceptField = "Sec-WebSocket-Accept"
)

// handshakeFields returns the fields of a request, with a key if it asks for a WebSocket and has none. The key is empty if
// the caller has made its own.
func (l *loop) handshakeFields(r *spi.Outgoing) (fields app.Fields, key string) {
	if !octets.EqualFold(r.Protocol, "websocket") || r.Fields.Has(keyField) {
		return r.Fields, ""
	}
	key = ws.NewKey(&l.ws)
	return append(r.Fields.Clone(1), app.Field{Name: keyField, Value: key}), key
}

// withoutAccept removes the answer to a key that handshakeFields has made.
func withoutAccept(fields []app.Field) []app.Field {
	kept := fields[:0]
	for _, f := range fields {
		if !octets.EqualFold(f.Name, acceptField) {
			kept = append(kept, f)
		}
	}
	return kept
}
