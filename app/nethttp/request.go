package nethttp

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// makeRequest makes the http.Request of the exchange. It fails if the target is no URL. In the handler's goroutine.
func (e *exchange) makeRequest() error {
	r := e.r
	u, err := e.parseTarget()
	if err != nil {
		return err
	}
	made := http.Request{
		Method: r.Method, URL: u, Host: r.Authority, RequestURI: r.Target,
		ContentLength: r.ContentLength, RemoteAddr: e.conn.remote, TLS: r.Conn().TLS,
		Body: http.NoBody, Pattern: r.Pattern(),
	}
	switch r.Protocol {
	case app.HTTP2:
		made.Proto, made.ProtoMajor = "HTTP/2.0", 2
	case app.HTTP10:
		made.Proto, made.ProtoMajor = "HTTP/1.0", 1
	default:
		made.Proto, made.ProtoMajor, made.ProtoMinor = "HTTP/1.1", 1, 1
	}
	made.Header = e.header(r.Fields)
	if e.body != nil {
		made.Body = (*requestBody)(e)
	}
	if r.Protocol == app.HTTP2 {
		adjust2(&made)
	} else {
		adjust1(&made, r)
	}
	// There is no other way to set the context. Neither made nor the copy is allocated.
	e.made = *made.WithContext(&e.ctx)
	e.request = &e.made
	names, values := core.Captures(r)
	for i, name := range names {
		if name != "" {
			e.request.SetPathValue(name, values[i])
		}
	}
	return nil
}

// adjust1 sets what depends on fields of an HTTP/1 request, and removes fields that have a place in http.Request.
func adjust1(made *http.Request, r *app.Request) {
	h := made.Header
	delete(h, "Host")
	if _, ok := h["Transfer-Encoding"]; ok {
		delete(h, "Transfer-Encoding")
		delete(h, "Content-Length")
		made.TransferEncoding = []string{"chunked"}
	}
	if r.ContentLength != 0 {
		made.Trailer = announcedTrailers(h)
	}
	made.Close = r.Fields.HasToken("Connection", "close") || made.ProtoMinor == 0 && !r.Fields.HasToken("Connection", "keep-alive")
	if h["Cache-Control"] == nil && len(h["Pragma"]) > 0 && h["Pragma"][0] == "no-cache" {
		// RFC 9111 section 5.4.
		h["Cache-Control"] = []string{"no-cache"}
	}
}

// adjust2 is adjust1 for HTTP/2.
func adjust2(made *http.Request) {
	h := made.Header
	delete(h, "Host")
	if cookies := h["Cookie"]; len(cookies) > 1 {
		// RFC 9113 section 8.2.3.
		h["Cookie"] = []string{strings.Join(cookies, "; ")}
	}
	if e := h["Expect"]; len(e) > 0 && strings.EqualFold(e[0], "100-continue") {
		delete(h, "Expect")
	}
	made.Trailer = announcedTrailers(h)
}

// header returns field lines as an http.Header. The lists of values share one array.
func (e *exchange) header(fields app.Fields) http.Header {
	h := make(http.Header, len(fields))
	values := e.values[:]
	if len(fields) > len(values) {
		values = make([]string, len(fields))
	}
	for i := range fields {
		name := canonical(fields[i].Name)
		values[0] = fields[i].Value
		if earlier, ok := h[name]; ok {
			h[name] = append(earlier, fields[i].Value)
			continue
		}
		h[name] = values[:1:1]
		values = values[1:]
	}
	return h
}

// canonical returns the name of a field as http.Header has it.
func canonical(name string) string { return http.CanonicalHeaderKey(name) }

var errTarget = errors.New("the request target is no URL")

// parseTarget returns the URL of the request's target.
func (e *exchange) parseTarget() (*url.URL, error) {
	r := e.r
	switch {
	case r.Method == "CONNECT" && !strings.HasPrefix(r.Target, "/"):
		e.url.Host = r.Target
		return &e.url, nil
	case plainPath(r.Target):
		e.url.Path = r.Target
		return &e.url, nil
	}
	u, err := url.ParseRequestURI(r.Target)
	if err != nil {
		return nil, errTarget
	}
	return u, nil
}

// plainPath reports whether target is a path without anything that is encoded or may be, and without a query.
func plainPath(target string) bool {
	if target == "" || target[0] != '/' || strings.HasPrefix(target, "//") {
		return false
	}
	for i := range len(target) {
		switch c := target[i]; {
		case octets.Is(c, octets.Digit), 'a' <= c|0x20 && c|0x20 <= 'z':
		case c == '/', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return true
}
