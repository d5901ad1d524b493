package oteltrace

import (
	"errors"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// requestAttributes returns the attributes that are known when a request arrives, for samplers.
func requestAttributes(r *app.Request) []attribute.KeyValue {
	client := r.Client()
	attributes := make([]attribute.KeyValue, 0, 14)
	attributes = append(attributes, methodAttributes(r.Method)...)
	attributes = append(attributes,
		semconv.URLScheme(client.Scheme), semconv.URLPath(text(r.RawPath)), semconv.NetworkProtocolVersion(protocolVersion(r.Protocol)))
	if r.RawQuery != "" {
		attributes = append(attributes, semconv.URLQuery(text(redacted(r.RawQuery))))
	}
	if host, port, ok := octets.SplitAuthority(client.Host); ok && host != "" {
		attributes = append(attributes, semconv.ServerAddress(host))
		if n, err := strconv.Atoi(or(port, octets.DefaultPort(client.Scheme))); err == nil {
			attributes = append(attributes, semconv.ServerPort(n))
		}
	}
	if client.Addr.IsValid() {
		attributes = append(attributes, semconv.ClientAddress(client.Addr.Addr().String()))
	}
	if peer := r.Conn().Peer; peer.IsValid() {
		attributes = append(attributes, semconv.NetworkPeerAddress(peer.Addr().String()), semconv.NetworkPeerPort(int(peer.Port())))
	}
	if agent := r.Fields.Get("User-Agent"); agent != "" {
		attributes = append(attributes, semconv.UserAgentOriginal(text(agent)))
	}
	return attributes
}

// text returns s as UTF-8: one invalid byte would keep a whole batch of spans from being sent.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// methods are those that the conventions know. Names of others may be without number.
var methods = map[string]attribute.KeyValue{
	"CONNECT": semconv.HTTPRequestMethodConnect, "DELETE": semconv.HTTPRequestMethodDelete, "GET": semconv.HTTPRequestMethodGet,
	"HEAD": semconv.HTTPRequestMethodHead, "OPTIONS": semconv.HTTPRequestMethodOptions, "PATCH": semconv.HTTPRequestMethodPatch,
	"POST": semconv.HTTPRequestMethodPost, "PUT": semconv.HTTPRequestMethodPut, "QUERY": semconv.HTTPRequestMethodQuery,
	"TRACE": semconv.HTTPRequestMethodTrace,
}

func methodAttributes(method string) []attribute.KeyValue {
	if known, ok := methods[method]; ok {
		return []attribute.KeyValue{known}
	}
	return []attribute.KeyValue{semconv.HTTPRequestMethodOther, semconv.HTTPRequestMethodOriginal(method)}
}

// spanName returns the name of a span: few different ones, whatever clients send.
func spanName(method, route string) string {
	if _, ok := methods[method]; !ok {
		method = "HTTP"
	}
	if route == "" {
		return method
	}
	return method + " " + route
}

// routeOf returns the path of a route's pattern, "" if there is none.
func routeOf(pattern string) string {
	if _, rest, ok := strings.Cut(pattern, " "); ok {
		pattern = strings.TrimLeft(rest, " \t")
	}
	if i := strings.IndexByte(pattern, '/'); i >= 0 {
		return pattern[i:]
	}
	return ""
}

// protocolVersion returns the version as the conventions write it.
func protocolVersion(protocol string) string {
	switch protocol {
	case app.HTTP2:
		return "2"
	default:
		return strings.TrimPrefix(protocol, "HTTP/")
	}
}

// errorType returns the error.type of a response from 500 on: the status, unless the failure that
// it stands for says more.
func errorType(status int, err error) attribute.KeyValue {
	kind := strconv.Itoa(status)
	if _, ok := errors.AsType[*app.StatusError](err); !ok && err != nil {
		kind = failureType(err)
	}
	return semconv.ErrorTypeKey.String(kind)
}

func failureType(err error) string {
	if _, ok := errors.AsType[*app.PanicError](err); ok {
		return "panic"
	}
	if errors.Is(err, app.ErrDeadline) {
		return "deadline"
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
		err = inner // of middleware that has wrapped it
	}
	return semconv.ErrorType(err).Value.AsString()
}

// secrets are the parameters whose values the conventions ask to leave out, besides those whose
// names look like credentials.
var secrets = map[string]bool{"AWSAccessKeyId": true, "Signature": true, "sig": true, "X-Goog-Signature": true}

// redacted returns a query without the values of parameters that are likely to be credentials.
func redacted(query string) string {
	var kept strings.Builder
	for i, parameter := range strings.Split(query, "&") {
		if i > 0 {
			kept.WriteByte('&')
		}
		name, _, hasValue := strings.Cut(parameter, "=")
		if hasValue && (secrets[name] || octets.IsSecret(name)) {
			parameter = name + "=REDACTED"
		}
		kept.WriteString(parameter)
	}
	return kept.String()
}
