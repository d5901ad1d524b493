package logqueue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// appendCaptured appends fields to dst with their values as they are now: what they refer to may change
// before they are written.
func appendCaptured(dst, fields []zapcore.Field) []zapcore.Field {
	for _, f := range fields {
		switch f.Type {
		case zapcore.BinaryType, zapcore.ByteStringType:
			f.Interface = bytes.Clone(f.Interface.([]byte))
		case zapcore.StringerType, zapcore.ErrorType, zapcore.ReflectType, zapcore.ArrayMarshalerType,
			zapcore.ObjectMarshalerType, zapcore.InlineMarshalerType:
			dst = appendEncoded(dst, f)
			continue
		}
		dst = append(dst, f)
	}
	return dst
}

// appendEncoded appends what a field with methods of its own comes to: an error, for one, can be three
// fields. A panic of those methods is text.
func appendEncoded(dst []zapcore.Field, f zapcore.Field) (all []zapcore.Field) {
	defer func() {
		if p := recover(); p != nil {
			all = append(dst, zap.String(f.Key, fmt.Sprintf("PANIC=%v", p)))
		}
	}()
	encoded := zapcore.NewMapObjectEncoder()
	f.AddTo(encoded)
	keys := make([]string, 0, len(encoded.Fields))
	for key := range encoded.Fields {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	all = dst
	for _, key := range keys {
		all = append(all, plain(key, encoded.Fields[key]))
	}
	return all
}

// plain makes a field of a value that refers to nothing which may change: a number, a string, or JSON.
func plain(key string, value any) zapcore.Field {
	switch value := value.(type) {
	case string:
		return zap.String(key, value)
	case json.RawMessage:
		return zap.Reflect(key, json.RawMessage(bytes.Clone(value)))
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return zap.String(key, fmt.Sprintf("%+v", value))
	}
	return zap.Reflect(key, json.RawMessage(bytes.TrimSpace(text.Bytes())))
}

// sizeOf estimates the memory that an entry holds, in bytes.
func sizeOf(e *entry) int64 {
	n := 256 + len(e.Message) + len(e.Stack)
	for i := range e.fields {
		f := &e.fields[i]
		n += 64 + len(f.Key) + len(f.String)
		switch value := f.Interface.(type) {
		case []byte:
			n += len(value)
		case json.RawMessage:
			n += len(value)
		}
	}
	return int64(n)
}
