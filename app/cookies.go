package app

import (
	"fmt"
	"net/http"
)

// Cookies returns the cookies of the request (RFC 6265 section 4.2). Malformed ones are left
// out. Any goroutine.
func (r *Request) Cookies() []*http.Cookie { return r.cookieHeader().Cookies() }

// Cookie returns the first cookie of that name, or http.ErrNoCookie. Any goroutine.
func (r *Request) Cookie(name string) (*http.Cookie, error) { return r.cookieHeader().Cookie(name) }

// cookieHeader returns a request that has the Cookie lines only.
func (r *Request) cookieHeader() *http.Request {
	return &http.Request{Header: http.Header{"Cookie": r.Fields.Values("Cookie")}}
}

// WithCookie returns a copy of the response that sets a cookie besides those that it sets
// already (Set-Cookie, RFC 6265 section 4.1). It shares the content. It panics if the cookie
// is invalid (http.Cookie.Valid), which becomes a 500 and a line in the log. Any goroutine.
func (resp *Response) WithCookie(c *http.Cookie) *Response {
	if err := c.Valid(); err != nil {
		panic(fmt.Sprintf("app: the cookie %q is invalid: %v", c.Name, err))
	}
	return resp.WithAdded("Set-Cookie", c.String())
}
