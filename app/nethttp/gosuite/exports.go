package main

import (
	"fmt"
	"go/ast"
	"path"
	"strconv"
	"strings"
)

// exportedHelpers returns the text of a Go file with the exported functions of the package's tests that are no tests
// themselves. export_test.go, which has what else is exported, is left out.
func exportedHelpers(s *source) string {
	var text strings.Builder
	imports := map[string]string{} // spec by name
	used := map[string]bool{}
	for _, f := range s.files {
		if f.name == "export_test.go" {
			continue
		}
		var here []ast.Node
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.IsExported() && !isRun(fn.Name.Name) {
				here = append(here, fn)
				text.Write(f.text[offset(s.fset, fn.Pos()):offset(s.fset, fn.End())])
				text.WriteString("\n\n")
			}
		}
		for _, node := range here {
			ast.Inspect(node, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					used[id.Name] = true
				}
				return true
			})
		}
		for _, spec := range f.syntax.Imports {
			if imported, err := strconv.Unquote(spec.Path.Value); err == nil && spec.Name == nil && used[path.Base(imported)] {
				imports[path.Base(imported)] = spec.Path.Value
			}
		}
	}
	var header strings.Builder
	fmt.Fprintf(&header, "package %s\n\n", s.name)
	for _, imported := range imports {
		fmt.Fprintf(&header, "import %s\n", imported)
	}
	return header.String() + "\n" + text.String()
}

// isRun reports whether package testing calls a function of that name.
func isRun(name string) bool {
	for _, prefix := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
