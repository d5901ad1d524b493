package app_test

import (
	"os"
	"strings"
	"testing"
)

// TestHandlersPageShowsTestedCode checks that each Go block of docs/handlers.md is
// part of the examples of app and app/server, which are compiled and run.
func TestHandlersPageShowsTestedCode(t *testing.T) {
	page, err := os.ReadFile("../docs/handlers.md")
	if err != nil {
		t.Fatal(err)
	}
	code := ""
	for _, file := range []string{"example_test.go", "answer_test.go", "server/example_hooks_test.go"} {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code += dedented(string(source))
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	if len(blocks) < 10 {
		t.Errorf("%d blocks of Go in the handbook", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(code, dedented(block)) {
			t.Errorf("not in an example:\n%s", block)
		}
	}
}

// dedented returns code without the white space at the start of its lines.
func dedented(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, " \t")
	}
	return strings.Join(lines, "\n")
}
