package compress

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/accept"
)

// coding is a content coding (RFC 9110 section 8.4.1), named as in the fields.
type coding string

const (
	identity coding = accept.Identity
	gzipped  coding = "gzip"
	zstded   coding = "zstd"
)

// negotiate returns the coding for a request (RFC 9110 section 12.5.3): zstd before gzip if
// the client has no preference, and identity without Accept-Encoding. A client that accepts
// none of the three gets identity.
func negotiate(fields app.Fields) coding {
	return coding(accept.Coding(fields.Joined("Accept-Encoding"), string(zstded), string(gzipped)))
}
