//go:build linux

package main

import (
	"io"
	"os"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/gatewheel/gatewheel/app/server/admin"
	"github.com/gatewheel/gatewheel/internal/logqueue"
)

type logFlags struct {
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"Minimum level of log lines: ${enum}."`
	LogFormat string `enum:"text,json" default:"text" help:"Format of the log, on standard error: ${enum}."`
}

const formatJSON = "json"

// logger returns the Logger that writes to w, which is standard error, so that lines do not mix with what the
// program prints. Its calls never wait for w: see package logqueue. op keeps what it needs of it.
func (f *logFlags) logger(w io.Writer, op *operator) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(f.LogLevel)
	if err != nil {
		return nil, err
	}
	op.level = zap.NewAtomicLevelAt(level)
	op.recent = admin.NewRecent()
	written := zapcore.NewCore(encoder(f.LogFormat), zapcore.AddSync(w), op.level)
	return logqueue.Wrap(zap.New(zapcore.NewTee(op.recent, written))), nil
}

// direct returns a Logger that writes to w in the call.
func direct(w io.Writer, format string) *zap.Logger {
	return zap.New(zapcore.NewCore(encoder(format), zapcore.AddSync(w), zapcore.DebugLevel))
}

func encoder(format string) zapcore.Encoder {
	if format == formatJSON {
		return logqueue.JSONEncoder()
	}
	return logqueue.TextEncoder()
}

// formatIn returns the log format that args or the environment ask for, also where the other flags are wrong.
func formatIn(args []string) string {
	format := os.Getenv("GATEWHEEL_LOG_FORMAT")
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--log-format="); ok {
			format = value
		} else if arg == "--log-format" && i+1 < len(args) {
			format = args[i+1]
		}
		if arg == "--" {
			break
		}
	}
	if !slices.Contains([]string{"text", formatJSON}, format) {
		return "text"
	}
	return format
}
