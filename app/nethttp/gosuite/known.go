package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// known is the list of the tests that the numbers are about: the version of Go in its first line, then a name a line.
type known struct {
	version string
	tests   []string
}

func readKnown(path string) (known, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return known{}, err
	}
	lines := strings.Fields(string(text))
	if len(lines) == 0 {
		return known{}, fmt.Errorf("%s is empty: run `go run . -write`", path)
	}
	return known{lines[0], lines[1:]}, nil
}

func (k known) write(path string) error {
	return os.WriteFile(path, []byte(k.version+"\n"+strings.Join(k.tests, "\n")+"\n"), 0o644)
}

// differences returns a sentence for each test that has come or gone since the list was written.
func (k known) differences(version string, tests []string) []string {
	var sentences []string
	for _, name := range tests {
		if !slices.Contains(k.tests, name) {
			sentences = append(sentences, fmt.Sprintf("%s is new: %s has it and %s, the version of tests.txt, has not", name, version, k.version))
		}
	}
	for _, name := range k.tests {
		if !slices.Contains(tests, name) {
			sentences = append(sentences, fmt.Sprintf("%s is gone: %s, the version of tests.txt, has it and %s has not", name, k.version, version))
		}
	}
	return sentences
}
