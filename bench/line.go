package main

import "math"

// line is y = base + slope·x.
type line struct{ base, slope float64 }

// fit returns the line of Theil and Sen: its slope is the median of the slopes between each two points, so that a few
// points that something else has moved do not turn it. It is zero unless there are two different values of x.
func fit(x, y []float64) line {
	var slopes []float64
	for i := range x {
		for j := range i {
			if x[i] != x[j] {
				slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
			}
		}
	}
	l := line{slope: median(slopes)}
	var bases []float64
	for i := range x {
		bases = append(bases, y[i]-l.slope*x[i])
	}
	l.base = median(bases)
	return l
}

// at returns y at x.
func (l line) at(x float64) float64 { return l.base + l.slope*x }

// followedBy reports whether y grows along the line: in three of four steps from a point to the next by the slope, within
// a quarter of it.
func (l line) followedBy(x, y []float64) bool {
	steps, along := 0, 0
	for i := 1; i < len(x); i++ {
		if x[i] == x[i-1] {
			continue
		}
		steps++
		if step := (y[i] - y[i-1]) / (x[i] - x[i-1]); math.Abs(step-l.slope) <= math.Abs(l.slope)/4 {
			along++
		}
	}
	return 4*along >= 3*steps
}
