package rival

import (
	"io"
	"net/http"
	"strconv"
)

// netHTTP is Go's own server, for every protocol that it speaks.
func netHTTP(o Options) error {
	if o.Protocol == "ws" || o.Protocol == "ws-deflate" {
		return unspoken("net/http", o.Protocol)
	}
	return serveNetHTTP(o, http.HandlerFunc(hello))
}

// serveNetHTTP serves over the protocol of the case with Go's own server.
func serveNetHTTP(o Options, handler http.Handler) error {
	s := &http.Server{Addr: o.Address, Protocols: new(http.Protocols), Handler: handler}
	switch o.Protocol {
	case "h1", "h1s", "ws", "ws-deflate":
		s.Protocols.SetHTTP1(true)
	case "h2":
		s.Protocols.SetUnencryptedHTTP2(true)
	case "h2s":
		s.Protocols.SetHTTP2(true)
	default:
		return unspoken("net/http", o.Protocol)
	}
	if o.secure() {
		return s.ListenAndServeTLS(o.Cert, o.Key)
	}
	return s.ListenAndServe()
}

func hello(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/plain")
	h.Set("Content-Length", strconv.Itoa(len(Content)))
	_, _ = io.WriteString(w, Content)
}
