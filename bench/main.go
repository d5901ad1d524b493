// Command bench compares gatewheel with other servers: processor time a request, and memory an
// idle connection holds. Servers run on one processor and the load on the others, in turns, in one
// run; figures of different runs or machines say little, their ratios within a run say much.
package main

import (
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

	"github.com/gatewheel/gatewheel/bench/client"
	"github.com/gatewheel/gatewheel/bench/rival"
)

func main() {
	var err error
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		err = roles[os.Args[1]](os.Args[2:])
	} else {
		err = bench(os.Args[1:], os.Stdout)
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errMissed):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

// roles are what else this program does, mostly as its own child.
var roles = map[string]func(args []string) error{
	"rival": func(args []string) error {
		if len(args) != 5 && len(args) < 7 {
			return errors.New("rival NAME ADDRESS PROTOCOL CERT KEY [UPSTREAM-PROTOCOL URL...]")
		}
		o := rival.Options{Address: args[1], Protocol: args[2], Cert: args[3], Key: args[4]}
		if len(args) > 5 {
			o.Upstream, o.Backends = args[5], args[6:]
		}
		return rival.Serve(args[0], o)
	},
	"growth":     func(args []string) error { return growth(args, os.Stdout) },
	"compare":    func(args []string) error { return compare(args, os.Stdout) },
	"report":     renderAgain,
	"echo":       loadRole(client.Echo.Run),
	"room":       loadRole(client.Room.Run),
	"events":     loadRole(client.Events.Run),
	"handshakes": loadRole(client.Handshakes.Run),
	"paced":      loadRole(client.Paced.Run),
	"hold": func(args []string) error {
		var h client.Hold
		if err := json.Unmarshal([]byte(strings.Join(args, " ")), &h); err != nil {
			return err
		}
		conns, err := h.Open()
		if err != nil {
			fmt.Println(err)
			return err
		}
		fmt.Println("held")
		_, _ = io.Copy(io.Discard, os.Stdin)
		for _, c := range conns {
			_ = c.Close()
		}
		return nil
	},
}

var errMissed = errors.New("a goal was missed")

// options are the flags of this program.
type options struct {
	cases, servers, flags string
	out, json             string
	quick, check, list, v bool
	resume                bool
}

func (o *options) parse(r *runner, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&o.cases, "case", "*", "cases to run, patterns separated by commas")
	flags.StringVar(&o.servers, "server", "", "servers to run, separated by commas (default: all of the case); cases without them are left out")
	flags.StringVar(&r.gatewheel, "gatewheel", "bin/gatewheel", "the binary to measure")
	flags.StringVar(&r.before, "before", "", "another build of it, measured in the same run as \"before\"")
	flags.StringVar(&o.flags, "flags", "", "further flags for gatewheel serve, separated by spaces")
	flags.IntVar(&r.rounds, "rounds", 5, "rounds of each case about processor time")
	flags.DurationVar(&r.duration, "duration", 2*time.Second, "how long each server is loaded in a round")
	flags.DurationVar(&r.warmup, "warmup", time.Second, "how long each is loaded before the first round")
	flags.IntVar(&r.held, "held", 15_000, "connections of a case about memory")
	flags.DurationVar(&r.settle, "settle", 4*time.Second, "how long after the last request memory is read")
	flags.StringVar(&o.out, "out", "", "write report.md, result.json and the plots to this folder")
	flags.BoolVar(&o.resume, "continue", false, "keep the cases that result.json in the folder of -out has, and measure the others; the binary has to be the same")
	flags.StringVar(&o.json, "json", "", "write result.json to this file")
	flags.BoolVar(&o.quick, "quick", false, "the most important cases, three rounds of a second, fewer idle connections: less than five minutes")
	flags.BoolVar(&o.check, "check", false, "exit 1 when gatewheel misses a goal or cannot be measured")
	flags.BoolVar(&o.v, "v", false, "print each round")
	flags.BoolVar(&o.list, "list", false, "list the cases and end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	if o.resume && o.out == "" {
		return errors.New("-continue needs -out")
	}
	r.flags = strings.Fields(o.flags)
	if o.quick {
		o.shorten(r, flags)
	}
	return nil
}

// shorten sets what makes a run quick, of the flags that were not given.
func (o *options) shorten(r *runner, flags *flag.FlagSet) {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, set := range map[string]func(){
		"case":     func() { o.cases = quickCases },
		"rounds":   func() { r.rounds = 3 },
		"duration": func() { r.duration = time.Second },
		"warmup":   func() { r.warmup = 0 },
		"held":     func() { r.held = 5_000 },
		"settle":   func() { r.settle = time.Second },
	} {
		if !given[name] {
			set()
		}
	}
}

