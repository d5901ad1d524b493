//go:build linux

package accesslog

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables into docs/access-log.md")

const page = "../../../docs/access-log.md"

// TestPageHasTheAtoms: the tables of the page are those of the code, row by row.
func TestPageHasTheAtoms(t *testing.T) {
	read, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(read)
	for name, table := range map[string]string{"atoms": atomTable(), "names": nameTable()} {
		opening, closing := "<!-- "+name+" -->\n", "<!-- end -->"
		before, rest, ok := strings.Cut(text, opening)
		shown, after, ends := strings.Cut(rest, closing)
		if !ok || !ends {
			t.Fatalf("the page has no %q", opening)
		}
		if shown != table {
			if !*update {
				t.Errorf("the table %q differs: go test ./app/server/accesslog -run Page -update", name)
			}
			text = before + opening + table + closing + after
		}
	}
	for name, format := range presets {
		if !strings.Contains(text, "| `"+name+"` |") || format != "" && !strings.Contains(text, "`"+format+"`") {
			t.Errorf("the page lacks the preset %s, or has another format for it", name)
		}
	}
	if *update && text != string(read) {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func atomTable() string {
	var b strings.Builder
	b.WriteString("| atom | value |\n|---|---|\n")
	for _, a := range letters {
		if a.append != nil {
			fmt.Fprintf(&b, "| `%%%c` | %s |\n", a.letter, a.help)
		}
		if a.argument != "" {
			fmt.Fprintf(&b, "| `%%{...}%c` | %s |\n", a.letter, a.argument)
		}
	}
	return b.String()
}

func nameTable() string {
	var b strings.Builder
	b.WriteString("| name | value |\n|---|---|\n")
	for _, v := range variables {
		fmt.Fprintf(&b, "| `%s` | %s |\n", v.name, v.help)
	}
	return b.String()
}
