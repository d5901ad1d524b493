package gatewheel_test

import (
	"os"
	"os/exec"
	"path"
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
