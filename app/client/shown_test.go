package client_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
)

func TestTextOfAHeadTimeout(t *testing.T) {
	f := newFront(t, "h2c", client.Options{Timeout: 3 * time.Second}, never)
	call := f.Do(get("/a?token=secret"))
	f.Advance(3 * time.Second)
	if got := f.wantFailure(call, client.HeadTimeout).Error(); got != "client: head-timeout: h2c://backend:80: GET: no head of a response after 3s" {
		t.Errorf("got %q", got)
	}
}

func TestTextOfAnIdleTimeout(t *testing.T) {
	f := newFront(t, "http", client.Options{}, stalling)
	f.answer = readAll
	request := f.request
	f.request = func(r *app.Request, url string) *client.Request {
		req := request(r, url)
		req.Idle = 2 * time.Second
		return req
	}
	call := f.Do(get("/"))
	f.Advance(2 * time.Second)
	if got := f.wantFailure(call, client.IdleTimeout).Error(); got != "client: idle-timeout: http://backend:80: GET: no content for 2s" {
		t.Errorf("got %q", got)
	}
}

func TestTextOfAMalformedURL(t *testing.T) {
	c := client.New(client.Options{})
	long := strings.Repeat("x", 1000)
	for _, test := range []struct{ url, want string }{
		{"users/7", `the URL "users/7" has none of the schemes`},
		{"ftp://me:pass@word@host/?secret", `the URL "ftp://...@host" has none`},
		{"me:password@host?secret", `the URL "...@host?..." has none`},
		{"http://me:password@host", `the URL "http://...@host" of an origin is not`},
		{"http://" + long + " ", `the URL "http://` + long[:93] + `..." of an origin is not`},
	} {
		host := apptest.New(func(r *app.Request) app.Answer {
			return app.Map(c.Do(r, &client.Request{URL: test.url}), func(resp *client.Response) (*app.Response, error) {
				return resp.Response(), nil
			})
		})
		call := host.Do(get("/"))
		if call.Status != 500 || call.Err == nil || !strings.Contains(call.Err.Error(), test.want) {
			t.Errorf("%.50q: status %d, %v", test.url, call.Status, call.Err)
		}
	}
}
