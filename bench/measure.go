package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/bench/client"
	"github.com/gatewheel/gatewheel/internal/testport"
)

// runner carries what one run of the program was asked for.
type runner struct {
	cores     cores
	self      string
	gatewheel string
	before    string
	flags     []string
	dir       string
	rounds    int
	duration  time.Duration
	warmup    time.Duration   // no warm-up when zero
	held      int             // connections of a case about memory
	settle    time.Duration   // how long after the last request memory is read
	progress  *progress       // nil: none is shown
	ctx       context.Context // done when the run is interrupted; nil: it cannot be
}

// interrupted reports whether the run is to end.
func (r *runner) interrupted() bool { return r.ctx != nil && r.ctx.Err() != nil }

// measure starts the servers of a case, checks what they answer, and loads them in turns.
func (r *runner) measure(c *benchCase, wanted []string) []outcome {
	var outcomes []outcome
	for _, name := range c.servers {
		if len(wanted) > 0 && !slices.Contains(wanted, name) || name == "before" && r.before == "" {
			continue
		}
		outcomes = append(outcomes, outcome{Server: name})
	}
	behind, err := r.startBackends(c)
	if err != nil {
		for i := range outcomes {
			outcomes[i].LeftOut = "no backend: " + err.Error()
		}
		return outcomes
	}
	defer behind.stop()
	switch {
	case c.idle:
		r.memory(c, behind, outcomes)
	case c.startup:
		r.startups(c, outcomes)
	default:
		r.time(c, behind, outcomes)
	}
	return outcomes
}

