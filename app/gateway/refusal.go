package gateway

import "github.com/gatewheel/gatewheel/app"

// refusal is why a request is answered by the gateway itself. Refusals are made once.
type refusal struct {
	reason Reason
	status int
	text   string
	fields app.Fields
}

// refuse returns a refusal of a request that cannot be forwarded.
func refuse(text string) *refusal { return &refusal{ClientMalformed, 400, text, nil} }

// methods is the value of Allow for methods that are not forwarded.
var methods = app.Fields{{Name: "Allow", Value: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}}

var (
	// RFC 9110 section 9.3.6, section 9.3.8: neither is forwarded.
	refusedConnect = &refusal{ClientMalformed, 405, "there are no tunnels here", methods}
	refusedTrace   = &refusal{ClientMalformed, 405, "TRACE is not forwarded", methods}
	// RFC 9220 section 3.
	refusedProtocol = &refusal{ClientMalformed, 501, "of the protocols over CONNECT only websocket is forwarded", nil}
	// RFC 9110 section 15.5.18.
	refusedExpectation = &refusal{ClientMalformed, 417, "the only expectation that can be met is 100-continue", nil}
	// RFC 6455 section 4.2.2.
	refusedVersion = &refusal{ClientMalformed, 426, "Sec-WebSocket-Version is not 13", app.Fields{
		{Name: "Upgrade", Value: "websocket"}, {Name: "Sec-WebSocket-Version", Value: "13"}}}
	// RFC 5842 section 7.2.
	refusedLoop = &refusal{Loop, 508, reasonTable[Loop].text, nil}

	refusedNomination   = refuse("Connection names a field that is meant for every recipient")
	refusedNominations  = refuse("Connection names too many fields")
	refusedMaxForwards  = refuse("Max-Forwards must be one decimal number")
	refusedHandshake    = refuse("a WebSocket's opening handshake is a GET without content")
	refusedKey          = refuse("Sec-WebSocket-Key is not one value of 16 bytes")
	refusedTarget       = refuse("the request target has no path")
	refusedScheme       = refuse("only http and https are forwarded")
	refusedHost         = refuse("the request names no host")
	refusedAuthority    = refuse("the host is invalid")
	refusedDotSegments  = refuse("the path has dot segments")
	refusedNUL          = refuse("the path has an encoded NUL")
	refusedEncodedSlash = refuse("the path has an encoded slash, or a backslash")

	// answeredOptions answers OPTIONS with Max-Forwards: 0 (RFC 9110 section 7.6.2).
	answeredOptions = &refusal{OK, 204, "", methods}
)

// response returns the response to a refused request.
func (f *refusal) response() *app.Response {
	if f.status == 204 {
		return &app.Response{Status: f.status, Fields: f.fields}
	}
	resp := app.Text(f.status, f.text+"\n")
	resp.Fields = append(resp.Fields, f.fields...)
	return resp
}
