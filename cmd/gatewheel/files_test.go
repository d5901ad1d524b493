//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A link that leads out of --root is 404 like an absent file, and leaves a log line.
func TestFilesThatCannotBeServedAreLogged(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "outside")); err != nil {
		t.Fatal(err)
	}
	c := serve(t, "--root", dir)
	for _, path := range []string{"/file/none", "/file/outside"} {
		if status, _ := c.get(path); status != 404 {
			t.Errorf("%s: status %d", path, status)
		}
	}
	c.logs(`a file of --root cannot be served	{"name": "outside"`)
}
