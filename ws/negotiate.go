package ws

import (
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// The window sizes of RFC 7692 section 7.1.2, as powers of two.
const (
	minWindowBits = 8
	maxWindowBits = 15
)

// The names of RFC 7692 section 7.1.
const (
	deflateName     = "permessage-deflate"
	serverNoContext = "server_no_context_takeover"
	clientNoContext = "client_no_context_takeover"
	serverMaxWindow = "server_max_window_bits"
	clientMaxWindow = "client_max_window_bits"
)

// Deflate has the negotiated parameters of permessage-deflate. The zero value is no
// compression.
type Deflate struct {
	On               bool
	ServerNoContext  bool  // the server's messages do not refer to earlier ones
	ClientNoContext  bool  // neither do the client's
	ServerWindowBits uint8 // 8 to 15; zero means 15
	ClientWindowBits uint8 // 8 to 15; zero means 15
}

// DeflatePolicy has our side of the negotiation of permessage-deflate. The zero value
// accepts it without context takeover, so that it costs an idle connection no memory.
type DeflatePolicy struct {
	// Off declines every offer.
	Off bool
	// ServerContext and ClientContext let messages of the server, or of the client,
	// refer to earlier ones, unless the peer declines. Small similar messages shrink
	// a lot more. An idle connection then holds up to 8 KiB for the direction in
	// which it sends, and a window for the other.
	ServerContext, ClientContext bool
	// ServerWindowBits and ClientWindowBits bound the windows, from 9 to 15; zero
	// means 15. There is no 8: zlib cannot compress with it.
	ServerWindowBits, ClientWindowBits uint8
}

// windowBits returns the bound that a policy's field stands for.
func windowBits(bits uint8) uint8 {
	return min(max(orLargest(bits), minWindowBits+1), maxWindowBits)
}

func orLargest(bits uint8) uint8 {
	if bits == 0 {
		return maxWindowBits
	}
	return bits
}

// parameters has the parameters of one permessage-deflate element.
type parameters struct {
	serverNoContext, clientNoContext bool
	serverWindow, clientWindow       bool  // the parameter is present
	serverBits, clientBits           uint8 // its value; zero if it has none
}

// parse reads the parameters of ext. It reports false for unknown or repeated ones and
// values out of range, for which the element is declined (RFC 7692 section 7.1).
func (p *parameters) parse(ext extension) bool {
	for param := range ext.parameters {
		ok := false
		switch param.name {
		case serverNoContext:
			ok = setFlag(&p.serverNoContext, param)
		case clientNoContext:
			ok = setFlag(&p.clientNoContext, param)
		case serverMaxWindow:
			ok = setWindow(&p.serverWindow, &p.serverBits, param) && param.hasValue
		case clientMaxWindow:
			ok = setWindow(&p.clientWindow, &p.clientBits, param)
		}
		if !ok {
			return false
		}
	}
	return true
}

func setFlag(flag *bool, param parameter) bool {
	ok := !*flag && !param.hasValue
	*flag = true
	return ok
}

func setWindow(seen *bool, bits *uint8, param parameter) bool {
	if *seen {
		return false
	}
	*seen = true
	if !param.hasValue {
		return true
	}
	switch {
	case len(param.value) == 1 && param.value[0] >= '8' && param.value[0] <= '9':
		*bits = param.value[0] - '0'
	case len(param.value) == 2 && param.value[0] == '1' && param.value[1] >= '0' && param.value[1] <= '5':
		*bits = 10 + param.value[1] - '0'
	}
	return *bits != 0
}

// Answer is for servers. It accepts the first acceptable offer of permessage-deflate
// in the client's Sec-WebSocket-Extensions, whose field lines have the values in
// offers. response is the field value for the response, empty if there is to be none.
// RFC 7692 section 7.1.
func (policy *DeflatePolicy) Answer(offers []string) (ext Deflate, response string) {
	if policy.Off {
		return Deflate{}, ""
	}
	var chosen parameters
	found := false
	ok := parseExtensions(offers, func(offer extension) {
		var asked parameters
		if !found && octets.EqualFold(offer.name, deflateName) && asked.parse(offer) {
			chosen, found = asked, true
		}
	})
	if !ok || !found {
		return Deflate{}, ""
	}
	return policy.accept(&chosen)
}

// accept answers an offer. Every valid one can be met.
func (policy *DeflatePolicy) accept(asked *parameters) (ext Deflate, response string) {
	ext = Deflate{
		On:               true,
		ServerNoContext:  asked.serverNoContext || !policy.ServerContext,
		ClientNoContext:  asked.clientNoContext || !policy.ClientContext,
		ServerWindowBits: windowBits(policy.ServerWindowBits),
		ClientWindowBits: maxWindowBits,
	}
	if asked.serverBits != 0 {
		ext.ServerWindowBits = min(ext.ServerWindowBits, asked.serverBits)
	}
	if asked.clientWindow {
		// RFC 7692 section 7.1.2.2: only a client that offered the parameter
		// understands it in the answer.
		ext.ClientWindowBits = windowBits(policy.ClientWindowBits)
		if asked.clientBits != 0 {
			ext.ClientWindowBits = min(ext.ClientWindowBits, asked.clientBits)
		}
	}
	var b strings.Builder
	b.Grow(longestAnswer)
	b.WriteString(deflateName)
	writeFlag(&b, serverNoContext, ext.ServerNoContext)
	writeFlag(&b, clientNoContext, ext.ClientNoContext)
	if asked.serverBits != 0 || ext.ServerWindowBits < maxWindowBits {
		writeWindow(&b, serverMaxWindow, ext.ServerWindowBits)
	}
	if asked.clientBits != 0 || ext.ClientWindowBits < maxWindowBits {
		writeWindow(&b, clientMaxWindow, ext.ClientWindowBits)
	}
	return ext, b.String()
}

// longestAnswer is the length of an answer with every parameter.
const longestAnswer = len(deflateName + "; " + serverNoContext + "; " + clientNoContext + "; " +
	serverMaxWindow + "=15; " + clientMaxWindow + "=15")

func writeFlag(b *strings.Builder, name string, on bool) {
	if on {
		b.WriteString("; ")
		b.WriteString(name)
	}
}

func writeWindow(b *strings.Builder, name string, bits uint8) {
	writeFlag(b, name, true)
	b.WriteByte('=')
	b.WriteString(strconv.Itoa(int(bits)))
}

// Offer is for clients. It returns the value of Sec-WebSocket-Extensions for the
// request, empty if there is to be none.
func (policy *DeflatePolicy) Offer() string {
	if policy.Off {
		return ""
	}
	var b strings.Builder
	b.WriteString(deflateName)
	writeFlag(&b, serverNoContext, !policy.ServerContext)
	writeFlag(&b, clientNoContext, !policy.ClientContext)
	if bits := windowBits(policy.ServerWindowBits); bits < maxWindowBits {
		writeWindow(&b, serverMaxWindow, bits)
	}
	if bits := windowBits(policy.ClientWindowBits); bits < maxWindowBits {
		writeWindow(&b, clientMaxWindow, bits)
	} else {
		writeFlag(&b, clientMaxWindow, true)
	}
	return b.String()
}

// Check is for clients. It reads the server's Sec-WebSocket-Extensions, whose field
// lines have the values in answer. One that does not agree with Offer fails the
// handshake with a *HandshakeError: RFC 7692 section 7.1, RFC 6455 section 4.1.
func (policy *DeflatePolicy) Check(answer []string) (Deflate, error) {
	var chosen extension
	count := 0
	if !parseExtensions(answer, func(e extension) { chosen, count = e, count+1 }) {
		return Deflate{}, refuse("malformed Sec-WebSocket-Extensions")
	}
	if count == 0 {
		return Deflate{}, nil
	}
	if policy.Off || count > 1 || !octets.EqualFold(chosen.name, deflateName) {
		return Deflate{}, refuse("extension that was not offered")
	}
	var got parameters
	serverBits, clientBits := windowBits(policy.ServerWindowBits), windowBits(policy.ClientWindowBits)
	switch {
	case !got.parse(chosen):
		return Deflate{}, refuse("malformed permessage-deflate parameters")
	case got.clientWindow && got.clientBits == 0:
		return Deflate{}, refuse("client_max_window_bits without a value")
	case got.clientBits > clientBits:
		// RFC 7692 section 7.1.2.2: the value is that of the offer or smaller.
		return Deflate{}, refuse("client_max_window_bits is larger than in the offer")
	case !policy.ServerContext && !got.serverNoContext:
		return Deflate{}, refuse("server keeps its context although the offer excludes it")
	case serverBits < maxWindowBits && (got.serverBits == 0 || got.serverBits > serverBits):
		return Deflate{}, refuse("server's window is larger than the offer allows")
	}
	ext := Deflate{
		On:               true,
		ServerNoContext:  got.serverNoContext,
		ClientNoContext:  got.clientNoContext || !policy.ClientContext,
		ServerWindowBits: maxWindowBits,
		ClientWindowBits: clientBits,
	}
	if got.serverBits != 0 {
		ext.ServerWindowBits = got.serverBits
	}
	if got.clientBits != 0 {
		ext.ClientWindowBits = got.clientBits
	}
	return ext, nil
}
