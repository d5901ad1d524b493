package input_test

import (
	"os"
	"strings"
	"testing"
)

// TestPageShowsTestedCode checks that each Go block of docs/routing-and-input.md is part of the examples.
func TestPageShowsTestedCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/routing-and-input.md")
	if err != nil {
		t.Fatal(err)
	}
	code := ""
	for _, file := range []string{"example_test.go", "../router/example_test.go", "../problem/problem_test.go", "../credentials_test.go"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code += flat(string(text))
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	if len(blocks) < 6 {
		t.Errorf("%d blocks of Go on the page", len(blocks))
	}
	for _, block := range blocks {
		if block, _, _ = strings.Cut(block, "```"); !strings.Contains(code, flat(block)) {
			t.Errorf("not in an example:\n%s", block)
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
