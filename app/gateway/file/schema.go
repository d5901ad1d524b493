package file

import (
	"encoding/json"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// Schema returns the JSON Schema (draft 2020-12) of the file, for editors.
func Schema() []byte {
	s := &schema{definitions: map[string]any{}}
	s.of(reflect.TypeFor[config.Config]())
	root := s.definitions["Config"].(map[string]any)
	delete(s.definitions, "Config")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "The file of gatewheel gateway"
	root["$defs"] = s.definitions
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // it has only maps, slices, strings and numbers
	}
	return append(text, '\n')
}

// schema collects the schemas of named types.
type schema struct{ definitions map[string]any }

// of returns the schema of a type, which refers to those of named types.
func (s *schema) of(t reflect.Type) map[string]any {
	if t.Kind() == reflect.Pointer {
		return s.of(t.Elem())
	}
	f, short := forms[t]
	if short && !f.also {
		return anyOf(f.schema(s))
	}
	if c, ok := scalars[t]; ok {
		text := map[string]any{"type": []string{"string", "number"}, "description": c.what}
		if c.pattern != "" {
			text["pattern"] = c.pattern
		}
		return text
	}
	var usual map[string]any
	switch t.Kind() {
	case reflect.Struct:
		usual = s.structure(t)
	case reflect.Map:
		usual = map[string]any{"type": "object", "additionalProperties": s.ofText(t.Elem())}
	case reflect.Slice:
		return anyOf([]map[string]any{{"type": "array", "items": s.of(t.Elem())}, s.of(t.Elem())})
	case reflect.Bool:
		usual = map[string]any{"enum": []any{true, false, "on", "off"}}
	case reflect.Int:
		usual = map[string]any{"type": "integer", "minimum": 0}
	default:
		usual = map[string]any{"type": "string"}
	}
	if short {
		return anyOf(append(f.schema(s), usual))
	}
	return usual
}

// ofText is like of for the values of mappings, where any scalar is a text.
func (s *schema) ofText(t reflect.Type) map[string]any {
	if t.Kind() == reflect.String {
		return map[string]any{"type": []string{"string", "number", "boolean"}}
	}
	return s.of(t)
}

func anyOf(alternatives []map[string]any) map[string]any {
	if len(alternatives) == 1 {
		return alternatives[0]
	}
	return map[string]any{"anyOf": alternatives}
}

// structure defines a struct and returns a reference to it.
func (s *schema) structure(t reflect.Type) map[string]any {
	reference := map[string]any{"$ref": "#/$defs/" + t.Name()}
	if _, ok := s.definitions[t.Name()]; ok {
		return reference
	}
	properties := map[string]any{}
	definition := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	s.definitions[t.Name()] = definition
	comments := config.Comments()
	if text := comments[t.Name()]; text != "" {
		definition["description"] = text
	}
	for _, f := range fieldsOf(t) {
		property := s.of(t.Field(f.index).Type)
		described := map[string]any{"description": describe(comments, t, f) + " Without it: " + f.value + "."}
		for k, v := range property {
			if k != "description" {
				described[k] = v
			}
		}
		properties[f.key] = described
	}
	return reference
}

// describe returns the comment of a field as the description of its key.
func describe(comments map[string]string, t reflect.Type, f field) string {
	text := strings.TrimPrefix(comments[t.Name()+"."+f.name], f.name+" ")
	for _, verb := range []string{"is ", "has ", "are "} {
		text = strings.TrimPrefix(text, verb)
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

func textSchema(what string) func(*schema) []map[string]any {
	return func(*schema) []map[string]any {
		return []map[string]any{{"type": "string", "description": what}}
	}
}

func scalarSchema(what string) func(*schema) []map[string]any {
	return func(*schema) []map[string]any {
		return []map[string]any{{"type": []string{"string", "number", "boolean"}, "description": what}}
	}
}

func integerSchema(what string) func(*schema) []map[string]any {
	return func(*schema) []map[string]any {
		return []map[string]any{{"type": "integer", "minimum": 0, "description": what}}
	}
}

func choiceSchema(choices ...any) func(*schema) []map[string]any {
	return func(*schema) []map[string]any { return []map[string]any{{"enum": choices}} }
}

func casesSchema(s *schema) []map[string]any {
	name := map[string]any{"type": "string", "description": "the name of a backend"}
	one := s.of(reflect.TypeFor[config.Case]())
	return []map[string]any{name, one, {"type": "array", "minItems": 1, "items": anyOf([]map[string]any{name, one})}}
}

func backendSchema(s *schema) []map[string]any { return peersSchema(s) }

func peersSchema(s *schema) []map[string]any {
	peer := s.of(reflect.TypeFor[config.Peer]())
	return []map[string]any{{"type": "string", "description": "a URL"}, {"type": "array", "minItems": 1, "items": peer}}
}

func balanceSchema(*schema) []map[string]any {
	return []map[string]any{{"enum": []any{"least", "round", "ewma", "cookie"}}, {"type": "string", "pattern": "^hash:"}}
}
