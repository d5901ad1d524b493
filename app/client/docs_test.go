package client_test

import (
	"os"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/client"
)

// TestPageShowsTestedCode checks that each Go block of docs/client.md is part of the examples, which are compiled and
// run, and that the page has each kind of failure.
func TestPageShowsTestedCode(t *testing.T) {
	page, err := os.ReadFile("../../docs/client.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	if len(blocks) < 6 {
		t.Errorf("%d blocks of Go on the page", len(blocks))
	}
	for _, block := range blocks {
		if block, _, _ = strings.Cut(block, "```"); !strings.Contains(string(code), block) {
			t.Errorf("not in an example:\n%s", block)
		}
	}
	for k := client.Kind(1); int(k) <= client.Kinds(); k++ {
		if !strings.Contains(string(page), "`"+k.String()+"`") {
			t.Errorf("the page does not have %v", k)
		}
	}
}
