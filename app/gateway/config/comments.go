package config

import (
	"embed"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// sources are the files with the types of a Config.
//
//go:embed config.go backend.go
var sources embed.FS

// Comments returns the comments of the types by name, as "Case", and of their fields, as
// "Case.To". They are the descriptions of keys in the JSON Schema and the documentation.
func Comments() map[string]string {
	comments := map[string]string{}
	for _, name := range []string{"config.go", "backend.go"} {
		text, err := sources.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments)
		if err != nil {
			panic(err) // it was compiled
		}
		for _, declaration := range file.Decls {
			types, ok := declaration.(*ast.GenDecl)
			if !ok || types.Tok != token.TYPE {
				continue
			}
			for _, spec := range types.Specs {
				addComments(comments, types.Doc, spec.(*ast.TypeSpec))
			}
		}
	}
	return comments
}

func addComments(comments map[string]string, doc *ast.CommentGroup, t *ast.TypeSpec) {
	comments[t.Name.Name] = joined(doc)
	fields, ok := t.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range fields.Fields.List {
		for _, name := range f.Names {
			comments[t.Name.Name+"."+name.Name] = joined(f.Doc)
		}
	}
}

func joined(doc *ast.CommentGroup) string { return strings.Join(strings.Fields(doc.Text()), " ") }
