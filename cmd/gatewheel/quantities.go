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

// Flags that are quantities say by the tags from and to what they may be. What is none, or lies
// outside, is refused in one sentence that has the range.

// count is a whole number.
type count int

// Decode implements kong.MapperValue.
func (c *count) Decode(ctx *kong.DecodeContext) error {
	return decode(ctx, (*int)(c), bounds{kind: "a number"}, strconv.Atoi)
}

// byteSize is a number of bytes, written plain or in KiB, MiB or GiB.
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

// period is a duration. From 1ms to a year is sensible for all of them; 0 is what the flag says of it,
// unless that has a from of its own.
type period time.Duration

// Decode implements kong.MapperValue.
func (p *period) Decode(ctx *kong.DecodeContext) error {
	return decode(ctx, (*time.Duration)(p), bounds{"a duration", "1ms", "8760h", !ctx.Value.Tag.Has("from")}, time.ParseDuration)
}

// orNever is the period for options that have 0 for a default and something negative for never.
func (p period) orNever() time.Duration {
	if p == 0 {
		return -1
	}
	return time.Duration(p)
}

// bounds are what a quantity may be, where its flag's tags do not say.
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

// decode reads a flag's value.
func decode[T ~int | ~int64](ctx *kong.DecodeContext, to *T, b bounds, parse func(string) (T, error)) error {
	if tag := ctx.Value.Tag; tag.Has("from") {
		b.from = tag.Get("from")
	}
	if tag := ctx.Value.Tag; tag.Has("to") {
		b.to = tag.Get("to")
	}
	least, err := parse(b.from)
	if err != nil {
		return err
	}
	most, err := parse(b.to)
	if err != nil {
		return err
	}
	token := ctx.Scan.Pop()
	if token.IsEOL() {
		return fmt.Errorf("the value is missing: %v", b)
	}
	n, err := parse(token.String())
	if err != nil || (n < least || n > most) && (n != 0 || !b.zero) {
		return fmt.Errorf("%q is not %v", token, b)
	}
	*to = n
	return nil
}
