package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// conform generates the tests, runs them and prints what became of them. It reports whether all is as expected.
func conform(o options) (bool, error) {
	p, err := findProject()
	if err != nil {
		return false, err
	}
	if o.tree != "" {
		if p.root, err = filepath.Abs(o.tree); err != nil {
			return false, err
		}
	}
	dir := o.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "gosuite"); err != nil {
			return false, err
		}
		defer os.RemoveAll(dir)
	} else if dir, err = filepath.Abs(dir); err != nil {
		return false, err
	}
	g, err := p.generate(dir, o.server)
	if err != nil {
		return false, err
	}
	binary, err := g.build()
	if err != nil {
		return false, err
	}
	list, err := readExclusions(filepath.Join(p.module, exclusionFile(o.server)))
	if err != nil {
		return false, err
	}
	run := g.tests
	if o.run != nil {
		run = slices.DeleteFunc(slices.Clone(run), func(name string) bool { return !o.run.MatchString(name) })
	}
	var missing []exclusion
	list = slices.DeleteFunc(list, func(x exclusion) bool {
		if !slices.Contains(g.tests, x.test) {
			missing = append(missing, x)
			return true
		}
		return !slices.Contains(run, x.test)
	})
	var skip, expected []string // what is excluded, and what of it is run and fails
	for _, x := range list {
		skip = append(skip, x.names()...)
		if !x.unsteady() {
			expected = append(expected, x.names()...)
		}
	}
	began := time.Now()
	tests := slices.DeleteFunc(slices.Clone(run), func(name string) bool { return slices.Contains(skip, name) })
	results := isolated(o.processes, binary, tests, skip)
	rest := time.Since(began)
	excluded := isolated(o.processes, binary, expected, nil)
	fmt.Printf("%s, %s: the tests took %.0f s, those that are excluded %.0f s\n", p.version, o.server, rest.Seconds(),
		(time.Since(began) - rest).Seconds())
	rep := report{out: os.Stdout, tests: run, results: results, excluded: excluded, list: list, missing: missing, options: o}
	return rep.write(p)
}

func exclusionFile(server string) string {
	if server == "std" {
		return "exclusions-std.txt"
	}
	return "exclusions.txt"
}

// limit is how long one test may run. Excluded ones often wait for what does not come.
const limit = 20 * time.Second

// isolated runs each test or subtest in a process of its own, since one that hangs or panics takes its process with it.
func isolated(processes int, binary string, names, skip []string) *results {
	all := newResults()
	var mu sync.Mutex
	var group sync.WaitGroup
	slots := make(chan struct{}, processes)
	for _, name := range names {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			r := process{binary: binary, run: []string{name}, skip: skip}.run1()
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(all.byName, r.byName)
		})
	}
	group.Wait()
	return all
}

// run1 runs the tests of the process, and those that are too slow for -short again without.
func (p process) run1() *results {
	r := newResults()
	p.short = true
	r.runTests(p)
	if slow := r.tooSlow(); len(slow) > 0 {
		for _, name := range slow {
			r.forget(name)
		}
		p.run, p.short = slow, false
		r.runTests(p)
	}
	return r
}

// modes are the modes that Go's tests run in, in the order of the table.
var modes = []string{"h1", "https1", "h2", "h2unencrypted"}

// noMode stands for the tests that do not use the modes: most of them are of HTTP/1.1, on a connection of their own.
const noMode = "none"

// modeOf returns the mode of a subtest by its name.
func modeOf(name string) string {
	for _, part := range strings.Split(name, "/")[1:] {
		if slices.Contains(modes, part) {
			return part
		}
	}
	return noMode
}
