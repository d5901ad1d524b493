//go:build linux

package soak

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A Report is the result of a run.
type Report struct {
	Began        time.Time          `json:"began"`
	Version      string             `json:"version"`
	Seed         uint64             `json:"seed"`
	Duration     string             `json:"duration"`
	LoadBefore   float64            `json:"load_average_before"`
	LoadAfter    float64            `json:"load_average_after"`
	Driver       time.Duration      `json:"driver_processor_time_ns"`
	Operations   int                `json:"operations"`
	Answered     int                `json:"requests_answered"`
	Explained    map[Rule]int       `json:"explained"`
	Unexplained  int                `json:"unexplained"`
	Elements     map[string]*counts `json:"elements"`
	Failures     []Failure          `json:"failures"`
	Start        map[string]Measure `json:"start"`
	End          map[string]Measure `json:"end"`
	Bounds       Bounds             `json:"bounds"`
	Growth       []string           `json:"growth"` // quantities beyond their bounds
	Served       map[string]Served  `json:"served"`
	Warnings     []string           `json:"warnings"`
	disturbances map[string]bool
	restarts     bool
	short        bool
}

// Served is what the access log of a program has.
type Served struct {
	Requests     int            `json:"requests"`
	Answered     int            `json:"answered"` // those whose answers the clients have got, whole and right
	Terminations map[string]int `json:"terminations"`
}

// fill copies the counts of a ledger.
func (r *Report) fill(l *ledger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Operations, r.Answered, r.Explained, r.Unexplained = l.total.Operations, l.total.Answered, l.total.Explained, l.total.Unexplained
	r.Elements, r.Failures = l.byElement, l.failures
	r.disturbances = map[string]bool{}
	for _, d := range disturbances {
		r.disturbances[d.name] = true
	}
}

// Failed returns what a run must not have, one sentence each.
func (r *Report) Failed() []string {
	var all []string
	if r.Unexplained > 0 {
		all = append(all, fmt.Sprintf("%d failures are unexplained", r.Unexplained))
	}
	for _, f := range r.Failures {
		all = append(all, f.String())
	}
	all = append(all, r.Growth...)
	for _, name := range slices.Sorted(maps.Keys(r.Served)) {
		if s := r.Served[name]; s.Requests < s.Answered {
			all = append(all, fmt.Sprintf("%s: the access log has %d requests, and %d were answered", name, s.Requests, s.Answered))
		}
	}
	return append(all, r.Warnings...)
}

// Missing returns the elements and disturbances that have not happened; hot restarts only if the run has any.
func (r *Report) Missing() []string {
	var all []string
	for _, el := range elements(r.short) {
		if c := r.Elements[el.name]; c == nil || c.Answered == 0 && len(c.Explained) == 0 {
			all = append(all, el.name)
		}
	}
	for _, d := range disturbances {
		if c := r.Elements[d.name]; (c == nil || c.Answered == 0) && (!d.restart || r.restarts) {
			all = append(all, d.name)
		}
	}
	return all
}

func (f Failure) String() string {
	during := ""
	if f.Meanwhile != "" {
		during = ", during: " + f.Meanwhile
	}
	return fmt.Sprintf("%s %s, operation %d at %s%s: %s", f.At.Format("15:04:05.000"), f.Element, f.Operation, cmp.Or(f.Target, "both"), during, f.Error)
}

// Markdown writes the report for readers.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## Run of %s\n\n%s under load, seed %d, version %s. ", r.Began.Format("2006-01-02 15:04 UTC"), r.Duration, r.Seed, r.Version)
	fmt.Fprintf(&b, "The load average of the machine, which has %d processors, was %.1f before and %.1f after; the driver used %v of processor time.\n\n",
		runtime.NumCPU(), r.LoadBefore, r.LoadAfter, r.Driver.Round(time.Second))
	fmt.Fprintf(&b, "**%d operations, %d requests answered as they must be, %d failures explained, %d unexplained.**\n\n", r.Operations, r.Answered, total(r.Explained), r.Unexplained)
	if failed := r.Failed(); len(failed) > 0 {
		b.WriteString("Not as it must be:\n\n")
		for _, line := range failed {
			fmt.Fprintf(&b, "- %s\n", line)
		}
		b.WriteString("\n")
	}
	r.elements(&b, "Elements", "element | operations | requests answered | failures explained | unexplained", false)
	r.elements(&b, "Disturbances", "disturbance | times | as it must be | failures explained | unexplained", true)
	b.WriteString("### Explanations\n\n| failures | why |\n|---|---|\n")
	for _, rule := range rules {
		fmt.Fprintf(&b, "| %d | %s |\n", r.Explained[rule], rule)
	}
	r.resources(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// elements writes a table of counts.
func (r *Report) elements(b *strings.Builder, title, heading string, disturbances bool) {
	fmt.Fprintf(b, "### %s\n\n| %s |\n|---|---|---|---|---|\n", title, heading)
	for _, name := range slices.Sorted(maps.Keys(r.Elements)) {
		if c := r.Elements[name]; r.disturbances[name] == disturbances {
			fmt.Fprintf(b, "| %s | %d | %d | %d | %d |\n", name, c.Operations, c.Answered, total(c.Explained), c.Unexplained)
		}
	}
	b.WriteString("\n")
}

// resources writes what the programs held and have served.
func (r *Report) resources(b *strings.Builder) {
	b.WriteString("\n### Resources\n\nWithout load, after a quiet time. At the start each element had run once at each program. What has another process at the end was restarted.\n\n")
	b.WriteString("| | live heap | resident | descriptors | goroutines | connections |\n|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(r.Start)) {
		for i, m := range []Measure{r.Start[name], r.End[name]} {
			when := [2]string{"start", "end"}[i]
			fmt.Fprintf(b, "| %s, %s (process %d) | %.1f MiB | %.1f MiB | %d | %d | %d |\n", name, when, m.PID,
				m.LiveHeap/(1<<20), m.RSS/(1<<20), m.Descriptors, m.Goroutines, m.Connections)
		}
	}
	fmt.Fprintf(b, "| bound of growth | %d MiB | %d MiB | %d | %d | %d |\n", int(r.Bounds.Heap)>>20, int(r.Bounds.RSS)>>20, r.Bounds.Descriptors, r.Bounds.Goroutines, r.Bounds.Connections)
	b.WriteString("\n### Requests in the access logs\n\nThose that were answered must be there. The tokens are explained in [the access log](access-log.md#the-termination-token).\n\n")
	b.WriteString("| program | answered to the clients | in its log | by termination token |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(r.Served)) {
		s := r.Served[name]
		var tokens []string
		for _, token := range slices.Sorted(maps.Keys(s.Terminations)) {
			tokens = append(tokens, fmt.Sprintf("`%s` %d", token, s.Terminations[token]))
		}
		fmt.Fprintf(b, "| %s | %d | %d | %s |\n", name, s.Answered, s.Requests, strings.Join(tokens, ", "))
	}
}

func total(by map[Rule]int) int {
	n := 0
	for _, count := range by {
		n += count
	}
	return n
}
