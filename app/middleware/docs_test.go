package middleware_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPagesShowTestedCode checks that each Go block of docs/middleware.md and docs/tracing.md is part of the
// examples, which are compiled and run.
func TestPagesShowTestedCode(t *testing.T) {
	code := ""
	for _, folder := range []string{".", "../files", "../render", "../trace", "../oteltrace"} {
		names, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil || len(names) == 0 {
			t.Fatal(folder, names, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			code += flat(string(text))
		}
	}
	for page, atLeast := range map[string]int{"middleware": 9, "tracing": 2} {
		text, err := os.ReadFile("../../docs/" + page + ".md")
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```go\n")[1:]
		if len(blocks) < atLeast {
			t.Errorf("%d blocks of Go in %s", len(blocks), page)
		}
		for _, block := range blocks {
			if block, _, _ = strings.Cut(block, "```"); !strings.Contains(code, flat(block)) {
				t.Errorf("%s: not in an example:\n%s", page, block)
			}
		}
	}
}

// flat returns code without the tabs at the start of its lines.
func flat(code string) string {
	lines := strings.Split(code, "\n")
	for i := range lines {
		lines[i] = strings.TrimLeft(lines[i], "\t")
	}
	return strings.Join(lines, "\n")
}
