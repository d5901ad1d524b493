package target

import (
	"os"
	"strings"
	"testing"
)

// Each endpoint and each of its parameters is in the help of the program and in the README.
func TestHelpAndReadmeNameEachEndpoint(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "## The built-in application")
	table, _, _ = strings.Cut(table, "\n## ")
	app := &target{config: Config{AllowStall: true, Counter: noCounter{}}}
	for where, text := range map[string]string{"the help": Help, "the README": table} {
		for _, e := range app.endpoints() {
			path := strings.TrimSuffix(e.path, "{$}")
			_, entry, ok := strings.Cut(text, path)
			if !ok {
				t.Errorf("%s does not name %s", where, path)
			}
			entry, _, _ = strings.Cut(entry, "\n")
			for _, name := range e.query {
				if !strings.Contains(entry, name+"=") {
					t.Errorf("%s does not name %s?%s=", where, path, name)
				}
			}
		}
		if !strings.Contains(text, timing+"=1") {
			t.Errorf("%s does not name %s=1", where, timing)
		}
	}
}

type noCounter struct{}

func (noCounter) Counts() Counts { return Counts{} }
