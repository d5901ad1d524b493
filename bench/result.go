package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// result is what a run of this program has shown, as it is written to result.json.
type result struct {
	Machine  machine       `json:"machine"`
	Rounds   int           `json:"rounds"`
	Duration time.Duration `json:"duration_ns"`
	Reports  []report      `json:"cases"`
	// Continued are the times at which further cases were added.
	Continued []time.Time `json:"continued,omitempty"`
}

// resultFile is the name of the result in the folder of a report.
const resultFile = "result.json"

// write writes the result, report.md and the plots to a folder, which it creates.
func (res *result) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := res.writeJSON(filepath.Join(dir, resultFile)); err != nil {
		return err
	}
	return res.render(dir)
}

// render writes report.md and the plots to a folder.
func (res *result) render(dir string) error {
	plots, err := res.plot(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "report.md"), res.markdown(plots), 0o644)
}

func (res *result) writeJSON(path string) error {
	text, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// readResult reads what writeJSON has written.
func readResult(path string) (*result, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	res := new(result)
	if err := json.Unmarshal(text, res); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(res.Reports) == 0 {
		return nil, fmt.Errorf("%s: there are no cases", path)
	}
	return res, nil
}

// has reports whether the result has a case.
func (res *result) has(name string) bool {
	return slices.ContainsFunc(res.Reports, func(rep report) bool { return rep.Case == name })
}

// continued returns the result in a file, to which res adds further cases. It fails if res is about another binary or
// other rounds.
func (res *result) continued(path string) (*result, error) {
	earlier, err := readResult(path)
	switch {
	case err != nil:
		return nil, err
	case earlier.Machine.Revision != res.Machine.Revision:
		return nil, fmt.Errorf("%s is about %s, not %s", path, earlier.Machine.Revision, res.Machine.Revision)
	case earlier.Rounds != res.Rounds || earlier.Duration != res.Duration:
		return nil, fmt.Errorf("%s has %d rounds of %v", path, earlier.Rounds, earlier.Duration)
	}
	earlier.Continued = append(earlier.Continued, res.Machine.Started)
	return earlier, nil
}

// renderAgain writes the report of a result.json anew, into its folder, with the goals of this program.
func renderAgain(args []string) error {
	if len(args) != 1 {
		return errors.New("report FOLDER/result.json")
	}
	res, err := readResult(args[0])
	if err != nil {
		return err
	}
	for i := range res.Reports {
		rep := &res.Reports[i]
		if c := caseNamed(rep.Case); c != nil {
			*rep = newReport(c, rep.Outcomes)
		}
	}
	return res.render(filepath.Dir(args[0]))
}
