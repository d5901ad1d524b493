package main

import (
	"cmp"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// edit replaces the bytes from one offset to another. Edits keep the lines of a file, so that a failure names the line
// of Go's own file.
type edit struct {
	from, to int
	text     string
}

// apply returns text with the edits, which must not overlap.
func apply(text []byte, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.from, b.from) })
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(out, text[at:e.from]...)
		out = append(out, e.text...)
		at = e.to
	}
	return append(out, text[at:]...)
}

// renamePackage returns the edits that replace the path of Go's package of tests in strings, which tests compare with
// the names of functions in logs.
func renamePackage(s *source, f sourceFile, path string) []edit {
	var edits []edit
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if ok && lit.Kind == token.STRING && strings.Contains(lit.Value, "net/http_test.") {
			edits = append(edits, edit{
				offset(s.fset, lit.Pos()), offset(s.fset, lit.End()),
				strings.ReplaceAll(lit.Value, "net/http_test.", path+"_test."),
			})
		}
		return true
	})
	return edits
}

func offset(fset *token.FileSet, pos token.Pos) int { return fset.Position(pos).Offset }
