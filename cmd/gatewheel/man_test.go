//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// manual returns the manual page in roff, and the path of a file with it.
func manual(t *testing.T) (page, path string) {
	t.Helper()
	code, page, stderr := toEnd(t, nil, "man")
	if code != exitClean || stderr != "" {
		t.Fatalf("exit %d, stderr %q", code, stderr)
	}
	path = filepath.Join(t.TempDir(), "gatewheel.1")
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	return page, path
}

// TestManualPageForMandoc: mandoc has nothing to say about the page, and prints it as it was meant.
func TestManualPageForMandoc(t *testing.T) {
	_, path := manual(t)
	out, _ := exec.CommandContext(t.Context(), toolPath(t, "mandoc"), "-Tlint", "-W", "style", path).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		// A test binary is of no commit, and so of no date.
		if !strings.Contains(line, "missing date") {
			t.Error(line)
		}
	}

	printed := output(t, "", toolPath(t, "mandoc"), "-Tascii", "-O", "width=200", path)
	printed = regexp.MustCompile(`.\x08`).ReplaceAllString(printed, "") // bold and underlined characters
	for _, want := range []string{
		"gatewheel - HTTP server and gateway on event loops",
		"gatewheel explain [flags] FILE REQUEST",
		"--listen=ADDRESS,...\n",
		"--h2, --no-h2\n",
		"-H, --header=NAME:VALUE\n",
		"(GATEWHEEL_MAX_CONNECTIONS)\n",
		"gatewheel explain gateway.yaml 'GET https://api.example.com/users/1'\n",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("no %q in\n%s", want, printed)
		}
	}
}

// TestManualPageForGroffMan: so does man, as Debian runs it over the pages of its packages.
func TestManualPageForGroffMan(t *testing.T) {
	_, path := manual(t)
	cmd := exec.CommandContext(t.Context(), toolPath(t, "man"), "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", path)
	cmd.Env = []string{"LC_ALL=C.UTF-8", "MANROFFSEQ=", "MANWIDTH=80", "PATH=/usr/bin:/bin"}
	var warnings strings.Builder
	cmd.Stderr = &warnings
	if err := cmd.Run(); err != nil || warnings.Len() > 0 {
		t.Errorf("man: %v\n%s", err, warnings.String())
	}
}

// TestManualPageHasEveryFlag: each flag of each command is described once, with its variable.
func TestManualPageHasEveryFlag(t *testing.T) {
	page, _ := manual(t)
	for _, command := range []string{"serve", "gateway", "check", "explain", "completion", "man", "version"} {
		_, help, _ := toEnd(t, nil, command, "--help")
		for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--(?:\[no-\])?([a-z0-9-]+)`).FindAllStringSubmatch(help, -1) {
			name := `\fB\-\-` + strings.ReplaceAll(m[1], "-", `\-`) + `\fR`
			described := regexp.MustCompile(`(?m)^\.TP\n(\\fB\\-\w\\fR, )?` + regexp.QuoteMeta(name))
			if n := len(described.FindAllString(page, -1)); n != 1 {
				t.Errorf("--%s of %s is described %d times", m[1], command, n)
			}
			variable := `\%(GATEWHEEL_` + strings.ToUpper(strings.ReplaceAll(m[1], "-", "_")) + ")\n"
			if m[1] != "help" && m[1] != "version" && !strings.Contains(page, variable) {
				t.Errorf("--%s of %s has no variable", m[1], command)
			}
		}
	}
}

// TestManualPageHasSignalsAndExitCodes: it names those of docs/operations.md.
func TestManualPageHasSignalsAndExitCodes(t *testing.T) {
	page, _ := manual(t)
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"Signals", "Exit codes"} {
		_, section, _ := strings.Cut(string(operations), "\n## "+table+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		rows := regexp.MustCompile(`(?m)^\| ((?:SIG|\d)[^|]*) \|`).FindAllStringSubmatch(section, -1)
		if len(rows) < 4 {
			t.Fatalf("%s has %d rows", table, len(rows))
		}
		for _, row := range rows {
			if !strings.Contains(page, ".TP\n\\fB"+row[1]+"\\fR\n") {
				t.Errorf("%s: the page does not describe %s", table, row[1])
			}
		}
	}
}
