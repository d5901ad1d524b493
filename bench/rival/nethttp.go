package rival

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/gatewheel/gatewheel/app/nethttp"
)

// netHTTP is Go's own server, for every protocol that it speaks.
func netHTTP(o Options) error {
	if o.Protocol == "ws" || o.Protocol == "ws-deflate" {
		return unspoken("net/http", o.Protocol)
	}
	return serveNetHTTP(o, http.HandlerFunc(answer))
}

// adapter serves the handler of netHTTP by package nethttp, on one loop.
func adapter(o Options) error {
	if o.Protocol == "ws" || o.Protocol == "ws-deflate" {
		return unspoken("adapter", o.Protocol)
	}
	s := nethttp.NewServer(&http.Server{Addr: o.Address, Handler: http.HandlerFunc(answer), IdleTimeout: -1})
	s.Config.Loops = 1
	if o.secure() {
		return s.ListenAndServeTLS(o.Cert, o.Key)
	}
	return s.ListenAndServe()
}

// answer answers with Content, after the content of the request, or with FileContent.
func answer(w http.ResponseWriter, r *http.Request) {
	name, isFile := strings.CutPrefix(r.URL.Path, FilePath)
	if !isFile {
		if r.ContentLength != 0 {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		hello(w, r)
		return
	}
	content, ok := contents.Load(name)
	if !ok {
		size, err := strconv.Atoi(strings.TrimSuffix(name, ".bin"))
		if err != nil || size < 0 || size > 1<<30 {
			http.NotFound(w, r)
			return
		}
		content = FileContent(size)
		contents.Store(name, content)
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(content.(string))))
	_, _ = io.WriteString(w, content.(string))
}

var contents sync.Map // of files, by name

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
