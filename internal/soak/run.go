//go:build linux

package soak

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Run runs the soak. The error is nil if a report could be made; it is for Report.Failed to say whether the programs have
// passed.
func Run(ctx context.Context, c Config) (*Report, error) {
	e, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("the start: %w%s", err, tails(e.gateway, e.serve))
	}
	defer e.close()
	r := &Report{Began: time.Now().UTC(), Seed: c.Seed, Duration: c.Duration.String(), Bounds: c.Bounds, LoadBefore: loadAverage(), restarts: c.Restarts, short: c.Short}
	if v, err := e.gateway.version(); err == nil {
		r.Version = v.Version
	}
	if c.Short {
		err = e.short(ctx, r)
	} else {
		err = e.long(ctx, r)
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	r.Driver = processorTime()
	if r.End, err = e.measures(ctx, "end", func(name string, m Measure) error { return m.within(c.Bounds, r.Start[name]) }); err != nil {
		r.Growth = strings.Split(err.Error(), "\n")
	}
	r.LoadAfter = loadAverage()
	r.Warnings = e.counted(r)
	r.Warnings = append(r.Warnings, e.stop(ctx)...)
	r.Served = e.served()
	r.fill(e.ledger)
	return r, nil
}

// stop ends both programs by SIGTERM, and returns what was not as it must be.
func (e *environment) stop(ctx context.Context) []string {
	failures := make(chan error, 2)
	for _, p := range []*program{e.gateway, e.serve} {
		go func() { failures <- p.stop(ctx) }()
	}
	var all []string
	for range cap(failures) {
		if err := <-failures; err != nil {
			all = append(all, err.Error())
		}
	}
	return all
}

// short runs everything once.
func (e *environment) short(ctx context.Context, r *Report) error {
	r.Start = map[string]Measure{}
	for _, p := range []*program{e.gateway, e.serve} {
		m, err := p.measure()
		if err != nil {
			return err
		}
		r.Start[p.name] = m
	}
	var busy sync.WaitGroup
	begun := time.Now()
	busy.Go(func() {
		e.rehearse(ctx)
		e.say("every element: %v", time.Since(begun).Round(time.Millisecond))
	})
	random := rand.New(rand.NewPCG(e.config.Seed, 1))
	for number, d := range e.disturbances(random) {
		e.disturb(ctx, d, random, uint64(number))
	}
	busy.Wait()
	return nil
}

// long runs operations and disturbances for the configured time. At its start everything has happened once.
func (e *environment) long(ctx context.Context, r *Report) (err error) {
	e.say("seed %d, for %v; everything once first", e.config.Seed, e.config.Duration)
	e.rehearse(ctx)
	r.Start, err = e.measures(ctx, "start", func(_ string, m Measure) error {
		if m.Connections > e.config.Bounds.Connections {
			return fmt.Errorf("%d connections are open before the start", m.Connections)
		}
		return nil
	})
	if err == nil {
		e.load(ctx)
	}
	return err
}

// rehearse runs every element once at each program, so that what a program allocates once is there at the start.
func (e *environment) rehearse(ctx context.Context) {
	var busy sync.WaitGroup
	slots := make(chan struct{}, e.config.Workers)
	for i, el := range elements(e.config.Short) {
		for _, p := range []*program{e.gateway, e.serve} {
			slots <- struct{}{}
			busy.Go(func() {
				e.performAt(ctx, el, uint64(i), p)
				<-slots
			})
		}
	}
	busy.Wait()
}

// measures measures both programs once no client has a connection, and keeps profiles of their heaps.
func (e *environment) measures(ctx context.Context, when string, check func(string, Measure) error) (map[string]Measure, error) {
	e.closeIdle()
	var (
		mu   sync.Mutex
		busy sync.WaitGroup
		errs []error
	)
	all := map[string]Measure{}
	for _, p := range []*program{e.gateway, e.serve} {
		busy.Go(func() {
			m, err := p.settle(ctx, e.config.Settle, func(m Measure) error { return check(p.name, m) })
			profile, _ := p.get("/debug/pprof/heap")
			_ = os.WriteFile(filepath.Join(e.config.Dir, fmt.Sprintf("%s-%s.heap", p.name, when)), []byte(profile), 0o600)
			mu.Lock()
			defer mu.Unlock()
			all[p.name] = m
			if err != nil {
				errs = append(errs, in(p.name, err))
			}
		})
	}
	busy.Wait()
	return all, errors.Join(errs...)
}

// load runs operations and disturbances until the time is over.
func (e *environment) load(ctx context.Context) {
	until := time.Now().Add(e.config.Duration)
	work, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	tickets := make(chan uint64)
	var busy sync.WaitGroup
	for range e.config.Workers {
		busy.Go(func() {
			for number := range tickets {
				e.perform(ctx, draw(e.config.Seed, number), number)
			}
		})
	}
	disturbed := make(chan struct{})
	go func() { defer close(disturbed); e.disturbLong(ctx, until) }()
	e.pace(work, disturbed, tickets)
	close(tickets)
	busy.Wait()
}

