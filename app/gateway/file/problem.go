package file

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// Problem is a mistake in a file.
type Problem struct {
	// File is the name of the file.
	File string
	// Line and Column count from 1. A column is a character.
	Line, Column int
	// Text is a sentence without its final period.
	Text string
	// Warning is set if the gateway can start with it, though it is probably unintended.
	Warning bool
	// Source is the line of the file.
	Source string
}

// Error returns file:line:column: sentence.
func (p Problem) Error() string {
	kind := ""
	if p.Warning {
		kind = "warning: "
	}
	return fmt.Sprintf("%s:%d:%d: %s%s", p.File, p.Line, p.Column, kind, p.Text)
}

// Detail returns Error, the line of the file, and a caret under the column.
func (p Problem) Detail() string {
	line, column := []rune(p.Source), p.Column-1
	const before, most = 80, 160 // of a long line
	if column > before {
		cut := min(column-before, len(line))
		line, column = line[cut:], column-cut
	}
	if len(line) > most {
		line = line[:most]
	}
	under := make([]rune, 0, column+1)
	for i := range line {
		if line[i] != '\t' && !unicode.IsPrint(line[i]) {
			line[i] = unicode.ReplacementChar
		}
	}
	for i := range column {
		if i < len(line) && line[i] == '\t' {
			under = append(under, '\t')
		} else {
			under = append(under, ' ')
		}
	}
	return p.Error() + "\n  " + string(line) + "\n  " + string(under) + "^\n"
}

// Problems are the mistakes of a file, in its order.
type Problems []Problem

// Error returns the mistakes, one a line.
func (ps Problems) Error() string {
	var lines []string
	for _, p := range ps {
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

// errors returns those that are no warnings.
func (ps Problems) errors() (errors Problems) {
	for _, p := range ps {
		if !p.Warning {
			errors = append(errors, p)
		}
	}
	return errors
}

// sorted sorts ps by line and column, and drops repetitions.
func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return slices.Compact(ps)
}

// source is the text of a file, and the positions of what it says.
type source struct {
	name   string
	text   []byte
	lines  []string
	places map[string]places
}

// places are the positions of the key and the value of a place.
type places struct{ key, value position }

// position counts from 1.
type position struct{ line, column int }

func placeKey(at config.Place) string { return strings.Join(at, "\x00") }

// position returns where a place is, or the nearest place around it.
func (s *source) position(at config.Place, key bool) position {
	for n := len(at); n >= 0; n-- {
		found, ok := s.places[placeKey(at[:n])]
		switch {
		case !ok:
		case key && n == len(at) && found.key != position{}:
			return found.key
		default:
			return found.value
		}
	}
	return position{1, 1}
}

func (s *source) problem(at position, text string, warning bool) Problem {
	return Problem{File: s.name, Line: at.line, Column: at.column, Text: text, Warning: warning, Source: s.line(at.line)}
}

// line returns a line of the file, or "" if there is none.
func (s *source) line(n int) string {
	if s.lines == nil {
		s.lines = strings.Split(strings.ReplaceAll(string(s.text), "\r\n", "\n"), "\n")
	}
	if n < 1 || n > len(s.lines) {
		return ""
	}
	return s.lines[n-1]
}
