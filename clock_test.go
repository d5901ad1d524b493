package gatewheel_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wallTimes are the files that read the clock of the system as a number, and what they use it for. Nothing there
// computes when something is due: that has to follow the monotonic clock, which goes on when somebody sets the other one
// (time.Time.Sub and Before do so, and moment.Steady).
var wallTimes = map[string]string{
	"app/files/fs.go":                  "names a version of a file",
	"app/files/state_other.go":         "compares versions of a file",
	"app/middleware/sessions.go":       "dates a cookie, which another process may read",
	"app/server/accesslog/clock.go":    "notices a new second, whose text is written anew",
	"app/server/accesslog/strftime.go": "writes the time",
	"app/server/loop.go":               "notices a new second, in which counters are published",
	"h1/date.go":                       "notices a new second, whose date is written anew",
	"h2/shared.go":                     "notices a new second, whose date is written anew",
	"internal/clockjump/clockjump.go":  "sets the clock in tests",
	"internal/moment/steady.go":        "begins the steady clock",
}

// TestNothingIsDueByTheWallClock: a time that is kept as a number since 1970 has lost its monotonic reading.
func TestNothingIsDueByTheWallClock(t *testing.T) {
	number := regexp.MustCompile(`\.Unix(Nano|Milli|Micro)?\(\)`)
	found := map[string]bool{}
	for _, root := range []string{"app", "cmd", "h1", "h2", "internal", "reactor", "ws"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if found[path] = number.Match(text); found[path] && wallTimes[path] == "" {
				t.Errorf("%s reads the clock of the system as a number: use moment.Steady, or name its use in this test", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for path := range wallTimes {
		if !found[path] {
			t.Errorf("%s is named in this test, and reads no clock as a number", path)
		}
	}
}