// bench runs the cases that args choose and prints their tables to out.
func bench(args []string, out io.Writer) error {
	r, o := &runner{}, &options{}
	if err := o.parse(r, args); err != nil {
		return err
	}
	chosen, err := choose(o.cases)
	if err != nil {
		return err
	}
	wanted, err := serverList(o.servers)
	if err != nil {
		return err
	}
	chosen = slices.DeleteFunc(chosen, func(c *benchCase) bool { return !c.has(wanted) })
	if o.list {
		for _, c := range chosen {
			fmt.Fprintf(out, "%-25s %s: %s\n", c.name, c.about, strings.Join(c.servers, ", "))
		}
		return nil
	}
	r.progress = newProgress(os.Stderr, o.v)
	if err := r.begin(chosen); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(r.dir) }()

	res := &result{Machine: describeMachine(r.gatewheel, args), Rounds: r.rounds, Duration: r.duration}
	if res.Machine.busyAtStart() {
		fmt.Fprintf(os.Stderr, "bench: the load average is %s on %d processors: other programs disturb the figures\n", res.Machine.Load, res.Machine.Processors)
	}
	if o.resume {
		if res, err = res.continued(filepath.Join(o.out, resultFile)); err != nil {
			return err
		}
		chosen = slices.DeleteFunc(chosen, func(c *benchCase) bool { return res.has(c.name) })
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal ends this process at once
	r.ctx = ctx
	for i, c := range chosen {
		r.progress.begin(i+1, len(chosen), c.name)
		rep := newReport(c, r.measure(c, wanted))
		r.progress.end()
		if r.interrupted() {
			// The rounds of this case are not complete.
			return errors.Join(errInterrupted, o.finish(r, res, out))
		}
		rep.print(out, c.reference)
		res.Reports = append(res.Reports, rep)
		if err := o.keep(res); err != nil {
			return err
		}
	}
	if err := o.finish(r, res, out); err != nil {
		return err
	}
	if o.check && slices.ContainsFunc(res.Reports, report.fails) {
		return errMissed
	}
	return nil
}

var errInterrupted = errors.New("interrupted; what was measured before is written")

// finish prints the comparison with another build, if there is one, and writes the report if it was asked for.
func (o *options) finish(r *runner, res *result, out io.Writer) error {
	if len(res.Reports) == 0 {
		return nil
	}
	if r.before != "" {
		t := newComparison(out)
		for i := range res.Reports {
			t.addBefore(&res.Reports[i])
		}
		fmt.Fprintln(out)
		if err := t.flush(); err != nil {
			return err
		}
	}
	if o.out != "" {
		return res.write(o.out)
	}
	return nil
}

// keep writes what was measured so far, so that it is not lost with this process.
func (o *options) keep(res *result) error {
	if o.json != "" {
		if err := res.writeJSON(o.json); err != nil {
			return err
		}
	}
	if o.out == "" {
		return nil
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	return res.writeJSON(filepath.Join(o.out, resultFile))
}

// begin makes ready what the cases share.
func (r *runner) begin(chosen []*benchCase) error {
	// Thousands of connections are held: this limit is handed down to servers and loads.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	var err error
	if r.cores, err = splitCores(); err != nil {
		return err
	}
	if r.self == "" {
		if r.self, err = selfPath(); err != nil {
			return err
		}
	}
	if r.dir, err = os.MkdirTemp("", "gatewheel-bench-"); err != nil {
		return err
	}
	if err := os.Chmod(r.dir, 0o755); err != nil {
		return err
	}
	return prepare(r.dir, chosen)
}

func choose(names string) ([]*benchCase, error) {
	var chosen []*benchCase
	for pattern := range strings.SplitSeq(names, ",") {
		found := false
		for i := range cases {
			match, err := path.Match(pattern, cases[i].name)
			if err != nil {
				return nil, fmt.Errorf("-case %s: %w", pattern, err)
			}
			if match && !slices.Contains(chosen, &cases[i]) {
				chosen = append(chosen, &cases[i])
			}
			found = found || match
		}
		if !found {
			return nil, fmt.Errorf("-case %s: there is none; -list shows them", pattern)
		}
	}
	return chosen, nil
}

func serverList(only string) ([]string, error) {
	if only == "" {
		return nil, nil
	}
	wanted := strings.Split(only, ",")
	for _, name := range wanted {
		if !slices.ContainsFunc(slices.Concat(servers, gateways, fanouts, uploads, grpcServers), func(s server) bool { return s.name == name }) {
			return nil, fmt.Errorf("-server %s: there is none of that name", name)
		}
	}
	return wanted, nil
}
