package main

import (
	"fmt"
	"math"
	"slices"
)

// median returns the middle of values; 0 if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// spread returns the larger distance of the lowest and the highest value from the median, as a part of it. 0.05 means that
// all values are within 5 % of the median.
func spread(values []float64) float64 {
	m := median(values)
	if m == 0 {
		return 0
	}
	return math.Max(m-slices.Min(values), slices.Max(values)-m) / m
}

// spreadText formats the spread of an outcome; that of one sample is unknown.
func spreadText(o *outcome) string {
	if len(o.Samples) < 2 {
		return "-"
	}
	return percent(spread(o.costs()))
}

// ratio compares round by round, so that what disturbed a whole round falls out, and takes the median.
func ratio(a, b *outcome) float64 { return median(ratios(a, b)) }

// ratios returns the cost of a by that of b, for each round.
func ratios(a, b *outcome) []float64 {
	var all []float64
	for i := range min(len(a.Samples), len(b.Samples)) {
		if b.Samples[i].Cost > 0 {
			all = append(all, a.Samples[i].Cost/b.Samples[i].Cost)
		}
	}
	return all
}

// ratioText formats the ratio of a to b with the lowest and the highest of the rounds.
func ratioText(a, b *outcome) string {
	all := ratios(a, b)
	if len(all) < 2 {
		return fmt.Sprintf("%.2f", median(all))
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(all), slices.Min(all), slices.Max(all))
}

// figure formats a cost with three significant digits at least.
func figure(v float64) string {
	switch {
	case v >= 1000:
		return fmt.Sprintf("%.0f", v)
	case v >= 100:
		return fmt.Sprintf("%.1f", v)
	case v >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}
