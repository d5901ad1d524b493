package gateway

import (
	"net/netip"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Names of the fields that describe the client.
const (
	xForName      = "X-Forwarded-For"
	xProtoName    = "X-Forwarded-Proto"
	xHostName     = "X-Forwarded-Host"
	forwardedName = "Forwarded"
)

// addOwn adds the fields that the gateway makes. untrusted: those that describe the client
// are made anew; else the peer's address is appended to what a trusted proxy has said.
func (h *requestHead) addOwn(r *app.Request, p *policy, from *addresses, untrusted bool) {
	h.fields = append(h.fields, app.Field{Name: "Via", Value: p.via.of(r.Protocol)})
	var peer *address
	if addr := r.Conn().Peer; addr.IsValid() {
		peer = from.of(addr.Addr())
	}
	scheme, host := r.Scheme, r.Authority
	if !untrusted {
		client := r.Client()
		scheme, host = client.Scheme, client.Host
		h.remove(xProtoField, xHostField)
	}
	if peer != nil {
		h.appendTo(xForField, xForName, peer.text, untrusted)
	}
	h.fields = append(h.fields, app.Field{Name: xProtoName, Value: scheme})
	if host != "" {
		h.fields = append(h.fields, app.Field{Name: xHostName, Value: host})
	}
	if p.forwarded {
		h.appendTo(forwardedField, forwardedName, from.element(peer, r.Authority, r.Scheme), untrusted)
	}
	if h.trailers {
		// RFC 9110 section 10.1.4: it concerns this hop only, hence it is made anew.
		h.fields = append(h.fields, app.Field{Name: "TE", Value: "trailers"})
	}
}

// appendTo appends value to the lists of that class, which become one line. fresh: there
// are none.
func (h *requestHead) appendTo(class fieldClass, name, value string, fresh bool) {
	if !fresh {
		if list := h.fields.Joined(name); list != "" {
			value = list + ", " + value
		}
		h.remove(class, class)
	}
	h.fields = append(h.fields, app.Field{Name: name, Value: value})
}

// remove removes the fields of two classes.
func (h *requestHead) remove(a, b fieldClass) {
	kept := h.fields[:0]
	for i := range h.fields {
		if class := classOf(h.fields[i].Name); class != a && class != b {
			kept = append(kept, h.fields[i])
		}
	}
	clear(h.fields[len(kept):])
	h.fields = kept
}

// addresses has the addresses of recent clients as text, so that no request makes it
// anew. It belongs to a loop.
type addresses struct{ recent [256]address }

// address is a client's address as text, and the element of Forwarded that it was part of
// last.
type address struct {
	addr         netip.Addr
	text         string
	element      string
	host, scheme string // of element
}

// of returns the entry of an address, which is valid until the next call.
func (a *addresses) of(addr netip.Addr) *address {
	addr = addr.Unmap().WithZone("")
	b := addr.As16()
	e := &a.recent[b[15]^b[14]<<3^b[13]<<5^b[7]]
	if e.addr != addr {
		*e = address{addr: addr, text: addr.String()}
	}
	return e
}

// element returns an element of Forwarded (RFC 7239 section 4). peer is nil if it has no
// address.
func (a *addresses) element(peer *address, host, scheme string) string {
	if peer == nil {
		return makeElement("unknown", host, scheme)
	}
	if peer.element == "" || peer.host != host || peer.scheme != scheme {
		node := peer.text
		if peer.addr.Is6() {
			// RFC 7239 section 6.
			node = `"[` + node + `]"`
		}
		peer.element, peer.host, peer.scheme = makeElement(node, host, scheme), host, scheme
	}
	return peer.element
}

func makeElement(node, host, scheme string) string {
	element := "for=" + node
	if host != "" {
		if !octets.IsToken(host) {
			host = `"` + host + `"`
		}
		element += ";host=" + host
	}
	return element + ";proto=" + scheme
}
