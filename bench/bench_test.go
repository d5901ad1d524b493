package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be its own rivals and loads, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		main()
		return
	}
	os.Exit(m.Run())
}

// built is the binary under measurement, or "" where it has not been built.
func built() string {
	path, err := filepath.Abs("../bin/gatewheel")
	if err != nil {
		return ""
	}
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// TestEachKindOfCase runs one tiny round of a case of each kind: every rival starts, answers rightly and is counted.
// BENCH_CASES=all takes all cases with all their rivals.
func TestEachKindOfCase(t *testing.T) {
	all := os.Getenv("BENCH_CASES") == "all"
	kinds, started := map[string]bool{}, map[string]bool{}
	for i := range cases {
		c := &cases[i]
		if kinds[c.kind()] && !all {
			continue
		}
		kinds[c.kind()] = true
		var wanted []string
		for _, name := range c.servers {
			way := fmt.Sprint(name, c.protocol, c.upstream, c.file > 0, c.upload > 0, c.workers, c.unary, c.target, c.idle)
			if !started[way] || all || isOurs(name) {
				wanted = append(wanted, name)
			}
			started[way] = true
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := &runner{gatewheel: built(), rounds: 1, duration: 50 * time.Millisecond, held: 40,
				settle: 100 * time.Millisecond}
			if err := r.begin([]*benchCase{c}); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.RemoveAll(r.dir) }()
			rep := newReport(c, r.measure(c, wanted))
			for _, o := range rep.Outcomes {
				switch {
				case o.LeftOut == "":
					if len(o.Samples) != 1 || o.Samples[0].Requests == 0 {
						t.Errorf("%s: %+v", o.Server, o.Samples)
					}
				case o.LeftOut == "no binary given" && r.gatewheel == "", strings.HasSuffix(o.LeftOut, "is not installed"):
					t.Logf("%s left out: %s", o.Server, o.LeftOut)
				case isOurs(o.Server), strings.HasPrefix(o.LeftOut, "it ended at once"), strings.HasPrefix(o.LeftOut, "its answer is wrong"):
					t.Errorf("%s left out: %s", o.Server, o.LeftOut)
				default:
					// Some rivals refuse requests when all cases load the machine at once.
					t.Logf("%s left out: %s", o.Server, o.LeftOut)
				}
			}
			var text strings.Builder
			rep.print(&text, c.reference)
			if !strings.Contains(text.String(), c.about) {
				t.Errorf("the table lacks its title:\n%s", text.String())
			}
			t.Log(text.String())
		})
	}
}

var sizeOfCase = regexp.MustCompile(`-\d+[kmg]?$`)

// kind is what cases have in common that differ in sizes and numbers.
func (c *benchCase) kind() string {
	return fmt.Sprint(sizeOfCase.ReplaceAllString(c.name, ""), c.workers)
}

func TestFlagsSelectCasesAndServers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "samples.json")
	var out bytes.Buffer
	err := bench([]string{"-case", "h2-s*", "-server", "floor,net/http", "-rounds", "3", "-duration", "20ms",
		"-warmup", "0s", "-json", file}, &out)
	if err != nil {
		t.Fatal(err)
	}
	res, err := readResult(file)
	if err != nil {
		t.Fatal(err)
	}
	reports := res.Reports
	if len(reports) != 1 || reports[0].Case != "h2-single" || len(reports[0].Outcomes) != 2 {
		t.Fatalf("reports are %+v", reports)
	}
	for _, o := range reports[0].Outcomes {
		if len(o.Samples) != 3 {
			t.Errorf("%s has %d samples (%s), want one for each of 3 rounds", o.Server, len(o.Samples), o.LeftOut)
		}
	}
	if strings.Contains(out.String(), "nginx") {
		t.Errorf("a server that was not asked for is in the table:\n%s", out.String())
	}
}

func TestUnknownNamesAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-case", "h9"}, {"-server", "apache"}, {"-case", "["}} {
		if err := bench(args, &bytes.Buffer{}); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

func TestNamesOfServersInCases(t *testing.T) {
	for i := range cases {
		c := &cases[i]
		for _, name := range c.servers {
			if _, err := serverList(name); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if !slices.ContainsFunc(c.commands(), func(s server) bool { return s.name == name }) {
				t.Errorf("%s: nobody knows how to start %s", c.name, name)
			}
		}
	}
}

func TestAServerThatCannotStartIsLeftOut(t *testing.T) {
	var out bytes.Buffer
	err := bench([]string{"-case", "h1", "-server", "gatewheel", "-gatewheel", "/bin/false", "-check"}, &out)
	if !errors.Is(err, errMissed) {
		t.Fatalf("-check: %v, want %v", err, errMissed)
	}
	if !strings.Contains(out.String(), "left out: gatewheel: it ended at once (exit status 1)") {
		t.Errorf("the table does not say why:\n%s", out.String())
	}
}

func TestGoalsAreJudgedByRatiosOfRounds(t *testing.T) {
	costs := func(name string, values ...float64) outcome {
		o := outcome{Server: name}
		for _, v := range values {
			o.Samples = append(o.Samples, sample{Requests: 1, Elapsed: time.Second, Cost: v})
		}
		return o
	}
	c := &benchCase{name: "x", goals: []goal{{"fast", 1.05}, {"slow", 0.5}, {"absent", 1}}}
	// The second round was disturbed for all alike.
	rep := newReport(c, []outcome{costs("gatewheel", 10, 30, 11), costs("fast", 10, 30, 10), costs("slow", 15, 45, 16)})
	if len(rep.Met) != 1 || !strings.HasPrefix(rep.Met[0], "1.00 of fast") {
		t.Errorf("met: %q", rep.Met)
	}
	if len(rep.Missed) != 1 || !strings.HasPrefix(rep.Missed[0], "0.67 of slow") {
		t.Errorf("missed: %q", rep.Missed)
	}
}
