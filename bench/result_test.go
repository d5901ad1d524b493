package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// costsOf returns an outcome with these costs.
func costsOf(server string, values ...float64) outcome {
	o := outcome{Server: server, Command: server + " --listen ADDRESS"}
	for _, v := range values {
		o.Samples = append(o.Samples, sample{Requests: 1000, Elapsed: time.Second, CPU: time.Second / 2, Cost: v})
	}
	return o
}

// measured returns the result of a run of one case.
func measured(ours ...float64) *result {
	c := &benchCase{name: "h1", about: "HTTP/1.1", reference: "floor", goals: []goal{{"nginx", 0.5}}}
	rep := newReport(c, []outcome{costsOf("gatewheel", ours...), costsOf("floor", 5, 5, 5, 5, 5, 5), costsOf("nginx", 10, 10, 12, 10, 9, 10),
		{Server: "h2o", LeftOut: "h2o is not installed"}})
	return &result{Machine: machine{CPU: "a processor", Go: "go1", Command: "bench"}, Rounds: 6, Duration: time.Second, Reports: []report{rep}}
}

func TestReportOfARun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "report")
	if err := measured(8, 8, 8, 8, 8, 9).write(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"report.md", "result.json", "h1.svg", "h1.png", "summary.svg", "summary.png"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| [h1](#h1) | µs/request | 8.00 | 12 % | nginx 10.00 | 0.80 (0.67 to 0.90) | 1.60 (1.60 to 1.80) | missed |",
		"| [h1](#h1) | 0.80 of nginx, wanted at most 0.50 | missed |",
		"| nginx | 10.00 | 20 % | 0.80 (0.67 to 0.90) | 1000 | 50 % |",
		"- left out: h2o: h2o is not installed",
		"nginx --listen ADDRESS",
		"![h1: µs/request](h1.svg)",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
}

func TestComparisonTellsChangesFromChance(t *testing.T) {
	write := func(name string, costs ...float64) string {
		path := filepath.Join(t.TempDir(), name)
		if err := measured(costs...).writeJSON(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	older := write("older.json", 8, 8.1, 8.2, 8, 8.1, 8.2)
	for _, c := range []struct {
		newer []float64
		want  string
	}{
		{[]float64{6, 6.1, 6.2, 6, 6.1, 6.2}, "-24.7 %"},
		{[]float64{8.1, 8, 8.2, 8.2, 8, 8.1}, "~"},
	} {
		var out bytes.Buffer
		if err := compare([]string{older, write("newer.json", c.newer...)}, &out); err != nil {
			t.Fatal(err)
		}
		line := ""
		for l := range strings.Lines(out.String()) {
			if strings.Contains(l, "gatewheel") {
				line = l
			}
		}
		if !strings.Contains(line, c.want) {
			t.Errorf("%v: want %q in\n%s", c.newer, c.want, out.String())
		}
	}
	if err := compare([]string{older}, &bytes.Buffer{}); err == nil {
		t.Error("one file was taken")
	}
	if err := compare([]string{older, "absent.json"}, &bytes.Buffer{}); err == nil {
		t.Error("an absent file was taken")
	}
}

func TestSecondRunIsComparedWithTheRoundsOfTheFirst(t *testing.T) {
	var a agreement
	first, second := measured(8, 8, 8, 8, 8, 9), measured(8.5, 8.5, 8.5, 8.5, 8.5, 8.5)
	a.add(&first.Reports[0], &second.Reports[0])
	if a.costs != 3 || a.costsOf != 3 || a.ratios != 1 || a.ratiosOf != 1 {
		t.Errorf("all is within the rounds: %+v", a)
	}
	slower := measured(12, 12, 12, 12, 12, 12)
	a = agreement{}
	a.add(&first.Reports[0], &slower.Reports[0])
	if a.costs != 2 || a.ratios != 0 || len(a.differing) != 1 || !strings.Contains(a.differing[0], "h1: 0.80 (0.67 to 0.90) of nginx, then 1.20") {
		t.Errorf("ours is not within the rounds: %+v", a)
	}
}

func TestReportOfTimesAndPrograms(t *testing.T) {
	o := outcome{Server: "gatewheel", Samples: []sample{{Requests: 1, Elapsed: time.Second, Cost: 900, P50: 100, P999: 2000, Late: 50, Pace: 5000}}}
	rep := newReport(&benchCase{name: "latency", latency: true}, []outcome{o})
	var b bytes.Buffer
	rep.writeTimes(&b)
	if want := "| gatewheel | 100.0 | 900.0 | 2000 | 50.00 | 5000 |"; !strings.Contains(b.String(), want) {
		t.Errorf("want %q in\n%s", want, b.String())
	}
	o = outcome{Server: "gatewheel", Samples: []sample{{Requests: 1, Elapsed: time.Second, Cost: 20, Program: 12 << 20}}}
	rep = newReport(&benchCase{name: "start", startup: true}, []outcome{o})
	b.Reset()
	rep.writePrograms(&b)
	if want := "| gatewheel | 12.0 |"; !strings.Contains(b.String(), want) {
		t.Errorf("want %q in\n%s", want, b.String())
	}
}

func TestRunIsContinued(t *testing.T) {
	path := filepath.Join(t.TempDir(), resultFile)
	if err := measured(8, 8, 8, 8, 8, 9).writeJSON(path); err != nil {
		t.Fatal(err)
	}
	next := &result{Machine: machine{Started: time.Unix(1, 0)}, Rounds: 6, Duration: time.Second}
	res, err := next.continued(path)
	if err != nil {
		t.Fatal(err)
	}
	if !res.has("h1") || res.has("h2") || len(res.Continued) != 1 {
		t.Errorf("the result is %+v", res)
	}
	next.Machine.Revision = "another"
	if _, err := next.continued(path); err == nil {
		t.Error("a run of another binary was continued")
	}
	next.Machine.Revision, next.Rounds = "", 5
	if _, err := next.continued(path); err == nil {
		t.Error("a run of other rounds was continued")
	}
}
