//go:build linux

package server

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/reactor"
)

// report counts and logs an error of the application for x; a nil x stands for the loop itself. It ignores errors
// that have a status of their own. On the loop, owned.
func (l *loop) report(x *exchange, err error) failure {
	if x == nil {
		return l.reportFor(nil, l, err)
	}
	return l.reportFor(x.conn, x, err)
}

// reportFor is report for code that ran for who, on the connection c, which may be nil.
func (l *loop) reportFor(c *reactor.Conn, who lender, err error) failure {
	f := l.failureOf(c, who, func(f *failure) {
		f.describe(err)
		if f.call != nil && l.server.callLineDue(f) {
			f.text = err.Error()
		}
	})
	switch {
	case f.panicked:
		l.count.failed.Add(1)
		l.reportPanic(who, f)
	case f.unexpected:
		l.count.failed.Add(1)
		l.server.log.Error("request failed", append(fieldsOf(who), zap.String("error", f.text))...)
	case f.due:
		l.server.log.Warn("call to another server failed", append(fieldsOf(who), zap.String("reason", f.call.Kind.String()),
			zap.String("origin", f.call.Origin), zap.String("error", f.text), zap.Int("unlogged", f.unlogged))...)
	}
	return f
}

// callLineDue reports whether a line about the failed call of f is logged: at most one in each loglimit.Interval for
// each kind. It stores that, and the number of lines that were left out, in f. Any goroutine.
func (s *Server) callLineDue(f *failure) bool {
	if s.log.Core().Enabled(zap.WarnLevel) {
		f.unlogged, f.due = s.failures[f.call.Kind].Allow(time.Now())
	}
	return f.due
}

// reportUnclaimed logs a failure of work whose result nobody has taken, on the connection c, which may be nil. On the
// loop, owned.
func (l *loop) reportUnclaimed(c *reactor.Conn, who lender, err error) {
	f := l.failureOf(c, who, func(f *failure) {
		if f.describe(err); !f.panicked && f.text == "" {
			f.text = err.Error()
		}
	})
	if f.panicked {
		l.reportPanic(who, f)
		return
	}
	l.server.log.Error("work failed whose result nobody has taken", append(fieldsOf(who), zap.String("error", f.text))...)
}

// reportPanic counts and logs a panic.
func (l *loop) reportPanic(who lender, f failure) {
	l.count.panics.Add(1)
	l.server.log.Error("panic in the application",
		append(fieldsOf(who), zap.String("value", f.text), zap.ByteString("stack", f.stack))...)
}

// failureOf returns the failure that fill describes. fill calls methods of an error, which are code of the application.
func (l *loop) failureOf(c *reactor.Conn, who lender, fill func(*failure)) (f failure) {
	l.r.Lend(c, who.lentFor())
	if p, ok := recovered(func() { fill(&f) }).(*app.PanicError); ok {
		f.text = "its error panics: " + fmt.Sprint(p.Value)
	}
	if f.response == nil {
		f.response = app.Error(500, "")
	}
	l.r.Reclaim()
	return f
}

// failure describes an error of the application for the log.
type failure struct {
	unexpected bool // the error has no status of its own
	panicked   bool
	text       string
	stack      []byte
	response   *app.Response // for the peer

	call     *client.Error // the failed call to another server to be logged; nil: none
	due      bool          // its line is logged
	unlogged int           // such lines that were left out
}

// describe fills in f from err. It calls methods of err, which may panic.
func (f *failure) describe(err error) {
	f.unexpected = true // should the error panic
	f.response = app.ErrorResponse(err)
	if p, ok := errors.AsType[*app.PanicError](err); ok {
		f.panicked, f.stack = true, p.Stack
		f.text = fmt.Sprint(p.Value)
		return
	}
	if f.unexpected = f.response.Status == 500; f.unexpected {
		f.text = err.Error()
		return
	}
	// Package gateway, whose failures have no Origin, has lines of its own.
	if call, ok := errors.AsType[*client.Error](err); ok && f.response.Status > 500 && call.Origin != "" &&
		call.Kind != client.ClientGone && int(call.Kind) < clientKinds {
		f.call = call
	}
}
