package main

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// numbers are the result of a run.
type numbers struct {
	rows    map[string]*row
	classes map[string]int // of exclusions
	version string         // of Go
}

// table returns the numbers in Markdown.
func (n numbers) table() string {
	var text strings.Builder
	text.WriteString("| Mode | Pass | Skip themselves | Excluded | Fail |\n|---|---|---|---|---|\n")
	for _, m := range append(slices.Clone(modes), noMode) {
		r := n.rows[m]
		fmt.Fprintf(&text, "| %s | %d | %d | %d | %d |\n", m, r.passed, r.skipped, r.excluded, r.failed)
	}
	text.WriteString("\nExclusions by class: ")
	for i, class := range slices.Sorted(maps.Keys(n.classes)) {
		if i > 0 {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "%s %d", class, n.classes[class])
	}
	text.WriteString(".\n")
	return text.String()
}

// The part of the page between these lines is written by this program.
const (
	pageBegin = "<!-- gosuite: the numbers of Go's own tests, written by `go run . -write` in app/nethttp/gosuite -->\n"
	pageEnd   = "<!-- gosuite: end -->\n"
)

// writePage puts the numbers into the page.
func (n numbers) writePage(path string) error {
	before, _, after, err := splitPage(path)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("With %s:\n\n%s", minor(n.version), n.table())
	return os.WriteFile(path, []byte(before+pageBegin+text+pageEnd+after), 0o644)
}

// checkPage compares the page with the numbers. Tests that skip themselves depend on the speed of the machine, so that
// they count as passed. Another version of Go has other tests.
func (n numbers) checkPage(path string) error {
	_, text, _, err := splitPage(path)
	if err != nil {
		return err
	}
	if !strings.Contains(text, minor(n.version)+":") {
		fmt.Printf("the numbers in %s are those of another version than %s: they are not compared\n", path, minor(n.version))
		return nil
	}
	for _, m := range append(slices.Clone(modes), noMode) {
		want := n.rows[m]
		cells := regexp.MustCompile(`(?m)^\| ` + m + ` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$`).FindStringSubmatch(text)
		if cells == nil {
			return fmt.Errorf("%s has no line for mode %s: run `go run . -write`", path, m)
		}
		var got [4]int
		for i := range got {
			got[i], _ = strconv.Atoi(cells[i+1])
		}
		if got[0]+got[1] != want.passed+want.skipped || got[2] != want.excluded {
			return fmt.Errorf("%s has other numbers for mode %s: run `go run . -write`", path, m)
		}
	}
	return nil
}

// splitPage returns the parts of the page before, between and after the marked lines.
func splitPage(path string) (before, between, after string, err error) {
	page, err := os.ReadFile(path)
	if err != nil {
		return "", "", "", err
	}
	before, rest, ok := strings.Cut(string(page), pageBegin)
	between, after, ended := strings.Cut(rest, pageEnd)
	if !ok || !ended {
		return "", "", "", fmt.Errorf("%s has no lines %q and %q around the numbers", path, strings.TrimSpace(pageBegin), strings.TrimSpace(pageEnd))
	}
	return before, between, after, nil
}

// minor returns a version of Go without its patch release.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return version
	}
	return parts[0] + "." + parts[1]
}
