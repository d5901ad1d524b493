//go:build linux

package server

import (
	"fmt"

	"github.com/gatewheel/gatewheel/reactor"
)

// methods are the kinds of requests, as the watchdog's reports name them.
var methods = func() map[string]reactor.Kind {
	kinds := map[string]reactor.Kind{}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"} {
		kinds[method] = reactor.NewKind(method)
	}
	return kinds
}()

// otherMethod is the kind of a request with any other method.
var otherMethod = reactor.NewKind("request for")

// The subjects of code that runs for no request.
var (
	loopSubject   = reactor.NewSubject(0, "task of the application")
	socketSubject = reactor.NewSubject(0, "WebSocket")
)

// subjectOf names a request by its method and target as they came, which middleware may change later.
func subjectOf(method, target string) reactor.Subject {
	if method == "GET" {
		return reactor.NewSubject(getRequest, target)
	}
	kind, ok := methods[method]
	if !ok {
		kind = otherMethod
	}
	return reactor.NewSubject(kind, target)
}

// getRequest spares the most frequent method the look into the map.
var getRequest = methods["GET"]

// lender is what code of the application runs for: String names it in the log, lentFor to the watchdog.
type lender interface {
	fmt.Stringer
	lentFor() *reactor.Subject
}

func (x *exchange) lentFor() *reactor.Subject { return &x.subject }
func (s *socket) lentFor() *reactor.Subject   { return &socketSubject }
func (l *loop) lentFor() *reactor.Subject     { return &loopSubject }
