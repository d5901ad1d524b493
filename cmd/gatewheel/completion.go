//go:build linux

package main

import (
	"github.com/alecthomas/kong"

	"github.com/gatewheel/gatewheel/internal/completion"
)

// completionCommand has the arguments of `gatewheel completion`.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell that reads the script: ${enum}."`
}

// Help returns the text below the first line of `gatewheel completion --help`.
func (*completionCommand) Help() string {
	return "The script completes commands, flags, and values that are files, directories or one of a list. " +
		"For bash: source <(gatewheel completion bash). For zsh: source <(gatewheel completion zsh), after compinit. " +
		"For fish: gatewheel completion fish | source. The Debian package has the scripts in place."
}

// Run prints the script.
func (c *completionCommand) Run(s *streams, parsed *kong.Context) error {
	return completion.Write(s.stdout, c.Shell, parsed.Model)
}
