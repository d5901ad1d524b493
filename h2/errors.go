package h2

import "errors"

// ErrCode is an error code of RFC 9113 section 7, as RST_STREAM and GOAWAY carry it.
type ErrCode uint32

// The error codes of RFC 9113 section 7.
const (
	CodeNoError            ErrCode = 0x0
	CodeProtocolError      ErrCode = 0x1
	CodeInternalError      ErrCode = 0x2
	CodeFlowControlError   ErrCode = 0x3
	CodeSettingsTimeout    ErrCode = 0x4
	CodeStreamClosed       ErrCode = 0x5
	CodeFrameSizeError     ErrCode = 0x6
	CodeRefusedStream      ErrCode = 0x7
	CodeCancel             ErrCode = 0x8
	CodeCompressionError   ErrCode = 0x9
	CodeConnectError       ErrCode = 0xa
	CodeEnhanceYourCalm    ErrCode = 0xb
	CodeInadequateSecurity ErrCode = 0xc
	CodeHTTP11Required     ErrCode = 0xd
)

var codeNames = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT",
	"STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR",
	"CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// String gives the RFC's name of the code.
func (e ErrCode) String() string {
	if int(e) < len(codeNames) {
		return codeNames[e]
	}
	return "UNKNOWN_ERROR"
}

// ConnError ends a connection. It is sticky: once a machine has returned it, Next and Expire
// return it again. The GOAWAY that tells the peer is queued before the error is returned, so the
// caller pulls Transmit once more and closes.
type ConnError struct {
	Code   ErrCode
	Reason string
}

func (e *ConnError) Error() string { return "h2: " + e.Code.String() + ": " + e.Reason }

// Errors of misuse and of commands that come too late. Nothing is sent to the peer because of
// them.
var (
	// ErrStream answers a command for a stream that is gone: completed, reset or never opened.
	ErrStream = errors.New("h2: stream is gone")
	// ErrAnswered answers a second final response, or an interim one after the final one.
	ErrAnswered = errors.New("h2: stream was answered already")
	// ErrField answers a response with a field that HTTP/2 cannot carry: an invalid name or
	// value, a pseudo-field, or a content-length that is no number or differs from the content
	// (RFC 9113 section 8.2.1). Nothing was queued.
	ErrField = errors.New("h2: invalid field")
	// ErrStatus answers a status code that is not allowed in this place.
	ErrStatus = errors.New("h2: invalid status code")
)
