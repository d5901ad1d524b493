//go:build linux

package accesslog

import (
	"bytes"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// encoder makes JSON of lines. Its methods may be called by several goroutines.
var encoder = zapcore.NewJSONEncoder(zapcore.EncoderConfig{})

// renderJSON renders a line as an object of JSON with the variables that have a value. Invalid UTF-8 is U+FFFD.
func renderJSON(l *line) {
	if l.object == nil {
		l.object = (*structured)(l)
		l.fields[0] = zap.Inline(l.object)
	}
	encoded, err := encoder.EncodeEntry(zapcore.Entry{}, l.fields[:])
	if err != nil {
		return // the encoder returns none
	}
	l.buf = appendSafeJSON(l.buf, encoded.Bytes())
	encoded.Free()
}

// structured is a line as an object.
type structured line

// MarshalLogObject implements zapcore.ObjectMarshaler.
func (o *structured) MarshalLogObject(to zapcore.ObjectEncoder) error {
	l := (*line)(o)
	for i := range variables {
		v := &variables[i]
		switch {
		case v.text != nil:
			if text := v.text(l); text != "" {
				l.addText(to, v.name, text)
			}
		case v.build != nil:
			if l.parts = v.build(l.parts[:0], l); len(l.parts) > 0 {
				l.addBytes(to, v.name)
			}
		case v.number != nil:
			if n, ok := v.number(l); ok {
				to.AddInt64(v.name, n)
			}
		case v.period != nil:
			if d, ok := v.period(l); ok {
				to.AddFloat64(v.name, float64(max(d, 0).Microseconds())/float64(time.Second/time.Microsecond))
			}
		case v.flag != nil:
			if yes, ok := v.flag(l); ok {
				to.AddBool(v.name, yes)
			}
		}
	}
	return nil
}

// addText adds a text value. Only a value that is cut is copied.
func (l *line) addText(to zapcore.ObjectEncoder, name, text string) {
	part, isCut := cut(l, text)
	if !isCut {
		to.AddString(name, part)
		return
	}
	l.parts = append(append(l.parts[:0], part...), "..."...)
	to.AddByteString(name, l.parts)
}

// addBytes adds the text value in l.parts.
func (l *line) addBytes(to zapcore.ObjectEncoder, name string) {
	part, isCut := cut(l, l.parts)
	if isCut {
		l.parts = append(part, "..."...)
		part = l.parts
	}
	to.AddByteString(name, part)
}

// renderLogfmt renders a line as pairs of name and value of the variables that have a value. Values with spaces, `=`
// or escapes are between quotation marks.
func renderLogfmt(l *line) {
	for i := range variables {
		v := &variables[i]
		before := len(l.buf)
		l.buf = append(append(l.buf, v.name...), '=')
		value := len(l.buf)
		switch {
		case v.text != nil:
			if text := v.text(l); text != "" {
				appendLogfmt(l, text, strings.ContainsAny(text, ` ="\`))
			}
		case v.build != nil:
			if l.parts = v.build(l.parts[:0], l); len(l.parts) > 0 {
				appendLogfmt(l, l.parts, bytes.ContainsAny(l.parts, ` ="\`))
			}
		default:
			v.append(l)
		}
		if len(l.buf) == value {
			l.buf = l.buf[:before]
		} else {
			l.buf = append(l.buf, ' ')
		}
	}
	l.buf[len(l.buf)-1] = '\n'
}

// appendLogfmt appends a value, which is not empty.
func appendLogfmt[T string | []byte](l *line, value T, quote bool) {
	part, isCut := cut(l, value)
	if quote {
		l.buf = append(l.buf, '"')
	}
	l.buf = appendEscaped(l.buf, part, quote)
	if isCut {
		l.buf = append(l.buf, "..."...)
	}
	if quote {
		l.buf = append(l.buf, '"')
	}
}
