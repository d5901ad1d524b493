//go:build linux

package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/server"
)

var update = flag.Bool("update", false, "write the help into the README")

// TestReadmeHasTheHelp: the README shows the help of serve, word for word.
func TestReadmeHasTheHelp(t *testing.T) {
	const file, opening, closing = "../../README.md", "```\n$ gatewheel serve --help\n", "```\n"
	_, help, _ := toEnd(t, nil, "serve", "--help")
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(readme), opening)
	shown, after, ends := strings.Cut(rest, closing)
	if !ok || !ends {
		t.Fatalf("the README has no %q", opening)
	}
	if shown == help {
		return
	}
	if !*update {
		t.Fatal("the README's flags are not those of the program: go test ./cmd/gatewheel -run Readme -update")
	}
	if err := os.WriteFile(file, []byte(before+opening+help+closing+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestGatewayPageHasTheFlags: docs/gateway.md shows the flags that only gateway has, as the help does.
func TestGatewayPageHasTheFlags(t *testing.T) {
	const file, opening, closing = "../../docs/gateway.md", "```\nWhere to forward to\n", "```\n"
	_, help, _ := toEnd(t, nil, "gateway", "--help")
	_, help, _ = strings.Cut(help, "\nWhere to forward to\n")
	help, _, _ = strings.Cut(help, "\n\n")
	help += "\n"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), opening)
	shown, after, ends := strings.Cut(rest, closing)
	if !ok || !ends {
		t.Fatalf("%s has no %q", file, opening)
	}
	if shown == help {
		return
	}
	if !*update {
		t.Fatalf("the flags of %s are not those of the program: go test ./cmd/gatewheel -run GatewayPage -update", file)
	}
	if err := os.WriteFile(file, []byte(before+opening+help+closing+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestOperationsDocumentsEachReason: an operator can look up every counter of /count.
func TestOperationsDocumentsEachReason(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for reason := range len(server.Refusals{}) {
		label := server.Reason(reason).String()
		if !strings.Contains(string(page), "`"+label) {
			t.Errorf("docs/operations.md does not explain %s", label)
		}
	}
}
