package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// markdown returns the report for readers. plots has the file of the plot of each case, by its name.
func (res *result) markdown(plots map[string]string) []byte {
	b := new(bytes.Buffer)
	res.writeMachine(b)
	res.writeSummary(b, plots)
	res.writeGoals(b)
	for i := range res.Reports {
		res.Reports[i].writeSection(b, plots)
	}
	res.writeConfigurations(b)
	return b.Bytes()
}

// writeMachine writes where and how the figures were measured.
func (res *result) writeMachine(b *bytes.Buffer) {
	m := &res.Machine
	fmt.Fprintf(b, "# Gatewheel compared with other servers\n\n")
	fmt.Fprintf(b, "Measured %s with `%s`. Servers run on one processor with one worker, the load on the others, in turns, in one run. ",
		m.Started.Format("2006-01-02 15:04 MST"), m.Command)
	for _, at := range res.Continued {
		fmt.Fprintf(b, "Continued %s. ", at.Format("2006-01-02 15:04 MST"))
	}
	fmt.Fprintf(b, "A cost is the processor time that the kernel has counted for the server, by the requests that were answered. ")
	fmt.Fprintf(b, "Figures are medians of %d rounds of %v; the spread is the largest distance of a round from the median. ", res.Rounds, res.Duration)
	fmt.Fprintf(b, "Rivals in Go collect garbage as by default (GOGC=100); the program gatewheel leaves itself 16 MiB of headroom by default. ")
	fmt.Fprintf(b, "Ratios are medians of the ratios of rounds, with the lowest and the highest. Figures of other machines differ; ratios differ less.\n\n")
	m.writeTable(b)
}

// writeTable writes the machine and the versions of what ran on it.
func (m *machine) writeTable(b *bytes.Buffer) {
	if m.busyAtStart() {
		fmt.Fprintf(b, "**The machine was busy with other programs when the run began.**\n\n")
	}
	fmt.Fprintf(b, "| machine | |\n|---|---|\n")
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "| %s | %s |\n", name, value)
		}
	}
	row("processor", fmt.Sprintf("%s, %d used", m.CPU, m.Processors))
	row("memory", fmt.Sprintf("%.1f GiB", float64(m.Memory)/(1<<30)))
	row("system", m.System+", Linux "+m.Kernel)
	row("load averages at the start", m.Load)
	row("Go", m.Go)
	row("gatewheel", m.Revision)
	var versions []string
	for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
		versions = append(versions, name+" "+m.Versions[name])
	}
	row("others", strings.Join(versions, ", "))
	fmt.Fprintln(b)
}

// writeSummary writes a line for each case: ours, the best rival, and the ratios to it and to the floor.
func (res *result) writeSummary(b *bytes.Buffer, plots map[string]string) {
	fmt.Fprintf(b, "## Summary\n\n")
	if file := plots[summaryPlot]; file != "" {
		fmt.Fprintf(b, "![cost of gatewheel by that of the best rival, for each case](%s)\n\n", file)
	}
	fmt.Fprintf(b, "| case | unit | gatewheel | spread | best rival | of it | of the floor | goals |\n|---|---|---:|---:|---|---:|---:|---|\n")
	for i := range res.Reports {
		rep := &res.Reports[i]
		ours := rep.ours()
		if ours == nil {
			continue
		}
		bestText, of, ofFloor := "-", "-", "-"
		if rival := best(rep.Outcomes); rival != nil {
			bestText, of = rival.Server+" "+figure(median(rival.costs())), ratioText(ours, rival)
		}
		if floor := find(rep.Outcomes, "floor"); floor != nil {
			ofFloor = ratioText(ours, floor)
		}
		goals := "-"
		switch {
		case len(rep.Missed) > 0:
			goals = "missed"
		case len(rep.Met) > 0:
			goals = "met"
		}
		fmt.Fprintf(b, "| [%s](#%s) | %s | %s | %s | %s | %s | %s | %s |\n", rep.Case, rep.Case, rep.Unit,
			figure(median(ours.costs())), spreadText(ours), bestText, of, ofFloor, goals)
	}
	fmt.Fprintln(b)
}

// writeGoals writes each goal with what was measured, those that were missed first.
func (res *result) writeGoals(b *bytes.Buffer) {
	var missed, met []string
	for i := range res.Reports {
		rep := &res.Reports[i]
		for _, text := range rep.Missed {
			missed = append(missed, fmt.Sprintf("| [%s](#%s) | %s | missed |", rep.Case, rep.Case, text))
		}
		for _, text := range rep.Met {
			met = append(met, fmt.Sprintf("| [%s](#%s) | %s | met |", rep.Case, rep.Case, text))
		}
	}
	if len(missed)+len(met) == 0 {
		return
	}
	fmt.Fprintf(b, "## Goals\n\n%d met, %d missed.\n\n| case | measured | |\n|---|---|---|\n", len(met), len(missed))
	for _, row := range append(missed, met...) {
		fmt.Fprintln(b, row)
	}
	fmt.Fprintln(b)
}

