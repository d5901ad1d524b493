//go:build linux

// Command gatewheel serves the built-in application: a target for load tests, and a server to look at.
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

// Exit codes, for scripts and supervisors.
const (
	exitClean   = 0 // stopped as asked, every answer delivered
	exitFailure = 1 // could not run, or connections were cut at the end
	exitUsage   = 2 // a flag or a variable is wrong
)

// usageError is the caller's mistake: a flag or a variable.
type usageError struct{ error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

type commands struct {
	Serve   serveCommand   `cmd:"" help:"Serve the built-in application until told to stop."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program: it returns the exit code. Help ends the process by itself.
func run(args []string, stdout, stderr io.Writer) int {
	var c commands
	parser, err := kong.New(&c,
		kong.Name("gatewheel"),
		kong.Description("An HTTP server on an event loop: HTTP/1.1, HTTP/2, WebSocket and server-sent events on one port."),
		kong.Writers(stdout, stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100}),
		// The variables are named once, in the text above the flags.
		kong.ValueFormatter(func(v *kong.Value) string { return v.Help }),
		kong.ExplicitGroups(groups),
		variables("GATEWHEEL"),
		kong.KindMapper(reflect.String, notEmpty(reflect.TypeFor[string]())),
		kong.KindMapper(reflect.Slice, notEmpty(reflect.TypeFor[[]string]())),
	)
	if err != nil {
		panic(err) // the declaration of the flags is wrong, whatever the arguments are
	}
	context, err := parser.Parse(args)
	if err != nil {
		return complain(stderr, usage(err))
	}
	return complain(stderr, context.Run(&streams{stdout, stderr}))
}

// streams are where the program writes.
type streams struct{ stdout, stderr io.Writer }

// complain writes an error as one sentence and says with which code the program ends.
func complain(stderr io.Writer, err error) int {
	if err == nil {
		return exitClean
	}
	fmt.Fprintln(stderr, "gatewheel:", strings.ReplaceAll(err.Error(), "\n", "; "))
	if u := (usageError{}); errors.As(err, &u) {
		return exitUsage
	}
	return exitFailure
}

// variables gives each flag an environment variable: --listen-tls is PREFIX_LISTEN_TLS.
func variables(prefix string) kong.Option {
	return kong.PostBuild(func(k *kong.Kong) error {
		return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
			if flag, ok := node.(*kong.Flag); ok && flag.Name != "help" {
				name := prefix + "_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
				flag.Envs = []string{name}
				flag.Tag.Envs = flag.Envs
			}
			return next(nil)
		})
	})
}

// notEmpty reads values of that kind as kong does, and refuses empty ones: they are what a shell leaves of a
// variable that is not set, and who restricts or serves something by it must not get the default in silence.
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
