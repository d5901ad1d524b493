package gateway

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// policy is what a gateway does with the heads of messages beyond the rules of HTTP. It
// does not change.
type policy struct {
	pseudonym   string
	via         viaLines
	forwarded   bool // Forwarded is added (RFC 7239)
	proxyStatus bool // Proxy-Status is added (RFC 9209)
	rawPaths    bool // paths that readers may understand differently are forwarded
}

// requestHead is the head of a request as it is forwarded. Its memory is used again.
type requestHead struct {
	method, target, authority string
	fields                    app.Fields
	timeout                   time.Duration // of grpc-timeout; 0: none
	trailers                  bool          // the client accepts trailers
	expect                    bool          // the client waits for a 100 (Continue)
	websocket                 bool          // the client asks for a WebSocket
	grpc                      bool          // the client speaks gRPC

	nominated []string // names in Connection
	cookies   int      // lines of Cookie
	seen      requestFields
}

// requestFields are the fields of a request that the gateway reads.
type requestFields struct {
	maxForwards      string
	maxForwardsLines int
	maxForwardsAt    int  // index in requestHead.fields
	otherExpectation bool // Expect has another value than 100-continue
	connectUpgrade   bool // Connection lists upgrade
	upgrade          bool // Upgrade lists websocket
	key, version     string
	keys, versions   int
}

// maxNominated limits the names that Connection may list, each of which is compared with
// every field.
const maxNominated = 32

// reset prepares h for another request. It keeps no text of the last one.
func (h *requestHead) reset() {
	clear(h.fields)
	clear(h.nominated)
	*h = requestHead{fields: h.fields[:0], nominated: h.nominated[:0]}
}

// make fills h with the head of r towards a backend, in one pass over its fields; only
// names in Connection need another. It returns why r is not forwarded, or nil. On the
// loop.
func (h *requestHead) make(r *app.Request, p *policy, from *addresses) *refusal {
	h.method, h.authority = r.Method, r.Authority
	refused := refuseMethod(r)
	if refused != nil {
		return refused
	}
	if h.target, refused = forwardedTarget(r); refused != nil {
		return refused
	}
	if !p.rawPaths {
		if refused = refusePath(r.RawPath, false); refused != nil {
			return refused
		}
	}
	if refused = checkAuthority(r); refused != nil {
		return refused
	}
	own := originates(r)
	for i := range r.Fields {
		if refused = h.add(&r.Fields[i], p, own); refused != nil {
			return refused
		}
	}
	if len(h.nominated) > 0 {
		h.removeNominated()
	}
	if h.cookies > 1 {
		h.joinCookies()
	}
	if refused = h.check(r); refused != nil {
		return refused
	}
	h.addOwn(r, p, from, own)
	return nil
}

// refuseMethod returns the refusal of a request whose method is not forwarded, or nil.
func refuseMethod(r *app.Request) *refusal {
	switch r.Method {
	case "TRACE":
		return refusedTrace
	case "CONNECT":
		if r.Target != "" && r.Target[0] == '/' {
			return refusedProtocol
		}
		return refusedConnect
	}
	return nil
}

// originates reports whether what r says about its client is not believed.
func originates(r *app.Request) bool {
	trust := r.Conn().Trust
	return trust == nil || !trust.Trusts(r.Conn().Peer)
}

// checkAuthority refuses a host that no server can be asked for. The machines have
// compared Host with the target's authority. The clients of unix sockets need not name a
// host.
func checkAuthority(r *app.Request) *refusal {
	if !octets.ValidAuthority(r.Authority) {
		return refusedAuthority
	}
	if r.Authority == "" && r.Conn().Local.IsValid() && r.Protocol != app.HTTP10 {
		return refusedHost
	}
	return nil
}

// add adds a field of the request. untrusted: what the client says about forwarding is
// left out.
func (h *requestHead) add(f *app.Field, p *policy, untrusted bool) *refusal {
	switch classOf(f.Name) {
	case connectionField:
		return h.addConnection(f.Value)
	case upgradeField:
		h.seen.upgrade = h.seen.upgrade || octets.ListHas(f.Value, "websocket")
		return nil
	case teField:
		h.trailers = h.trailers || octets.ListHas(f.Value, "trailers")
		return nil
	case hopByHop, framed:
		return nil
	case keyField:
		h.seen.key = f.Value
		h.seen.keys++
		return nil
	case expectField:
		if octets.EqualFold(f.Value, "100-continue") {
			h.expect = true
		} else {
			h.seen.otherExpectation = true
		}
		return nil
	case maxForwardsField:
		h.seen.maxForwards = f.Value
		h.seen.maxForwardsLines++
		h.seen.maxForwardsAt = len(h.fields)
	case viaField:
		if passedBy(f.Value, p.pseudonym) {
			return refusedLoop
		}
	case forwardedField, xForField, xProtoField, xHostField:
		if untrusted {
			return nil
		}
	case cookieField:
		h.cookies++
	case contentTypeField:
		h.grpc = isGRPC(f.Value)
	case grpcTimeoutField:
		h.timeout, _ = parseGRPCTimeout(f.Value)
	case coreField, passed:
	}
	h.fields = append(h.fields, *f)
	return nil
}

