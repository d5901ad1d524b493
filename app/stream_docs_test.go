package app_test

import (
	"os"
	"strings"
	"testing"
)

// Each Go block of these pages is part of a file of examples, which are compiled and run.
func TestPagesShowTestedCode(t *testing.T) {
	for page, examples := range map[string]string{
		"../docs/websocket.md": "websocket/example_test.go",
		"../docs/events.md":    "events/example_test.go",
	} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		source, err := os.ReadFile(examples)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```go\n")[1:]
		if len(blocks) < 2 {
			t.Errorf("%d blocks of Go in %s", len(blocks), page)
		}
		for _, block := range blocks {
			block, _, _ = strings.Cut(block, "```")
			if !strings.Contains(dedented(string(source)), dedented(block)) {
				t.Errorf("%s: not in %s:\n%s", page, examples, block)
			}
		}
	}
}
