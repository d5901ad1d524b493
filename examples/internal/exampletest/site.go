//go:build linux

package exampletest

import "testing"

// Site tests examples/site, or its twin, at that address.
func Site(t *testing.T, address string) {
	t.Helper()
	const style = "/assets/style.css"
	tag := Open(t, "http://"+address+style).Header.Get("ETag")
	for _, s := range []Step{
		{Method: "GET", Path: "/", Status: 200, Contains: "part of the program", Fields: []string{
			"Content-Type", "text/html; charset=utf-8", "Cache-Control", "no-cache", "X-Content-Type-Options", "nosniff"}},
		{Method: "GET", Path: style, Status: 200, Contains: "body {", Fields: []string{
			"Content-Type", "text/css; charset=utf-8", "Cache-Control", "public, max-age=31536000, immutable"}},
		{Method: "HEAD", Path: style, Status: 200},
		{Method: "GET", Path: style, Status: 200, Send: []string{"Accept-Encoding", "gzip"}, Fields: []string{"Content-Encoding", "gzip"}},
		{Method: "GET", Path: style, Status: 304, Send: []string{"Accept-Encoding", "identity", "If-None-Match", tag}},
		{Method: "GET", Path: style, Status: 206, Contains: "body", Send: []string{"Accept-Encoding", "identity", "Range", "bytes=0-3"}},
		{Method: "GET", Path: "/nothing", Status: 404, Contains: "Back to the start", Fields: []string{"Content-Type", "text/html; charset=utf-8"}},
		{Method: "POST", Path: style, Status: 405},
	} {
		s.Run(t, address)
	}
}
