// Package file reads the file of a gateway: YAML, checked strictly, with the line and the
// column of every mistake.
package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// File is a gateway's file that was read and checked. It does not change.
type File struct {
	// Name is the name under which it was opened.
	Name string
	// Config is what it says.
	Config *config.Config
	// Warnings are the problems with which a gateway can start.
	Warnings Problems
	// Files are the names of the files that it names, with the directory in front if they
	// are relative to it.
	Files []string

	source *source
}

// maxSize limits the size of a file in bytes. 10,000 routes have less than 2 MiB.
const maxSize = 16 << 20

// Open reads and checks a file, and the files that it names: certificates, keys,
// passwords, peers. It blocks while it reads. The error is of type Problems if the file
// could be read.
func Open(name string) (*File, error) {
	opened, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = opened.Close() }()
	text, err := io.ReadAll(io.LimitReader(opened, maxSize+1))
	if err != nil {
		return nil, err
	}
	f, err := Parse(name, text)
	if err != nil {
		if problems, ok := errors.AsType[Problems](err); ok && f != nil {
			return nil, append(problems, f.errorsIn(f.checkFiles()).errors()...).sorted()
		}
		return nil, err
	}
	if problems := f.errorsIn(f.checkFiles()); len(problems.errors()) > 0 {
		return nil, append(f.Warnings, problems...).sorted()
	}
	return f, nil
}

func (f *File) errorsIn(problems []config.Problem) Problems { return f.Locate(problems) }

// Parse checks the text of a file, and reads no other. name stands in front of mistakes.
// The error is of type Problems.
func Parse(name string, text []byte) (*File, error) {
	s := &source{name: name, text: text}
	if len(text) > maxSize {
		return nil, Problems{{File: name, Line: 1, Column: 1, Text: fmt.Sprintf("the file has more than %d MiB", maxSize>>20)}}
	}
	body, problem := parseYAML(s)
	if problem != nil {
		return nil, Problems{*problem}
	}
	d := newDecoder(s)
	d.findAnchors(body)
	f := &File{Name: name, Config: &config.Config{}, source: s}
	d.decode(body, nil, f.Config)
	problems := append(d.problems, f.Locate(d.withoutConsequences(config.Check(f.Config)))...).sorted()
	if len(problems.errors()) > 0 {
		return f, problems
	}
	f.Warnings = problems
	f.Files = f.named()
	return f, nil
}

// Locate finds the places of problems in the file.
func (f *File) Locate(problems []config.Problem) Problems {
	var located Problems
	for _, p := range problems {
		at := f.source.position(p.Place, p.Key)
		if p.Other != nil {
			p.Text += fmt.Sprintf("; the other one is in line %d", f.source.position(p.Other, true).line)
		}
		located = append(located, f.source.problem(at, p.Text, p.Warning))
	}
	return located.sorted()
}

// path returns the path of a file that is named in f.
func (f *File) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(f.Name), name)
}
