package apptest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// update makes WantFile write files. Its name has a prefix since flags are global.
var update = flag.Bool("apptest.update", false, "make apptest.Call.WantFile write its files")

// WantFile fails the test unless the call has been answered, to the end, with what the file
// holds: the text of Call.String. `go test -apptest.update` writes the file.
func (c *Call) WantFile(t testing.TB, name string) {
	t.Helper()
	got := c.String()
	if !c.Complete {
		t.Fatalf("the response is not complete (failure: %v):\n%s", c.Err, got)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v; go test -apptest.update writes it", err)
	}
	if got != string(want) {
		t.Fatalf("the response differs from %s in line %d; go test -apptest.update accepts it:\n%s",
			name, differingLine(got, string(want)), got)
	}
}

// differingLine returns the number of the first line in which a and b differ.
func differingLine(a, b string) int {
	line := 1
	for i := 0; i < len(a) && i < len(b) && a[i] == b[i]; i++ {
		if a[i] == '\n' {
			line++
		}
	}
	return line
}

// String returns the response as text: status, fields in their order except Date, an empty
// line and the content; then trailer fields, behind another empty line.
func (c *Call) String() string {
	var text strings.Builder
	if c.Status == 0 {
		return "no response\n"
	}
	fmt.Fprintln(&text, c.Status)
	for _, f := range c.Header {
		if !strings.EqualFold(f.Name, "Date") {
			fmt.Fprintf(&text, "%s: %s\n", f.Name, f.Value)
		}
	}
	fmt.Fprintf(&text, "\n%s", c.Content)
	if len(c.Trailer) > 0 {
		text.WriteString("\n\n")
	}
	for _, f := range c.Trailer {
		fmt.Fprintf(&text, "%s: %s\n", f.Name, f.Value)
	}
	return text.String()
}
