package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// hook is a method of the type Server that a function replaces while it is not nil.
type hook struct{ method, signature string }

// hookedFile is the file of a package that declares a type Server with methods to hook.
type hookedFile struct {
	dir     string // of the package
	pkg     string
	imports []string // that the signatures need
	hooks   []hook
	extra   string // declarations of the package that the tests need
}

// nethttpHooks are those of net/http.
func nethttpHooks(goroot string) []hookedFile {
	src := filepath.Join(goroot, "src", "net", "http")
	return []hookedFile{{
		dir: src, pkg: "http", imports: []string{"context", "net"},
		hooks: []hook{
			{"Serve", "func(*Server, net.Listener) error"},
			{"Shutdown", "func(*Server, context.Context) error"},
			{"Close", "func(*Server) error"},
			{"SetKeepAlivesEnabled", "func(*Server, bool)"},
		},
		extra: `
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
`,
	}, {
		dir: filepath.Join(src, "httptest"), pkg: "httptest",
		hooks: []hook{{"CloseClientConnections", "func(*Server)"}},
	}}
}

// hook adds the file with calls of its hooks to the overlay, and a file that declares them as GosuiteHooks.
func (o *overlay) hook(f hookedFile) error {
	text, err := os.ReadFile(filepath.Join(f.dir, "server.go"))
	if err != nil {
		return err
	}
	hooked, err := f.insert(text)
	if err != nil {
		return err
	}
	if err := o.add(filepath.Join(f.dir, "server.go"), hooked); err != nil {
		return err
	}
	var declarations strings.Builder
	fmt.Fprintf(&declarations, "package %s\n\n", f.pkg)
	for _, imported := range f.imports {
		fmt.Fprintf(&declarations, "import %q\n", imported)
	}
	declarations.WriteString("\nvar GosuiteHooks struct {\n")
	for _, h := range f.hooks {
		fmt.Fprintf(&declarations, "\t%s %s\n", h.method, h.signature)
	}
	declarations.WriteString("}\n" + f.extra)
	return o.add(filepath.Join(f.dir, "gosuite_hooks.go"), []byte(declarations.String()))
}

// insert returns the text of the file with a call at the beginning of each method in hooks.
func (f hookedFile) insert(text []byte) ([]byte, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "server.go", text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	found := map[string]*ast.FuncDecl{}
	for _, decl := range file.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv != nil && receiverType(fn) == "*Server" {
			found[fn.Name.Name] = fn
		}
	}
	var edits []edit
	for _, h := range f.hooks {
		fn := found[h.method]
		if fn == nil {
			return nil, fmt.Errorf("%s has no method %s of *Server: the generator does not fit this version",
				filepath.Join(f.dir, "server.go"), h.method)
		}
		call := fmt.Sprintf("hook(%s)", strings.Join(parameters(fn), ", "))
		if fn.Type.Results != nil {
			call = "return " + call
		} else {
			call += "; return"
		}
		at := offset(fset, fn.Body.Lbrace) + 1
		edits = append(edits, edit{at, at, fmt.Sprintf(" if hook := GosuiteHooks.%s; hook != nil { %s };", h.method, call)})
	}
	return apply(text, edits), nil
}

// receiverType returns the type of a method's receiver, "*Server" for a pointer.
func receiverType(f *ast.FuncDecl) string {
	if star, ok := f.Recv.List[0].Type.(*ast.StarExpr); ok {
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
