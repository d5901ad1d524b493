package nethttp

import (
	"net/http"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/overhttp"
)

// From returns an http.Handler that serves h: for tests, and for programs that move to event loops step by step. All
// requests share one loop, a goroutine that exists while there is work. Its State is nil. WebSockets need HTTP/1.1.
//
// A goroutine of net/http waits for each response and writes its content. The response is aborted like that of a handler
// which panics with http.ErrAbortHandler if the content fails.
func From(h app.Handler) http.Handler { return overhttp.New(h, overhttp.Options{}) }
