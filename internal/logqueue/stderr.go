package logqueue

import (
	"log/slog"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Stderr returns the Logger of programs that have configured none: lines of text from info level up on standard error,
// through one queue for the process. Lines that standard error does not take are dropped. Any goroutine.
var Stderr = sync.OnceValue(func() *zap.Logger {
	return Wrap(zap.New(zapcore.NewCore(TextEncoder(), zapcore.AddSync(StderrWriter{}), zap.InfoLevel)))
})

// Choose returns zapLog behind a queue, or else the one for slogLog, or else Stderr.
func Choose(zapLog *zap.Logger, slogLog *slog.Logger) *zap.Logger {
	switch {
	case zapLog != nil:
		return Wrap(zapLog)
	case slogLog != nil:
		return FromSlog(slogLog)
	}
	return Stderr()
}

// TextEncoder returns the encoder of log lines for people.
func TextEncoder() zapcore.Encoder { return zapcore.NewConsoleEncoder(encoderConfig()) }

// JSONEncoder returns the encoder of log lines for programs.
func JSONEncoder() zapcore.Encoder { return zapcore.NewJSONEncoder(encoderConfig()) }

func encoderConfig() zapcore.EncoderConfig {
	config := zap.NewProductionEncoderConfig()
	config.TimeKey = "time"
	config.EncodeTime = zapcore.ISO8601TimeEncoder
	config.EncodeDuration = zapcore.StringDurationEncoder
	return config
}

// StderrWriter writes to standard error. A write to a closed pipe there fails: with os.Stderr it ends the process
// (package os/signal, "SIGPIPE"). Write may block. Any goroutine.
type StderrWriter struct{}
