// Package nethttp serves an http.Handler of the standard library on event loops, over HTTP/1.1 and HTTP/2, with the
// semantics of net/http. A handler runs in a goroutine of its own while its request lasts; connections that wait for a
// request have none.
package nethttp
