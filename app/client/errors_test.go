package client_test

import (
	"errors"
	"io"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
)

func TestErrors(t *testing.T) {
	names := map[string]bool{}
	for k := client.Kind(1); int(k) <= client.Kinds(); k++ {
		if k.String() == "" || names[k.String()] {
			t.Errorf("kind %d has no name of its own: %q", k, k)
		}
		names[k.String()] = true
		e := &client.Error{Kind: k, Err: io.ErrUnexpectedEOF}
		if !errors.Is(e, io.ErrUnexpectedEOF) {
			t.Errorf("%v does not unwrap", e)
		}
		resp := app.ErrorResponse(e)
		if e.Timeout() != (resp.Status == 504) {
			t.Errorf("%v: status %d", e, resp.Status)
		}
		if resp.Status < 500 || resp.Status > 504 {
			t.Errorf("%v: status %d", e, resp.Status)
		}
	}
	if got := (&client.Error{Kind: client.UpstreamEOF, Err: io.ErrUnexpectedEOF}).Error(); got != "client: upstream-eof: unexpected EOF" {
		t.Errorf("got %q", got)
	}
	if got := app.ErrorResponse(&client.Error{Kind: client.Overflow}).Fields.Get("Retry-After"); got != "1" {
		t.Errorf("an overflow has Retry-After %q", got)
	}
}
