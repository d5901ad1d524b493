package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// overlay is what `go build -overlay` replaces in GOROOT.
type overlay struct {
	goroot string
	dir    string // of the replacements
	files  map[string]string
}

// add replaces or adds the file with that path below GOROOT/src.
func (o *overlay) add(path string, text []byte) error {
	file := filepath.Join(o.dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	o.files[filepath.Join(o.goroot, "src", filepath.FromSlash(path))] = file
	return os.WriteFile(file, text, 0o644)
}

// write writes the description for the go command and returns its path.
func (o *overlay) write() (string, error) {
	text, err := json.Marshal(map[string]any{"Replace": o.files})
	if err != nil {
		return "", err
	}
	path := filepath.Join(o.dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}

// hook is a method of http.Server that a function replaces while it is not nil.
type hook struct{ method, signature string }

var hooks = []hook{
	{"Serve", "func(*Server, net.Listener) error"},
	{"Shutdown", "func(*Server, context.Context) error"},
	{"Close", "func(*Server) error"},
	{"SetKeepAlivesEnabled", "func(*Server, bool)"},
}

// hookServer makes the methods of http.Server call the hooks, and exports to the tests what export_test.go exports to
// tests inside net/http.
func (o *overlay) hookServer() error {
	src := filepath.Join(o.goroot, "src", "net", "http")
	text, err := os.ReadFile(filepath.Join(src, "server.go"))
	if err != nil {
		return err
	}
	hooked, err := insertHooks(text)
	if err != nil {
		return err
	}
	if err := o.add("net/http/server.go", hooked); err != nil {
		return err
	}
	exports, err := os.ReadFile(filepath.Join(src, "export_test.go"))
	if err != nil {
		return err
	}
	if err := o.add("net/http/gosuite_export.go", exports); err != nil {
		return err
	}
	inside, err := readSource(src, "http")
	if err != nil {
		return err
	}
	if err := o.add("net/http/gosuite_helpers.go", []byte(exportedHelpers(inside))); err != nil {
		return err
	}
	var declarations strings.Builder
	declarations.WriteString("package http\n\nimport (\n\t\"context\"\n\t\"net\"\n)\n\nvar GosuiteHooks struct {\n")
	for _, h := range hooks {
		fmt.Fprintf(&declarations, "\t%s %s\n", h.method, h.signature)
	}
	declarations.WriteString(`}

// GosuiteServing tells a test that waits for it that s serves l.
func GosuiteServing(s *Server, l net.Listener) {
	if testHookServerServe != nil {
		testHookServerServe(s, l)
	}
}

// GosuiteOnShutdown returns the functions that RegisterOnShutdown was called with.
func GosuiteOnShutdown(s *Server) []func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]func(){}, s.onShutdown...)
}
`)
	return o.add("net/http/gosuite_hooks.go", []byte(declarations.String()))
}

// insertHooks returns net/http's server.go with a call at the beginning of each method in hooks.
func insertHooks(text []byte) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "server.go", text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	found := map[string]*ast.FuncDecl{}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil && receiverType(f) == "*Server" {
			found[f.Name.Name] = f
		}
	}
	var edits []edit
	for _, h := range hooks {
		f := found[h.method]
		if f == nil {
			return nil, fmt.Errorf("net/http's server.go has no method %s of *Server: this version of Go needs a change here", h.method)
		}
		call := fmt.Sprintf("hook(%s)", strings.Join(parameters(f), ", "))
		if f.Type.Results != nil {
			call = "return " + call
		} else {
			call += "; return"
		}
		at := offset(fset, f.Body.Lbrace) + 1
		edits = append(edits, edit{at, at, fmt.Sprintf(" if hook := GosuiteHooks.%s; hook != nil { %s };", h.method, call)})
	}
	return apply(text, edits), nil
}

// receiverType returns the type of a method's receiver, "*Server" for a pointer.
func receiverType(f *ast.FuncDecl) string {
	t := f.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		if id, ok := star.X.(*ast.Ident); ok {
			return "*" + id.Name
		}
	}
	return ""
}

// parameters returns the names of a method's receiver and parameters.
func parameters(f *ast.FuncDecl) []string {
	var names []string
	for _, list := range []*ast.FieldList{f.Recv, f.Type.Params} {
		for _, field := range list.List {
			for _, name := range field.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}
