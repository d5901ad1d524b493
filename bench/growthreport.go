package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// markdown returns the report for readers.
func (res *growthResult) markdown() []byte {
	b := new(bytes.Buffer)
	fmt.Fprintf(b, "# How cost grows\n\n")
	fmt.Fprintf(b, "Measured %s with `%s`. The server runs on one processor, the load on the others. Each number of a series has a server of its own; "+
		"all of them run all the while and take turns. A cost is the processor time that the kernel has counted for the server, by the requests that were "+
		"answered. Figures are medians of %d rounds of %v; the spread is the largest distance of a round from the median.\n\n",
		res.Machine.Started.Format("2006-01-02 15:04 MST"), res.Machine.Command, res.Rounds, res.Duration)
	if res.Machine.busyAtStart() {
		fmt.Fprintf(b, "**The load average was %s at the start, on %d processors: other programs have disturbed the figures.**\n\n", res.Machine.Load, res.Machine.Processors)
	}
	res.Machine.writeTable(b)
	fmt.Fprintf(b, "## Summary\n\n")
	b.Write(res.figures(""))
	for i := range res.Series {
		res.Series[i].writeSection(b)
	}
	res.writeMemory(b)
	return b.Bytes()
}

// writeSection writes everything about a series.
func (s *seriesResult) writeSection(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n\n![%s: processor time a request](%s.svg)\n\n", s.Name, upperFirst(s.About), s.Name, s.Name)
	fmt.Fprintf(b, "| %s | µs/request | spread | requests/s | busy |\n|---:|---:|---:|---:|---:|\n", s.Axis)
	for i := range s.Points {
		p := &s.Points[i]
		if len(p.Samples) == 0 {
			fmt.Fprintf(b, "| %s | left out: %s | | | |\n", grouped(p.N), p.LeftOut)
			continue
		}
		rates, busy := p.rates()
		fmt.Fprintf(b, "| %s | %s | %s | %.0f | %s |\n", grouped(p.N), figure(median(p.costs())), percent(spread(p.costs())), median(rates), percent(median(busy)))
	}
	if last := &s.Points[len(s.Points)-1]; last.Command != "" {
		fmt.Fprintf(b, "\nStarted with `%s`.\n", last.Command)
	}
}

// million is the number of connections that memory is extrapolated to.
const million = 1_000_000

// writeMemory writes what was read of memory, the lines through it, and where they lead.
func (res *growthResult) writeMemory(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n## memory\n\nEach connection has made one exchange and stays; memory is read %v later. The figures a connection are slopes: medians of the slopes "+
		"between each two numbers (Theil and Sen), so that what the process needs without connections is not in them. The program returns free memory "+
		"to the system when it was quiet for two seconds. The kernel's part is a slope "+
		"against the TCP sockets of the whole machine, to which the holders of the other ends and other programs contribute: of the slab caches that grow "+
		"along a line with sockets, by %d bytes a socket at least, and of TCP's buffers (/proc/slabinfo, /proc/net/sockstat); where /proc/slabinfo may not be "+
		"read, of all slabs (/proc/meminfo). The server has a socket for each connection.\n\n![resident memory of the process](memory.svg)\n", res.Settle, leastGrowth)
	for i := range res.Memory {
		m := &res.Memory[i]
		fmt.Fprintf(b, "\n### %s\n\n", longNames[m.Protocol])
		if len(m.Points) == 0 {
			fmt.Fprintf(b, "Left out: %s.\n", m.LeftOut)
			continue
		}
		m.writeSection(b)
	}
}

func (m *memoryResult) writeSection(b *bytes.Buffer) {
	fmt.Fprintf(b, "| connections | resident, KiB | TCP sockets of the machine | caches that grow and buffers, KiB | all slabs, KiB |\n|---:|---:|---:|---:|---:|\n")
	for i := range m.Points {
		p := &m.Points[i]
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", grouped(p.Connections), grouped(int(p.Resident>>10)), grouped(int(p.Sockets)),
			grouped(int(p.kernel()>>10)), grouped(int(p.Slab>>10)))
	}
	l := m.lines()
	fmt.Fprintf(b, "\n- process: %s + %s × %s bytes = %s at a million connections\n", mebibytes(l.process.base), grouped(million),
		grouped(rounded(l.process.slope)), gibibytes(l.process.at(million)))
	fmt.Fprintf(b, "- kernel: %s × %s bytes = %s\n", grouped(million), grouped(rounded(l.kernel.slope)), gibibytes(l.kernel.slope*million))
	fmt.Fprintf(b, "- together: %s + %s = %s\n", gibibytes(l.process.at(million)), gibibytes(l.kernel.slope*million), gibibytes(l.together()))
	if len(l.caches) > 0 {
		var parts []string
		for _, name := range slices.SortedFunc(maps.Keys(l.caches), func(a, b string) int { return int(l.caches[b].slope - l.caches[a].slope) }) {
			parts = append(parts, fmt.Sprintf("%s %s", name, grouped(rounded(l.caches[name].slope))))
		}
		fmt.Fprintf(b, "- bytes a socket in slab caches: %s\n", strings.Join(parts, ", "))
	}
}

