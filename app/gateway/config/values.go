package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Switch is on, off, or not set.
type Switch uint8

// Values of Switch.
const (
	Default Switch = iota
	On
	Off
)

// Size is a number of bytes.
type Size int64

// Percent is a part in hundredths.
type Percent float64

// Rate is a number of events in a time.
type Rate struct {
	Count float64
	Per   time.Duration
}

// StatusRange is a range of statuses, both ends included.
type StatusRange struct{ From, To int }

// Key is a property of requests: client, path, header:NAME or cookie:NAME.
type Key string

// KeyKind is the part of a Key before its name.
type KeyKind uint8

// Kinds of keys.
const (
	ByClient KeyKind = iota
	ByPath
	ByHeader
	ByCookie
)

// Parse returns the kind and the name of k. The empty Key is client.
func (k Key) Parse() (kind KeyKind, name string, err error) {
	text, name, named := strings.Cut(string(k), ":")
	switch {
	case text == "" && !named, text == "client" && !named:
		return ByClient, "", nil
	case text == "path" && !named:
		return ByPath, "", nil
	case text == "header" && octets.IsToken(name):
		return ByHeader, name, nil
	case text == "cookie" && octets.IsToken(name):
		return ByCookie, name, nil
	}
	return 0, "", fmt.Errorf("%q is not one of client, path, header:NAME and cookie:NAME", string(k))
}

// ParseDuration parses a positive duration: 150ms, 5s, 1h30m.
func ParseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil && octets.Decimal(text) >= 0:
		return 0, fmt.Errorf("%q has no unit: write %ss or %sms", text, text, text)
	case err != nil && strings.HasSuffix(text, "d") && isBelow(text[:len(text)-1], maxDays):
		return 0, fmt.Errorf("%q is not a duration: the longest unit is h, so write %dh", text, 24*octets.Decimal(text[:len(text)-1]))
	case err != nil:
		return 0, fmt.Errorf("%q is not a duration such as 150ms, 5s or 1h30m", text)
	case d <= 0:
		return 0, fmt.Errorf("%q is not longer than 0", text)
	}
	return d, nil
}

// maxDays is the number of days that a duration can have.
const maxDays = 100_000

// isBelow reports whether text is a decimal number below max.
func isBelow(text string, max int64) bool {
	n := octets.Decimal(text)
	return n >= 0 && n < max
}

// ParseSize parses a number of bytes, with an optional unit: KiB, MiB or GiB.
func ParseSize(text string) (Size, error) {
	number, shift := text, 0
	for i, unit := range []string{"KiB", "MiB", "GiB"} {
		if before, ok := strings.CutSuffix(text, unit); ok {
			number, shift = strings.TrimSpace(before), 10*(i+1)
		}
	}
	n := octets.Decimal(number)
	for _, unit := range []string{"k", "m", "g"} {
		short, _ := strings.CutSuffix(octets.LowerString(text), "b")
		if before, ok := strings.CutSuffix(short, unit); ok && octets.Decimal(strings.TrimSpace(before)) > 0 {
			return 0, fmt.Errorf("%q is not a size: the units are KiB, MiB and GiB, so write %s%siB", text, strings.TrimSpace(before), strings.ToUpper(unit))
		}
	}
	if n <= 0 || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is not a size above 0 in bytes, KiB, MiB or GiB", text)
	}
	return Size(n << shift), nil
}

// ParsePercent parses a percentage above 0 and up to 100, such as 2.5%.
func ParsePercent(text string) (Percent, error) {
	number, ok := strings.CutSuffix(text, "%")
	p, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok && err == nil && p > 0 && p <= 100 {
		return 0, fmt.Errorf("%q has no percent sign: write %s%%", text, text)
	}
	if !ok || err != nil || !(p > 0 && p <= 100) {
		return 0, fmt.Errorf("%q is not a percentage above 0%% and up to 100%%", text)
	}
	return Percent(p), nil
}

// ParseRate parses a rate: a number, a slash and s, m, h or a duration.
func ParseRate(text string) (Rate, error) {
	bad := fmt.Errorf("%q is not a rate such as 100/s, 600/m or 1000/h", text)
	number, per, ok := strings.Cut(text, "/")
	count, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(count > 0 && count <= 1e9) {
		return Rate{}, bad
	}
	per = strings.TrimSpace(per)
	if per == "s" || per == "m" || per == "h" {
		per = "1" + per
	}
	d, err := time.ParseDuration(per)
	if err != nil || d <= 0 {
		return Rate{}, bad
	}
	return Rate{count, d}, nil
}

// ParseStatusRange parses 200-299, 204 or 2xx.
func ParseStatusRange(text string) (StatusRange, error) {
	bad := fmt.Errorf("%q is not a status or a range such as 200-299", text)
	if len(text) == 3 && text[1:] == "xx" && '1' <= text[0] && text[0] <= '5' {
		n := int(text[0]-'0') * 100
		return StatusRange{n, n + 99}, nil
	}
	from, to, ranged := strings.Cut(text, "-")
	if !ranged {
		to = from
	}
	r := StatusRange{int(octets.Decimal(strings.TrimSpace(from))), int(octets.Decimal(strings.TrimSpace(to)))}
	if r.From < 100 || r.To > 599 || r.To < r.From {
		return r, bad
	}
	return r, nil
}

// ParsePrefix parses a network in CIDR notation, or an address.
func ParsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, fmt.Errorf("%q is not a network such as 10.0.0.0/8, or an address", text)
	case p != p.Masked():
		return p, fmt.Errorf("%q has bits behind its prefix: the network is %v", text, p.Masked())
	}
	return p, nil
}

// ParseRequestLine splits a method and a target, such as GET /healthz.
func ParseRequestLine(text string) (method, target string, err error) {
	method, target, ok := strings.Cut(text, " ")
	target = strings.TrimLeft(target, " ")
	switch {
	case !ok || !octets.IsToken(method):
		return "", "", fmt.Errorf("%q is not a method and a path such as GET /healthz", text)
	case target == "" || target[0] != '/' || !octets.All(target, octets.Target):
		return "", "", errors.New("the path in " + strconv.Quote(text) + " does not begin with a slash, or has characters that a path cannot have")
	}
	return method, target, nil
}
