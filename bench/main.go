// Command bench measures gatewheel beside other servers: processor time a request, and memory an
// idle connection holds. Servers run on one processor and the load on the others, in turns, in one
// run; figures of different runs or machines say little, their ratios within a run say much.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
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

// roles are what this program does as its own child.
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
	"echo": func(args []string) error {
		var e client.Echo
		if err := json.Unmarshal([]byte(strings.Join(args, " ")), &e); err != nil {
			return err
		}
		result, err := e.Run()
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(result)
	},
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

func bench(args []string, out io.Writer) error {
	r := &runner{progress: io.Discard}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var names, only, jsonFile, extra string
	var list, check, verbose bool
	flags.StringVar(&names, "case", "*", "cases to run, patterns separated by commas")
	flags.StringVar(&only, "server", "", "servers to run, separated by commas (default: all of the case)")
	flags.StringVar(&r.gatewheel, "gatewheel", "bin/gatewheel", "the binary to measure")
	flags.StringVar(&r.before, "before", "", "another build of it, measured in the same run as \"before\"")
	flags.StringVar(&extra, "flags", "", "further flags for gatewheel serve, separated by spaces")
	flags.IntVar(&r.rounds, "rounds", 5, "rounds of each case about processor time")
	flags.DurationVar(&r.duration, "duration", 2*time.Second, "how long each server is loaded in a round")
	flags.DurationVar(&r.warmup, "warmup", time.Second, "how long each is loaded before the first round")
	flags.IntVar(&r.held, "held", 8000, "connections of a case about memory")
	flags.DurationVar(&r.settle, "settle", 4*time.Second, "how long after the last request memory is read")
	flags.StringVar(&jsonFile, "json", "", "also write every sample to this file")
	flags.BoolVar(&check, "check", false, "exit 1 when gatewheel misses a goal")
	flags.BoolVar(&verbose, "v", false, "print each round")
	flags.BoolVar(&list, "list", false, "list the cases and end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if list {
		for _, c := range cases {
			fmt.Fprintf(out, "%-25s %s: %s\n", c.name, c.about, strings.Join(c.servers, ", "))
		}
		return nil
	}
	chosen, err := choose(names)
	if err != nil {
		return err
	}
	wanted, err := serverList(only)
	if err != nil {
		return err
	}
	r.flags = strings.Fields(extra)
	if verbose {
		r.progress = os.Stderr
	}
	if err := r.begin(); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(r.dir) }()

	var reports []report
	missed := false
	for _, c := range chosen {
		rep := newReport(c, r.measure(c, wanted))
		rep.print(out, c.reference)
		reports = append(reports, rep)
		missed = missed || len(rep.Missed) > 0
	}
	if jsonFile != "" {
		text, err := json.MarshalIndent(reports, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(jsonFile, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if check && missed {
		return errMissed
	}
	return nil
}

// begin makes ready what all cases share.
func (r *runner) begin() error {
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
	return prepare(r.dir)
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
		if !slices.ContainsFunc(slices.Concat(servers, gateways, fanouts), func(s server) bool { return s.name == name }) {
			return nil, fmt.Errorf("-server %s: there is none of that name", name)
		}
	}
	return wanted, nil
}
