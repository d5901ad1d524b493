//go:build linux

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// Flags that are quantities have their range in the tags from and to. A value that is not a quantity, or is out
// of range, is refused in one sentence with the range.

// count is a whole number.
type count int

// Decode implements kong.MapperValue.
func (c *count) Decode(ctx *kong.DecodeContext) error {
	return decode(ctx, (*int)(c), bounds{kind: "a number"}, strconv.Atoi)
}

// perSecond is a rate; 0 is no limit.
type perSecond float64

// Decode implements kong.MapperValue.
func (r *perSecond) Decode(ctx *kong.DecodeContext) error {
	return decode(ctx, (*float64)(r), bounds{"a number", "0.01", "1000000", true}, parseRate)
}

// parseRate parses a decimal number without an exponent.
func parseRate(text string) (float64, error) {
	if strings.Trim(text, ".0123456789") != "" {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(text, 64)
}

// byteSize is a number of bytes, written without a unit or in KiB, MiB or GiB.
type byteSize int64

// Decode implements kong.MapperValue.
func (b *byteSize) Decode(ctx *kong.DecodeContext) error {
	return decode(ctx, (*int64)(b), bounds{kind: "a size, in bytes, KiB, MiB or GiB,"}, parseSize)
}

func parseSize(text string) (int64, error) {
	shift := 0
	for unit, by := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if before, ok := strings.CutSuffix(text, unit); ok {
			text, shift = before, by
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && (n < 0 || n > math.MaxInt64>>shift) {
		err = strconv.ErrRange
	}
	return n << shift, err
}

// period is a duration from 1ms to a year, or 0, whose meaning is in the flag's help. A flag with a tag from does
// not take 0.
type period time.Duration

// Decode implements kong.MapperValue.
func (p *period) Decode(ctx *kong.DecodeContext) error {
	return decode(ctx, (*time.Duration)(p), bounds{"a duration", "1ms", "8760h", !ctx.Value.Tag.Has("from")}, time.ParseDuration)
}

// orNever converts p for options in which 0 means the default and a negative value no limit.
func (p period) orNever() time.Duration {
	if p == 0 {
		return -1
	}
	return time.Duration(p)
}

// bounds are the kind and the range of a quantity; the tags of a flag override the range.
type bounds struct {
	kind, from, to string
	zero           bool // 0 is allowed below the range
}

func (b bounds) String() string {
	text := b.kind + " from " + b.from + " to " + b.to
	if b.zero {
		text += ", or 0"
	}
	return text
}

// decode parses the value of a flag and checks its range.
func decode[T ~int | ~int64 | ~float64](ctx *kong.DecodeContext, to *T, b bounds, parse func(string) (T, error)) error {
	if tag := ctx.Value.Tag; tag.Has("from") {
		b.from = tag.Get("from")
	}
	if tag := ctx.Value.Tag; tag.Has("to") {
		b.to = tag.Get("to")
	}
	lowest, err := parse(b.from)
	if err != nil {
		return err
	}
	highest, err := parse(b.to)
	if err != nil {
		return err
	}
	token := ctx.Scan.Pop()
	if token.IsEOL() {
		return fmt.Errorf("the value is missing: %v", b)
	}
	n, err := parse(token.String())
	if err != nil || (n < lowest || n > highest) && (n != 0 || !b.zero) {
		return fmt.Errorf("%q is not %v", token, b)
	}
	*to = n
	return nil
}
