package gateway

import (
	"math"
	"strconv"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// isGRPC reports whether a content type is that of gRPC: application/grpc, perhaps with a
// suffix such as +proto, or parameters.
func isGRPC(contentType string) bool {
	if len(contentType) < len(grpcContentType) || !octets.EqualFold(contentType[:len(grpcContentType)], grpcContentType) {
		return false
	}
	if len(contentType) == len(grpcContentType) {
		return true
	}
	c := contentType[len(grpcContentType)]
	return c == '+' || c == ';' || c == ' '
}

// parseGRPCTimeout returns the duration of a grpc-timeout field: one to eight digits and a
// unit. ok is false for another form.
func parseGRPCTimeout(value string) (d time.Duration, ok bool) {
	const digits = 8
	if len(value) < 2 || len(value) > digits+1 {
		return 0, false
	}
	n := octets.Decimal(value[:len(value)-1])
	if n < 0 {
		return 0, false
	}
	var unit time.Duration
	switch value[len(value)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, false
	}
	if n > math.MaxInt64/int64(unit) {
		return math.MaxInt64, true
	}
	// 0 would mean that there is no limit.
	return max(time.Duration(n)*unit, 1), true
}

// grpcStatus returns the status code of gRPC for a response of the gateway with that HTTP
// status.
func grpcStatus(reason Reason, status int) int {
	switch status {
	case 401:
		return grpcUnauthenticated
	case 403:
		return grpcPermissionDenied
	case 429:
		return grpcResourceExhausted
	case 502, 503, 504:
		return grpcUnavailable
	}
	if reason == Auth {
		return grpcUnknown
	}
	return reasonTable[reason].grpc
}

// grpcResponse returns a trailers-only response: the fields of a gRPC status are in its
// head, and it has no content.
func grpcResponse(code int, message string) *app.Response {
	return &app.Response{Status: 200, Fields: app.Fields{
		{Name: contentTypeName, Value: grpcContentType},
		{Name: grpcStatusName, Value: strconv.Itoa(code)},
		{Name: grpcMessageName, Value: grpcMessage(message)},
	}}
}

// grpcMessage encodes text for grpc-message, which is percent-encoded.
func grpcMessage(text string) string {
	const hex = "0123456789ABCDEF"
	encoded := make([]byte, 0, len(text))
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '%' {
			encoded = append(encoded, '%', hex[c>>4], hex[c&0xf])
		} else {
			encoded = append(encoded, c)
		}
	}
	return string(encoded)
}

// decremented returns n-1 as text, or the greatest number if n is octets.TooLarge.
func decremented(n int64) string {
	if n == octets.TooLarge {
		n = math.MaxInt64
	}
	return strconv.FormatInt(n-1, 10)
}
