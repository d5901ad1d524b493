package nethttp

import (
	"io"
	"log"
	"net/http"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/gatewheel/gatewheel/internal/logqueue"
)

// logger returns a log that writes to the http.Server's ErrorLog: warnings, errors, and failed TLS handshakes.
func logger(h *http.Server) *zap.Logger {
	to := func() *log.Logger { return h.ErrorLog }
	if h.ErrorLog == nil {
		to = standardLog
	}
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "message"})
	lines := zapcore.NewCore(encoder, zapcore.AddSync(logWriter{to}), zap.WarnLevel)
	return zap.New(&errorLog{lines, to})
}

// standardLog returns the standard logger. If that writes to os.Stderr, whose closing by a reader would end the process,
// it returns one that writes the same lines there and drops them then.
func standardLog() *log.Logger {
	if log.Writer() != io.Writer(os.Stderr) {
		return log.Default()
	}
	return log.New(logqueue.StderrWriter{}, log.Prefix(), log.Flags())
}

// errorLog is a core that logs failed TLS handshakes in the words of net/http, and all else to another core.
type errorLog struct {
	zapcore.Core
	to func() *log.Logger
}

// handshakeFailed is the message of the server for a TLS connection that has failed.
const handshakeFailed = "TLS connection failed"

// Enabled implements zapcore.Core.
func (c *errorLog) Enabled(level zapcore.Level) bool { return level >= zap.InfoLevel }

// With implements zapcore.Core.
func (c *errorLog) With(fields []zapcore.Field) zapcore.Core {
	return &errorLog{c.Core.With(fields), c.to}
}

// Check implements zapcore.Core.
func (c *errorLog) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if e.Message == handshakeFailed || c.Core.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

// Write implements zapcore.Core.
func (c *errorLog) Write(e zapcore.Entry, fields []zapcore.Field) error {
	switch {
	case e.Message == handshakeFailed:
		values := zapcore.NewMapObjectEncoder()
		for _, f := range fields {
			f.AddTo(values)
		}
		c.to().Printf("http: TLS handshake error from %v: %v", values.Fields["peer"], values.Fields["error"])
		return nil
	case c.Core.Enabled(e.Level):
		return c.Core.Write(e, fields)
	}
	return nil
}

// logWriter writes lines to a log.
type logWriter struct{ to func() *log.Logger }

// Write implements io.Writer.
func (w logWriter) Write(p []byte) (int, error) {
	w.to().Print("http: ", string(p))
	return len(p), nil
}