// addConnection reads a Connection field (RFC 9110 section 7.6.1).
func (h *requestHead) addConnection(list string) *refusal {
	for list != "" {
		var option string
		option, list = octets.CutElement(list)
		switch {
		case option == "" || octets.EqualFold(option, "close") || octets.EqualFold(option, "keep-alive"):
			continue
		case octets.EqualFold(option, "upgrade"):
			h.seen.connectUpgrade = true
			continue
		}
		switch class := classOf(option); {
		case !class.mayNominate():
			return refusedNomination
		case class.endsHere():
			continue
		case len(h.nominated) == maxNominated:
			return refusedNominations
		}
		h.nominated = append(h.nominated, option)
	}
	return nil
}

// removeNominated removes the fields that Connection names.
func (h *requestHead) removeNominated() {
	kept := h.fields[:0]
	h.cookies, h.timeout = 0, 0
	for i := range h.fields {
		f := &h.fields[i]
		if h.isNominated(f.Name) {
			continue
		}
		switch classOf(f.Name) {
		case cookieField:
			h.cookies++
		case grpcTimeoutField:
			h.timeout, _ = parseGRPCTimeout(f.Value)
		case maxForwardsField:
			h.seen.maxForwardsAt = len(kept)
		}
		kept = append(kept, *f)
	}
	clear(h.fields[len(kept):])
	h.fields = kept
}

func (h *requestHead) isNominated(name string) bool {
	for _, nominated := range h.nominated {
		if octets.EqualFold(name, nominated) {
			return true
		}
	}
	return false
}

// joinCookies joins the Cookie fields into the first, as HTTP/1.1 requires (RFC 9113
// section 8.2.3, RFC 6265 section 5.4).
func (h *requestHead) joinCookies() {
	size, first := 0, -1
	for i := range h.fields {
		if classOf(h.fields[i].Name) == cookieField {
			size += len(h.fields[i].Value) + len("; ")
			if first < 0 {
				first = i
			}
		}
	}
	joined := make([]byte, 0, size)
	kept := h.fields[:first+1]
	for i := first; i < len(h.fields); i++ {
		f := &h.fields[i]
		if classOf(f.Name) != cookieField {
			kept = append(kept, *f)
			continue
		}
		if i > first {
			joined = append(joined, "; "...)
		}
		joined = append(joined, f.Value...)
	}
	clear(h.fields[len(kept):])
	h.fields = kept
	h.fields[first].Value = string(joined)
}

// check checks what depends on several fields.
func (h *requestHead) check(r *app.Request) *refusal {
	if h.seen.otherExpectation && r.Protocol != app.HTTP10 {
		return refusedExpectation
	}
	// RFC 9110 section 10.1.1: an expectation in HTTP/1.0, or without content, is none.
	h.expect = h.expect && r.Protocol != app.HTTP10 && r.ContentLength != 0
	if h.seen.maxForwardsLines > 0 && r.Method == "OPTIONS" {
		if refused := h.forwardOnce(); refused != nil {
			return refused
		}
	}
	// RFC 9110 section 7.8: Upgrade needs Connection, and means nothing in HTTP/1.0.
	h.websocket = h.seen.upgrade && h.seen.connectUpgrade && r.Protocol != app.HTTP10
	if h.websocket {
		return h.checkHandshake(r)
	}
	return nil
}

// forwardOnce counts Max-Forwards down (RFC 9110 section 7.6.2).
func (h *requestHead) forwardOnce() *refusal {
	n := octets.Decimal(h.seen.maxForwards)
	switch {
	case n == octets.NotDecimal || h.seen.maxForwardsLines > 1:
		return refusedMaxForwards
	case n == 0:
		return answeredOptions
	}
	h.fields[h.seen.maxForwardsAt].Value = decremented(n)
	return nil
}

// checkHandshake checks the opening handshake of a WebSocket as far as the backend depends
// on it (RFC 6455 section 4.2.1, RFC 8441 section 5). The server makes the answer.
func (h *requestHead) checkHandshake(r *app.Request) *refusal {
	if r.Method != "GET" || r.ContentLength != 0 {
		return refusedHandshake
	}
	for i := range h.fields {
		if octets.EqualFold(h.fields[i].Name, "Sec-WebSocket-Version") {
			h.seen.version = h.fields[i].Value
			h.seen.versions++
		}
	}
	switch overHTTP2 := r.Protocol == app.HTTP2; {
	case h.seen.versions == 0 && overHTTP2:
		h.fields = append(h.fields, app.Field{Name: "Sec-WebSocket-Version", Value: "13"})
	case h.seen.versions != 1 || h.seen.version != "13":
		return refusedVersion
	case !overHTTP2 && (h.seen.keys != 1 || !isKey(h.seen.key)):
		return refusedKey
	}
	return nil
}

// isKey reports whether s has the form of 16 bytes in base64.
func isKey(s string) bool {
	const size = 24
	if len(s) != size || s[size-2:] != "==" {
		return false
	}
	for i := range size - 2 {
		if c := s[i]; !octets.IsLetter(c) && !octets.Is(c, octets.Digit) && c != '+' && c != '/' {
			return false
		}
	}
	return true
}
