package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// overlay is what `go build -overlay` replaces.
type overlay struct {
	goroot string
	dir    string            // of the replacements
	files  map[string]string // by the path of the file that is replaced or added
}

// add replaces or adds the file with that path.
func (o *overlay) add(path string, text []byte) error {
	file := filepath.Join(o.dir, fmt.Sprintf("%d_%s", len(o.files), filepath.Base(path)))
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	o.files[path] = file
	return os.WriteFile(file, text, 0o644)
}

// write writes the description for the go command and returns its path.
func (o *overlay) write() (string, error) {
	text, err := json.Marshal(map[string]any{"Replace": o.files})
	if err != nil {
		return "", err
	}
	path := filepath.Join(o.dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}

// exportInternals adds to the package in dir what its tests export to the tests outside of it.
func (o *overlay) exportInternals(dir, pkg string, exports []string) error {
	for _, name := range exports {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := o.add(filepath.Join(dir, "gosuite_"+name[:len(name)-len("_test.go")]+".go"), text); err != nil {
			return err
		}
	}
	inside, err := readSource(dir, pkg)
	if err != nil {
		return err
	}
	return o.add(filepath.Join(dir, "gosuite_helpers.go"), []byte(exportedHelpers(inside)))
}
