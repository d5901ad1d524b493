package file

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// repairPlain replaces elements of a list that are one plain text with a colon in it, such
// as http://10.0.0.1:80, and that the parser takes for mappings: it does so within braces.
// YAML 1.2.2 section 7.3.3: a colon that is followed by neither a blank nor an indicator
// belongs to the text.
func (s *source) repairPlain(list *ast.SequenceNode) {
	for i, element := range list.Values {
		pairs := mappingValues(element)
		if len(pairs) != 1 || pairs[0].Key == nil || pairs[0].Value == nil {
			continue
		}
		if m, ok := element.(*ast.MappingNode); ok && m.Start.Type == token.MappingStartType {
			continue // it has braces
		}
		key, colon, value := pairs[0].Key.GetToken(), pairs[0].Start, pairs[0].Value.GetToken()
		if key.Type == token.SingleQuoteType || key.Type == token.DoubleQuoteType || colon == nil || value == nil {
			continue
		}
		if value.Position.Line != colon.Position.Line || value.Position.Column != colon.Position.Column+1 {
			continue
		}
		text := s.plainAt(positionOf(key))
		at := token.New(text, text, key.Position)
		at.Type = token.StringType
		list.Values[i] = ast.String(at)
	}
}

// plainAt returns the plain text of a flow collection that begins at a position.
func (s *source) plainAt(p position) string {
	line := []rune(s.line(p.line))
	from := min(p.column-1, len(line))
	end := from
	for end < len(line) {
		last := end+1 == len(line) || line[end+1] == ' ' || line[end+1] == '\t'
		if strings.ContainsRune(",[]{}", line[end]) || line[end] == ':' && last || line[end] == '#' && end > from && line[end-1] == ' ' {
			break
		}
		end++
	}
	return strings.TrimSpace(string(line[from:end]))
}
