package logqueue

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// FromSlog returns a Logger that writes to the handler of log through a queue. Levels of zap above error are errors.
func FromSlog(log *slog.Logger) *zap.Logger {
	return Wrap(zap.New(&slogCore{handler: log.Handler()}))
}

// slogCore is a zapcore.Core that writes to a slog.Handler.
type slogCore struct {
	handler slog.Handler
	fields  []zapcore.Field // of With
}

// Enabled implements zapcore.Core.
func (c *slogCore) Enabled(level zapcore.Level) bool {
	return c.handler.Enabled(context.Background(), slogLevel(level))
}

// With implements zapcore.Core.
func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{c.handler, slices.Concat(c.fields, fields)}
}

// Check implements zapcore.Core.
func (c *slogCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return checked.AddCore(e, c)
	}
	return checked
}

// Write implements zapcore.Core.
func (c *slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	record := slog.NewRecord(e.Time, slogLevel(e.Level), e.Message, e.Caller.PC)
	if e.LoggerName != "" {
		record.AddAttrs(slog.String("logger", e.LoggerName))
	}
	record.AddAttrs(attributes(slices.Concat(c.fields, fields))...)
	if e.Stack != "" {
		record.AddAttrs(slog.String("stack", e.Stack))
	}
	return c.handler.Handle(context.Background(), record)
}

// Sync implements zapcore.Core.
func (c *slogCore) Sync() error { return nil }

func slogLevel(level zapcore.Level) slog.Level {
	switch {
	case level < zapcore.InfoLevel:
		return slog.LevelDebug
	case level == zapcore.InfoLevel:
		return slog.LevelInfo
	case level == zapcore.WarnLevel:
		return slog.LevelWarn
	}
	return slog.LevelError
}

// attributes returns fields as attributes of slog. A namespace is a group of what follows it.
func attributes(fields []zapcore.Field) (all []slog.Attr) {
	for i, f := range fields {
		switch f.Type {
		case zapcore.NamespaceType:
			return append(all, slog.Attr{Key: f.Key, Value: slog.GroupValue(attributes(fields[i+1:])...)})
		case zapcore.SkipType:
		case zapcore.StringType:
			all = append(all, slog.String(f.Key, f.String))
		case zapcore.ByteStringType:
			all = append(all, slog.String(f.Key, string(f.Interface.([]byte))))
		case zapcore.BoolType:
			all = append(all, slog.Bool(f.Key, f.Integer == 1))
		case zapcore.Int64Type, zapcore.Int32Type, zapcore.Int16Type, zapcore.Int8Type:
			all = append(all, slog.Int64(f.Key, f.Integer))
		case zapcore.Uint64Type, zapcore.Uint32Type, zapcore.Uint16Type, zapcore.Uint8Type, zapcore.UintptrType:
			all = append(all, slog.Uint64(f.Key, uint64(f.Integer)))
		case zapcore.Float64Type:
			all = append(all, slog.Float64(f.Key, math.Float64frombits(uint64(f.Integer))))
		case zapcore.DurationType:
			all = append(all, slog.Duration(f.Key, time.Duration(f.Integer)))
		default:
			all = append(all, encoded(f)...)
		}
	}
	return all
}

// encoded returns a field of another type, which can be several attributes, as zap encodes it.
func encoded(f zapcore.Field) (all []slog.Attr) {
	values := zapcore.NewMapObjectEncoder()
	f.AddTo(values)
	for key, value := range values.Fields {
		all = append(all, slog.Any(key, value))
	}
	slices.SortFunc(all, func(a, b slog.Attr) int { return strings.Compare(a.Key, b.Key) })
	return all
}
