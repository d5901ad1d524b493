// Package problem answers failures with problem details in JSON (RFC 9457).
package problem

import (
	"encoding/json"
	"errors"
	"maps"
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/input"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// MediaType is the content type of problem details.
const MediaType = "application/problem+json"

// Details are problem details (RFC 9457 section 3.1). They are an error that a handler
// returns, with a response of its own.
type Details struct {
	// Type is a URI reference that names the kind of problem. Empty stands for
	// about:blank: the status tells everything.
	Type string
	// Title is a summary of the kind of problem; the reason phrase of the status if it is
	// empty.
	Title string
	// Status is the status of the response, 200 to 599. Others become a 500.
	Status int
	// Detail explains this occurrence to the peer, Instance is a URI reference for it.
	Detail, Instance string
	// Extensions are further members of the JSON object (section 3.2). Those named like a
	// member above are ignored.
	Extensions map[string]any
	// Fields are added to the response.
	Fields app.Fields
	// Err is the reason, for logs. It is not sent to the peer.
	Err error
}

// Error returns status, title and detail, and the text of Err.
func (d *Details) Error() string {
	text := strconv.Itoa(d.Status) + " " + d.title()
	if d.Detail != "" {
		text += ": " + d.Detail
	}
	if d.Err != nil {
		text += ": " + d.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (d *Details) Unwrap() error { return d.Err }

// Response returns the response with the details, see app.ErrorResponse. It panics if the
// extensions cannot be encoded.
func (d *Details) Response() *app.Response {
	content, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	resp := app.Blob(d.Status, MediaType, append(content, '\n'))
	resp.Fields = append(resp.Fields, d.Fields...)
	return resp
}

// MarshalJSON encodes the members of the problem details.
func (d *Details) MarshalJSON() ([]byte, error) {
	members := map[string]any{}
	maps.Copy(members, d.Extensions)
	members["title"], members["status"] = d.title(), d.Status
	for name, value := range map[string]string{"type": d.Type, "detail": d.Detail, "instance": d.Instance} {
		delete(members, name)
		if value != "" {
			members[name] = value
		}
	}
	return json.Marshal(members)
}

func (d *Details) title() string {
	if d.Title != "" {
		return d.Title
	}
	return octets.StatusText(d.Status)
}

// Response returns the response for a failure as problem details. It is a hook for
// router.Router.Failed. Status, fields and text are those of app.ErrorResponse; a response
// that an error has of its own, of another content type than text/plain, stays as it is. An
// input.FieldError has the extension "field". Any goroutine.
func Response(_ *app.Request, err error) *app.Response {
	resp := app.ErrorResponse(err)
	text, inMemory := resp.Content.(app.Bytes)
	if !inMemory || !strings.HasPrefix(resp.Fields.Get("Content-Type"), "text/plain") {
		return resp
	}
	d := Details{Status: resp.Status, Detail: strings.TrimSuffix(string(text), "\n"), Fields: resp.Fields.Clone(0)}
	d.Fields.Del("Content-Type")
	if wrong, ok := errors.AsType[*input.FieldError](err); ok {
		d.Extensions = map[string]any{"field": wrong.Field}
	}
	if d.Detail == d.title() {
		d.Detail = ""
	}
	return d.Response()
}
