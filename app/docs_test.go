package app_test

import (
	"os"
	"strings"
	"testing"
)

// TestTheHandbookShowsWhatIsTested: each Go block of docs/handlers.md is a part of
// example_test.go, which compiles and runs.
func TestTheHandbookShowsWhatIsTested(t *testing.T) {
	page, err := os.ReadFile("../docs/handlers.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	code := dedented(string(source))
	blocks := strings.Split(string(page), "```go\n")[1:]
	if len(blocks) < 10 {
		t.Errorf("%d blocks of Go in the handbook", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(code, dedented(block)) {
			t.Errorf("not in example_test.go:\n%s", block)
		}
	}
}

// dedented is code without the white space at the begin of its lines.
func dedented(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, " \t")
	}
	return strings.Join(lines, "\n")
}
