package main

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
)

// exclusion is a test or subtest that is expected to fail, with the reason.
type exclusion struct {
	test   string   // of the top level
	modes  []string // nil: the whole test
	class  string
	reason string
	line   int
}

// names returns the full names of the tests and subtests that x excludes.
func (x exclusion) names() []string {
	if x.modes == nil {
		return []string{x.test}
	}
	var names []string
	for _, m := range x.modes {
		names = append(names, x.test+"/"+m)
	}
	return names
}

// unsteady reports whether the test may pass or fail, so that it is not run.
func (x exclusion) unsteady() bool { return x.class == "timing" || x.class == "process" }

// readExclusions reads a list with one exclusion a line, in four columns that | separates: the test, its modes separated
// by commas or * for the whole test, the class, and the reason. Empty lines and those that begin with # are comments.
func readExclusions(path string) ([]exclusion, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []exclusion
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		columns := strings.Split(line, "|")
		for i := range columns {
			columns[i] = strings.TrimSpace(columns[i])
		}
		if len(columns) != 4 || slices.Contains(columns, "") {
			return nil, fmt.Errorf("%s:%d: a line has a test, its modes, a class and a reason, separated by |", path, n)
		}
		x := exclusion{test: columns[0], class: columns[2], reason: columns[3], line: n}
		if columns[1] != "*" {
			for _, m := range strings.Split(columns[1], ",") {
				x.modes = append(x.modes, strings.TrimSpace(m))
			}
		}
		list = append(list, x)
	}
	return list, lines.Err()
}