// writeSection writes everything about a case.
func (rep *report) writeSection(b *bytes.Buffer, plots map[string]string) {
	fmt.Fprintf(b, "## %s\n\n%s.\n\n", rep.Case, upperFirst(rep.About))
	if file := plots[rep.Case]; file != "" {
		fmt.Fprintf(b, "![%s: %s](%s)\n\n", rep.Case, rep.Unit, file)
	}
	ours := rep.ours()
	if rep.Unit == bytesUnit {
		if held := rep.held(); held > 0 {
			fmt.Fprintf(b, "%d connections were held, once.\n\n", held)
		}
	}
	fmt.Fprintf(b, "| server | %s | spread | gatewheel by it | requests/s | busy |\n|---|---:|---:|---:|---:|---:|\n", rep.Unit)
	for i := range rep.Outcomes {
		o := &rep.Outcomes[i]
		if len(o.Samples) == 0 {
			continue
		}
		by := "-"
		if ours != nil && o != ours {
			by = ratioText(ours, o)
		}
		perSecond, busy := "-", "-"
		if rates, shares := o.rates(); len(rates) > 0 {
			perSecond, busy = fmt.Sprintf("%.0f", median(rates)), percent(median(shares))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", o.Server, figure(median(o.costs())), spreadText(o), by, perSecond, busy)
	}
	fmt.Fprintln(b)
	rep.writeTimes(b)
	rep.writePrograms(b)
	for _, text := range rep.Met {
		fmt.Fprintf(b, "- met: %s\n", text)
	}
	for _, text := range rep.Missed {
		fmt.Fprintf(b, "- **missed**: %s\n", text)
	}
	for _, text := range rep.Unjudged {
		fmt.Fprintf(b, "- not judged: %s\n", text)
	}
	for i := range rep.Outcomes {
		if o := &rep.Outcomes[i]; o.LeftOut != "" {
			fmt.Fprintf(b, "- left out: %s: %s\n", o.Server, o.LeftOut)
		}
	}
	if len(rep.Met)+len(rep.Missed) > 0 {
		fmt.Fprintln(b)
	}
}

// held returns how many connections a case about memory held; 0 if it measured nothing.
func (rep *report) held() int64 {
	for i := range rep.Outcomes {
		if samples := rep.Outcomes[i].Samples; len(samples) > 0 {
			return samples[0].Requests
		}
	}
	return 0
}

// writeTimes writes the percentiles of a case at a fixed rate. A time counts from when the request was due.
func (rep *report) writeTimes(b *bytes.Buffer) {
	if !rep.has(func(s sample) bool { return s.Pace > 0 }) {
		return
	}
	fmt.Fprintf(b, "Times count from when a request was due; they contain what the load itself was late.\n\n")
	fmt.Fprintf(b, "| server | µs at p50 | at p99 | at p99.9 | load late at p99 | requests/s asked for |\n|---|---:|---:|---:|---:|---:|\n")
	for i := range rep.Outcomes {
		o := &rep.Outcomes[i]
		if len(o.Samples) == 0 {
			continue
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %.0f |\n", o.Server,
			figure(o.median(func(s sample) float64 { return s.P50 })), figure(median(o.costs())),
			figure(o.median(func(s sample) float64 { return s.P999 })), figure(o.median(func(s sample) float64 { return s.Late })), o.median(func(s sample) float64 { return s.Pace }))
	}
	fmt.Fprintln(b)
}

// writePrograms writes the sizes of the programs of a case about the start.
func (rep *report) writePrograms(b *bytes.Buffer) {
	if !rep.has(func(s sample) bool { return s.Program > 0 }) {
		return
	}
	fmt.Fprintf(b, "| server | program, MiB |\n|---|---:|\n")
	for i := range rep.Outcomes {
		if o := &rep.Outcomes[i]; len(o.Samples) > 0 {
			fmt.Fprintf(b, "| %s | %.1f |\n", o.Server, float64(o.Samples[0].Program)/(1<<20))
		}
	}
	fmt.Fprintln(b)
}

// has reports whether a sample of the report satisfies a condition.
func (rep *report) has(condition func(sample) bool) bool {
	return slices.ContainsFunc(rep.Outcomes, func(o outcome) bool { return slices.ContainsFunc(o.Samples, condition) })
}

// median returns the median of what value takes from the samples.
func (o *outcome) median(value func(sample) float64) float64 {
	var all []float64
	for _, s := range o.Samples {
		all = append(all, value(s))
	}
	return median(all)
}

// writeConfigurations writes how each server was started, once for each different way.
func (res *result) writeConfigurations(b *bytes.Buffer) {
	fmt.Fprintf(b, "## How the servers were started\n\n")
	fmt.Fprintf(b, "DIR is a folder of the run, ADDRESS where the server listens, PORT its port, BACKEND and BACKEND-PORT those of a backend, SELF the program of the bench.\n\n")
	seen := map[string]bool{}
	for i := range res.Reports {
		for _, o := range res.Reports[i].Outcomes {
			if o.Command == "" || seen[o.Server+o.Command+o.Configuration] {
				continue
			}
			seen[o.Server+o.Command+o.Configuration] = true
			fmt.Fprintf(b, "%s, in %s:\n\n```\n%s\n```\n\n", o.Server, res.Reports[i].Case, o.Command)
			if o.Configuration != "" {
				fmt.Fprintf(b, "```\n%s\n```\n\n", strings.TrimSpace(o.Configuration))
			}
		}
	}
}

// rates returns the requests a second and the part of a processor that was busy, for each round.
func (o *outcome) rates() (perSecond, busy []float64) {
	for _, s := range o.Samples {
		if s.Elapsed > 0 {
			perSecond = append(perSecond, float64(s.Requests)/s.Elapsed.Seconds())
			busy = append(busy, s.CPU.Seconds()/s.Elapsed.Seconds())
		}
	}
	return perSecond, busy
}

func percent(part float64) string { return fmt.Sprintf("%.0f %%", 100*part) }

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
