package problem_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/input"
	"github.com/gatewheel/gatewheel/app/problem"
	"github.com/gatewheel/gatewheel/app/router"
)

// A router answers all failures of its handlers, and its own 404 and 405, with problem details.
func Example() {
	routes := router.Router{Failed: problem.Response}
	routes.HandleFunc("GET /account", func(*app.Request) (*app.Response, error) {
		return nil, app.Statusf(403, "the account is locked")
	})
	routes.HandleFunc("POST /account/order", func(*app.Request) (*app.Response, error) {
		return nil, &problem.Details{
			Type: "https://example.com/out-of-credit", Title: "You have too little credit", Status: 403,
			Detail: "The balance is 30, the price is 50.", Extensions: map[string]any{"balance": 30},
		}
	})
	host := apptest.New(routes.Serve)
	fmt.Print(string(host.Do(apptest.Get("/account")).Content))
	fmt.Print(string(host.Do(apptest.Post("/account/order", "text/plain", "")).Content))
	fmt.Print(string(host.Do(apptest.Get("/nothing")).Content))
	// Output:
	// {"detail":"the account is locked","status":403,"title":"Forbidden"}
	// {"balance":30,"detail":"The balance is 30, the price is 50.","status":403,"title":"You have too little credit","type":"https://example.com/out-of-credit"}
	// {"status":404,"title":"Not Found"}
}

func TestResponse(t *testing.T) {
	own := &problem.Details{Status: 409, Instance: "/a/1", Extensions: map[string]any{"status": 1, "type": 2}, Err: errors.New("why")}
	for _, c := range []struct {
		err     error
		content string
		field   string // with a value
	}{
		{app.Statusf(413, ""), `{"status":413,"title":"Content Too Large"}`, ""},
		{fmt.Errorf("wrapped: %w", &input.FieldError{Field: "a.b", Err: app.Statusf(422, "no")}),
			`{"detail":"no","field":"a.b","status":422,"title":"Unprocessable Content"}`, ""},
		{app.ErrPoolFull, `{"detail":"too busy, try again","status":503,"title":"Service Unavailable"}`, "Retry-After"},
		{errors.New("secret"), `{"status":500,"title":"Internal Server Error"}`, ""},
		{fmt.Errorf("wrapped: %w", own), `{"instance":"/a/1","status":409,"title":"Conflict"}`, ""},
		{&app.StatusError{Status: 401, Fields: app.Fields{{Name: "WWW-Authenticate", Value: "Basic"}}}, `{"status":401,"title":"Unauthorized"}`, "WWW-Authenticate"},
	} {
		resp := problem.Response(nil, c.err)
		content, _ := resp.Content.(app.Bytes)
		if string(content) != c.content+"\n" || len(resp.Fields.Values("Content-Type")) != 1 || resp.Fields.Get("Content-Type") != problem.MediaType {
			t.Errorf("%v: %q %s", c.err, resp.Fields, content)
		}
		if c.field != "" && !resp.Fields.Has(c.field) {
			t.Errorf("%v: %s is missing", c.err, c.field)
		}
	}
	if got := own.Error(); got != "409 Conflict: why" {
		t.Errorf("%q", got)
	}
}

// page is an error with a response of another type.
type page struct{ error }

func (page) Response() *app.Response { return app.HTML(410, "gone") }

func TestOtherTypesStay(t *testing.T) {
	if resp := problem.Response(nil, page{errors.New("gone")}); resp.Status != 410 || resp.Fields.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%d %q", resp.Status, resp.Fields)
	}
}
