package input

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/app"
)

// Query reads the query of r into a struct, see Decode. A wrong parameter is a 400, and so
// is a query that net/url.ParseQuery refuses. Any goroutine.
func Query[T any](r *app.Request, given ...Option) (T, error) {
	values, err := url.ParseQuery(r.RawQuery)
	if err != nil {
		var zero T
		return zero, &app.StatusError{Status: 400, Message: "the query is malformed: " + err.Error(), Err: err}
	}
	return decode[T](values, subject{"parameter", 400}, collect(given))
}

// Decode makes a struct of named values, such as those of a form. A wrong value is a 422.
//
// The value of a field of the struct is that of its name, or of the name in its tag:
//
//	type search struct {
//		Text  string    `input:"q,required"`
//		Page  int       `input:"page" default:"1"`
//		Tags  []string  `input:"tag"`                       // ?tag=a&tag=b
//		Since time.Time `input:"since" layout:"2006-01-02"` // RFC 3339 without layout
//		Owner *int      `input:"owner"`                     // nil if absent
//		Notes string    `input:"-"`                         // not from input
//	}
//
// Fields are strings in UTF-8, []byte, booleans (as of strconv.ParseBool, and on and off),
// integers, finite floats, time.Time, time.Duration (as of time.ParseDuration), types that
// implement encoding.TextUnmarshaler, pointers to these and slices of these. Fields of
// embedded structs count as fields of the struct. Only a slice takes more than one value. An
// empty value of a field that is no string, as browsers send it for a field that is not
// filled in, is an absent one; one that is required must not be empty.
//
// It panics if T cannot be filled. Any goroutine.
func Decode[T any](values url.Values, given ...Option) (T, error) {
	return decode[T](values, subject{"field", 422}, collect(given))
}

// subject is what the values are, for failures.
type subject struct {
	noun   string
	status int
}

func decode[T any](values url.Values, s subject, o options) (T, error) {
	var v, zero T
	p := planOf(reflect.TypeFor[T]())
	if o.knownOnly {
		for name := range values {
			if !p.known[name] {
				return zero, &FieldError{shortened(name), app.Statusf(s.status, "the %s %s is not known", s.noun, quoted(name))}
			}
		}
	}
	target := reflect.ValueOf(&v).Elem()
	for i := range p.fields {
		f := &p.fields[i]
		if err := f.fill(target.FieldByIndex(f.index), values[f.name]); err != nil {
			message := "the " + s.noun + " " + strconv.Quote(f.name) + " " + shortened(err.Error())
			return zero, &FieldError{f.name, &app.StatusError{Status: s.status, Message: message, Err: errors.Unwrap(err)}}
		}
	}
	return v, nil
}

// quoted returns the text of a peer, shortened, for a message.
func quoted(text string) string {
	const limit = 40
	if len(text) > limit {
		return strconv.Quote(text[:limit]) + "..."
	}
	return strconv.Quote(text)
}

// fill sets a field of a struct. Its errors continue a sentence that begins with the field.
func (f *field) fill(target reflect.Value, texts []string) error {
	if f.kind.Kind() != reflect.String || f.required {
		texts = slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return text == "" })
	}
	if len(texts) == 0 {
		texts = f.fallback
	}
	switch {
	case len(texts) == 0 && f.required:
		return errors.New("is required")
	case len(texts) == 0:
		return nil
	case f.multiple:
		all := reflect.MakeSlice(target.Type(), len(texts), len(texts))
		for i, text := range texts {
			if err := f.set(all.Index(i), text); err != nil {
				return err
			}
		}
		target.Set(all)
		return nil
	case len(texts) > 1:
		return errors.New("is given more than once")
	}
	return f.set(target, texts[0])
}

// set sets one value of the field's kind.
func (f *field) set(target reflect.Value, text string) error {
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	switch target.Type() {
	case timeType:
		t, err := time.Parse(f.layout, text)
		if err != nil {
			return fmt.Errorf("is %s, which is no time like %s", quoted(text), f.layout)
		}
		target.Set(reflect.ValueOf(t))
		return nil
	case durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("is %s, which is no duration like 1h30m or 10s", quoted(text))
		}
		target.SetInt(int64(d))
		return nil
	}
	if u, ok := target.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("is %s: %w", quoted(text), err)
		}
		return nil
	}
	return setBasic(target, text)
}

// setBasic sets a value of a basic type.
func setBasic(target reflect.Value, text string) error {
	switch kind := target.Kind(); {
	case kind == reflect.String:
		if !utf8.ValidString(text) {
			return fmt.Errorf("is %s, which is not valid UTF-8", quoted(text))
		}
		target.SetString(text)
	case kind == reflect.Slice:
		target.SetBytes([]byte(text))
	case kind == reflect.Bool:
		b, err := parseBool(text)
		if err != nil {
			return fmt.Errorf("is %s, which is neither true nor false", quoted(text))
		}
		target.SetBool(b)
	case target.CanInt():
		n, err := strconv.ParseInt(text, 10, target.Type().Bits())
		if err != nil {
			least, most := signedRange(target.Type())
			return notNumber(text, err, least, most)
		}
		target.SetInt(n)
	case target.CanUint():
		n, err := strconv.ParseUint(text, 10, target.Type().Bits())
		if err != nil {
			return notNumber(text, err, 0, unsignedLimit(target.Type()))
		}
		target.SetUint(n)
	default:
		x, err := strconv.ParseFloat(text, target.Type().Bits())
		if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
			return fmt.Errorf("is %s, which is no number that fits", quoted(text))
		}
		target.SetFloat(x)
	}
	return nil
}

func parseBool(text string) (bool, error) {
	switch text {
	case "on":
		return true, nil
	case "off":
		return false, nil
	}
	return strconv.ParseBool(text)
}

// notNumber returns the error for text that is no integer of a type with that range.
func notNumber(text string, err error, least, most any) error {
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("is %s, which is not from %d to %d", quoted(text), least, most)
	}
	return fmt.Errorf("is %s, which is no whole number", quoted(text))
}

// kindName describes the type of a value for the author of JSON, in which it was a number or
// not.
func kindName(t reflect.Type, number bool) string {
	switch kind := t.Kind(); {
	case kind == reflect.String:
		return "string"
	case kind == reflect.Bool:
		return "boolean"
	case kind == reflect.Float32, kind == reflect.Float64:
		return "number that fits"
	case kind == reflect.Slice, kind == reflect.Array:
		return "array"
	case kind == reflect.Map, kind == reflect.Struct:
		return "object"
	case kind < reflect.Int || kind > reflect.Uint64:
		return t.String()
	case !number:
		return "whole number"
	case kind <= reflect.Int64:
		least, most := signedRange(t)
		return fmt.Sprintf("whole number from %d to %d", least, most)
	default:
		return fmt.Sprintf("whole number from 0 to %d", unsignedLimit(t))
	}
}

func signedRange(t reflect.Type) (least, most int64) {
	return math.MinInt64 >> (64 - t.Bits()), math.MaxInt64 >> (64 - t.Bits())
}

func unsignedLimit(t reflect.Type) uint64 { return math.MaxUint64 >> (64 - t.Bits()) }
