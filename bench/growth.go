package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// growthSeries is the question how processor time a request grows with the number of something.
type growthSeries struct {
	name   string
	about  string
	axis   string // what is counted
	points []growthPoint
}

// growthPoint is a number of a series and the case that measures it.
type growthPoint struct {
	n    int
	c    benchCase
	idle int // open connections in addition to those of the load
}

// growthResult is what a run of `bench growth` has shown, as it is written to growth.json.
type growthResult struct {
	Machine  machine        `json:"machine"`
	Rounds   int            `json:"rounds"`
	Duration time.Duration  `json:"duration_ns"`
	Settle   time.Duration  `json:"settle_ns"`
	Series   []seriesResult `json:"series"`
	Memory   []memoryResult `json:"memory"`
}

// seriesResult is what a series has shown.
type seriesResult struct {
	Name   string        `json:"name"`
	About  string        `json:"about"`
	Axis   string        `json:"axis"`
	Points []pointResult `json:"points"`
}

// pointResult is what a number of a series has shown.
type pointResult struct {
	N int `json:"n"`
	outcome
}

// growthOptions are the flags of `bench growth` that the runner does not have.
type growthOptions struct {
	out, page, series string
	v                 bool
}

func (o *growthOptions) parse(r *runner, args []string) error {
	flags := flag.NewFlagSet("bench growth", flag.ContinueOnError)
	flags.StringVar(&r.gatewheel, "gatewheel", "bin/gatewheel", "the binary to measure")
	flags.StringVar(&o.out, "out", "bin/growth-report", "write growth.md, growth.json and the plots to this folder")
	flags.StringVar(&o.page, "page", "", "replace the figures of this Markdown page")
	flags.StringVar(&o.series, "series", "*", "series to run, patterns separated by commas: active, idle, streams, routes, peers, loops-*, memory-*")
	flags.IntVar(&r.rounds, "rounds", 3, "rounds of each number")
	flags.DurationVar(&r.duration, "duration", time.Second, "how long each number is loaded in a round")
	flags.DurationVar(&r.warmup, "warmup", 500*time.Millisecond, "how long each is loaded before the first round")
	flags.DurationVar(&r.settle, "settle", 4*time.Second, "how long after the last request memory is read")
	flags.BoolVar(&o.v, "v", false, "print each round")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	return nil
}

// wants reports whether a series of that name is to be run.
func (o *growthOptions) wants(name string) bool {
	for pattern := range strings.SplitSeq(o.series, ",") {
		if ok, err := path.Match(pattern, name); ok && err == nil {
			return true
		}
	}
	return false
}

// known refuses a pattern of -series that matches none of the names.
func (o *growthOptions) known(names []string) error {
	for pattern := range strings.SplitSeq(o.series, ",") {
		matches := func(name string) bool {
			ok, err := path.Match(pattern, name)
			return ok && err == nil
		}
		if !slices.ContainsFunc(names, matches) {
			return fmt.Errorf("-series %s: there is none; there are %s", pattern, strings.Join(names, ", "))
		}
	}
	return nil
}

// growth measures how costs grow, writes the report, and prints its summary to out.
func growth(args []string, out io.Writer) error {
	r, o := &runner{}, &growthOptions{}
	if err := o.parse(r, args); err != nil {
		return err
	}
	series := growthCases()
	var names []string
	for i := range series {
		names = append(names, series[i].name)
	}
	for _, m := range memoryCases {
		names = append(names, m.name())
	}
	if err := o.known(names); err != nil {
		return err
	}
	series = slices.DeleteFunc(series, func(s growthSeries) bool { return !o.wants(s.name) })
	memory := slices.DeleteFunc(slices.Clone(memoryCases), func(m memoryCase) bool { return !o.wants(m.name()) })
	r.progress = newProgress(os.Stderr, o.v)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends this process at once
	r.ctx = ctx
	described := describeMachine(r.gatewheel, append([]string{"growth"}, args...))
	if described.busyAtStart() {
		fmt.Fprintf(os.Stderr, "bench: the load average is %s on %d processors: other programs disturb the figures\n", described.Load, described.Processors)
	}
	res, err := r.growth(series, memory)
	if err != nil {
		return err
	}
	res.Machine = described
	if err := res.write(o.out); err != nil {
		return err
	}
	if o.page != "" {
		if err := res.replaceFigures(o.page, o.out); err != nil {
			return err
		}
	}
	_, err = out.Write(res.figures(""))
	return err
}

