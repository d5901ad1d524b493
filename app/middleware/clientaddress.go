package middleware

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/forwarded"
)

// ClientAddress finds the client of requests behind proxies by trust, in place of the server's
// configuration (app.ConnInfo.Trust), and puts it where handlers look: app.Request.Client. It
// belongs outside of middleware that asks for the client. With a nil trust, the peer is the client.
func ClientAddress(trust *forwarded.Trust) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			peer := forwarded.Client{Addr: r.Conn().Peer, Scheme: r.Scheme, Host: r.Authority}
			client, ignored := trust.Resolve(peer, r.Fields)
			core.SetClient(r, &client)
			if ignored != "" && trust.OnIgnored != nil {
				trust.OnIgnored(peer, ignored)
			}
			return next(r)
		}
	}
}
