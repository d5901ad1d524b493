package target

import (
	"strconv"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// params parses query parameters and keeps the first error.
type params struct {
	r   *app.Request
	err error
}

// refusal returns the failure for the first error.
func (p *params) refusal() app.Answer { return app.Fail(p.err) }

// text returns the value of a parameter and whether it is given.
func (p *params) text(name string) (text string, given bool) { return p.r.LookupQuery(name) }

func (p *params) size(name string, otherwise, most int64) int64 {
	text, ok := p.text(name)
	if !ok {
		return otherwise
	}
	n, err := size(name, text, most)
	p.note(err)
	return n
}

func (p *params) duration(name string, otherwise time.Duration) time.Duration {
	text, ok := p.text(name)
	if !ok {
		return otherwise
	}
	d, err := duration(name, text)
	p.note(err)
	return d
}

func (p *params) durations(name, otherwise string) distribution {
	text, ok := p.text(name)
	if !ok {
		text = otherwise
	}
	dist, err := durations(name, text)
	p.note(err)
	return dist
}

func (p *params) number(name string, otherwise, low, high int) int {
	text, ok := p.text(name)
	if !ok {
		return otherwise
	}
	n, err := number(name, text, low, high)
	p.note(err)
	return n
}

// share parses a number from 0 to 1.
func (p *params) share(name string, otherwise float64) float64 {
	text, ok := p.text(name)
	if !ok {
		return otherwise
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || !(x >= 0 && x <= 1) {
		p.note(app.Statusf(400, "%s is a share from 0 to 1, not %q", name, text))
	}
	return x
}

// flag parses 0 or 1 and reports whether it is 1.
func (p *params) flag(name string) bool {
	text, ok := p.text(name)
	if ok && text != "0" && text != "1" {
		p.note(app.Statusf(400, "%s is 0 or 1, not %q", name, text))
	}
	return text == "1"
}

func (p *params) note(err error) {
	if p.err == nil {
		p.err = err
	}
}

var units = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"", 1}}

// size parses a number of bytes up to most: 512, 64KiB, 1MiB, 1GiB.
func size(name, text string, most int64) (int64, error) {
	for _, unit := range units {
		digits, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 62)
		if err != nil {
			break
		}
		if n > uint64(most/unit.factor) {
			return 0, app.Statusf(400, "%s is at most %d bytes, not %s", name, most, text)
		}
		return int64(n) * unit.factor, nil
	}
	return 0, app.Statusf(400, "%s is a number of bytes such as 512, 64KiB or 1MiB, not %q", name, text)
}

// maxDuration is the longest delay that a request may ask for.
const maxDuration = time.Hour

// duration parses a duration as time.ParseDuration does, up to maxDuration.
func duration(name, text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, app.Statusf(400, "%s is a duration such as 150ms or 2s, not %q", name, text)
	}
	if d > maxDuration {
		return 0, app.Statusf(400, "%s is at most %s, not %s", name, maxDuration, text)
	}
	return d, nil
}

// number parses a whole number from low to high; low is not negative.
func number(name, text string, low, high int) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || int(n) < low || int(n) > high {
		return 0, app.Statusf(400, "%s is a number from %d to %d, not %q", name, low, high, text)
	}
	return int(n), nil
}
