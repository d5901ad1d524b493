//go:build linux

package engine

import (
	"errors"
	"syscall"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// gnetLog is what gnet logs to. Only errors pass: gnet warns of nothing but events of connections that are closed
// already, which are ordinary. An errno among the errors is the cause of the engine's end, which gnet reports nowhere
// else.
type gnetLog struct {
	*zap.SugaredLogger
	engine *gnetEngine
}

func (gnetLog) Debugf(string, ...any) {}
func (gnetLog) Infof(string, ...any)  {}
func (gnetLog) Warnf(string, ...any)  {}

func (g gnetLog) Errorf(format string, args ...any) {
	if format == acceptFormat && len(args) == 1 {
		if err, ok := args[0].(unix.Errno); ok && g.engine.acceptFailed(err) {
			return
		}
	}
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			g.engine.refused(err)
		}
	}
	g.SugaredLogger.Errorf(format, args...)
}

func (e *gnetEngine) refused(err error) {
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		e.mu.Lock()
		e.refusal = err
		e.mu.Unlock()
	}
}
