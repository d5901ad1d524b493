//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// completionScript writes the script for shell into a file of a directory that also has a file and a folder, and
// returns the path of the directory.
func completionScript(t *testing.T, shell string) string {
	t.Helper()
	code, script, stderr := toEnd(t, nil, "completion", shell)
	if code != exitClean || stderr != "" {
		t.Fatalf("exit %d, stderr %q", code, stderr)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "site"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"script": script, "site.yaml": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// shell runs a shell in dir, without the files of the user, and returns what it prints.
func shell(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, toolPath(t, program), args...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "PATH=/usr/bin:/bin", "TERM=dumb", "LC_ALL=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}

// completions are command lines and what the word at their end may become.
var completions = []struct {
	line string
	want []string
}{
	{"gatewheel ser", []string{"serve"}},
	{"gatewheel --ver", []string{"--version"}},
	{"gatewheel serve --li", []string{"--listen", "--listen-tls"}},
	{"gatewheel serve --no-met", []string{"--no-metrics"}},
	{"gatewheel serve --no-metrics --roo", []string{"--root"}},
	{"gatewheel serve --log-format ", []string{"json", "text"}},
	{"gatewheel serve --proxy-protocol r", []string{"require"}},
	{"gatewheel serve --root s", []string{"site/"}},
	{"gatewheel serve --listen :80 --tls-cert si", []string{"site.yaml", "site/"}},
	{"gatewheel gateway --vi", []string{"--via-name"}},
	{"gatewheel serve --vi", nil},
	{"gatewheel check site.", []string{"site.yaml"}},
	{"gatewheel explain --from 192.0.2.7 site.", []string{"site.yaml"}},
	{"gatewheel completion z", []string{"zsh"}},
	{"gatewheel completion zsh b", nil},
}

func TestCompletionInBash(t *testing.T) {
	dir := completionScript(t, "bash")
	const complete = `
		source ./script
		COMP_WORDS=("$@")
		COMP_CWORD=$(($# - 1))
		_gatewheel
		printf '%s\n' "${COMPREPLY[@]}"`
	for _, c := range completions {
		words := strings.Split(c.line, " ")
		got := strings.Fields(shell(t, dir, "bash", append([]string{"--norc", "-c", complete, "complete"}, words...)...))
		for i, word := range got { // readline appends the slash
			if word == "site" {
				got[i] = "site/"
			}
		}
		sameCompletions(t, c.line, got, c.want)
	}
	// readline splits --log-level=i at the sign.
	got := strings.Fields(shell(t, dir, "bash", "--norc", "-c", complete, "complete", "gatewheel", "serve", "--log-level", "=", "i"))
	sameCompletions(t, "--log-level=i", got, []string{"info"})
	got = strings.Fields(shell(t, dir, "bash", "--norc", "-c", complete, "complete", "gatewheel", "serve", "--log-level", "="))
	sameCompletions(t, "--log-level=", got, []string{"debug", "error", "info", "warn"})
}

func TestCompletionInFish(t *testing.T) {
	dir := completionScript(t, "fish")
	var lines []string
	for _, c := range completions {
		lines = append(lines, c.line)
	}
	// One start of fish for all: each answer ends with a line of its own.
	out := shell(t, dir, "fish", append([]string{"--no-config", "-c",
		`source ./script; for line in $argv; complete -C $line; echo END; end`}, lines...)...)
	answers := strings.Split(out, "END\n")
	for i, c := range completions {
		var got []string
		for line := range strings.Lines(answers[i]) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			got = append(got, word)
		}
		sameCompletions(t, c.line, got, c.want)
	}
	if !strings.Contains(out, "serve\tServe the built-in application until told to stop\n") {
		t.Errorf("the command has no description in\n%s", out)
	}
}

func sameCompletions(t *testing.T, line string, got, want []string) {
	t.Helper()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%q becomes %q, want %q", line, got, want)
	}
}

// TestCompletionInZsh types into a shell on a terminal. Only completions without alternatives end in the line.
func TestCompletionInZsh(t *testing.T) {
	dir := completionScript(t, "zsh")
	const types = `
		zmodload zsh/zpty
		zpty child zsh -f -i
		zpty -w child 'PS1= PS2= RPS1=; unsetopt zle_bracketed_paste; autoload -Uz compinit && compinit -u -D && source ./script'
		# The terminal echoes these lines too, so what is waited for does not stand in them.
		zpty -w child 'show() { print -r -- $'"'\\x3c'"'"$BUFFER"$'"'\\x3e'"'; BUFFER= }; zle -N show; bindkey "^T" show'
		zpty -w child 'zle-line-init() { print "REA""DY" }; zle -N zle-line-init'
		zpty -r child answer '*READY*'
		for line; do
			zpty -w -n child $line$'\t\C-t'
			zpty -r child answer '*<*>*'
			answer=${answer##*<}
			print -r -- "${answer%%>*}"
		done
		zpty -d child`
	typed := []string{"gatewheel serve --listen :80 --tls-cert site."}
	want := []string{"gatewheel serve --listen :80 --tls-cert site.yaml "}
	for _, c := range completions {
		if len(c.want) == 1 {
			typed = append(typed, c.line)
			want = append(want, c.line[:strings.LastIndexByte(c.line, ' ')+1]+c.want[0])
		}
	}
	got := strings.Split(shell(t, dir, "zsh", append([]string{"-f", "-c", types, "complete"}, typed...)...), "\n")
	for i := range want {
		// zsh ends a word with a blank, and a flag with a value with the sign.
		if i >= len(got) || strings.TrimRight(got[i], " =") != strings.TrimRight(want[i], " ") {
			t.Errorf("%q becomes %q, want %q", typed[i], got[min(i, len(got)-1)], want[i])
		}
	}
}

// TestCompletionHasEveryFlag: the scripts know the flags of the help.
func TestCompletionHasEveryFlag(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		_, script, _ := toEnd(t, nil, "completion", shell)
		for _, name := range documented(t) {
			written := "--" + name
			if shell == "fish" {
				written = "-l " + name
			}
			if !strings.Contains(script, written) {
				t.Errorf("%s: no %s", shell, written)
			}
		}
	}
}

// TestCompletionForAShellThatIsUnknown is a mistake in the command line.
func TestCompletionForAShellThatIsUnknown(t *testing.T) {
	code, _, stderr := toEnd(t, nil, "completion", "csh")
	if code != exitUsage {
		t.Errorf("exit %d, want %d", code, exitUsage)
	}
	oneSentence(t, stderr, "csh")
}
