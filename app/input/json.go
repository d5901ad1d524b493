package input

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/app"
)

// JSON reads the content of r, one JSON value (RFC 8259), into a T as encoding/json does.
// The content type must be application/json or end in +json. Besides the failures of the
// content (see the package) it fails as app.Body.ReadAll does, and with app.ErrPoolFull:
// content of 64 KiB and more is decoded on the pool. On the loop.
func JSON[T any](r *app.Request, given ...Option) app.Future[T] {
	o := collect(given)
	if _, err := contentType(r, "application/json", isJSON); err != nil {
		return app.Failed[T](err)
	}
	return app.Then(r.Body.ReadAll(o.limit), func(content []byte) app.Future[T] {
		return parsed(r, content, func(content []byte) (T, error) { return decodeJSON[T](content, o) })
	})
}

// onLoop is the length in bytes up to which content is parsed on the loop, which takes about
// a millisecond.
const onLoop = 64 << 10

// parsed returns the result of parse, on the loop or, for long content, on the pool.
func parsed[T any](r *app.Request, content []byte, parse func([]byte) (T, error)) app.Future[T] {
	if len(content) >= onLoop {
		return app.Offload(r, func(context.Context) (T, error) { return parse(content) })
	}
	v, err := parse(content)
	if err != nil {
		return app.Failed[T](err)
	}
	return app.Ready(v)
}

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json")
}

// DecodeJSON is JSON for content that was read already, of any length. Any goroutine.
func DecodeJSON[T any](content []byte, given ...Option) (T, error) {
	return decodeJSON[T](content, collect(given))
}

func decodeJSON[T any](content []byte, o options) (v T, err error) {
	var zero T
	if len(bytes.TrimLeft(content, " \t\r\n")) == 0 {
		return zero, app.Statusf(400, "the content is empty, JSON is expected")
	}
	if at := invalidUTF8(content); at >= 0 {
		return zero, app.Statusf(400, "the content is not valid UTF-8 at %s", place(content, at))
	}
	d := json.NewDecoder(bytes.NewReader(content))
	if o.knownOnly {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(&v); err != nil {
		return zero, jsonError(content, d.InputOffset(), err)
	}
	end := int(d.InputOffset())
	if rest := bytes.TrimLeft(content[end:], " \t\r\n"); len(rest) > 0 {
		return zero, app.Statusf(400, "the content has more than one JSON value: the second begins at %s", place(content, len(content)-len(rest)))
	}
	return v, nil
}

// invalidUTF8 returns the index of the first byte that is not UTF-8, or -1.
func invalidUTF8(content []byte) int {
	if utf8.Valid(content) {
		return -1
	}
	at := 0
	for {
		r, size := utf8.DecodeRune(content[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
}

// jsonError returns the failure for an error of encoding/json at that offset, unless the error
// has one of its own.
func jsonError(content []byte, offset int64, err error) error {
	if own, ok := errors.AsType[*FieldError](err); ok {
		return own
	}
	if own, ok := errors.AsType[*app.StatusError](err); ok {
		return own
	}
	failure := &app.StatusError{Status: 422, Err: err}
	field := ""
	text := shortened(strings.TrimPrefix(err.Error(), "json: "))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		failure.Status, failure.Message = 400, "the content is not valid JSON at "+place(content, int(syntax.Offset)-1)+": "+text
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		failure.Status, failure.Message = 400, "the content is not valid JSON: it ends too early"
	} else if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field = kind.Field
		want := kindName(kind.Type, strings.HasPrefix(kind.Value, "number"))
		failure.Message = fmt.Sprintf("%s is a JSON %s, which is no %s (%s)", fieldName(kind.Field), shortened(kind.Value), want, place(content, int(kind.Offset)-1))
	} else if name, ok := strings.CutPrefix(text, "unknown field "); ok {
		failure.Message = "the field " + name + " is not known"
		field = strings.Trim(name, `"`)
		if unquoted, err := strconv.Unquote(name); err == nil {
			field = unquoted
		}
	} else {
		// An UnmarshalJSON or UnmarshalText has refused a value.
		failure.Message = text + " (before " + place(content, int(offset)) + ")"
	}
	if field != "" {
		return &FieldError{field, failure}
	}
	return failure
}

// shortened returns the start of text that may contain parts of the content.
func shortened(text string) string {
	const limit = 200
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "..."
}

// fieldName describes the path of a field, which is empty for the whole value.
func fieldName(path string) string {
	if path == "" {
		return "the content"
	}
	return "the field " + strconv.Quote(path)
}

// place describes the offset of a byte for the author of the content.
func place(content []byte, offset int) string {
	before := content[:min(max(offset, 0), len(content))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return fmt.Sprintf("line %d, column %d", line, column)
}
