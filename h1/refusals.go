package h1

// The mistakes for which the machine refuses a request. Most of them would let one
// reader see another request than the next reader, so nothing after such a request is
// interpreted.

// bad returns an Error with status 400.
func bad(reason string) *Error { return &Error{Status: 400, Reason: reason} }

// Of lines.
var (
	errBareLF = bad("a line must end with CR LF, not with LF alone")
	errBareCR = bad("a CR must be followed by LF")
	errBlank  = bad("too many empty lines before the request line")
)

// Of the request line.
var (
	errMethod       = bad("the request line must be: method, one space, target, one space, HTTP version")
	errMethodLength = &Error{501, "the method is longer than any known one"}
	errTarget       = bad("the request target must be visible ASCII characters without #; percent-encode others")
	errTargetLength = &Error{414, "the request target is too long"}
	errVersion      = bad("the HTTP version must be HTTP/1.0 or HTTP/1.1")
	errMajor        = &Error{505, "only HTTP/1.0 and HTTP/1.1 are spoken here"}
	errForeign      = &Error{0, "the first line is of neither HTTP/1 nor HTTP/2"}
	errForm         = bad("the request target has none of the forms that its method allows")
	errAuthority    = bad("the authority in the request target is invalid")
)

// Of field lines.
var (
	errName       = bad("a field name must be a token and a colon must follow it")
	errNameSpace  = bad("whitespace between a field name and its colon")
	errFolded     = bad("a line that begins with whitespace (line folding is obsolete)")
	errControl    = bad("a control character in a field value")
	errFieldCount = &Error{431, "too many fields"}
	errFieldSize  = &Error{431, "the fields are too large"}
)

// Of what the fields mean.
var (
	errHostMissing = bad("HTTP/1.1 needs a Host field")
	errHostTwice   = bad("more than one Host field")
	errHost        = bad("the Host field is invalid")
	errLengthForm  = bad("Content-Length must be one decimal number")
	errLengthTwice = bad("more than one Content-Length")
	errLengthBoth  = bad("both Content-Length and Transfer-Encoding")
	errLengthHuge  = &Error{413, "the content is too large"}
	errCoding      = bad("the Transfer-Encoding field is invalid")
	errCodingLast  = bad("the last transfer coding must be chunked")
	errCodingTwice = bad("chunked must be applied once, and last")
	errCodingOld   = bad("HTTP/1.0 has no transfer codings")
	errCodingOther = &Error{501, "the only transfer coding that is understood is chunked"}
	errExpect      = &Error{417, "the only expectation that can be met is 100-continue"}
	errConnect     = bad("CONNECT has no content")
)

// Of content.
var (
	errChunkSize      = bad("a chunk size must be hexadecimal digits")
	errChunkHuge      = bad("a chunk size is too large")
	errChunkExtension = bad("a chunk extension is invalid")
	errChunkLong      = bad("the chunk extensions are too long")
	errChunkEnd       = bad("a chunk must be followed by CR LF")
	errIncomplete     = bad("the request ends before it is complete")
)

// Mistakes of a server. A client maps them to a ResponseError.
var (
	errStatusLine  = bad("the status line must be: HTTP/1.x, one space, three digits, optionally a space and text")
	errStatus      = bad("the status code is below 100")
	errInterims    = bad("too many interim responses")
	errSwitch      = bad("a 101 without a request for it, or for another protocol")
	errUnsolicited = bad("bytes that belong to no request")
	errCutOff      = bad("the connection ended before the response")
)
