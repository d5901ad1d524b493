//go:build linux

package accesslog

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// timeAtom is %{format}t.
type timeAtom struct {
	atEnd  bool // the time of the end of the response, in place of the arrival
	slot   int  // of the clock
	format func(dst []byte, t time.Time) []byte
	exact  bool // format shows parts of a second
}

func (a *timeAtom) append(l *line) {
	t := l.r.Arrived
	if a.atEnd {
		t = t.Add(l.rec.Total)
	}
	if a.exact {
		l.buf = a.format(l.buf, t)
	} else {
		l.buf = l.times.append(l.buf, a.slot, t, a.format)
	}
}

// exactTimes are the formats of %{...}t that are no strftime format.
var exactTimes = map[string]func(dst []byte, t time.Time) []byte{
	"sec":       func(dst []byte, t time.Time) []byte { return strconv.AppendInt(dst, t.Unix(), 10) },
	"msec":      func(dst []byte, t time.Time) []byte { return strconv.AppendInt(dst, t.UnixMilli(), 10) },
	"usec":      func(dst []byte, t time.Time) []byte { return strconv.AppendInt(dst, t.UnixMicro(), 10) },
	"msec_frac": func(dst []byte, t time.Time) []byte { return appendPadded(dst, t.Nanosecond()/1e6, 3) },
	"usec_frac": func(dst []byte, t time.Time) []byte { return appendPadded(dst, t.Nanosecond()/1e3, 6) },
}

// compileTime compiles the argument of %{...}t. The error begins with its offset in the argument.
func compileTime(argument string, slot int) (a *timeAtom, at int, err error) {
	a = &timeAtom{slot: slot, format: renderCommon}
	rest, ok := strings.CutPrefix(argument, "begin:")
	if !ok {
		rest, a.atEnd = strings.CutPrefix(argument, "end:")
	}
	at = len(argument) - len(rest)
	switch {
	case rest == "" && at > 0: // the common format of that moment
		return a, 0, nil
	case exactTimes[rest] != nil:
		a.format, a.exact = exactTimes[rest], true
		return a, 0, nil
	}
	var offset int
	a.format, offset, err = compileStrftime(rest)
	return a, at + offset, err
}

// layouts are the conversions of strftime as layouts of package time, in the C locale.
var layouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02",
	'D': "01/02/06", 'e': "_2", 'F': "2006-01-02", 'H': "15", 'I': "03", 'j': "002", 'm': "01", 'M': "04", 'p': "PM",
	'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06",
	'Y': "2006", 'z': "-0700", 'Z': "MST",
}

// conversions are those of strftime that package time has no layout for.
var conversions = map[byte]func(dst []byte, t time.Time) []byte{
	'%': func(dst []byte, _ time.Time) []byte { return append(dst, '%') },
	'C': func(dst []byte, t time.Time) []byte { return appendPadded(dst, t.Year()/100, 2) },
	'k': func(dst []byte, t time.Time) []byte { return appendBlankPadded(dst, t.Hour()) },
	'l': func(dst []byte, t time.Time) []byte { return appendBlankPadded(dst, (t.Hour()+11)%12+1) },
	's': func(dst []byte, t time.Time) []byte { return strconv.AppendInt(dst, t.Unix(), 10) },
	'u': func(dst []byte, t time.Time) []byte { return appendPadded(dst, (int(t.Weekday())+6)%7+1, 1) },
	'w': func(dst []byte, t time.Time) []byte { return appendPadded(dst, int(t.Weekday()), 1) },
	'G': func(dst []byte, t time.Time) []byte { year, _ := t.ISOWeek(); return appendPadded(dst, year, 4) },
	'V': func(dst []byte, t time.Time) []byte { _, week := t.ISOWeek(); return appendPadded(dst, week, 2) },
}

func appendBlankPadded(dst []byte, n int) []byte {
	if n < 10 {
		dst = append(dst, ' ')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// compileStrftime compiles a format of strftime, for local time in the C locale. The error is about the byte at
// offset.
func compileStrftime(format string) (f func(dst []byte, t time.Time) []byte, offset int, err error) {
	if format == "" {
		return nil, 0, fmt.Errorf("the format of the time is empty")
	}
	var steps []func(dst []byte, t time.Time) []byte
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			literal, _, _ := strings.Cut(format[i:], "%")
			steps = append(steps, func(dst []byte, _ time.Time) []byte { return append(dst, literal...) })
			i += len(literal) - 1
			continue
		}
		if i+1 == len(format) {
			return nil, i, fmt.Errorf("a conversion of the time is missing after %%")
		}
		c := format[i+1]
		if layout := layouts[c]; layout != "" {
			steps = append(steps, func(dst []byte, t time.Time) []byte { return t.AppendFormat(dst, layout) })
		} else if convert := conversions[c]; convert != nil {
			steps = append(steps, convert)
		} else {
			return nil, i, fmt.Errorf("unknown conversion %%%c of the time", c)
		}
		i++
	}
	if len(steps) == 1 && !strings.Contains(format, "%") {
		return nil, 0, fmt.Errorf("unknown format %q of the time: use sec, msec, usec, msec_frac, usec_frac, or conversions of strftime such as %%Y-%%m-%%d", format)
	}
	return func(dst []byte, t time.Time) []byte {
		local := t.Local()
		for _, step := range steps {
			dst = step(dst, local)
		}
		return dst
	}, 0, nil
}
