//go:build linux

package server

import (
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/reactor"
)

// report counts and logs an error of the application for x; a nil x stands for the loop itself. It ignores errors
// that have a status of their own. On the loop, owned.
func (l *loop) report(x *exchange, err error) {
	if x == nil {
		l.reportFor(nil, l, err)
	} else {
		l.reportFor(x.conn, x, err)
	}
}

// reportFor is report for code that ran for who, on the connection c, which may be nil.
func (l *loop) reportFor(c *reactor.Conn, who lender, err error) {
	var f failure
	// The methods of an error are code of the application.
	l.r.Lend(c, who.lentFor())
	if recovered(func() { f.describe(err) }) != nil {
		f.text = "its error panics"
	}
	l.r.Reclaim()
	switch {
	case f.panicked:
		l.count.panics.Add(1)
		l.count.failed.Add(1)
		l.server.log.Error("panic in the application", zap.String("request", who.String()), zap.String("value", f.text), zap.ByteString("stack", f.stack))
	case f.unexpected:
		l.count.failed.Add(1)
		l.server.log.Error("request failed", zap.String("request", who.String()), zap.String("error", f.text))
	}
}

// failure describes an error of the application for the log.
type failure struct {
	unexpected bool // the error has no status of its own
	panicked   bool
	text       string
	stack      []byte
}

// describe fills in f from err. It calls methods of err, which may panic.
func (f *failure) describe(err error) {
	f.unexpected = true // should the error panic
	if p, ok := errors.AsType[*app.PanicError](err); ok {
		f.panicked, f.stack = true, p.Stack
		f.text = fmt.Sprint(p.Value)
		return
	}
	if f.unexpected = app.ErrorResponse(err).Status == 500; f.unexpected {
		f.text = err.Error()
	}
}
