package h2

import "github.com/gatewheel/gatewheel/internal/octets"

// Indices into the static table (RFC 7541 appendix A).
const (
	indexAuthority  = 1
	indexMethod     = 2
	indexPath       = 4
	indexScheme     = 6
	indexExpect     = 35
	indexCookie     = 32
	indexAuth       = 23
	indexProxyAuth  = 49
	indexMethodGet  = 2
	indexMethodPost = 3
	indexPathRoot   = 4
	indexHTTP       = 6
	indexHTTPS      = 7
)

// appendRequest encodes the field section of a request that checkRequest has allowed: pseudo-fields first
// (RFC 9113 section 8.3).
func (c *Client) appendRequest(dst []byte, st *stream, r *ClientRequest, length int64) []byte {
	if c.encoder == nil {
		c.encoder = newEncoder(c.tableSize)
	}
	e := c.encoder
	dst = e.begin(dst)
	switch r.Method {
	case "GET":
		dst = append(dst, indexed|indexMethodGet)
	case "POST":
		dst = append(dst, indexed|indexMethodPost)
	default:
		dst = e.field(dst, indexMethod, ":method", r.Method, lineSightings)
	}
	switch r.Scheme {
	case "":
	case "http":
		dst = append(dst, indexed|indexHTTP)
	case "https":
		dst = append(dst, indexed|indexHTTPS)
	default:
		dst = e.field(dst, indexScheme, ":scheme", r.Scheme, lineSightings)
	}
	if r.Authority != "" {
		dst = e.field(dst, indexAuthority, ":authority", r.Authority, lineSightings)
	}
	switch {
	case r.Path == "":
	case r.Sensitive != nil && r.Sensitive(":path"):
		dst = e.field(dst, indexPath, ":path", r.Path, neverAdd)
	case r.Path == "/":
		dst = append(dst, indexed|indexPathRoot)
	default:
		dst = e.field(dst, indexPath, ":path", r.Path, pathSightings)
	}
	if r.Protocol != "" {
		dst = e.field(dst, 0, ":protocol", r.Protocol, lineSightings)
	}
	for i := range r.Fields {
		dst = c.appendRequestField(dst, st, &r.Fields[i], r.Sensitive)
	}
	if st.flags&held != 0 && r.Expect {
		dst = e.field(dst, indexExpect, "expect", "100-continue", lineSightings)
	}
	if length > 0 && st.flags&tunnel == 0 || length == 0 && suggestsContent(r.Method) {
		dst = appendContentLength(dst, length)
	}
	return dst
}

// suggestsContent reports whether a request of that method states a content-length of 0 (RFC 9110 section 8.6).
func suggestsContent(method string) bool {
	return method == "POST" || method == "PUT" || method == "PATCH"
}

// appendRequestField encodes a field, unless it is left out.
func (c *Client) appendRequestField(dst []byte, st *stream, f *Field, sensitive func(string) bool) []byte {
	value := octets.Trim(f.Value)
	if c.leftOut(st, f.Name, value) {
		return dst
	}
	index := requestName(f.Name)
	sightings := uint32(lineSightings)
	switch {
	case sensitive != nil && sensitive(f.Name),
		index == indexAuth, index == indexProxyAuth, index == indexCookie && len(value) < shortSecret:
		sightings = neverAdd
	}
	return c.encoder.field(dst, index, f.Name, value, sightings)
}

// leftOut reports whether a field is not sent: Client.Request makes it, or HTTP/2 has none. It notes a
// priority.
func (c *Client) leftOut(st *stream, name, value string) bool {
	switch len(name) {
	case len("te"):
		// RFC 9113 section 8.2.2: the only value that te may have.
		return octets.EqualFold(name, "te") && !octets.EqualFold(value, "trailers")
	case len("host"):
		return octets.EqualFold(name, "host")
	case len("expect"):
		return octets.EqualFold(name, "expect")
	case len("content-length"):
		return octets.EqualFold(name, "content-length")
	case len("priority"):
		if octets.EqualFold(name, "priority") {
			if p, ok := parsePriority(value); ok && len(value) <= maxSignal {
				st.urgency, st.incremental = p.urgency, p.incremental
			}
		}
	}
	return connectionSpecific(name)
}

// requestName returns the index in the static table of a request field's name, in its two common spellings,
// or 0.
func requestName(name string) int {
	switch name {
	case "accept", "Accept":
		return 19
	case "accept-charset", "Accept-Charset":
		return 15
	case "accept-encoding", "Accept-Encoding":
		return 16
	case "accept-language", "Accept-Language":
		return 17
	case "authorization", "Authorization":
		return indexAuth
	case "cache-control", "Cache-Control":
		return 24
	case "content-encoding", "Content-Encoding":
		return 26
	case "content-type", "Content-Type":
		return 31
	case "cookie", "Cookie":
		return indexCookie
	case "date", "Date":
		return indexDate
	case "from", "From":
		return 37
	case "if-match", "If-Match":
		return 39
	case "if-modified-since", "If-Modified-Since":
		return 40
	case "if-none-match", "If-None-Match":
		return 41
	case "if-range", "If-Range":
		return 42
	case "if-unmodified-since", "If-Unmodified-Since":
		return 43
	case "max-forwards", "Max-Forwards":
		return 47
	case "proxy-authorization", "Proxy-Authorization":
		return indexProxyAuth
	case "range", "Range":
		return 50
	case "referer", "Referer":
		return 51
	case "user-agent", "User-Agent":
		return 58
	case "via", "Via":
		return 60
	}
	return 0
}
