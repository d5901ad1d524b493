package suggest_test

import (
	"testing"

	"github.com/gatewheel/gatewheel/internal/suggest"
)

func TestName(t *testing.T) {
	names := []string{"combined", "common", "json"}
	for written, want := range map[string]string{
		"combind": `; did you mean "combined"?`, // one is missing
		"commno":  `; did you mean "common"?`,   // two are swapped
		"JSON":    `; did you mean "json"?`,
		"json":    "",
		"xml":     "",
		"":        "",
	} {
		if got := suggest.Name(written, names); got != want {
			t.Errorf("%q: %q, want %q", written, got, want)
		}
	}
}
