package file

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// documented are the tables of docs/gateway-file.md, in order.
var documented = []struct {
	heading string
	of      reflect.Type
}{
	{"The file", reflect.TypeFor[config.Config]()},
	{"A case", reflect.TypeFor[config.Case]()},
	{"Conditions: `when`", reflect.TypeFor[config.When]()},
	{"A condition on a value", reflect.TypeFor[config.Match]()},
	{"`rewrite`", reflect.TypeFor[config.Rewrite]()},
	{"`request` and `response`", reflect.TypeFor[config.Edits]()},
	{"`retry`", reflect.TypeFor[config.Retry]()},
	{"`limit`", reflect.TypeFor[config.Limit]()},
	{"`auth`", reflect.TypeFor[config.Auth]()},
	{"`auth: {jwt}`", reflect.TypeFor[config.JWT]()},
	{"`respond`", reflect.TypeFor[config.Respond]()},
	{"A backend", reflect.TypeFor[config.Backend]()},
	{"A peer", reflect.TypeFor[config.Peer]()},
	{"`health`", reflect.TypeFor[config.Health]()},
	{"`eject`", reflect.TypeFor[config.Eject]()},
	{"`tls`", reflect.TypeFor[config.TLS]()},
	{"A test", reflect.TypeFor[config.Test]()},
}

// reference makes the tables of the keys from the comments of the fields.
func reference() string {
	var text strings.Builder
	comments := config.Comments()
	for _, d := range documented {
		fmt.Fprintf(&text, "### %s\n\n%s\n\n| key | meaning | without it |\n|---|---|---|\n", d.heading, comments[d.of.Name()])
		for _, f := range fieldsOf(d.of) {
			meaning := strings.ReplaceAll(describe(comments, d.of, f), "|", `\|`)
			fmt.Fprintf(&text, "| `%s` | %s | %s |\n", f.key, meaning, f.value)
		}
		text.WriteString("\n")
	}
	return text.String()
}

const (
	referenceBegin = "<!-- the tables are made of the comments in app/gateway/config: UPDATE=1 go test ./app/gateway/file -->\n\n"
	referenceEnd   = "<!-- end of the tables -->\n"
)

// current compares a file in docs with what it should be, and writes it with UPDATE=1.
func current(t *testing.T, name, want string) {
	t.Helper()
	path := filepath.Join("..", "..", "..", "docs", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/%s is not current: UPDATE=1 go test ./app/gateway/file", name)
	}
}

func TestReferenceIsCurrent(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "gateway-file.md"))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), referenceBegin)
	_, after, ends := strings.Cut(rest, referenceEnd)
	if !begins || !ends {
		t.Fatal("docs/gateway-file.md has no place for the tables")
	}
	current(t, "gateway-file.md", before+referenceBegin+reference()+referenceEnd+after)
}

func TestSchemaIsCurrent(t *testing.T) {
	current(t, "gateway-schema.json", string(Schema()))
	var schema struct {
		Properties map[string]any
		Defs       map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	if len(schema.Properties) != 3 {
		t.Errorf("the file has %d keys", len(schema.Properties))
	}
	for name, definition := range schema.Defs {
		for key, property := range definition.Properties {
			if strings.HasPrefix(property.Description, " ") {
				t.Errorf("%s of %s is not described", key, name)
			}
		}
	}
}

// Each field that has a key is documented with what holds without it.
func TestEveryKeyIsDocumented(t *testing.T) {
	comments := config.Comments()
	for _, d := range documented {
		for _, f := range fieldsOf(d.of) {
			if comments[d.of.Name()+"."+f.name] == "" || f.value == "" {
				t.Errorf("%s.%s has no comment or no default", d.of.Name(), f.name)
			}
		}
	}
}
