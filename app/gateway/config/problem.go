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

// Suggest returns `; did you mean "x"?` with the name that is most similar to what was
// written, or "" if none is.
func Suggest(written string, names []string) string {
	best, least := "", (len(written)+1)/3
	for _, name := range names {
		if d := distance(strings.ToLower(written), strings.ToLower(name)); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	if best == "" || best == written {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance returns the number of letters to insert, delete, replace or swap with their
// neighbour that turn a into b. Long texts differ more than any names do.
func distance(a, b string) int {
	const most = 64
	if len(a) > most || len(b) > most {
		return most
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			differs := 1
			if a[i-1] == b[j-1] {
				differs = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differs)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
