package gatewheel_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoBlocksCompile: each Go block of README.md and of the pages in docs is a program, which is built here, or stands
// in a Go file of the tree, which other tests compile. Indentation does not count.
func TestGoBlocksCompile(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	code := compiledCode(t)
	for _, page := range append([]string{"README.md", "examples/README.md"}, pages...) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "```go\n")[1:] {
			block, _, _ = strings.Cut(block, "```")
			if strings.HasPrefix(block, "package main\n") {
				buildBlock(t, page, block)
			} else if !strings.Contains(code, flushLeft(block)) {
				t.Errorf("%s: this block is in no Go file:\n%s", page, block)
			}
		}
	}
}

// compiledCode returns the text of all Go files of the tree.
func compiledCode(t *testing.T) string {
	t.Helper()
	files, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for file := range strings.Lines(string(files)) {
		text, err := os.ReadFile(strings.TrimSpace(file))
		if err != nil {
			t.Fatal(err)
		}
		code.WriteString(flushLeft(string(text)))
	}
	return code.String()
}

// flushLeft returns code without the white space at the start of its lines.
func flushLeft(code string) string {
	lines := strings.Split(code, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, " \t")
	}
	return strings.Join(lines, "\n")
}

func buildBlock(t *testing.T, page, block string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(source, []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "vet", source).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s\n%s", page, err, out, block)
	}
}
