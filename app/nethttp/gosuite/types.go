package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
)

// typesOf returns the names of the types that a package of the standard library declares.
func typesOf(goroot, imported string) (map[string]bool, error) {
	paths, err := filepath.Glob(filepath.Join(goroot, "src", filepath.FromSlash(imported), "*.go"))
	if err != nil {
		return nil, err
	}
	types := map[string]bool{}
	for _, p := range paths {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			if gen, ok := decl.(*ast.GenDecl); ok {
				for _, spec := range gen.Specs {
					if t, ok := spec.(*ast.TypeSpec); ok {
						types[t.Name.Name] = true
					}
				}
			}
		}
	}
	return types, nil
}
