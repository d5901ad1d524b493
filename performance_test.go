package gatewheel_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The report of `make bench` that docs and README quote.
const benchReport = "docs/bench/report.md"

// rowsOf returns the cells of the rows of the tables below a heading of a Markdown file, without those of the heads.
func rowsOf(t *testing.T, file, heading string) [][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut("\n"+string(text), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", file, heading)
	}
	section, _, _ := strings.Cut(below, "\n## ")
	var rows [][]string
	body := false
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			body = false
		case strings.HasPrefix(line, "|---"):
			body = true
		case body:
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table below %q", file, heading)
	}
	return rows
}

// caseOf returns the name of a case from its cell, a link or a name in backquotes.
func caseOf(cell string) string {
	cell, _, _ = strings.Cut(strings.TrimPrefix(cell, "["), "]")
	return strings.Trim(cell, "`")
}

func TestREADMEQuotesTheReport(t *testing.T) {
	reported := map[string][]string{}
	for _, row := range rowsOf(t, benchReport, "## Summary") {
		reported[caseOf(row[0])] = row
	}
	for _, row := range rowsOf(t, "README.md", "## Performance") {
		// The last cells are figures of the report; what is before them says in words what the case is.
		of := reported[caseOf(row[0])]
		if of == nil {
			t.Errorf("README quotes %q, which is no case of %s", row[0], benchReport)
			continue
		}
		for _, figure := range row[2:] {
			if !slices.Contains(of, figure) {
				t.Errorf("README quotes %q for %s; the report has %q", figure, row[0], of)
			}
		}
	}
}

func TestEachMissedGoalIsExplained(t *testing.T) {
	explained := map[string]bool{}
	for _, row := range rowsOf(t, "docs/performance.md", "## Goals that are missed") {
		for name := range strings.SplitSeq(row[0], ", ") {
			explained[caseOf(name)] = true
		}
	}
	for _, row := range rowsOf(t, benchReport, "## Goals") {
		if name := caseOf(row[0]); row[2] == "missed" && !explained[name] {
			t.Errorf("%s: %s is missed, and docs/performance.md does not explain it", name, row[1])
		}
	}
}
