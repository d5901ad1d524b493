package server

import (
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/gatewheel/gatewheel/internal/logqueue"
)

// logger returns the log of the configuration behind a queue. It adds no stacks: they would be those of loops, and a line
// about a panic has its own.
func (c *Config) logger() *zap.Logger {
	return logqueue.Choose(c.Logger, c.Slog).WithOptions(zap.AddStacktrace(never))
}

// never enables no level.
var never = zap.LevelEnablerFunc(func(zapcore.Level) bool { return false })
