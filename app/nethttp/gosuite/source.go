package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// source is a package of tests as its own tree has it.
type source struct {
	dir   string
	name  string // of the package
	fset  *token.FileSet
	files []sourceFile
}

type sourceFile struct {
	name   string
	text   []byte
	syntax *ast.File
}

// readSource parses the test files of the package in dir whose package clause has that name.
func readSource(dir, name string) (*source, error) {
	s := &source{dir: dir, name: name, fset: token.NewFileSet()}
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		file, err := parser.ParseFile(s.fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if file.Name.Name == name {
			s.files = append(s.files, sourceFile{filepath.Base(path), text, file})
		}
	}
	if len(s.files) == 0 {
		return nil, fmt.Errorf("%s has no test of package %s", dir, name)
	}
	return s, nil
}

// serverCalls are the functions and methods that start a server or make one.
var serverCalls = []string{
	"NewServer", "NewTLSServer", "NewUnstartedServer", "Serve", "ServeTLS", "ListenAndServe", "ListenAndServeTLS",
}

// serverTests returns the names of the tests that start a server, directly or through functions of their package, in
// order. It goes by names: a method counts as reached if a method of that name is mentioned.
func (s *source) serverTests() []string {
	mentions := map[string]map[string]bool{}
	starts := map[string]bool{}
	for _, f := range s.files {
		for _, decl := range f.syntax.Decls {
			for name, node := range declared(decl) {
				if mentions[name] == nil {
					mentions[name] = map[string]bool{}
				}
				ast.Inspect(node, func(n ast.Node) bool {
					if id, ok := n.(*ast.Ident); ok {
						mentions[name][id.Name] = true
						if slices.Contains(serverCalls, id.Name) && id.Name != name {
							starts[name] = true
						}
					}
					return true
				})
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for name, mentioned := range mentions {
			if starts[name] {
				continue
			}
			for other := range mentioned {
				if starts[other] {
					starts[name], changed = true, true
					break
				}
			}
		}
	}
	var tests []string
	for name := range starts {
		if isTest(name) {
			tests = append(tests, name)
		}
	}
	slices.Sort(tests)
	return tests
}

// isTest reports whether a function of that name is a test to package testing.
func isTest(name string) bool {
	rest, ok := strings.CutPrefix(name, "Test")
	return ok && name != "TestMain" && (rest == "" || !('a' <= rest[0] && rest[0] <= 'z'))
}

// declared returns what a declaration declares by name, with the syntax of each.
func declared(decl ast.Decl) map[string]ast.Node {
	names := map[string]ast.Node{}
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Body != nil {
			names[decl.Name.Name] = decl.Body
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			if value, ok := spec.(*ast.ValueSpec); ok {
				for _, id := range value.Names {
					names[id.Name] = value
				}
			}
		}
	}
	return names
}
