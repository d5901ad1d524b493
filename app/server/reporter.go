//go:build linux

package server

import (
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// The loops that package app sees implement spi.Reporter and spi.Located: loop for itself, exchangeLoop for a request,
// socketLoop for a WebSocket.
var (
	_ spi.Reporter = (*loop)(nil)
	_ spi.Reporter = (*exchangeLoop)(nil)
	_ spi.Reporter = (*socketLoop)(nil)
	_ spi.Located  = (*loop)(nil)
	_ spi.Located  = (*exchangeLoop)(nil)
	_ spi.Located  = (*socketLoop)(nil)
)

// ForRequest implements spi.Reporter.
func (l *loop) ForRequest() *app.Request { return nil }

// Report implements spi.Reporter.
func (l *loop) Report(err error) { l.r.Post(func() { l.reportUnclaimed(nil, l, err) }) }

// Warn implements spi.Reporter.
func (l *loop) Warn(text string) { l.server.warn(l, text) }

// OnLoop implements spi.Located.
func (l *loop) OnLoop() bool { return l.r.OnLoop() }

// ForRequest implements spi.Reporter.
func (e *exchangeLoop) ForRequest() *app.Request { return &(*exchange)(e).Request }

// Report implements spi.Reporter.
func (e *exchangeLoop) Report(err error) {
	e.loop.r.Post(func() { e.loop.reportUnclaimed(e.conn, (*exchange)(e), err) })
}

// Warn implements spi.Reporter.
func (e *exchangeLoop) Warn(text string) { e.loop.server.warn((*exchange)(e), text) }

// OnLoop implements spi.Located.
func (e *exchangeLoop) OnLoop() bool { return e.loop.r.OnLoop() }

// ForRequest implements spi.Reporter.
func (l *socketLoop) ForRequest() *app.Request { return nil }

// Report implements spi.Reporter.
func (l *socketLoop) Report(err error) {
	l.loop.r.Post(func() { l.loop.reportUnclaimed(l.conn, (*socket)(l), err) })
}

// Warn implements spi.Reporter.
func (l *socketLoop) Warn(text string) { l.loop.server.warn((*socket)(l), text) }

// OnLoop implements spi.Located.
func (l *socketLoop) OnLoop() bool { return l.loop.r.OnLoop() }

// warn logs a mistake of the application: one line at most in each loglimit.Interval. Any goroutine.
func (s *Server) warn(who lender, text string) {
	if suppressed, ok := s.mistakes.Allow(time.Now()); ok {
		fields := append(fieldsOf(who), zap.String("mistake", text), zap.Int("unlogged", suppressed))
		s.log.Warn("mistake of the application", fields...)
	}
}

// fieldsOf returns the fields of a line about who. Any goroutine.
func fieldsOf(who lender) []zap.Field {
	fields := append(make([]zap.Field, 0, 6), zap.String("request", who.String()))
	x, ok := who.(*exchange)
	if !ok {
		return fields
	}
	if pattern := x.Pattern(); pattern != "" {
		fields = append(fields, zap.String("route", pattern))
	}
	if id := spi.RequestID(&x.Request); id != "" {
		fields = append(fields, zap.String("request_id", id))
	}
	return fields
}
