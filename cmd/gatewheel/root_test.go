//go:build linux

package main

import (
	"bytes"
	"io"
	"testing"

	"github.com/alecthomas/kong"
)

// TestTheCommandOfAServerAloneIsTheSame: its help is that of the parser of all commands.
func TestTheCommandOfAServerAloneIsTheSame(t *testing.T) {
	for _, command := range []string{"serve", "gateway"} {
		var all, alone commands
		whole := helpOf(t, &all, command)
		if one := helpOf(t, alone.root([]string{command}), command); one != whole {
			t.Errorf("the help of %s alone is\n%s\nwant\n%s", command, one, whole)
		}
	}
}

// helpOf returns the help of a command.
func helpOf(t *testing.T, root any, command string) string {
	t.Helper()
	var out bytes.Buffer
	parser := newParser(root, variableNames{}, &out, io.Discard)
	parser.Exit = func(int) {}
	if _, err := parser.Parse([]string{command, "--help"}); err != nil {
		// Without the exit, parsing goes on: only the help counts.
		if _, ok := err.(*kong.ParseError); !ok {
			t.Fatal(err)
		}
	}
	if out.Len() == 0 {
		t.Fatalf("no help of %s", command)
	}
	return out.String()
}
