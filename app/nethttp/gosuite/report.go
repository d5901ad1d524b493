package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// report judges a run.
type report struct {
	out      io.Writer
	tests    []string // that ran
	results  *results
	excluded *results
	list     []exclusion
	missing  []exclusion // of tests that Go does not have
	options  options
	bad      bool
}

// row counts the tests of one mode.
type row struct{ passed, failed, skipped, excluded int }

func (r *report) failf(format string, args ...any) {
	r.bad = true
	fmt.Fprintf(r.out, format+"\n", args...)
}

// write prints the failures and the table.
func (r *report) write(p project) (bool, error) {
	for _, x := range r.missing {
		r.failf("exclusions line %d: %s has no test %s that starts a server: remove the line", x.line, p.version, x.test)
	}
	r.checkExclusions()
	n := numbers{rows: r.count(), version: p.version, classes: map[string]int{}}
	for _, x := range r.list {
		n.classes[x.class]++
	}
	fmt.Fprint(r.out, n.table())
	if r.options.run != nil || r.options.server == "std" {
		return !r.bad, nil
	}
	list := filepath.Join(p.module, "tests.txt")
	if r.options.write {
		if err := (known{minor(p.version), r.tests}).write(list); err != nil {
			return false, err
		}
		return !r.bad, n.writePage(p.page())
	}
	k, err := readKnown(list)
	if err != nil {
		return false, err
	}
	for _, sentence := range k.differences(minor(p.version), r.tests) {
		if k.version == minor(p.version) {
			r.failf("%s; run `go run . -write`", sentence)
			continue
		}
		fmt.Fprintln(r.out, sentence)
	}
	if err := n.checkPage(p.page()); err != nil {
		r.failf("%v", err)
	}
	return !r.bad, nil
}

// checkExclusions reports the excluded tests that did not fail.
func (r *report) checkExclusions() {
	for _, x := range r.list {
		if x.unsteady() {
			continue
		}
		for _, name := range x.names() {
			t := r.excluded.byName[name]
			switch {
			case t == nil:
				r.failf("exclusions line %d: %s did not run", x.line, name)
			case t.outcome == passed:
				r.failf("exclusions line %d: %s passes: remove the line (%s)", x.line, name, x.reason)
			case t.outcome == skipped:
				r.failf("exclusions line %d: %s skips itself: remove the line", x.line, name)
			case r.options.verbose:
				fmt.Fprintf(r.out, "--- excluded: %s\n%s", name, r.outputOf(r.excluded, name))
			}
		}
	}
}

// count returns the row of each mode and prints the tests that failed.
func (r *report) count() map[string]*row {
	byTest := map[string]map[string][]string{} // by test and mode: the subtests
	for name := range r.results.byName {
		test, _, _ := strings.Cut(name, "/")
		if byTest[test] == nil {
			byTest[test] = map[string][]string{}
		}
		mode := modeOf(name)
		byTest[test][mode] = append(byTest[test][mode], name)
	}
	rows := map[string]*row{}
	for _, m := range append(slices.Clone(modes), noMode) {
		rows[m] = &row{}
	}
	for _, x := range r.list {
		seen := map[string]bool{}
		for _, name := range x.names() {
			for sub := range r.excluded.byName {
				if sub == name || strings.HasPrefix(sub, name+"/") {
					seen[modeOf(sub)] = true
				}
			}
		}
		if x.unsteady() {
			for _, name := range x.names() {
				seen[modeOf(name)] = true
			}
		}
		if len(seen) > 1 {
			delete(seen, noMode)
		}
		for m := range seen {
			rows[m].excluded++
		}
	}
	for _, test := range r.tests {
		subs := byTest[test]
		if len(subs) == 0 {
			if !r.isExcluded(test) {
				r.failf("%s did not run", test)
			}
			continue
		}
		if len(subs) == 1 && len(subs[noMode]) == 1 && r.isExcluded(test) {
			continue // each of its modes is excluded
		}
		if len(subs) > 1 {
			if o := r.results.get(test).outcome; o == failed && !r.anyFailed(subs) {
				r.failf("--- %s failed without a subtest\n%s", test, r.outputOf(r.results, test))
			}
			delete(subs, noMode)
		}
		for mode, names := range subs {
			slices.Sort(names)
			switch worst := r.worst(names); worst {
			case passed:
				rows[mode].passed++
			case skipped:
				rows[mode].skipped++
			default:
				rows[mode].failed++
				what := "failed"
				if worst == unfinished {
					what = "did not end"
				}
				r.failf("--- %s in mode %s %s", test, mode, what)
				for _, name := range names {
					if t := r.results.get(name); t.outcome == failed || t.outcome == unfinished {
						fmt.Fprintf(r.out, "%s", t.output.String())
					}
				}
			}
		}
	}
	if r.results.anyUnfinished() {
		r.failf("the process ended before its tests:\n%s", r.results.rest.String())
	}
	return rows
}

func (r *report) isExcluded(test string) bool {
	return slices.ContainsFunc(r.list, func(x exclusion) bool { return x.test == test })
}

func (r *report) anyFailed(subs map[string][]string) bool {
	for mode, names := range subs {
		if w := r.worst(names); mode != noMode && w != passed && w != skipped {
			return true
		}
	}
	return false
}

// worst returns the outcome of several subtests together: skipped only if each was skipped.
func (r *report) worst(names []string) outcome {
	outcomes := map[outcome]bool{}
	for _, name := range names {
		outcomes[r.results.get(name).outcome] = true
	}
	for _, o := range []outcome{unfinished, failed, passed, skipped} {
		if outcomes[o] {
			return o
		}
	}
	return unfinished
}

func (r *results) anyUnfinished() bool {
	for _, t := range r.byName {
		if t.outcome == unfinished {
			return true
		}
	}
	return false
}

// outputOf returns the output of a test and its subtests.
func (r *report) outputOf(from *results, test string) string {
	var text strings.Builder
	for _, name := range slices.SortedFunc(maps.Keys(from.byName), cmp.Compare[string]) {
		if name == test || strings.HasPrefix(name, test+"/") {
			text.WriteString(from.byName[name].output.String())
		}
	}
	return text.String()
}
