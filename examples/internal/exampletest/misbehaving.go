//go:build linux

package exampletest

import (
	"io"
	"testing"
)

// Misbehaving tests examples/misbehaving, or its twin, at that address: each mistake has its response, and the program
// goes on.
func Misbehaving(t *testing.T, address string) {
	t.Helper()
	Expect(t, "http://"+address+"/fine", "fine")
	const mistake = "Internal Server Error\n"
	for _, s := range []Step{
		{Method: "GET", Path: "/fails", Status: 500, Contains: mistake},
		{Method: "GET", Path: "/panics", Status: 500},
		{Method: "GET", Path: "/nothing", Status: 500, Contains: mistake},
		{Method: "GET", Path: "/forgets", Status: 503},
		{Method: "GET", Path: "/waits", Status: 503},
		{Method: "GET", Path: "/blocks", Status: 200, Contains: "late"},
		{Method: "GET", Path: "/fine", Status: 200, Contains: "fine"},
	} {
		s.Run(t, address)
	}
	response := Open(t, "http://"+address+"/breaks")
	if content, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("half of a response looks complete: %q", content)
	}
	Expect(t, "http://"+address+"/fine", "fine")
}
