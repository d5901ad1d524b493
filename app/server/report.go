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
func (l *loop) report(x *exchange, err error) failure {
	if x == nil {
		return l.reportFor(nil, l, err)
	}
	return l.reportFor(x.conn, x, err)
}

// reportFor is report for code that ran for who, on the connection c, which may be nil.
func (l *loop) reportFor(c *reactor.Conn, who lender, err error) failure {
	f := l.failureOf(c, who, func(f *failure) { f.describe(err) })
	switch {
	case f.panicked:
		l.count.failed.Add(1)
		l.reportPanic(who, f)
	case f.unexpected:
		l.count.failed.Add(1)
		l.server.log.Error("request failed", append(fieldsOf(who), zap.String("error", f.text))...)
	}
	return f
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
	}
}
