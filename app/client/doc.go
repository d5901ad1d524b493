// Package client asks other servers from the loops of a server, over HTTP/1.1 and HTTP/2,
// without a goroutine for a request:
//
//	var c = client.New(client.Options{})
//
//	func handle(r *app.Request) app.Answer {
//		asked := c.Do(r, &client.Request{URL: "h2c://127.0.0.1:9000/users/7"})
//		return app.Map(asked, func(resp *client.Response) (*app.Response, error) {
//			return resp.Response(), nil
//		})
//	}
//
// A Client is made once and used by all loops; the connections belong to a loop. Over
// HTTP/2 they are few, two of a loop to an origin unless its options say otherwise; over
// HTTP/1.1 they are kept and used again. There are no redirects and no cookies.
//
// Requests that surely were not processed are sent again, whatever their method, and so are
// idempotent ones if a kept connection ends before any byte of the response (RFC 9110
// section 9.2.2). All failures are of type *Error, whose Kind is one of a closed set.
//
// Package gateway and others that forward many requests use a Call in place of futures.
//
// # Limitations
//
// Names are looked up by the system's resolver for each new connection, unless an origin
// has Addresses or Resolve. There is no proxy support, no HTTP/3, and no cache. What a loop
// keeps for an origin is freed with the Client.
package client
