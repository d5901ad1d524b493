//go:build linux

package server_test

import (
	"net/http"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

func TestAbortedRequestHasNoAnswer(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		if r.Target == "/" {
			return app.Ready(app.Text(200, "here"))
		}
		return app.Fail(spi.ErrAborted)
	})
	s.overBoth(func(t *testing.T, c *http.Client) {
		if resp, err := c.Get(s.url("/aborted")); err == nil {
			resp.Body.Close()
			t.Errorf("the answer is %s", resp.Status)
		}
		resp, err := c.Get(s.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	})
	if s.logs.Len() != 0 {
		t.Errorf("the log has %v", s.logs.All())
	}
}

func TestEmptyDateIsLeftOut(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Ready(app.Text(200, "some time").With("Date", ""))
	})
	s.overBoth(func(t *testing.T, c *http.Client) {
		resp, err := c.Get(s.url("/"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if dates, ok := resp.Header["Date"]; ok {
			t.Errorf("the dates are %q", dates)
		}
	})
}
