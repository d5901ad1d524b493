//go:build linux

package server

import (
	"fmt"

	"github.com/gatewheel/gatewheel/reactor"
)

// methods has the subject kinds of common request methods, for the watchdog's reports.
var methods = func() map[string]reactor.Kind {
	kinds := map[string]reactor.Kind{}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"} {
		kinds[method] = reactor.NewKind(method)
	}
	return kinds
}()

// otherMethod is the kind of a request with any other method.
var otherMethod = reactor.NewKind("request for")

// Subjects of user code that runs for no request.
var (
	loopSubject   = reactor.NewSubject(0, "task of the application")
	socketSubject = reactor.NewSubject(0, "WebSocket")
)

// subjectOf returns the subject of a request: method and target as received, since middleware may change those of the
// Request.
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

// getRequest is the kind of the most frequent method, which saves a map lookup.
var getRequest = methods["GET"]

// lender is the reason for which user code runs: a request, a WebSocket or the loop itself. String is its name in the
// log, lentFor its subject for the watchdog.
type lender interface {
	fmt.Stringer
	lentFor() *reactor.Subject
}

func (x *exchange) lentFor() *reactor.Subject { return &x.subject }
func (s *socket) lentFor() *reactor.Subject   { return &socketSubject }
func (l *loop) lentFor() *reactor.Subject     { return &loopSubject }
