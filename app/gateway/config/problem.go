package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is a mistake in a Config, or a warning.
type Problem struct {
	// Place leads to the mistake: the keys of the file and the indices of lists, from 0.
	Place Place
	// Other is the place of another key that contributes to the mistake, or nil.
	Other Place
	// Key is set if the mistake is the last key of Place, not its value.
	Key bool
	// Text is a sentence without its final period.
	Text string
	// Warning is set if the gateway can start with it, though it is probably unintended.
	Warning bool
}

// Error returns the place and the sentence.
func (p Problem) Error() string { return p.Place.String() + ": " + p.Text }

// Place leads to a part of a Config.
type Place []string

// In returns the place of a part of what is at p.
func (p Place) In(parts ...string) Place { return append(slices.Clip(p), parts...) }

// At returns the place of an element of the list at p.
func (p Place) At(i int) Place { return p.In(strconv.Itoa(i)) }

// String returns p as text: routes "/a/" 0 to.
func (p Place) String() string {
	var words []string
	for _, part := range p {
		if strings.ContainsAny(part, "/ .*") {
			part = strconv.Quote(part)
		}
		words = append(words, part)
	}
	return strings.Join(words, " ")
}

// checker collects problems.
type checker struct {
	config   *Config
	problems []Problem
	used     map[string]bool // backends
}

func (c *checker) fail(at Place, format string, values ...any) {
	c.problems = append(c.problems, Problem{Place: at, Text: fmt.Sprintf(format, values...)})
}

func (c *checker) failKey(at Place, format string, values ...any) {
	c.problems = append(c.problems, Problem{Place: at, Key: true, Text: fmt.Sprintf(format, values...)})
}

func (c *checker) warn(at Place, format string, values ...any) {
	c.problems = append(c.problems, Problem{Place: at, Text: fmt.Sprintf(format, values...), Warning: true})
}

func (c *checker) failIf(at Place, err error) {
	if err != nil {
		c.fail(at, "%v", err)
	}
}