// together returns the bytes of a million connections, in the process and in the kernel.
func (l *memoryLines) together() float64 { return l.process.at(million) + l.kernel.slope*million }

// figures returns the tables of all series and of memory. Their names link to the sections of a report, whose path is
// prefixed.
func (res *growthResult) figures(report string) []byte {
	b := new(bytes.Buffer)
	fmt.Fprintf(b, "| what grows | numbers | µs/request | last by first |\n|---|---|---|---:|\n")
	for i := range res.Series {
		s := &res.Series[i]
		var numbers, costs []string
		var values []float64
		for j := range s.Points {
			if p := &s.Points[j]; len(p.Samples) > 0 {
				m := median(p.costs())
				numbers, costs, values = append(numbers, grouped(p.N)), append(costs, figure(m)), append(values, m)
			}
		}
		growth := "-"
		if len(values) > 1 {
			growth = fmt.Sprintf("%.2f", values[len(values)-1]/values[0])
		}
		fmt.Fprintf(b, "| [%s](%s#%s), %s | %s | %s | %s |\n", s.Name, report, s.Name, s.Axis, strings.Join(numbers, " / "), strings.Join(costs, " / "), growth)
	}
	fmt.Fprintf(b, "\n| memory of idle connections | process, bytes each | kernel, bytes each | a million: process | kernel | together |\n|---|---:|---:|---:|---:|---:|\n")
	for i := range res.Memory {
		m := &res.Memory[i]
		if len(m.Points) == 0 {
			continue
		}
		l := m.lines()
		fmt.Fprintf(b, "| [%s](%s#%s) | %s | %s | %s | %s | %s |\n", longNames[m.Protocol], report, anchor(longNames[m.Protocol]), grouped(rounded(l.process.slope)),
			grouped(rounded(l.kernel.slope)), gibibytes(l.process.at(million)), gibibytes(l.kernel.slope*million), gibibytes(l.together()))
	}
	return b.Bytes()
}

// The figures of a page stand between these lines.
const (
	figuresBegin = "<!-- figures of make bench-growth -->\n"
	figuresEnd   = "<!-- end of figures -->\n"
)

// replaceFigures writes the tables into a page, with links to the report in the folder dir.
func (res *growthResult) replaceFigures(page, dir string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(filepath.Dir(page), filepath.Join(dir, "growth.md"))
	if err != nil {
		return err
	}
	replaced, err := withFigures(string(text), string(res.figures(filepath.ToSlash(relative))))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return os.WriteFile(page, []byte(replaced), 0o644)
}

// withFigures returns a page with these figures in place of its own.
func withFigures(page, figures string) (string, error) {
	before, rest, begins := strings.Cut(page, figuresBegin)
	_, after, ends := strings.Cut(rest, figuresEnd)
	if !begins || !ends {
		return "", fmt.Errorf("it lacks the lines %q and %q", strings.TrimSpace(figuresBegin), strings.TrimSpace(figuresEnd))
	}
	return before + figuresBegin + "\n" + figures + "\n" + figuresEnd + after, nil
}

// anchor returns the anchor of a heading of letters, digits, spaces and marks, as GitHub makes it.
func anchor(heading string) string {
	return strings.NewReplacer(" ", "-", "/", "", ".", "").Replace(strings.ToLower(heading))
}

// grouped formats a number with commas between thousands.
func grouped(n int) string {
	if n < 0 {
		return "-" + grouped(-n)
	}
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func rounded(v float64) int { return int(v + 0.5) }

func mebibytes(v float64) string { return fmt.Sprintf("%.1f MiB", v/(1<<20)) }

func gibibytes(v float64) string { return fmt.Sprintf("%.2f GiB", v/(1<<30)) }
