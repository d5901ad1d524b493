package gatewheel_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestNamedTestsExist finds each test that SECURITY.md and docs/http2.md name as package.TestName.
func TestNamedTestsExist(t *testing.T) {
	files, err := exec.Command("git", "ls-files", "*_test.go").Output()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark)\w+)\(`)
	for file := range strings.Lines(string(files)) {
		file = strings.TrimSpace(file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range declared.FindAllStringSubmatch(string(text), -1) {
			known[path.Base(path.Dir(file))+"."+name[1]] = true
		}
	}
	named := regexp.MustCompile("`(\\w+\\.(?:Test|Benchmark)\\w+)`")
	for _, page := range []string{"SECURITY.md", "docs/http2.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllStringSubmatch(string(text), -1) {
			if !known[name[1]] {
				t.Errorf("%s names %s, which does not exist", page, name[1])
			}
		}
	}
}

// TestNamedFilesExist finds each Go file that docs/architecture.md names with its directory.
func TestNamedFilesExist(t *testing.T) {
	const page = "docs/architecture.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range regexp.MustCompile("`([\\w/]+/\\w+\\.go)`").FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(name[1]); err != nil {
			t.Errorf("%s names %s: %v", page, name[1], err)
		}
	}
}

// TestEachPageHasLimitations: a page in docs says what is not there.
func TestEachPageHasLimitations(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\n## Limitations\n") {
			t.Errorf("%s has no section Limitations", page)
		}
	}
}