// launch starts one server of a case and makes sure that it answers as it should.
func (r *runner) launch(c *benchCase, behind *backends, name string) (*target, error) {
	dir, err := os.MkdirTemp(r.dir, strings.ReplaceAll(name, "/", "-")+"-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	port, err := testport.Reserve()
	if err != nil {
		return nil, err
	}
	t, err := r.launchOn(port, dir, c, behind, name)
	if err != nil {
		return nil, errors.Join(err, port.Release())
	}
	return t, nil
}

func (r *runner) launchOn(port *testport.Reservation, dir string, c *benchCase, behind *backends, name string) (*target, error) {
	s := &setup{dir: dir, shared: r.dir, port: port.Port(), protocol: c.protocol,
		gatewheel: r.gatewheel, before: r.before, flags: r.flags, self: r.self, file: c.file,
		upstream: c.upstream, upload: c.upload, unary: c.unary, idle: c.idle, target: c.target, workers: max(c.workers, 1)}
	if behind != nil {
		s.backends = behind.urls
	}
	argv, err := serverNamed(c.commands(), name).command(s)
	if err != nil {
		return nil, err
	}
	command, configuration := s.describe(argv)
	processors := r.cores.server
	if s.workers > 1 {
		processors = r.cores.all()
	}
	p, err := launch(processors, s.workers, argv, s.address())
	if err != nil {
		return nil, err
	}
	if !c.selfCheck {
		if err := s.check(); err != nil {
			p.stop()
			return nil, fmt.Errorf("its answer is wrong: %w", err)
		}
	}
	return &target{name: name, setup: s, process: p, port: port, command: command, configuration: configuration, program: argv[0]}, nil
}

// check makes a request on each of three connections.
func (s *setup) check() error {
	conns, err := hold(s, 3).Open()
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
	return err
}

func hold(s *setup, connections int) client.Hold {
	return client.Hold{Address: s.address(), Protocol: string(s.protocol), Path: s.path(),
		Content: s.content(), Connections: connections}
}

// time measures processor time a request. All servers run all the while, and take turns, so that
// what else the machine does meets each of them alike; every second round goes backwards.
func (r *runner) time(c *benchCase, behind *backends, outcomes []outcome) {
	targets := make([]*target, len(outcomes))
	for i := range outcomes {
		t, err := r.launch(c, behind, outcomes[i].Server)
		if err != nil {
			outcomes[i].LeftOut = err.Error()
			continue
		}
		defer t.stop()
		targets[i] = t
		outcomes[i].Command, outcomes[i].Configuration = t.command, t.configuration
		if r.warmup > 0 {
			if _, err := c.load(r, t, r.warmup); err != nil {
				outcomes[i].LeftOut, targets[i] = err.Error(), nil
				continue
			}
		}
		if err := t.stall(c.stalled); err != nil {
			outcomes[i].LeftOut, targets[i] = err.Error(), nil
		}
	}
	if c.paced {
		r.setPace(c, targets, outcomes)
	}
	r.takeTurns(len(targets), func(round, i int) { r.turn(c, behind, &targets[i], &outcomes[i], round) })
}

// takeTurns calls turn for each of n servers in each round, until the run is interrupted. Every second round goes
// backwards.
func (r *runner) takeTurns(n int, turn func(round, i int)) {
	for round := range r.rounds {
		for i := range n {
			if r.interrupted() {
				return
			}
			if round%2 == 1 {
				i = n - 1 - i
			}
			turn(round, i)
		}
	}
}

// turn measures a round of one server and stores it. A server that fails has no further turns: its target becomes nil.
func (r *runner) turn(c *benchCase, behind *backends, t **target, o *outcome, round int) {
	if *t == nil {
		return
	}
	s, err := r.round(c, behind, *t)
	if err != nil {
		o.Samples, o.LeftOut, *t = nil, err.Error(), nil
		return
	}
	o.Samples = append(o.Samples, s)
	r.tell("round %d of %d, %s %.2f µs", round+1, r.rounds, o.Server, s.Cost)
}

func (r *runner) round(c *benchCase, behind *backends, t *target) (sample, error) {
	before, err := t.process.cpu()
	if err != nil {
		return sample{}, err
	}
	done, err := c.load(r, t, r.duration)
	if err != nil {
		return sample{}, err
	}
	after, err := t.process.cpu()
	if err != nil {
		return sample{}, err
	}
	if done.requests == 0 {
		return sample{}, fmt.Errorf("nothing was answered")
	}
	connections, err := behind.connectionsOf(t.process)
	if err != nil {
		return sample{}, err
	}
	used := after - before
	if done.cpu > 0 {
		used = done.cpu
	}
	s := sample{Upstream: connections, Requests: done.requests, Elapsed: done.elapsed, CPU: used,
		Cost: float64(used.Nanoseconds()) / 1e3 / float64(done.requests)}
	if c.latency {
		s.Cost = micros(done.p99)
		s.P50, s.P999, s.Pace, s.Late = micros(done.p50), micros(done.p999), t.pace, micros(done.late)
	}
	return s, nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// setPace gives all servers half of the rate that the slowest reaches.
func (r *runner) setPace(c *benchCase, targets []*target, outcomes []outcome) {
	slowest := 0.0
	for i, t := range targets {
		if t == nil {
			continue
		}
		done, err := c.load(r, t, r.duration)
		if err != nil {
			outcomes[i].LeftOut, targets[i] = err.Error(), nil
			continue
		}
		if rate := float64(done.requests) / done.elapsed.Seconds(); slowest == 0 || rate < slowest {
			slowest = rate
		}
	}
	for _, t := range targets {
		if t != nil {
			t.pace = slowest / 2
		}
	}
}

// memory measures resident bytes a connection, each server by itself: fresh, once warm, then with
// many connections that made one exchange each and stay.
func (r *runner) memory(c *benchCase, behind *backends, outcomes []outcome) {
	for i := range outcomes {
		if r.interrupted() {
			return
		}
		cost, err := r.held1(c, behind, &outcomes[i])
		if err != nil {
			outcomes[i].LeftOut = err.Error()
			continue
		}
		outcomes[i].Samples = []sample{{Requests: int64(r.heldOf(c)), Cost: cost}}
		r.tell("%s %.0f bytes", outcomes[i].Server, cost)
	}
}

func (r *runner) held1(c *benchCase, behind *backends, o *outcome) (float64, error) {
	t, err := r.launch(c, behind, o.Server)
	if err != nil {
		return 0, err
	}
	defer t.stop()
	o.Command, o.Configuration = t.command, t.configuration
	time.Sleep(r.settle)
	before, err := t.process.resident()
	if err != nil {
		return 0, err
	}
	held := r.heldOf(c)
	release, err := r.holdOpen(hold(t.setup, held))
	if err != nil {
		return 0, err
	}
	defer release()
	time.Sleep(r.settle)
	after, err := t.process.resident()
	if err != nil {
		return 0, err
	}
	return float64(after-before) / float64(held), nil
}

// heldOf returns how many connections a case about memory holds. Through a gateway each takes two descriptors, of the
// 20,000 that a process often may have at most.
func (r *runner) heldOf(c *benchCase) int {
	if c.upstream != "" {
		return min(r.held, 8_000)
	}
	return r.held
}

// holdOpen opens connections that stay until release is called. They live in a process of their own, since the limit of
// descriptors of this one would count them too.
func (r *runner) holdOpen(h client.Hold) (release func(), err error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	holder := pinned(r.cores.load, []string{r.self, "hold", string(text)})
	stdin, err := holder.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := holder.Start(); err != nil {
		return nil, err
	}
	release = func() {
		_ = stdin.Close()
		_ = holder.Wait()
	}
	var said string
	if _, err := fmt.Fscanln(stdout, &said); err != nil || said != "held" {
		rest, _ := io.ReadAll(stdout)
		release()
		return nil, fmt.Errorf("the connections could not be held: %s%s", said, rest)
	}
	return release, nil
}

// selfPath is this program's own file, which also holds the rivals and the loads.
func selfPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	return filepath.Abs(self)
}
