// Package suggest finds the name that somebody who wrote another one has meant.
package suggest

import (
	"fmt"
	"strings"
)

// Name returns `; did you mean "x"?` with the name that is most similar to what was
// written, or "" if none is.
func Name(written string, names []string) string {
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
