package gateway

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// The opening handshake of a WebSocket is made anew towards a backend over HTTP/1.1 (RFC
// 6455 section 4.1); over HTTP/2 it has no key (RFC 8441 section 5).

// Prepare implements client.Preparer.
func (x *exchange) Prepare(protocol string, out *spi.Outgoing) {
	x.upload.tunnel = true
	out.Content = &x.upload
	x.key = ""
	if protocol != app.HTTP11 {
		return
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // it does not fail
	x.key = base64.StdEncoding.EncodeToString(random[:])
	out.Fields = append(out.Fields, app.Field{Name: "Sec-WebSocket-Key", Value: x.key})
}

// accepts reports whether a response that opens a tunnel is the answer to the handshake.
func (x *exchange) accepts(fields app.Fields) bool {
	if x.key == "" {
		return true
	}
	answers := 0
	for i := range fields {
		if classOf(fields[i].Name) == keyField {
			if answers++; fields[i].Value != acceptOf(x.key) {
				return false
			}
		}
	}
	return answers == 1
}

// acceptOf returns the value of Sec-WebSocket-Accept for a key.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
