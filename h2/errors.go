package h2

import "errors"

// ErrCode is an error code of RST_STREAM and GOAWAY (RFC 9113 section 7).
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

// String returns the name of the code in RFC 9113.
func (e ErrCode) String() string {
	if int(e) < len(codeNames) {
		return codeNames[e]
	}
	return "UNKNOWN_ERROR"
}

// ConnError is a connection error (RFC 9113 section 5.4.1). Once returned, Next and Expire return it
// again. Its GOAWAY is queued: call Transmit until Done, then close.
type ConnError struct {
	Code   ErrCode
	Reason string
}

func (e *ConnError) Error() string { return "h2: " + e.Code.String() + ": " + e.Reason }

// Errors of commands. Nothing was queued.
var (
	// ErrStream: the stream is gone, since it is complete or was reset, or was never opened.
	ErrStream = errors.New("h2: stream is gone")
	// ErrAnswered: the stream has a final response already.
	ErrAnswered = errors.New("h2: stream was answered already")
	// ErrField: a field has an invalid name or value or is a pseudo-field (RFC 9113 section
	// 8.2.1), or content-length is no number or differs from the content.
	ErrField = errors.New("h2: invalid field")
	// ErrStatus: the call cannot send that status code.
	ErrStatus = errors.New("h2: invalid status code")

	// ErrDraining: the connection takes no more requests: it has failed, one side has sent GOAWAY, or
	// its stream identifiers are used up.
	ErrDraining = errors.New("h2: connection takes no more requests")
	// ErrCapacity: as many streams are open as the server allows.
	ErrCapacity = errors.New("h2: too many open streams")
	// ErrTarget: the method, scheme, authority or path of a request is invalid.
	ErrTarget = errors.New("h2: invalid method, scheme, authority or path")
	// ErrTooLarge: the fields exceed the server's SETTINGS_MAX_HEADER_LIST_SIZE.
	ErrTooLarge = errors.New("h2: fields exceed the server's limit")
	// ErrConnectProtocol: the server has not sent SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441).
	ErrConnectProtocol = errors.New("h2: server accepts no extended CONNECT")
)
