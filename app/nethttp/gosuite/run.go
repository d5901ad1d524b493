package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// outcome is the end of a test or subtest.
type outcome string

const (
	passed     outcome = "pass"
	failed     outcome = "fail"
	skipped    outcome = "skip"
	unfinished outcome = "" // the process ended first
)

// result is what became of a test or subtest.
type result struct {
	outcome outcome
	output  strings.Builder
	elapsed float64
}

// results are those of one or more processes, by the full name of the test or subtest.
type results struct {
	byName map[string]*result
	order  []string
	rest   strings.Builder // output of no test
}

func newResults() *results { return &results{byName: map[string]*result{}} }

func (r *results) get(name string) *result {
	if r.byName[name] == nil {
		r.byName[name] = &result{}
		r.order = append(r.order, name)
	}
	return r.byName[name]
}

// event is a line of test2json.
type event struct {
	Action  string
	Test    string
	Output  string
	Elapsed float64
}

// process is one run of the program with the tests.
type process struct {
	binary string
	run    []string // full names of tests and subtests
	skip   []string
	short  bool // with -short, in which Go's tests run in parallel and leave out the slow ones
}

// runTests runs the process and adds its results. A test that did not end, or whose process failed without it, has
// failed.
func (r *results) runTests(p process) {
	args := []string{"-t", p.binary, "-test.v=test2json", "-test.paniconexit0",
		"-test.run", exactly(p.run), "-test.timeout", limit.String()}
	if p.short {
		args = append(args, "-test.short")
	}
	if len(p.skip) > 0 {
		args = append(args, "-test.skip", exactly(p.skip))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, test2json(), args...)
	cmd.Dir = filepath.Join(filepath.Dir(p.binary), "nethttp")
	cmd.WaitDelay = time.Second
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	runErr := cmd.Run()
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			r.rest.WriteString(lines.Text() + "\n")
			continue
		}
		r.record(e)
	}
	r.rest.Write(stderr.Bytes())
	for _, name := range p.run {
		t := r.get(name)
		if t.outcome != unfinished {
			continue
		}
		t.outcome = failed
		fmt.Fprintf(&t.output, "the process ended before the test: %v\n%s", runErr, r.rest.String())
	}
}

// test2json returns the path of Go's converter of test output, which the go command builds once.
var test2json = sync.OnceValue(func() string {
	err := exec.Command("go", "tool", "test2json").Run() // builds it, and converts nothing
	var out []byte
	if err == nil {
		out, err = exec.Command("go", "tool", "-n", "test2json").Output()
	}
	if err != nil {
		panic(fmt.Sprintf("gosuite: go tool test2json: %v", err))
	}
	return strings.TrimSpace(string(out))
})

func (r *results) record(e event) {
	if e.Test == "" {
		r.rest.WriteString(e.Output)
		return
	}
	t := r.get(e.Test)
	switch e.Action {
	case "output":
		t.output.WriteString(e.Output)
	case "pass", "fail", "skip":
		t.outcome, t.elapsed = outcome(e.Action), e.Elapsed
	}
}

// exactly returns a pattern for -test.run and -test.skip that matches these tests and subtests.
func exactly(names []string) string {
	patterns := make([]string, len(names))
	for i, name := range names {
		parts := strings.Split(name, "/")
		for j, part := range parts {
			parts[j] = "^" + regexp.QuoteMeta(part) + "$"
		}
		patterns[i] = strings.Join(parts, "/")
	}
	return strings.Join(patterns, "|")
}

// tooSlow returns the tests and subtests that left something out because of -short.
func (r *results) tooSlow() []string {
	var names []string
	for _, name := range r.order {
		if strings.Contains(r.byName[name].output.String(), "short mode\n") {
			names = append(names, name)
		}
	}
	return names
}

// forget removes the results of a test and its subtests.
func (r *results) forget(test string) {
	for name := range r.byName {
		if name == test || strings.HasPrefix(name, test+"/") {
			delete(r.byName, name)
		}
	}
	r.order = slices.DeleteFunc(r.order, func(name string) bool { return r.byName[name] == nil })
}
