package h2

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The table of budgets in docs/http2.md is right and complete.
func TestBudgetsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/http2.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, " | "); strings.HasPrefix(line, "| `") && len(cells) == 6 {
			documented[strings.Trim(cells[0], "| `")] = strings.Join(cells[2:5], " ")
		}
	}
	for b := range budgets {
		if b == BlockBudget || b == QueueBudget {
			continue // plain limits
		}
		a := allowances[b]
		if want := fmt.Sprint(a.burst, a.perWork, a.perSecond); documented[b.String()] != want {
			t.Errorf("%v has %s, and %q in the table", b, want, documented[b.String()])
		}
	}
}
