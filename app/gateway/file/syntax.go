package file

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxDepth limits how deep values are nested: the parser calls itself.
const maxDepth = 100

// parseYAML returns the value of the file's only document.
func parseYAML(s *source) (body ast.Node, problem *Problem) {
	fail := func(at position, format string, values ...any) (ast.Node, *Problem) {
		p := s.problem(at, fmt.Sprintf(format, values...), false)
		return nil, &p
	}
	if !utf8.Valid(s.text) {
		at := 0
		for rest := s.text; ; {
			r, size := utf8.DecodeRune(rest)
			if r == utf8.RuneError && size == 1 {
				break
			}
			rest, at = rest[size:], at+size
		}
		return fail(position{1 + bytes.Count(s.text[:at], []byte("\n")), at - bytes.LastIndexByte(s.text[:at], '\n')}, "the file is not UTF-8")
	}
	defer func() {
		if failed := recover(); failed != nil {
			body, problem = fail(position{1, 1}, "the YAML is wrong in a way that its parser does not understand")
		}
	}()
	tokens := lexer.Tokenize(string(s.text))
	if at := tooDeep(tokens); at != nil {
		return fail(positionOf(at), "values are nested more than %d deep", maxDepth)
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at, text := position{1, 1}, err.Error()
		if e, ok := err.(yaml.Error); ok {
			text = e.GetMessage()
			if e.GetToken() != nil {
				at = positionOf(e.GetToken())
			}
		}
		switch {
		case strings.Contains(text, "'\t'"):
			return fail(at, "the YAML is wrong: a tab cannot indent a line or begin a value; use blanks")
		case strings.Contains(text, "not allowed in this context"):
			return fail(at, "the YAML is wrong: a value cannot stand here; is the line indented as those around it?")
		}
		return fail(at, "the YAML is wrong: %s", strings.ReplaceAll(text, "\t", `\t`))
	}
	for _, document := range file.Docs {
		switch {
		case document.Body == nil:
		case body != nil:
			return fail(nodePosition(document.Body), "there is a second document: a gateway's file has one")
		default:
			body = document.Body
		}
	}
	if body == nil {
		return fail(position{1, 1}, "the file is empty")
	}
	return body, nil
}

func positionOf(t *token.Token) position {
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// tooDeep returns a token at which values are nested too deep, or nil. In blocks a level
// takes a column at least, but for lists below keys, or an indicator on the same line.
func tooDeep(tokens token.Tokens) *token.Token {
	depth, line, indicators := 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, indicators = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType, token.MappingValueType:
			if depth == 0 {
				indicators++
			}
		}
		block := t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType
		if depth > maxDepth || indicators > maxDepth || depth == 0 && block && t.Position.Column > 10*maxDepth {
			return t
		}
	}
	return nil
}
