package middleware

import (
	"encoding/hex"
	"math/rand/v2"

	"github.com/gatewheel/gatewheel/app"
)

// RequestIDField is the name of the field that RequestID reads and writes.
const RequestIDField = "X-Request-Id"

// RequestID gives each request an identifier: that of the field X-Request-Id if a trusted
// proxy has sent it, else 32 random hexadecimal digits. It adds the field to the response;
// RequestIDOf returns the identifier.
func RequestID(next app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		id := ""
		if trust := r.Conn().Trust; trust != nil && trust.Trusts(r.Conn().Peer) {
			id = r.Fields.Get(RequestIDField)
		}
		if !isRequestID(id) {
			id = newRequestID()
		}
		core.SetRequestID(r, id)
		return Changed(next.Try(r), func(resp *app.Response) *app.Response {
			return resp.With(RequestIDField, id)
		})
	}
}

// RequestIDOf returns the identifier that RequestID gave to r, or "". Any goroutine.
func RequestIDOf(r *app.Request) string { return core.RequestID(r) }

func isRequestID(id string) bool {
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

func newRequestID() string {
	var raw [16]byte
	for i, n := range [2]uint64{rand.Uint64(), rand.Uint64()} {
		for j := range 8 {
			raw[8*i+j] = byte(n >> (8 * j))
		}
	}
	return hex.EncodeToString(raw[:])
}