// draw returns the element of an operation.
func draw(seed, number uint64) element {
	all := elements(false)
	total := 0
	for _, el := range all {
		total += el.weight
	}
	at := rand.New(rand.NewPCG(seed, ^number)).IntN(total)
	for _, el := range all {
		if at -= el.weight; at < 0 {
			return el
		}
	}
	panic("unreachable")
}

// pace hands out operations at the rate, or as many as the limit of processor time allows, until the time is over and
// the disturbances have ended. It prints the progress.
func (e *environment) pace(work context.Context, disturbed <-chan struct{}, tickets chan<- uint64) {
	const step = 100 * time.Millisecond
	rate, due, number := e.config.Rate, 0.0, uint64(1000)
	begun := time.Now()
	said, looked, used := begun, begun, processorTime()
	for {
		if work.Err() != nil {
			select {
			case <-disturbed:
				return
			default:
			}
		}
		for due += rate * step.Seconds(); due >= 1; due-- {
			number++
			tickets <- number
		}
		time.Sleep(step)
		now := time.Now()
		if passed := now.Sub(looked); passed >= time.Second && e.config.MaxCPU > 0 {
			cores := (processorTime() - used).Seconds() / passed.Seconds()
			rate = min(e.config.Rate, max(rate*min(e.config.MaxCPU/max(cores, 0.01), 1.2), 1))
			looked, used = now, processorTime()
		}
		if now.Sub(said) >= 10*time.Second {
			said = now
			e.say("%4.0f s: %s; %.0f operations a second, load %.1f", now.Sub(begun).Seconds(), e.ledger.line(), rate, loadAverage())
		}
	}
}

func (e *environment) say(format string, args ...any) {
	if e.config.Progress != nil {
		_, _ = fmt.Fprintf(e.config.Progress, format+"\n", args...)
	}
}

// disturbances returns those of the run, in an order that r decides.
func (e *environment) disturbances(r *rand.Rand) []disturbance {
	var all []disturbance
	for _, d := range disturbances {
		if !d.restart || e.config.Restarts {
			all = append(all, d)
		}
	}
	r.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	return all
}

// disturbLong runs disturbances one after the other until a time, each once before any is repeated. The last third of a
// run has no restarts, so that what is measured at the end has served for long.
func (e *environment) disturbLong(ctx context.Context, until time.Time) {
	random := rand.New(rand.NewPCG(e.config.Seed, 1))
	noRestarts := until.Add(-e.config.Duration / 3)
	var round []disturbance
	for number := uint64(0); ; number++ {
		pause := time.Duration((0.5 + random.Float64()) * float64(e.config.Every))
		if time.Now().Add(pause).After(until) || e.wait(ctx, pause) != nil {
			return
		}
		if len(round) == 0 {
			round = e.disturbances(random)
		}
		next := round[0]
		round = round[1:]
		if !next.restart || time.Now().Before(noRestarts) {
			e.disturb(ctx, next, random, number)
		}
	}
}

// wait returns an error if ctx ends before a time.
func (e *environment) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// processorTime returns what this process has used.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// loadAverage returns that of the last minute.
func loadAverage() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	load := 0.0
	_, _ = fmt.Sscan(string(text), &load)
	return load
}

// served returns the lines of the access logs by status class and termination token.
func (e *environment) served() map[string]Served {
	all := map[string]Served{}
	for _, p := range []*program{e.gateway, e.serve} {
		s := Served{Terminations: map[string]int{}, Answered: e.ledger.byProgram[p.name]}
		file, err := os.Open(p.access)
		if err == nil {
			lines := bufio.NewScanner(file)
			for lines.Scan() {
				s.Requests++
				_, token, _ := strings.Cut(lines.Text(), " ")
				s.Terminations[token]++
			}
			_ = file.Close()
		}
		all[p.name] = s
	}
	return all
}

// counted returns what the counters of the last processes say that must not be.
func (e *environment) counted(r *Report) []string {
	var all []string
	for _, p := range []*program{e.gateway, e.serve} {
		m, err := p.metrics()
		if err != nil {
			all = append(all, err.Error())
			continue
		}
		for _, family := range []string{"gatewheel_loop_panics_total", "gatewheel_log_lines_dropped_total", "http_server_active_requests"} {
			if m[family] != 0 {
				all = append(all, fmt.Sprintf("%s: %s is %.0f", p.name, family, m[family]))
			}
		}
		content, _ := os.ReadFile(p.log)
		for line := range strings.Lines(string(content)) {
			if strings.Contains(line, "panic") || strings.Contains(line, "goroutine ") {
				all = append(all, p.name+" has logged: "+strings.TrimSpace(line))
			}
		}
	}
	slices.Sort(all)
	return all[:min(len(all), 20)]
}

// tails returns the last lines of the logs.
func tails(programs ...*program) string {
	var b strings.Builder
	for _, p := range programs {
		if p == nil {
			continue
		}
		content, _ := os.ReadFile(p.log)
		fmt.Fprintf(&b, "\nthe log of %s ends with\n%s", p.name, content[max(0, len(content)-2000):])
	}
	return b.String()
}
