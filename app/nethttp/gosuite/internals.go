package main

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// internals are the names that tests use of the standard library's internal packages, by import path. A module of its
// own cannot import these packages, so the overlay has a public package for each with those names.
type internals map[string]map[string]bool

// publicPath returns the import path of the public package for an internal one.
func publicPath(internal string) string {
	parts := strings.Split(internal, "/")
	for i, part := range parts {
		if part == "internal" {
			parts[i] = "public"
		}
	}
	return "net/http/gosuite/" + strings.Join(parts, "/")
}

// isInternal reports whether only packages of the standard library may import that path.
func isInternal(imported string) bool {
	return slices.Contains(strings.Split(imported, "/"), "internal")
}

// collect notes the names that a file uses and returns the edits that make it import the public packages.
//
// Packages in instead are left alone.
func (in internals) collect(s *source, f sourceFile, instead map[string]string) []edit {
	var edits []edit
	for _, spec := range f.syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil || !isInternal(imported) || instead[imported] != "" {
			continue
		}
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		if in[imported] == nil {
			in[imported] = map[string]bool{}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == name {
					in[imported][sel.Sel.Name] = true
				}
			}
			return true
		})
		edits = append(edits, edit{
			offset(s.fset, spec.Path.Pos()), offset(s.fset, spec.Path.End()), strconv.Quote(publicPath(imported)),
		})
	}
	return edits
}

// write adds the public packages to the overlay. types has the names that are types.
func (in internals) write(o *overlay) error {
	for imported, names := range in {
		isType, err := typesOf(o.goroot, imported)
		if err != nil {
			return err
		}
		var text strings.Builder
		name := path.Base(imported)
		fmt.Fprintf(&text, "package %s\n\nimport %q\n\n", name, imported)
		for _, n := range slices.Sorted(maps.Keys(names)) {
			kind := "var"
			if isType[n] {
				kind = "type"
			}
			fmt.Fprintf(&text, "%s %s = %s.%s\n", kind, n, name, n)
		}
		if err := o.add(filepath.Join(o.goroot, "src", publicPath(imported), "public.go"), []byte(text.String())); err != nil {
			return err
		}
	}
	return nil
}
