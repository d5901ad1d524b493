//go:build linux

package metrics

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// monitoring is the directory of rules and dashboard.
const monitoring = "../../../docs/monitoring/"

// row returns the row of a family in docs/operate.md.
func (f *family) row() string {
	labels := strings.Join(f.labels, "`, `")
	if labels != "" {
		labels = "`" + labels + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", f.name, f.kind, labels, strings.ReplaceAll(f.help, "|", "\\|"))
}

func TestTheDocumentedMetricsAreThoseOfTheCode(t *testing.T) {
	text, err := os.ReadFile("../../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^\| .(?:gatewheel|http_server)_.*$`).FindAllString(string(text), -1) {
		documented[line] = true
	}
	for _, f := range families {
		if row := f.row(); documented[row] {
			delete(documented, row)
		} else {
			t.Errorf("docs/operate.md lacks\n%s", row)
		}
	}
	for line := range documented {
		t.Errorf("docs/operate.md has what the code has not:\n%s", line)
	}
}

// The dashboard and the rules name no metric that does not exist.
func TestQueriesNameMetricsThatExist(t *testing.T) {
	exist := map[string]bool{}
	for name, f := range gather(t, New(Options{})) {
		exist[name] = true
		_ = f
	}
	for _, f := range families {
		exist[f.name] = true
		if f.kind == "histogram" {
			exist[f.name+"_bucket"], exist[f.name+"_count"], exist[f.name+"_sum"] = true, true, true
		}
	}
	names := regexp.MustCompile(`\b(?:gatewheel|http_server|process|go)_[a-z0-9_]+`)
	for _, file := range []string{"rules.yml", "rules_test.yml", "dashboard.json"} {
		text, err := os.ReadFile(monitoring + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names.FindAllString(string(text), -1) {
			if !exist[name] {
				t.Errorf("%s has %s, which does not exist", file, name)
			}
		}
	}
}

// promtool runs Prometheus' tool with input.
func promtool(t *testing.T, input string, arguments ...string) {
	t.Helper()
	cmd := exec.Command("promtool", arguments...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
}

func TestRulesPassPromtool(t *testing.T) {
	promtool(t, "", "check", "rules", monitoring+"rules.yml")
	promtool(t, "", "test", "rules", monitoring+"rules_test.yml")
}

// Every alert of the rules has a test, and a row in the documentation.
func TestEachAlertIsTestedAndExplained(t *testing.T) {
	var texts [3]string
	for i, file := range []string{monitoring + "rules.yml", monitoring + "rules_test.yml", "../../../docs/operate.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	for _, found := range regexp.MustCompile(`alert: (\w+)`).FindAllStringSubmatch(texts[0], -1) {
		if !regexp.MustCompile(`alertname: ` + found[1] + `\n(?:.*\n)?\s+exp_alerts`).MatchString(texts[1]) {
			t.Errorf("no test expects %s", found[1])
		}
		if !strings.Contains(texts[2], "`"+found[1]+"`") {
			t.Errorf("docs/operate.md does not explain %s", found[1])
		}
	}
}
