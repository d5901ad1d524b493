package auth

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// AskOptions describe forward-auth.
type AskOptions struct {
	// Send sends a request to the server that decides, such as client.Client.Do with the request's
	// Origin set. It must not change the request in other ways. On the loop.
	Send func(r *app.Request, req *client.Request) app.Future[*client.Response]
	// Target is the path of the question, with an optional query.
	Target string
	// Copy has the names of fields of the response that the request gets.
	Copy []string
	// Timeout limits the time until the head of the response. 0 is 5 s.
	Timeout time.Duration
}

const defaultAskTimeout = 5 * time.Second

// Ask asks another server about each request: a GET without content, with the fields of the request,
// its method and URI in X-Forwarded-Method, -Proto, -Host, -Uri and -For, and in X-Original-Method,
// -URI and -URL. If the status is 2xx the request passes; another response is the client's. If there
// is none, the answer is 503.
type Ask struct{ options AskOptions }

// NewAsk returns a check.
func NewAsk(o AskOptions) *Ask {
	if o.Timeout <= 0 {
		o.Timeout = defaultAskTimeout
	}
	return &Ask{o}
}

// Check implements Checker.
func (a *Ask) Check(r *app.Request) app.Answer {
	asked := a.options.Send(r, &client.Request{
		Method: "GET", Target: a.options.Target, Fields: questionFields(r), Timeout: a.options.Timeout, Retries: 1,
	})
	return app.After(asked, func(resp *client.Response, err error) app.Answer {
		switch {
		case err != nil:
			return app.Fail(&app.StatusError{Status: 503, Message: "the authorization service does not answer",
				Fields: app.Fields{{Name: "Retry-After", Value: "1"}}, Err: err})
		case resp.Status < 200 || resp.Status > 299:
			return app.Ready(resp.Response())
		}
		var set app.Fields
		for _, f := range resp.Fields {
			if named(a.options.Copy, f.Name) {
				set = append(set, f)
			}
		}
		resp.Close()
		setFields(r, a.options.Copy, set)
		return passes()
	})
}

func named(names []string, name string) bool {
	for _, n := range names {
		if octets.EqualFold(n, name) {
			return true
		}
	}
	return false
}

// unasked are fields that concern the request's content, the choice of a part of the response, or the
// connection, and those that are made anew.
var unasked = []string{
	"Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Range", "Expect", "Forwarded", "Host",
	"HTTP2-Settings", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive",
	"Max-Forwards", "Proxy-Connection", "Range", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "X-Real-IP",
}

// ours are the beginnings of the names of fields that are made anew, or concern a handshake.
var ours = []string{"X-Forwarded-", "X-Original-", "Sec-WebSocket-"}

// isAsked reports whether the question has the field of the request.
func isAsked(fields app.Fields, name string) bool {
	for _, prefix := range ours {
		if len(name) > len(prefix) && sameName(name[:len(prefix)], prefix) {
			return false
		}
	}
	return !hasName(unasked, name) && !fields.HasToken("Connection", name)
}

// questionFields returns the fields of the question about r.
func questionFields(r *app.Request) app.Fields {
	fields := make(app.Fields, 0, len(r.Fields)+8)
	for _, f := range r.Fields {
		if isAsked(r.Fields, f.Name) {
			fields = append(fields, f)
		}
	}
	uri := r.RawPath
	if r.RawQuery != "" {
		uri += "?" + r.RawQuery
	}
	from := r.Client()
	if from.Addr.IsValid() {
		fields.Add("X-Forwarded-For", from.Addr.Addr().Unmap().String())
	}
	return append(fields,
		app.Field{Name: "X-Forwarded-Method", Value: r.Method},
		app.Field{Name: "X-Forwarded-Proto", Value: from.Scheme},
		app.Field{Name: "X-Forwarded-Host", Value: from.Host},
		app.Field{Name: "X-Forwarded-Uri", Value: uri},
		app.Field{Name: "X-Original-Method", Value: r.Method},
		app.Field{Name: "X-Original-URI", Value: uri},
		app.Field{Name: "X-Original-URL", Value: from.Scheme + "://" + from.Host + uri},
	)
}

// Fields implements Checker.
func (a *Ask) Fields() []string { return a.options.Copy }

// Close implements Checker.
func (a *Ask) Close() {}
