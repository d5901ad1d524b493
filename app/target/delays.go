package target

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// draw returns the next random number in [0, 1).
type draw func() float64

// draw returns the source of a request's random numbers: with ?seed= the same numbers each time.
func (p *params) draw() draw {
	text, ok := p.text("seed")
	if !ok {
		return rand.Float64
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		p.note(app.Statusf(400, "seed is a whole number, not %q", text))
	}
	return rand.New(rand.NewPCG(seed, 0)).Float64
}

// distribution is the quantile function of durations, with steps or straight lines between its points.
type distribution struct {
	points []point
	lines  bool
}

// point is a quantile: a share of all durations is at most d.
type point struct {
	share float64
	d     time.Duration
}

// at returns the duration at a share from 0 to 1.
func (d *distribution) at(share float64) time.Duration {
	last := point{}
	for _, p := range d.points {
		if share < p.share {
			if !d.lines {
				return p.d
			}
			return last.d + time.Duration(float64(p.d-last.d)*(share-last.share)/(p.share-last.share))
		}
		last = p
	}
	return last.d
}

// maxChoices bounds a distribution, since each draw scans it, a thousand times for one
// /fanout.
const maxChoices = 100

// durations parses 20ms, a distribution by weights such as 1ms:90,20ms:9,500ms:1, or one by percentiles such as
// p50=10ms,p99=200ms.
func durations(name, text string) (distribution, error) {
	if strings.Count(text, ",") >= maxChoices {
		return distribution{}, app.Statusf(400, "%s has %d choices at most", name, maxChoices)
	}
	if strings.HasPrefix(text, "p") {
		return percentiles(name, text)
	}
	return weighted(name, text)
}

func weighted(name, text string) (distribution, error) {
	var dist distribution
	total := uint64(0)
	for item := range strings.SplitSeq(text, ",") {
		first, weight, weighted := strings.Cut(item, ":")
		d, err := duration(name, first)
		if err != nil {
			return dist, err
		}
		n := uint64(1)
		if weighted {
			if n, err = strconv.ParseUint(weight, 10, 32); err != nil {
				return dist, app.Statusf(400, "the weight behind %s is a whole number, not %q", first, weight)
			}
		}
		total += n
		dist.points = append(dist.points, point{float64(total), d})
	}
	if total == 0 {
		return dist, app.Statusf(400, "one weight at least is above 0")
	}
	for i := range dist.points {
		dist.points[i].share /= float64(total)
	}
	return dist, nil
}

// percentiles parses p50=10ms,p99=200ms. Durations grow evenly between two percentiles, and from 0 to the first;
// beyond the last one they do not grow.
func percentiles(name, text string) (distribution, error) {
	dist := distribution{lines: true}
	last := point{share: -1}
	for item := range strings.SplitSeq(text, ",") {
		label, value, _ := strings.Cut(item, "=")
		percent, err := strconv.ParseFloat(strings.TrimPrefix(label, "p"), 64)
		if err != nil || !strings.HasPrefix(label, "p") || !(percent >= 0 && percent <= 100) {
			return dist, app.Statusf(400, "%s has percentiles such as p50=10ms,p99.9=200ms, not %q", name, item)
		}
		d, err := duration(label, value)
		if err != nil {
			return dist, err
		}
		next := point{percent / 100, d}
		if next.share <= last.share || next.d < last.d {
			return dist, app.Statusf(400, "%s has percentiles in rising order, not %s behind the one before", name, item)
		}
		last = next
		dist.points = append(dist.points, next)
	}
	return dist, nil
}
