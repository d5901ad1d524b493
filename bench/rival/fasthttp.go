package rival

import "github.com/valyala/fasthttp"

func fastHTTP(o Options) error {
	if o.Protocol != "h1" {
		return unspoken("fasthttp", o.Protocol)
	}
	s := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(c *fasthttp.RequestCtx) {
		c.SetContentType("text/plain")
		c.SetBodyString(Content)
	}}
	return s.ListenAndServe(o.Address)
}
