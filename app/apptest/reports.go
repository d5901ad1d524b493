package apptest

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/goroutine"
)

var (
	_ spi.Reporter = (*Loop)(nil)
	_ spi.Located  = (*Loop)(nil)
)

// ForRequest implements spi.Reporter. A Loop stands for no request.
func (l *Loop) ForRequest() *app.Request { return nil }

// Report implements spi.Reporter.
func (l *Loop) Report(err error) {
	l.host.mu.Lock()
	defer l.host.mu.Unlock()
	l.host.reports = append(l.host.reports, err)
}

// Warn implements spi.Reporter.
func (l *Loop) Warn(text string) {
	l.host.mu.Lock()
	defer l.host.mu.Unlock()
	l.host.warnings = append(l.host.warnings, text)
}

// OnLoop implements spi.Located.
func (l *Loop) OnLoop() bool {
	l.host.mu.Lock()
	defer l.host.mu.Unlock()
	return l.host.running == l && l.host.settling == goroutine.Self()
}

// Reports returns the failures of work whose result nobody has taken, which a server would
// log: five seconds after the failure at the earliest.
func (h *Host) Reports() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reports
}

// Warnings returns the mistakes of handlers that a server would log, such as a status that
// is set after the head of the response has left.
func (h *Host) Warnings() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.warnings
}