var errGrowthInterrupted = errors.New("interrupted; nothing is written")

// growth measures memory first, while the kernel's caches have the fewest holes. A run that is interrupted
// ends after the current round with errGrowthInterrupted.
func (r *runner) growth(series []growthSeries, memory []memoryCase) (*growthResult, error) {
	if err := r.begin(nil); err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(r.dir) }()
	// Idle connections stay open for the whole run.
	r.flags = append(r.flags, "--idle-timeout", "1h")
	res := &growthResult{Rounds: r.rounds, Duration: r.duration, Settle: r.settle}
	all := len(memory) + len(series)
	for i, m := range memory {
		r.progress.begin(i+1, all, m.name())
		res.Memory = append(res.Memory, r.memoryGrowth(m))
		r.progress.end()
		if r.interrupted() {
			return nil, errGrowthInterrupted
		}
	}
	for i := range series {
		r.progress.begin(len(memory)+i+1, all, series[i].name)
		res.Series = append(res.Series, r.grow(&series[i]))
		r.progress.end()
		if r.interrupted() {
			return nil, errGrowthInterrupted
		}
	}
	return res, nil
}

// runningPoint is a number of a series while it is measured.
type runningPoint struct {
	target  *target // nil once it has failed
	behind  *backends
	release func() // closes the idle connections
}

func (p *runningPoint) stop() {
	if p.release != nil {
		p.release()
	}
	if p.target != nil {
		p.target.stop()
	}
	p.behind.stop()
}

// grow measures a series. Each number has a server of its own; all of them run all the while and take turns.
func (r *runner) grow(s *growthSeries) seriesResult {
	res := seriesResult{Name: s.name, About: s.about, Axis: s.axis, Points: make([]pointResult, len(s.points))}
	started := make([]runningPoint, len(s.points))
	running := make([]*target, len(s.points))
	for i := range s.points {
		if r.interrupted() {
			return res
		}
		p, run := &s.points[i], &started[i]
		res.Points[i] = pointResult{N: p.n, outcome: outcome{Server: "gatewheel"}}
		defer run.stop()
		if err := r.startPoint(p, run); err != nil {
			res.Points[i].LeftOut = err.Error()
			continue
		}
		res.Points[i].Command, running[i] = run.target.command, run.target
	}
	r.takeTurns(len(s.points), func(round, i int) {
		r.turn(&s.points[i].c, started[i].behind, &running[i], &res.Points[i].outcome, round)
	})
	return res
}

// startPoint starts the server of a number, opens its idle connections and warms it up. The caller stops it in any case.
func (r *runner) startPoint(p *growthPoint, run *runningPoint) (err error) {
	if run.behind, err = r.startBackends(&p.c); err != nil {
		return fmt.Errorf("no backend: %w", err)
	}
	if run.target, err = r.launch(&p.c, run.behind, "gatewheel"); err != nil {
		return err
	}
	if p.idle > 0 {
		if run.release, err = r.holdOpen(hold(run.target.setup, p.idle)); err != nil {
			return err
		}
	}
	if r.warmup > 0 {
		_, err = p.c.load(r, run.target, r.warmup)
	}
	return err
}

// write writes growth.json, growth.md and the plots to a folder, which it creates.
func (res *growthResult) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "growth.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	plotted := res.plot(dir)
	return cmp.Or(plotted, os.WriteFile(filepath.Join(dir, "growth.md"), res.markdown(), 0o644))
}

// readGrowth reads what write has written to growth.json.
func readGrowth(path string) (*growthResult, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	res := new(growthResult)
	if err := json.Unmarshal(text, res); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(res.Series)+len(res.Memory) == 0 {
		return nil, errors.New(path + ": it has neither series nor memory")
	}
	return res, nil
}
