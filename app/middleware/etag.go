package middleware

import (
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/entitytag"
)

// maxTagged is the length in bytes of content that ETag makes a tag of: the sum of more would
// delay the loop.
const maxTagged = 256 << 10

// ETag gives responses with content in memory of up to 256 KiB a strong entity tag (RFC 9110
// section 8.8.3), the sum of the content, and answers GET and HEAD with 304 if the client has
// that content already (If-None-Match). It saves sending, not making the response. Responses
// with an ETag of their own get the 304, too. Streams, files, statuses other than 200 and
// responses with Cache-Control: no-store are left as they are. compress.New belongs outside.
func ETag(next app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		f := next(r)
		if r.Method != "GET" && r.Method != "HEAD" {
			return f
		}
		return app.Map(f, func(resp *app.Response) (*app.Response, error) { return tagged(r, resp), nil })
	}
}

// tagged returns resp with a tag, or the 304 in its place.
func tagged(r *app.Request, resp *app.Response) *app.Response {
	if resp == nil || resp.Status != 200 || resp.Fields.HasToken("Cache-Control", "no-store") {
		return resp
	}
	content, ok := resp.Content.(app.Bytes)
	if !ok {
		return resp
	}
	tag := resp.Fields.Get("ETag")
	if tag == "" {
		if len(content) > maxTagged {
			return resp
		}
		tag = entitytag.Of(content)
		changed := *resp
		changed.Fields = append(resp.Fields.Clone(1), app.Field{Name: "ETag", Value: tag})
		resp = &changed
	}
	// RFC 9110 section 13.1.2: If-None-Match compares weakly.
	if known := r.Fields.Joined("If-None-Match"); known != "" && entitytag.MatchesAny(known, tag, entitytag.WeakMatch) {
		return unmodified(resp)
	}
	return resp
}

// unmodified returns the 304 in place of resp: with its fields but for those that describe the
// content (RFC 9110 section 15.4.5).
func unmodified(resp *app.Response) *app.Response {
	fields := make(app.Fields, 0, len(resp.Fields))
	for _, f := range resp.Fields {
		if len(f.Name) > 8 && strings.EqualFold(f.Name[:8], "Content-") && !strings.EqualFold(f.Name, "Content-Location") &&
			!strings.EqualFold(f.Name, "Content-Security-Policy") {
			continue
		}
		fields = append(fields, f)
	}
	return &app.Response{Status: 304, Fields: fields}
}
