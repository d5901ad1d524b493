//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/file"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
)

// checkCommand has the flags of `gatewheel check`.
type checkCommand struct {
	File   string `arg:"" optional:"" complete:"files" help:"The file of a gateway."`
	Schema bool   `help:"Print the JSON Schema of the file, for editors, and exit."`
}

// Help returns the text below the first line of `gatewheel check --help`.
func (*checkCommand) Help() string {
	return "The file is read as a start would read it: its certificates, keys and other files are loaded, its " +
		"patterns and expressions compiled, and its tests are run. Each mistake is printed as " +
		"file:line:column: sentence, with the line below it. The exit code is 0, or 1 if there is a mistake; " +
		"warnings do not count."
}

// Run checks the file.
func (c *checkCommand) Run(s *streams) error {
	if c.Schema {
		_, err := s.stdout.Write(file.Schema())
		return err
	}
	if c.File == "" {
		return usage(errors.New("check needs a file, or --schema"))
	}
	f, _, err := openGateway(s.stderr, c.File)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s: correct: %s, %s, %s\n", c.File, counted(len(f.Config.Routes), "route"),
		counted(len(f.Config.Backends), "backend"), counted(len(f.Config.Tests), "test"))
	return err
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// openGateway reads and checks the file of a gateway, and runs its tests. It writes mistakes
// and warnings to stderr.
func openGateway(stderr io.Writer, name string) (*file.File, *routing.Table, error) {
	f, err := file.Open(name)
	if problems, ok := errors.AsType[file.Problems](err); ok {
		report(stderr, problems)
		return nil, nil, errReported
	}
	if err != nil {
		return nil, nil, err
	}
	table, err := routing.Compile(f.Config)
	if err != nil {
		return nil, nil, err // file.Open has checked the same
	}
	problems := f.Locate(gateway.CheckTests(f.Config, table))
	report(stderr, append(f.Warnings, problems...))
	if len(problems) > 0 {
		return nil, nil, errReported
	}
	return f, table, nil
}

// report writes problems with their lines.
func report(w io.Writer, problems file.Problems) {
	for _, p := range problems {
		fmt.Fprint(w, p.Detail())
	}
}
