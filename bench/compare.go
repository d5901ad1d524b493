package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"
)

// compare prints how the costs of a server differ between two results, case by case.
func compare(args []string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("compare OLD/result.json NEW/result.json")
	}
	older, err := readResult(args[0])
	if err != nil {
		return err
	}
	newer, err := readResult(args[1])
	if err != nil {
		return err
	}
	t := newComparison(out)
	var within agreement
	for i := range older.Reports {
		was := &older.Reports[i]
		for j := range newer.Reports {
			if is := &newer.Reports[j]; is.Case == was.Case {
				t.add(was, is)
				within.add(was, is)
			}
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	within.print(out)
	return nil
}

// agreement counts how many medians of a second run lie within the rounds of the first, and how many ratios to the best
// rival do.
type agreement struct {
	costs, ratios     int
	costsOf, ratiosOf int
	differing         []string // cases whose ratio does not
}

func (a *agreement) add(was, is *report) {
	for i := range was.Outcomes {
		before := &was.Outcomes[i]
		after := find(is.Outcomes, before.Server)
		if after == nil || len(before.Samples) < 2 {
			continue
		}
		a.costsOf++
		if inside(median(after.costs()), before.costs()) {
			a.costs++
		}
	}
	ours, rival := was.ours(), best(was.Outcomes)
	if ours == nil || rival == nil || len(ours.Samples) < 2 {
		return
	}
	oursNow, rivalNow := is.ours(), find(is.Outcomes, rival.Server)
	if oursNow == nil || rivalNow == nil {
		return
	}
	a.ratiosOf++
	first, second := ratios(ours, rival), ratio(oursNow, rivalNow)
	if inside(second, first) {
		a.ratios++
		return
	}
	a.differing = append(a.differing, fmt.Sprintf("%s: %s of %s, then %.2f", was.Case, ratioText(ours, rival), rival.Server, second))
}

// inside reports whether v lies between the lowest and the highest of values.
func inside(v float64, values []float64) bool {
	return v >= slices.Min(values) && v <= slices.Max(values)
}

func (a *agreement) print(out io.Writer) {
	if a.costsOf == 0 {
		return
	}
	fmt.Fprintf(out, "\n%d of %d medians of the second run lie within the rounds of the first, and %d of %d ratios to the best rival\n",
		a.costs, a.costsOf, a.ratios, a.ratiosOf)
	for _, text := range a.differing {
		fmt.Fprintf(out, "  %s\n", text)
	}
}

// comparison is a table of costs before and after.
type comparison struct {
	*tabwriter.Writer
	out    io.Writer
	rows   int
	tooFew bool // rounds, to tell a change from chance
}

func newComparison(out io.Writer) *comparison {
	t := &comparison{out: out, Writer: tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)}
	fmt.Fprintf(t, "case\tserver\tunit\tbefore\tafter\tchange\tp\trounds\t\n")
	return t
}

// add adds a row for each server that both reports have.
func (t *comparison) add(was, is *report) {
	for i := range was.Outcomes {
		before := &was.Outcomes[i]
		if after := find(is.Outcomes, before.Server); after != nil && len(before.Samples) > 0 {
			t.row(is, after.Server, before.costs(), after.costs())
		}
	}
}

// addBefore adds a row for the two builds of one run.
func (t *comparison) addBefore(rep *report) {
	if before, after := find(rep.Outcomes, "before"), find(rep.Outcomes, "gatewheel"); before != nil && after != nil {
		t.row(rep, "gatewheel", before.costs(), after.costs())
	}
}

// row compares as benchstat does: medians, and the Mann-Whitney U test, whose p is the probability of so large a
// difference between rounds of equal servers.
func (t *comparison) row(rep *report, server string, before, after []float64) {
	t.rows++
	was, is := median(before), median(after)
	test := benchmath.AssumeNothing.Compare(benchmath.NewSample(before, &benchmath.DefaultThresholds),
		benchmath.NewSample(after, &benchmath.DefaultThresholds))
	change, p := "~", fmt.Sprintf("%.3f", test.P)
	single := len(before) == 1 && len(after) == 1
	if single {
		p = "-"
	}
	if (single || test.P <= test.Alpha) && was > 0 {
		change = fmt.Sprintf("%+.1f %%", 100*(is-was)/was)
	}
	t.tooFew = t.tooFew || !single && len(test.Warnings) > 0
	fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d+%d\t\n", rep.Case, server, rep.Unit, figure(was), figure(is), change, p, test.N1, test.N2)
}

func (t *comparison) flush() error {
	if t.rows == 0 {
		return errors.New("the results have no case and server in common")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if t.tooFew {
		fmt.Fprintln(t.out, "Where there are fewer than four rounds a side, no change can be told from chance.")
	}
	return nil
}
