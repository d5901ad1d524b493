package main

import (
	"strconv"
)

// realTime are the packages whose Test and Wait the tests call without a bubble: the server's loops wait in system
// calls, which a bubble of package synctest does not see.
var realTime = map[string]string{
	"testing/synctest":  "github.com/gatewheel/gatewheel/app/nethttp/gosuite/shim/synctest",
	"internal/synctest": "github.com/gatewheel/gatewheel/app/nethttp/gosuite/shim/synctest",
}

// withImports returns the edits that make a file import other packages in place of those in instead.
func withImports(s *source, f sourceFile, instead map[string]string) []edit {
	var edits []edit
	for _, spec := range f.syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if replacement, ok := instead[imported]; ok && err == nil {
			edits = append(edits, edit{offset(s.fset, spec.Path.Pos()), offset(s.fset, spec.Path.End()), strconv.Quote(replacement)})
		}
	}
	return edits
}
