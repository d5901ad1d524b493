package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// report is what one case showed, ready to be printed or written as JSON.
type report struct {
	Case     string    `json:"case"`
	About    string    `json:"about"`
	Unit     string    `json:"unit"`
	Outcomes []outcome `json:"outcomes"`
	Missed   []string  `json:"missed,omitempty"` // goals that gatewheel did not reach
	Met      []string  `json:"met,omitempty"`
	Unjudged []string  `json:"unjudged,omitempty"` // goals without figures: gatewheel or the rival was not measured

	upstream bool // print the connections to backends
}

// Units of cases that count no requests.
const (
	bytesUnit = "bytes/connection"
	startUnit = "ms to the first response"
)

func newReport(c *benchCase, outcomes []outcome) report {
	rep := report{Case: c.name, About: c.about, Unit: "µs/request", Outcomes: outcomes,
		upstream: c.upstream != "" && !c.idle}
	switch {
	case c.idle:
		rep.Unit = bytesUnit
	case c.latency:
		rep.Unit = "µs at p99"
	case c.startup:
		rep.Unit = startUnit
	}
	if (c.protocol == ws || c.protocol == wsDeflate) && !c.idle {
		rep.Unit = "µs/message"
	}
	if c.unit != "" {
		rep.Unit = c.unit
	}
	ours := rep.ours()
	judge := func(text string, good bool) {
		if good {
			rep.Met = append(rep.Met, text)
		} else {
			rep.Missed = append(rep.Missed, text)
		}
	}
	for _, g := range c.goals {
		other := find(outcomes, g.rival)
		if ours == nil || other == nil {
			rep.Unjudged = append(rep.Unjudged, fmt.Sprintf("at most %.2f of %s", g.atMost, g.rival))
			continue
		}
		got := ratio(ours, other)
		judge(fmt.Sprintf("%.2f of %s, wanted at most %.2f", got, other.Server, g.atMost), got <= g.atMost)
	}
	switch {
	case c.idleGoal == 0:
	case ours == nil:
		rep.Unjudged = append(rep.Unjudged, fmt.Sprintf("at most %d bytes a connection", c.idleGoal))
	default:
		got := median(ours.costs())
		judge(fmt.Sprintf("%.0f bytes a connection, wanted at most %d", got, c.idleGoal), got <= float64(c.idleGoal))
	}
	return rep
}

// fails reports whether a goal was missed, or gatewheel could not be measured.
func (rep report) fails() bool { return len(rep.Missed) > 0 || rep.ours() == nil }

// isOurs reports whether a server is this project's.
func isOurs(server string) bool {
	return server == "gatewheel" || server == "adapter" || server == "before"
}

// ours returns the outcome of the server of this project that was measured; nil if there is none.
func (rep report) ours() *outcome {
	if o := find(rep.Outcomes, "gatewheel"); o != nil {
		return o
	}
	return find(rep.Outcomes, "adapter")
}

// find returns the outcome of a server, or of the best rival; nil if it has none.
func find(outcomes []outcome, name string) *outcome {
	if name == bestRival {
		return best(outcomes)
	}
	i := slices.IndexFunc(outcomes, func(o outcome) bool { return o.Server == name && len(o.Samples) > 0 })
	if i < 0 {
		return nil
	}
	return &outcomes[i]
}

// best returns the outcome with the lowest cost of those that are not ours. The floor is no rival: it does not parse.
func best(outcomes []outcome) *outcome {
	var found *outcome
	for i := range outcomes {
		o := &outcomes[i]
		if isOurs(o.Server) || o.Server == "floor" || len(o.Samples) == 0 {
			continue
		}
		if found == nil || median(o.costs()) < median(found.costs()) {
			found = o
		}
	}
	return found
}

func (o *outcome) costs() []float64 {
	var costs []float64
	for _, s := range o.Samples {
		costs = append(costs, s.Cost)
	}
	return costs
}

func (rep report) print(w io.Writer, reference string) {
	fmt.Fprintf(w, "\n%s: %s\n", rep.Case, rep.About)
	ref := find(rep.Outcomes, reference)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	rate := "requests/s\tbusy\t"
	if rep.Unit == bytesUnit || rep.Unit == startUnit {
		rate = ""
	}
	if rep.upstream {
		rate += "upstream connections\t"
	}
	fmt.Fprintf(t, "server\t%s\tof %s\tlowest\thighest\t%s\n", rep.Unit, reference, rate)
	for i := range rep.Outcomes {
		o := &rep.Outcomes[i]
		if len(o.Samples) == 0 {
			continue
		}
		costs := o.costs()
		digits := 2
		if rep.Unit == bytesUnit {
			digits = 0
		}
		of := "-"
		if ref != nil {
			of = fmt.Sprintf("%.2f", ratio(o, ref))
		}
		fmt.Fprintf(t, "%s\t%.*f\t%s\t%.*f\t%.*f\t", o.Server, digits, median(costs), of,
			digits, slices.Min(costs), digits, slices.Max(costs))
		if rate != "" {
			rates, busy := o.rates()
			fmt.Fprintf(t, "%.0f\t%.0f%%\t", median(rates), 100*median(busy))
			if rep.upstream {
				fmt.Fprintf(t, "%d\t", o.Samples[len(o.Samples)-1].Upstream)
			}
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush()
	for _, o := range rep.Outcomes {
		if o.LeftOut != "" {
			fmt.Fprintf(w, "  left out: %s: %s\n", o.Server, o.LeftOut)
		}
	}
	for _, text := range rep.Met {
		fmt.Fprintf(w, "  met: %s\n", text)
	}
	for _, text := range rep.Missed {
		fmt.Fprintf(w, "  MISSED: %s\n", text)
	}
	for _, text := range rep.Unjudged {
		fmt.Fprintf(w, "  not judged: %s\n", text)
	}
}
