//go:build linux

package exampletest

import (
	"io"
	"strings"
	"testing"
)

// Fanout tests examples/fanout, or its twin, at that address: the response has the shops that are in time.
func Fanout(t *testing.T, address string) {
	t.Helper()
	content, err := io.ReadAll(Open(t, "http://"+address+"/prices").Body)
	if err != nil {
		t.Fatal(err)
	}
	got := string(content)
	if !strings.Contains(got, `"north":"1.99"`) || strings.Contains(got, "east") {
		t.Errorf("prices %s", got)
	}
}
