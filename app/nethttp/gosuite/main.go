// Command gosuite runs the tests of Go's net/http package against this server.
//
// It reads the tests from GOROOT, so that none of their text is kept in this tree, and compiles them in a temporary
// module with a build overlay of net/http, in which the methods Serve, Shutdown, Close and SetKeepAlivesEnabled of
// http.Server call package shim. A server that a test makes, by httptest or by itself, is then one of this tree's.
//
//	go run .                    the tests against this server
//	go run . -server=std        the same tests against net/http itself: checks the generator
//	go run . -run '^TestHijack' some tests, with their output
//
// The exit status is 0 if each test passed, but for those in exclusions.txt, each of which has failed, and if the
// numbers are those of docs/nethttp.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
)

type options struct {
	server  string
	run     *regexp.Regexp
	keep    string
	tree    string
	verbose bool
	write   bool

	processes int
}

func main() {
	var o options
	var run string
	flag.StringVar(&o.server, "server", "gatewheel", "`server` under test: gatewheel or std")
	flag.StringVar(&run, "run", "", "run the tests whose name matches this `regexp`, without the check of the numbers")
	flag.StringVar(&o.keep, "keep", "", "write the generated module to this `directory` and keep it")
	flag.StringVar(&o.tree, "tree", "", "test the server of the tree in this `directory`; default: of this one")
	flag.BoolVar(&o.verbose, "v", false, "print the output of each test that failed, excluded ones too")
	flag.BoolVar(&o.write, "write", false, "write the numbers to docs/nethttp.md")
	flag.IntVar(&o.processes, "processes", 8, "`number` of tests that run at the same time")
	flag.Parse()
	if o.server != "gatewheel" && o.server != "std" {
		fmt.Fprintf(os.Stderr, "gosuite: -server=%s: it is gatewheel or std\n", o.server)
		os.Exit(2)
	}
	if run != "" {
		var err error
		if o.run, err = regexp.Compile(run); err != nil {
			fmt.Fprintf(os.Stderr, "gosuite: -run: %v\n", err)
			os.Exit(2)
		}
	}
	ok, err := conform(o)
	if err != nil {
		fmt.Fprintf(os.Stderr, "gosuite: %v\n", err)
		os.Exit(1)
	}
	if !ok {
		os.Exit(1)
	}
}
