//go:build linux

// Command gatewheel runs the server with its built-in application, a target for load tests.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// commands are all commands, and --version.
type commands struct {
	serving
	forwarding
	Check   checkCommand   `cmd:"" help:"Check the file of a gateway, and run its tests."`
	Explain explainCommand `cmd:"" help:"Print what a gateway does with a request; nothing is sent."`
	Version versionCommand `cmd:"" help:"Print the version."`

	Completion completionCommand `cmd:"" help:"Print a script that completes command lines in a shell."`
	Man        manCommand        `cmd:"" help:"Print the manual page gatewheel(1)."`

	versionFlag
}

// serving declares the command that serves the built-in application.
type serving struct {
	Serve serveCommand `cmd:"" help:"Serve the built-in application until told to stop."`
}

// forwarding declares the command that forwards requests.
type forwarding struct {
	Gateway gatewayCommand `cmd:"" help:"Forward requests to other servers until told to stop."`
}

// versionFlag declares --version, which prints the version and exits.
type versionFlag struct {
	PrintVersion kong.VersionFlag `name:"version" help:"Print the version and exit."`
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the program and returns its exit code. --help and --version exit the process themselves.
func run(args []string, stdout, stderr io.Writer) int {
	var c commands
	names := variableNames{}
	context, err := newParser(c.root(args), names, stdout, stderr).Parse(args)
	if err != nil {
		return exit(stderr, formatIn(args), usage(err))
	}
	format := c.Serve.LogFormat
	if strings.HasPrefix(context.Command(), "gateway") {
		format = c.Gateway.LogFormat
	}
	return exit(stderr, format, context.Run(&streams{stdout, stderr}, names, settingsOf(context)))
}

// root returns what kong is to parse args with: the command of a server and --version if args begin with its name,
// otherwise c. A server starts sooner without the declarations of the other commands, which take milliseconds to read.
func (c *commands) root(args []string) any {
	switch {
	case len(args) == 0:
		return c
	case args[0] == "serve":
		return &struct {
			*serving
			*versionFlag
		}{&c.serving, &c.versionFlag}
	case args[0] == "gateway":
		return &struct {
			*forwarding
			*versionFlag
		}{&c.forwarding, &c.versionFlag}
	}
	return c
}

// newParser returns a parser for root, and adds the variables of its flags to names.
func newParser(root any, names variableNames, stdout, stderr io.Writer) *kong.Kong {
	parser, err := kong.New(root,
		kong.Name("gatewheel"),
		kong.Description("An HTTP server on an event loop: HTTP/1.1, HTTP/2, WebSocket and server-sent events on one port."),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100}),
		// The environment variables are explained once, above the flags.
		kong.ValueFormatter(func(v *kong.Value) string { return v.Help }),
		kong.ExplicitGroups(groups),
		nameVariables(names),
		kong.Vars{"version": versionLine()},
		kong.KindMapper(reflect.String, notEmpty(reflect.TypeFor[string]())),
		kong.KindMapper(reflect.Slice, notEmpty(reflect.TypeFor[[]string]())),
	)
	if err != nil {
		panic(err) // the declaration of the flags is wrong
	}
	return parser
}

// streams are standard output and standard error.
type streams struct{ stdout, stderr io.Writer }

// notEmpty reads values of kind as kong does, and refuses empty ones. A shell leaves an empty value of a variable
// that is not set, and the default in its place could lift a restriction.
func notEmpty(kind reflect.Type) kong.MapperFunc {
	usual := kong.NewRegistry().RegisterDefaults().ForType(kind)
	return func(ctx *kong.DecodeContext, target reflect.Value) error {
		token := ctx.Scan.Peek()
		switch text := token.String(); {
		case token.IsEOL():
			return errors.New("the value is missing")
		case text == "":
			return errors.New("the value is empty")
		case ctx.Value.IsSlice() && slices.Contains(kong.SplitEscaped(text+",", ','), ""):
			return fmt.Errorf("one of the values in %q is empty", text)
		}
		return usual.Decode(ctx, target)
	}
}
